"""EnSight Gold and EnSight 6: a case file that names geometry and variable files, ascii or binary, at its last step."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError
from tramontane.formats.blocks import Named, domains
from tramontane.formats.ensight.check import check_variables
from tramontane.formats.format import Format
from tramontane.formats.isolation.checks import beside, first_bytes
from tramontane.formats.isolation.isolated import read_isolated
from tramontane.formats.results import Results

SUFFIXES = (".case", ".encas")
_SECTIONS = ("FORMAT", "GEOMETRY", "VARIABLE", "TIME", "FILE", "MATERIAL", "SCRIPTS", "BLOCK_CONTINUATION")
_KINDS = re.compile(r"^(scalar|vector|tensor (?:symm|asym)|complex scalar|complex vector) per "
                    r"(node|element|measured node)$")  # fmt: skip


_WORD, _QUOTED = re.compile(r'"[^"]*"|\S+'), re.compile(r'"([^"]*)"')


@dataclass
class _Case:
    """What a case file says: its kind, and the names of its files by time set."""

    kind: str = ""
    model: tuple[str, str] | None = None
    variables: list[tuple[str, str, str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    numbers: dict[str, list[int]] = field(default_factory=dict)


def read_ensight(file: Path) -> Results:
    """Read an EnSight case.

    Args:
        file: The case file; its geometry and variables lie where it says, beside it or below.

    Returns:
        ``volume`` of the parts of solid elements, ``surface`` of the parts of faces, each a patch of its part's name.

    Raises:
        FormatError: Damaged, no EnSight case, or a file that it names is missing or cut off.
    """
    case = _parse(file)
    files = _files_of(file, case)
    blocks, header = read_isolated(load, file, beside=files)
    if "gold" in case.kind:
        kinds = [kind for kind, *_ in case.variables]
        check_variables(file, files[0], list(zip(kinds, files[1:], strict=True)), blocks)
    parts = domains(file, [Named(block.path[-1], block.mesh) for block in blocks])
    return Results(
        meshes=parts.meshes, files=[file, *dict.fromkeys(files)],
        extra={"time": header["time"]} if header["time"] else {},
        warnings=parts.warnings + [f"{file}: {what} is left out" for what in case.left_out],
    )  # fmt: skip


def load(file: Path) -> tuple[Any, dict[str, Any]]:
    """Run VTK's reader on all parts and variables."""
    from vtkmodules.vtkIOEnSight import vtkGenericEnSightReader

    from tramontane.formats.vtk.files import last_step

    with tempfile.TemporaryDirectory(prefix="tramontane-") as folder:
        reader = vtkGenericEnSightReader()
        reader.SetCaseFileName(str(_unquoted(file, Path(folder))))
        reader.ReadAllVariablesOn()
        time = last_step(reader)
    return reader.GetOutput(), {"time": time}


def _unquoted(file: Path, folder: Path) -> Path:
    """A case without quoted names, in which VTK's reader goes wrong; files whose names have blanks are linked."""
    text = file.read_text(encoding="utf-8", errors="replace")
    names = list(dict.fromkeys(_QUOTED.findall(text)))
    if not names:
        return file
    try:
        for entry in file.parent.absolute().iterdir():
            if entry.name != file.name:
                (folder / entry.name).symlink_to(entry)
        for number, name in enumerate(names):
            if not re.search(r"\s", name):
                text = text.replace(f'"{name}"', name)
                continue
            place = beside(file, name)
            plain = f"blank{number}_" + re.sub(r"[^\w.*]", "_", place.name)
            steps = re.compile("([0-9]+)".join(map(re.escape, re.split(r"\*+", place.name))))
            for entry in place.parent.absolute().iterdir():
                if match := steps.fullmatch(entry.name):
                    (folder / (re.sub(r"\*+", match[1], plain) if match.groups() else plain)).symlink_to(entry)
            text = text.replace(f'"{name}"', plain)
        (folder / file.name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise FormatError(f"{file}: names files with blanks, which cannot be linked here ({error}); rename them "
                          "without, in the case, too") from error  # fmt: skip
    return folder / file.name


def is_ensight(file: Path) -> bool:
    """Whether a file starts as an EnSight case file does."""
    return re.search(rb"^\s*FORMAT\b", first_bytes(file, 4096), re.MULTILINE) is not None


def _parse(file: Path) -> _Case:
    if not file.is_file():
        raise FormatError(f"{file}: there is no such file; check the path")
    if file.stat().st_size == 0:
        raise FormatError(f"{file}: is empty; write or copy it again")
    if file.stat().st_size > 16e6 or not is_ensight(file):
        raise FormatError(f"{file}: is no EnSight case file (no FORMAT section); its suffix may be wrong")
    case, section, steps = _Case(), "", _Steps()
    for raw in file.read_text(encoding="utf-8", errors="replace").splitlines():
        line = raw.split("#", 1)[0].strip()
        if line.upper() in _SECTIONS:
            section = line.upper()
            continue
        key, colon, rest = line.partition(":")
        key, words = " ".join(key.lower().split()), _WORD.findall(rest)
        if section == "TIME":
            steps.take(key if colon else "", words if colon else line.split())
        if line and section in ("FORMAT", "GEOMETRY", "VARIABLE") and not (colon and words):
            raise FormatError(f"{file}: {line[:40]!r} in its section {section} names nothing; it is cut off or "
                              "damaged, write or copy it again")  # fmt: skip
        if not colon or not words:
            continue
        if section == "FORMAT" and key == "type":
            case.kind = " ".join(words).lower()
        elif section == "GEOMETRY" and key == "model":
            numbers, names = _leading_numbers(words)
            case.model = (numbers[0] if numbers else "1", names[0] if names else "")
        elif section == "GEOMETRY":
            case.left_out.append(f"{key} {words[-1]}")
        elif section == "VARIABLE" and (match := _KINDS.match(key)):
            numbers, names = _leading_numbers(words)
            if len(names) < 2:
                raise FormatError(
                    f"{file}: {line[:40]!r} names no file; it is cut off or damaged, write or copy it again"
                )
            if match[1].startswith("complex") or match[2] == "measured node":
                case.left_out.append(f"{key} {words[-1]}")
            else:
                case.variables.append((key, numbers[0] if numbers else "1", names[0].strip('"'), names[-1]))
        elif section == "VARIABLE":
            case.left_out.append(f"{key} {_leading_numbers(words)[1][0]}")
    if not case.kind.startswith("ensight"):
        raise FormatError(f"{file}: names no kind of EnSight file (type: ensight gold); its suffix may be wrong, or "
                          "write it again")  # fmt: skip
    if case.model is None or not case.model[1]:
        raise FormatError(f"{file}: names no geometry (model:); write or copy it again")
    case.numbers = steps.numbers(file)
    return case


def _leading_numbers(words: list[str]) -> tuple[list[str], list[str]]:
    """The numbers of time and file set, and what follows them."""
    count = 0
    while count < min(2, len(words) - 1) and words[count].isdigit():
        count += 1
    return words[:count], words[count:]


class _Steps:
    """The numbers in the names of the files of each time set."""

    def __init__(self) -> None:
        self.sets: dict[str, dict[str, list[str]]] = {}
        self.name, self.key = "1", ""

    def take(self, key: str, words: list[str]) -> None:
        if key == "time set" and words:
            self.name = words[0]
        if key:
            self.key = key
        self.sets.setdefault(self.name, {}).setdefault(self.key, []).extend(words)

    def numbers(self, file: Path) -> dict[str, list[int]]:
        numbers = {}
        try:
            for name, entries in self.sets.items():
                count = int((entries.get("number of steps") or ["1"])[0])
                if entries.get("filename numbers"):
                    numbers[name] = [int(word) for word in entries["filename numbers"][:count]]
                elif entries.get("filename start number"):
                    start = int(entries["filename start number"][0])
                    step = int((entries.get("filename increment") or ["1"])[0])
                    numbers[name] = [start, start + (count - 1) * step]
                times = len(entries.get("time values", ()))
                if count < 1 or (times < count and "time values file" not in entries):
                    raise FormatError(f"{file}: names {count} steps and {times} times; it is cut off or damaged, "
                                      "write or copy it again")  # fmt: skip
        except ValueError as error:
            raise FormatError(f"{file}: its TIME section is damaged ({error}); write or copy it again") from error
        return numbers


def _files_of(file: Path, case: _Case) -> list[Path]:
    """The files of the last step; all of them must be there."""
    assert case.model is not None
    files: list[Path] = []
    wanted = [("geometry", *case.model)] + [
        (f"variable {name}", time_set, pattern) for _, time_set, name, pattern in case.variables
    ]
    for what, time_set, pattern in wanted:
        name = pattern.strip('"')
        if "*" in name:
            numbers = case.numbers.get(time_set) or next(iter(case.numbers.values()), [])
            if not numbers:
                raise FormatError(f"{file}: does not number the files of its {what} ({name}); its TIME section is cut "
                                  "off or damaged, write or copy it again")  # fmt: skip
            name = re.sub(r"\*+", lambda stars, last=numbers[-1]: f"{last:0{len(stars[0])}d}", name)  # type: ignore[misc]
        path = beside(file, name)
        if not path.is_file():
            raise FormatError(f"{file}: its {what} is missing ({name}); copy that file, too")
        if path.stat().st_size == 0:
            raise FormatError(f"{path}: is empty; write or copy it again")
        files.append(path)
    return files


FORMATS = (Format("EnSight", SUFFIXES, read_ensight),)
