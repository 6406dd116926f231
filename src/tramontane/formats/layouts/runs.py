"""Folders ``run_N`` with a boundary, a volume, an STL and CSV files: what AhmedML, WindsorML and DrivAerML share.

The three are published by the same people in one layout (https://caemldatasets.org). Where their facts come from is
said in the file of each. In all three, ``splits/manifest.json`` has lists of run names under keys such as
``full_train``, ``full_val`` and ``full_test`` (the script that wrote DrivAerML's stands in the data set itself).
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tramontane.errors import FormatError
from tramontane.formats.layouts import shared
from tramontane.formats.results import CaseSource, Collection, Results
from tramontane.formats.tables.table import QOI
from tramontane.units import Quantity

_RUN = re.compile(r"run_(\d+)")
_PART = re.compile(r"\.(\d+)\.part")
_COEFFICIENTS = {
    "cd": "drag_coefficient", "cl": "lift_coefficient", "clf": "front_lift_coefficient",
    "clr": "rear_lift_coefficient", "cs": "side_force_coefficient", "cmy": "moment_coefficient_y",
}  # fmt: skip


@dataclass(frozen=True)
class RunLayout:
    """What tells one data set of this layout from another.

    Attributes:
        name: For people.
        stem: Of the STL: ``ahmed`` in ``ahmed_1.stl``.
        boundary: Suffix of ``boundary_N``.
        forces: Stem of the CSV with coefficients for a constant reference area: ``force_mom`` in ``force_mom_1.csv``.
        parameters: Unit of each column of ``geo_parameters_N.csv``.
        fields: Names the fields of a mesh and returns their units.
        solver: Program and version.
        notes: Sentences that always hold.
        default_splits: Official splits where ``splits/manifest.json`` is not there, by run number.
        count: Of runs that were published.
    """

    name: str
    stem: str
    boundary: str
    forces: str
    parameters: Mapping[str, str]
    fields: Callable[[shared.Mesh, str], dict[str, str]]
    solver: tuple[str, str]
    notes: tuple[str, ...]
    count: int
    default_splits: Mapping[str, Sequence[int]] = field(default_factory=dict)


def find(layout: RunLayout, folder: Path, splits: str | None) -> Collection | None:
    """The collection of a folder of runs, or None where its names are not this data set's."""
    runs = _runs(folder)
    if not any((runs[n] / f"{layout.stem}_{n}.stl").is_file() or _is_named(folder, layout) for n in runs):
        return None
    notes = list(layout.notes)
    files = {f"run_{n}": _files(layout, runs[n], n) for n in runs}
    if len(runs) < layout.count:
        notes.append(f"{len(runs)} of the {layout.count} published runs are here.")
    kinds = {
        "geometry": f"STL files ({layout.stem}_N.stl)",
        "surface": f"boundary files (boundary_N{layout.boundary})",
        "volume": "volume files (volume_N.vtu)",
    }
    kept, names = shared.common_files(files, kinds, notes)
    sources = [
        CaseSource(name, folder / name, functools.partial(read_run, layout, folder / name, tuple(kept)))
        for name in names
    ]
    sources, table = shared.in_agreement(sources, _table(layout, folder, {name: files[name] for name in names}), notes)
    official = _splits(layout, folder, splits, notes)
    return Collection(
        folder, layout.name, sources, splits=shared.present(official, sources, notes) if official else {},
        table=table, length_unit="m", notes=notes,
    )  # fmt: skip


def read_run(layout: RunLayout, folder: Path, kinds: Sequence[str]) -> Results:
    """One run: the meshes and the geometry that are asked for.

    Raises:
        FormatError: A file is damaged, or gone since the folder was looked at.
    """
    files = _files(layout, folder, int(folder.name.removeprefix("run_")))
    results = Results(length_unit="m", solver=layout.solver[0], version=layout.solver[1])
    for kind in kinds:
        if kind not in files:
            raise FormatError(f"{folder}: has no {kind} any more; download the run again")
        if kind == "geometry":
            results.geometry = files[kind]
            results.files.append(files[kind])
            continue
        mesh, read = _read_parts(files[kind], kind)
        units = layout.fields(mesh, kind)
        results.meshes[kind] = mesh
        results.units |= {f"{kind}/{name}": unit for name, unit in units.items()}
        results.files += read
    return results


def _runs(folder: Path) -> dict[int, Path]:
    folders = {int(match[1]): entry for entry in folder.iterdir() if (match := _RUN.fullmatch(entry.name))}
    return {n: folders[n] for n in sorted(folders) if folders[n].is_dir()}


def _is_named(folder: Path, layout: RunLayout) -> bool:
    """Whether the folder says which data set it is, where the STL files were not downloaded."""
    return layout.name.lower() in re.sub(r"[^a-z]", "", folder.resolve().name.lower())


def _files(layout: RunLayout, run: Path, n: int) -> dict[str, Path]:
    """The files of a run by kind; a volume in parts is named by its first."""
    files = {
        "geometry": run / f"{layout.stem}_{n}.stl",
        "surface": run / f"boundary_{n}{layout.boundary}",
        "volume": run / f"volume_{n}.vtu",
        "forces": run / f"{layout.forces}_{n}.csv",
        "parameters": run / f"geo_parameters_{n}.csv",
    }
    present = {kind: file for kind, file in files.items() if file.is_file()}
    first = run / f"volume_{n}.vtu.00.part"
    if "volume" not in present and first.is_file():
        present["volume"] = first
    return present


def _read_parts(file: Path, domain: str) -> tuple[shared.Mesh, list[Path]]:
    """The mesh of a file, or of a file that was cut into ``.00.part``, ``.01.part``, ... for publication."""
    if file.suffix != ".part":
        return shared.read_domain(file, domain), [file]
    whole = file.name[: -len(".00.part")]
    parts = {int(match[1]): part for part in file.parent.glob(f"{whole}.*.part")
             if (match := _PART.fullmatch(part.name[len(whole) :]))}  # fmt: skip
    order = [parts[index] for index in sorted(parts)]
    if sorted(parts) != list(range(len(parts))):
        missing = next(index for index in range(len(parts)) if index not in parts)
        raise FormatError(f"{file.parent / whole}: part {missing:02d} is missing; download {whole}.{missing:02d}.part")
    # VTK reads files by name only; the parts are joined beside themselves, where there is room for data of this size.
    with tempfile.TemporaryDirectory(prefix=".joined-", dir=file.parent) as beside:
        joined = Path(beside) / whole
        try:
            with joined.open("wb") as target:
                for part in order:
                    with part.open("rb") as source:
                        while block := source.read(1 << 24):
                            target.write(block)
        except OSError as error:
            raise FormatError(f"{file}: its parts cannot be joined ({error}); join them into {whole}") from error
        try:
            return shared.read_domain(joined, domain), order
        except FormatError as error:
            raise FormatError(str(error).replace(str(joined), str(file.parent / whole))) from error


def _table(layout: RunLayout, folder: Path, files: Mapping[str, Mapping[str, Path]]) -> shared.Rows:
    """Coefficients and parameters of each run, from its own CSV files, else from those of all runs."""
    every: shared.Rows = {}
    for kind, stem, convert in (
        ("forces", f"{layout.forces}_all", _coefficients),
        ("parameters", "geo_parameters_all", _parameters),
    ):
        file = folder / f"{stem}.csv"
        if not file.is_file() or all(kind in kinds for kinds in files.values()):
            continue
        for row in shared.read_rows(file):
            run = shared.key_of(row, file, ("run",))
            rest = {name: value for name, value in row.items() if name.lower() != "run"}
            every.setdefault(f"run_{int(float(run)) if run.replace('.', '').isdigit() else run}", {}).update(
                convert(layout, file, rest)
            )
    table: shared.Rows = {}
    for name, kinds in files.items():
        table[name] = dict(every.get(name, {}))
        if "forces" in kinds:
            table[name] |= _coefficients(layout, kinds["forces"], shared.read_rows(kinds["forces"])[0])
        if "parameters" in kinds:
            table[name] |= _parameters(layout, kinds["parameters"], shared.read_rows(kinds["parameters"])[0])
    return table


def _coefficients(layout: RunLayout, file: Path, row: Mapping[str, str]) -> dict[str, Quantity]:
    lower = {name.lower(): value for name, value in row.items()}
    shared.number(file, lower, "cd")
    return {
        f"{QOI}{_COEFFICIENTS.get(name, name)}": Quantity(shared.number(file, lower, name), "")
        for name in lower
        if name != "run"
    }


def _parameters(layout: RunLayout, file: Path, row: Mapping[str, str]) -> dict[str, Quantity]:
    parameters = {}
    for name in row:
        if name.lower() == "run":
            continue
        key = name.lower().replace("-", "_")
        parameters[key] = Quantity(shared.number(file, row, name), layout.parameters.get(key, ""))
    return parameters


def _splits(layout: RunLayout, folder: Path, wanted: str | None, notes: list[str]) -> dict[str, list[str]]:
    file = folder / "splits" / "manifest.json"
    if not file.is_file():
        shared.no_other_splits(f"{folder}: without splits/manifest.json, {layout.name}", wanted)
        if not layout.default_splits:
            notes.append("splits/manifest.json is not here, so there are no official splits; download it for them.")
        return {split: [f"run_{n}" for n in runs] for split, runs in layout.default_splits.items()}
    lists = shared.split_lists(file, shared.read_json(file))
    splits = [key.removesuffix("_test") for key in lists if key.endswith("_test")]
    if not splits:
        raise FormatError(f"{file}: has no list whose name ends in _test; download it again")
    splits.sort(key=lambda name: name != "full")
    chosen = shared.choose(file, splits, wanted, notes)
    names = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
    return {ours: lists[f"{chosen}_{key}"] for key, ours in names.items() if f"{chosen}_{key}" in lists}
