"""A table that is the whole data set: parameters and QoIs of every case, and the names of geometry files."""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Collection as Names
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath

from tramontane.errors import FormatError, UnitError
from tramontane.formats.results import CaseSource, Collection, Results
from tramontane.formats.surfaces.geometry import SUFFIXES as GEOMETRY_SUFFIXES
from tramontane.formats.tables.csv_sheet import Sheet
from tramontane.formats.tables.table import QOI, SUFFIXES, Table, read_head, read_sheet
from tramontane.units import Quantity, parse_quantity, unit_in_name

LAYOUT = "table"
_CASE = ("case", "name", "id", "design", "run", "sample", "experiment", "simulation", "variant", "index", "nr", "no",
         "number", "#")  # fmt: skip
_SPLIT = ("split", "subset", "set", "partition")
_SPLITS = {
    **dict.fromkeys(("train", "training", "fit"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "holdout"), "test"),
}
_MISSING = (
    "", "nan", "na", "n/a", "#n/a", "nat", "null", "none", "-", "--", "–", "—", "?", "#nv", "#div/0!", "#wert!",
    "#value!", "#valeur!", "#ref!", "#bezug!", "#num!", "#zahl!", "#name?", "k.a.", "n.v.",
)  # fmt: skip
# Names that results have and inputs have not; then those that either may have.
_RESULT = re.compile(
    r"(^|_)(drag|lift|downforce|cd|cl|cm|cx|cy|cz|mass|weight|deflection|displacement|compliance|efficiency|losses|loss|"
    r"max|min|mean|avg|average|peak|rms|frequency|eigenfrequency|stress|strain|mises|safety_factor|drop|dp|"
    r"nusselt|objective|output|result|response|target|qoi|"
    r"widerstand|auftrieb|spannung|verformung|verschiebung|durchbiegung|masse|gewicht|wirkungsgrad|druckverlust|ergebnis|"
    r"trainee|portance|contrainte|fleche|deplacement|poids|rendement|perte|resultat)\d*($|_)"
)
_EITHER = re.compile(
    r"(^|_)(force|f[xyz]|moment|m[xyz]|torque|pressure|temperature|power|coefficient|flux|cost|total)($|_)|^y\d*$"
)


@dataclass(frozen=True)
class _Column:
    """One column: where it stands, its header as written, its name (with ``qoi.`` before a result's) and its unit."""

    place: int
    head: str
    name: str
    unit: str | None

    @property
    def word(self) -> str:
        """The bare name in small letters."""
        plain = unicodedata.normalize("NFKD", self.name.removeprefix(QOI)).encode("ascii", "ignore").decode()
        return re.sub(r"[^a-z0-9#]+", "_", plain.lower()).strip("_")


def table_alone(folder: Path) -> Path | None:
    """The one table of a folder, where no other than geometry files stand beside it; the caller knows of cases below.

    Args:
        folder: To look at; result files in it are taken for geometry where the table names such.
    """
    tables = [file for file in sorted(folder.iterdir()) if file.is_file() and file.suffix.lower() in SUFFIXES]
    return tables[0] if len(tables) == 1 else None


def is_table(path: Path) -> bool:
    """Whether a path is a table of designs."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def names_geometry(file: Path) -> bool:
    """Whether a table has a column of names of geometry files; False for a table that cannot be read."""
    try:
        sheet = read_sheet(file)
    except FormatError:
        return False
    return any(_is_geometry(_cells(sheet, place)) for place in range(len(sheet.heads)))


def read_designs(file: Path, *, length_unit: str = "m") -> Collection:
    """The cases of a table, a line each.

    A header may carry a unit (``speed [m/s]``; beside the column of geometry files, their length unit) and says
    ``qoi:`` before what is a result. Where no header says so, results are told by their names (``drag``, ``max_...``);
    a contract overrules both. Cells that are empty, or no finite numbers, keep their case from being used as far as a
    contract asks for them.

    Args:
        file: CSV or Parquet.
        length_unit: Of the geometry files where no header says it.

    Raises:
        FormatError: The table cannot be read, two columns or cases have one name, or a unit or split is unknown; line
            and column are named.
    """
    sheet = read_sheet(file)
    if len(sheet.heads) == 1:
        raise FormatError(f"{file}: has one column, {sheet.heads[0].strip()!r}; separate columns by commas, semicolons "
                          "or tabs")  # fmt: skip
    columns = _columns(file, sheet)
    shape = _geometry_column(file, sheet, columns)
    split = next((c for c in columns if c.word in _SPLIT and not _is_numeric(_cells(sheet, c.place))), None)
    case = _case_column(sheet, [column for column in columns if column not in (shape, split)])
    rest = [column for column in columns if column not in (shape, split, case)]
    numeric = [column for column in rest if _is_numeric(_cells(sheet, column.place))]
    texts = [column for column in rest if column not in numeric]
    results = _results(numeric)
    names = _case_names(file, sheet, case, shape)
    table: Table = {}
    sources = []
    for (line, row), name in zip(sheet.rows, names, strict=True):
        absent: dict[str, str] = {}
        table[name] = {}
        for column in numeric:
            bare = column.name.removeprefix(QOI)
            try:
                quantity = _number(row[column.place])
            except FormatError as error:
                absent[bare] = f"{file}: line {line}, column {column.head!r}: {error}"
                continue
            unit = column.unit if quantity.unit is None else quantity.unit
            table[name][QOI + bare if column in results else bare] = Quantity(quantity.value, unit)
        geometry = None
        if shape is not None:
            entry = row[shape.place].strip()
            geometry = _geometry_path(file.parent, entry) if entry.lower() not in _MISSING else file.parent
        place = f"{file}: line {line}" + ("" if shape is None else f", column {shape.head!r}")
        read = functools.partial(_read_line, place, file.name, geometry, absent)
        sources.append(CaseSource(name, file, read, files=() if geometry is None else (geometry,)))
    return Collection(
        file,
        LAYOUT,
        sources,
        splits=_official_splits(file, sheet, split, names),
        table=table,
        length_unit=(shape.unit if shape else None) or length_unit,
        length_assumed=shape is not None and not shape.unit,
        notes=_notes(file, case, shape, numeric, results, texts, sheet.notes),
    )


def check_results(collection: Collection) -> None:
    """That something of a table is known to be a result, for want of a contract that would say it.

    Raises:
        FormatError: Nothing is; how to say it is said.
    """
    if collection.layout != LAYOUT or any(key.startswith(QOI) for row in collection.table.values() for key in row):
        return
    names = list(dict.fromkeys(key for row in collection.table.values() for key in row))
    example = names[-1] if names else "drag"
    raise FormatError(
        f"{collection.root}: which columns are results is not said by their names ({', '.join(names)}); write "
        f"'qoi:{example}' for '{example}' in the first line if that is one, or `tramontane inspect {collection.root} "
        f"--write-contract contract.toml`, turn the heading [parameters.{example}] of each result into "
        f"[qoi.{example}], and `tramontane ingest {collection.root} --contract contract.toml`"
    )


def _read_line(place: str, table: str, geometry: Path | None, absent: Mapping[str, str]) -> Results:
    """What a line says beside its numbers."""
    if geometry is not None and not geometry.is_file():
        raise FormatError(f"{place}: {'there is no file ' + str(geometry) if not geometry.is_dir() else 'is empty'}; "
                          "name a geometry file, relative to the table, or leave the line out")  # fmt: skip
    files = [] if geometry is None else [geometry]
    return Results(geometry=geometry, files=files, extra={"table": table}, absent=dict(absent))


# -- columns -----------------------------------------------------------------------------------------------------------


def _columns(file: Path, sheet: Sheet) -> list[_Column]:
    columns: list[_Column] = []
    for place, head in enumerate(sheet.heads):
        # Spreadsheets and data frames leave the head of the names empty.
        name, unit = ("case", None) if place == 0 and not head.strip() else read_head(file, head)
        if twin := next((c for c in columns if c.name.removeprefix(QOI) == name.removeprefix(QOI)), None):
            raise FormatError(f"{file}: has two columns {twin.head!r} and {head.strip()!r} of one name; rename one")
        columns.append(_Column(place, head.strip() or name, name, unit))
    return columns


def _geometry_column(file: Path, sheet: Sheet, columns: Sequence[_Column]) -> _Column | None:
    geometries = [column for column in columns if _is_geometry(_cells(sheet, column.place))]
    if len(geometries) > 1:
        raise FormatError(
            f"{file}: columns {geometries[0].head!r} and {geometries[1].head!r} both name geometry files; keep one"
        )
    return geometries[0] if geometries else None


def _case_column(sheet: Sheet, columns: Sequence[_Column]) -> _Column | None:
    """The column that names cases: by its header, else the first where it holds texts, no two alike."""
    by_head = [
        column for column in columns if column.word.removesuffix("_id") in _CASE and not column.name.startswith(QOI)
    ]
    if by_head:
        return min(by_head, key=lambda column: _CASE.index(column.word.removesuffix("_id")))
    first = next((column for column in columns if column.place == 0), None)
    if first is None or _is_numeric(texts := _cells(sheet, 0)) or len(set(texts)) < len(texts):
        return None
    return first


def _case_names(file: Path, sheet: Sheet, case: _Column | None, shape: _Column | None) -> list[str]:
    if case is None:
        stems = [] if shape is None else [_slashes(cell).stem for cell in _cells(sheet, shape.place)]
        if stems and len(set(stems)) == len(stems) and all(stems):
            return stems
        width = len(str(len(sheet.rows)))
        return [f"{number:0{width}d}" for number in range(1, len(sheet.rows) + 1)]
    line_of: dict[str, int] = {}
    for line, row in sheet.rows:
        name = row[case.place].strip()
        if not name:
            raise FormatError(f"{file}: line {line}, column {case.head!r}: the case has no name; write one")
        if name in line_of:
            raise FormatError(f"{file}: line {line}, column {case.head!r}: is the second one of case {name}, after "
                              f"line {line_of[name]}; keep one, or rename it")  # fmt: skip
        line_of[name] = line
    return list(line_of)


def _official_splits(file: Path, sheet: Sheet, split: _Column | None, names: Sequence[str]) -> dict[str, list[str]]:
    if split is None:
        return {}
    splits: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for (line, row), name in zip(sheet.rows, names, strict=True):
        word = row[split.place].strip()
        if word.lower() not in _SPLITS:
            raise FormatError(f"{file}: line {line}, column {split.head!r}: {word!r} is none of train, validation and "
                              "test; write one of these")  # fmt: skip
        splits[_SPLITS[word.lower()]].append(name)
    if not splits["train"]:
        raise FormatError(f"{file}: column {split.head!r} leaves no case to train on; write train in some lines")
    return splits


def _results(columns: Sequence[_Column]) -> list[_Column]:
    """Which columns are results: those that say so, else those whose names do.

    A force or a temperature may be either. It is a result if it stands after one, or if it is among such that close the
    table.
    """
    stated = [column for column in columns if column.name.startswith(QOI)]
    if stated:
        return stated
    sure = [column for column in columns if _RESULT.search(column.word)]
    either = [column for column in columns if column not in sure and _EITHER.search(column.word)]
    if sure:
        results = [c for c in columns if c in sure or (c in either and c.place > sure[0].place)]
    else:
        results = []
        for column in reversed(columns):
            if column not in either:
                break
            results.insert(0, column)
    return results


def _notes(
    file: Path,
    case: _Column | None,
    shape: _Column | None,
    numeric: Sequence[_Column],
    results: Sequence[_Column],
    texts: Sequence[_Column],
    notes_so_far: Sequence[str],
) -> list[str]:
    def listed(columns: Names[_Column]) -> str:
        return ", ".join(column.name.removeprefix(QOI) for column in columns) or "none"

    by = f"column {case.head!r}" if case else "their geometry files, or their order" if shape else "their order"
    notes = [*notes_so_far, f"{file.name}: cases are named by {by}"]
    if shape is not None:
        unit = shape.unit or "m (for another, write it beside the column's name, or length_unit in a contract)"
        notes.append(f"{file.name}: geometry files are those of column {shape.head!r}, in {unit}")
    inputs = [column for column in numeric if column not in results]
    marked = any(column.name.startswith(QOI) for column in results)
    how = "" if marked else " (told by their names; if that is wrong, write qoi: before each result's, or a contract)"
    notes.append(f"{file.name}: parameters: {listed(inputs)}; QoIs: {listed(results)}{how}")
    names = [column.name.removeprefix(QOI) for column in numeric if column.unit is None]
    if behind := {name: written for name in names if (written := unit_in_name(name)) is not None}:
        units = ", ".join(f"{name} in {written}" for name, written in behind.items())
        notes.append(f"{file.name}: units that stand behind names: {units}")
    if texts:
        notes.append(f"{file.name}: left out, since they hold no numbers: {listed(texts)}")
    return notes


# -- cells -------------------------------------------------------------------------------------------------------------


def _cells(sheet: Sheet, place: int) -> list[str]:
    return [row[place].strip() for _, row in sheet.rows]


def _slashes(entry: str) -> PurePath:
    """A path that was written on any system."""
    return PureWindowsPath(entry) if "\\" in entry else PurePath(entry)


def _geometry_path(folder: Path, entry: str) -> Path:
    """The file that an entry names: with the slashes of Windows, too, which also takes capitals for small letters."""
    file = folder / entry
    if file.exists() or Path(entry).is_absolute():
        return file
    written = _slashes(entry)
    place = folder / Path(*written.parts) if not written.drive else folder / entry
    if place.exists() or written.drive:
        return place
    for part in written.parts:
        beside = folder.iterdir() if folder.is_dir() else ()
        alike = [each for each in beside if each.name.casefold() == part.casefold()]
        if part in (".", "..") or len(alike) != 1:
            folder = folder / part
        else:
            folder = alike[0]
    return folder if folder.exists() else place


def _is_geometry(cells: Sequence[str]) -> bool:
    stated = [cell for cell in cells if cell.lower() not in _MISSING]
    return bool(stated) and sum(cell.lower().endswith(GEOMETRY_SUFFIXES) for cell in stated) > len(stated) / 2


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether at least half of what is stated are numbers; a column in which nothing is stated holds none."""
    stated = [cell for cell in cells if cell.lower() not in _MISSING]
    good = 0
    for cell in stated:
        try:
            _number(cell)
            good += 1
        except FormatError:
            pass
    return bool(stated) and 2 * good >= len(stated)


def _number(cell: str) -> Quantity:
    """A cell's number.

    Raises:
        FormatError: It holds none, without saying where.
    """
    text = cell.strip()
    if text.lower() in _MISSING:
        raise FormatError(f"is {'empty' if not text else repr(text)}; write a number, or leave the case out")
    try:
        quantity = Quantity(float(text))
    except ValueError:
        try:
            quantity = parse_quantity(text)
        except (UnitError, OverflowError):
            raise FormatError(f"{text!r} is no number; write one, such as 1.5 or '1.5 mm'") from None
    if not math.isfinite(quantity.value):
        raise FormatError(f"is {text}; write a finite number, or leave the case out")
    return quantity
