"""ParaView's lists of time steps (``.pvd``, ``.vtu.series``, ``.vtm.series``, ...): one case of several times."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tramontane.errors import FormatError
from tramontane.formats.blocks import Named, domains
from tramontane.formats.format import Format
from tramontane.formats.isolation.checks import beside
from tramontane.formats.results import Results
from tramontane.formats.vtk import files as vtk
from tramontane.formats.vtk.meshes import read_meshes, stored_units
from tramontane.formats.vtk.pieces import pieces

SUFFIXES = (".pvd", *(f"{suffix}.series" for suffix in vtk.SUFFIXES))
_DESIGNS = re.compile(r"case|design|sample|run|sim|geom|variant|shape|part|body|doe|^id|^no$|^nr$", re.IGNORECASE)
_STEP = re.compile(r"(.*?)[._-]?(\d+)")  # of a file's stem: what all steps share, and the step's number


@dataclass(frozen=True)
class Step:
    """A file of a list.

    Attributes:
        time: As the list says.
        file: Whose time it is.
        name: Of its part, where several files make one time; the file's stem where the list gives no name.
    """

    time: float
    file: Path
    name: str


def is_series(file: Path) -> bool:
    """Whether a file's name is that of a list of time steps."""
    return file.name.lower().endswith(SUFFIXES)


def steps(file: Path) -> list[Step]:
    """The files that a list names, in its order.

    Raises:
        FormatError: Damaged, empty, or a file outside of the list's folder.
    """
    try:
        text = file.read_bytes()
        if not text.strip():
            raise FormatError(f"{file}: is empty; write or copy it again")
        entries = list(_of_pvd(file, text) if file.suffix.lower() == ".pvd" else _of_series(text))
        series = [Step(float(time), beside(file, path), name or Path(path.replace("\\", "/")).stem)
                 for time, path, name in entries]  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, ElementTree.ParseError) as error:
        reason = " ".join(str(error).split())[:120]
        raise FormatError(f"{file}: is cut off or no list of time steps ({reason}); write or copy it again") from error
    if not series:
        raise FormatError(f"{file}: lists no time step; write it again")
    if bad := [step for step in series if not math.isfinite(step.time)]:
        raise FormatError(f"{file}: the time of {bad[0].file.name} is not finite; write it again")
    return series


def read_series(file: Path, *, time: float | None = None) -> Results:
    """Read one time of a list.

    Args:
        file: The list; the files that it names lie beside it or below.
        time: Which one, the nearest that there is; the last where None.

    Returns:
        What the time's file holds, a mesh without a name under the list's. Files that make one time together become
        ``volume`` and ``surface``.

    Raises:
        FormatError: The list or a file of that time is damaged or missing.
    """
    listed = steps(file)
    times = sorted({step.time for step in listed})
    chosen = times[-1] if time is None else min(times, key=lambda each: abs(each - time))
    parts = [step for step in listed if step.time == chosen]
    blocks: list[Named] = []
    results = Results(files=[file])
    for part in parts:
        if not part.file.is_file():
            raise FormatError(f"{file}: time {chosen:g}: {part.file.name} is missing; copy it, too, or take it out")
        if part.file.suffix.lower() not in vtk.SUFFIXES:
            raise FormatError(f"{file}: lists {part.file.name}, which is no file of the VTK family; read it by itself")
        meshes = read_meshes(part.file)
        results.files += [part.file, *(piece for piece in pieces(part.file) if piece.is_file())]
        if len(parts) > 1:
            blocks += [Named(part.name if len(meshes) == 1 else name, mesh) for name, mesh in meshes.items()]
            continue
        own = file.name[: -len(next(suffix for suffix in SUFFIXES if file.name.lower().endswith(suffix)))]
        named = {own if len(meshes) == 1 and name == part.file.stem else name: mesh for name, mesh in meshes.items()}
        results.meshes = dict(named)
        results.units = {f"{key}/{name}": unit for key, mesh in named.items()
                         for name, unit in stored_units(mesh).items()}  # fmt: skip
    if blocks:
        parts_read = domains(file, blocks)
        results.meshes, results.warnings = parts_read.meshes, parts_read.warnings
    results.extra["time"] = {"value": chosen, "step": times.index(chosen) + 1, "steps": len(times)}
    return results


def numbered(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Files of the VTK family that are called as steps of one run are: ``r_000.vtu``, ``r_001.vtu``.

    Returns:
        What the names share, and the files in the order of their numbers, where there are several.
    """
    groups: dict[tuple[Path, str, str], list[tuple[int, Path]]] = {}
    for file in files:
        match = _STEP.fullmatch(file.stem)
        if match and match[1] and file.suffix.lower() in vtk.SUFFIXES:
            groups.setdefault((file.parent, match[1], file.suffix.lower()), []).append((int(match[2]), file))
    return {
        shared: [file for _, file in sorted(members)] for (_, shared, _), members in groups.items() if len(members) > 1
    }


def one_run(files: Sequence[Path]) -> bool:
    """Whether numbered files are steps of one run, by the first and the last: meshes of one size in one place.

    Parts of one body are called so, too, but each lies elsewhere.
    """
    meshes = [list(read_meshes(file).values()) for file in (files[0], files[-1])]
    if any(len(each) != 1 for each in meshes):
        return False
    first, last = meshes[0][0], meshes[1][0]
    if (first.n_points, first.n_cells, sorted(first.array_names)) != (
        last.n_points, last.n_cells, sorted(last.array_names)
    ):  # fmt: skip
        return False
    one, two = np.reshape(first.bounds, (3, 2)), np.reshape(last.bounds, (3, 2))
    overlap = np.minimum(one[:, 1], two[:, 1]) - np.maximum(one[:, 0], two[:, 0])
    size = np.maximum(np.ptp(one, axis=1), np.ptp(two, axis=1))
    return bool((overlap >= 0.5 * size).all())


def note_of_numbered(files: Sequence[Path], described: Iterable[str]) -> list[str]:
    """What to say of a folder of files that are taken for cases, and may be steps of one run.

    Args:
        files: All of the folder's.
        described: Cases of which a table or a geometry says that they are designs.
    """
    groups = numbered(files)
    names = set(described)
    if len(groups) != 1 or len(next(iter(groups.values()))) != len(files) or any(file.stem in names for file in files):
        return []
    shared, group = next(iter(groups.items()))
    if _DESIGNS.search(shared):
        return []
    return [f"{group[0].name} to {group[-1].name} are taken for {len(group)} cases; if they are time steps of one run, "
            f"keep the last alone, or write a list ({shared}.pvd): steps of one run in training and test make errors "
            "look small"]  # fmt: skip


def _of_pvd(file: Path, text: bytes) -> Iterable[tuple[str, str, str]]:
    if b"<!ENTITY" in text:
        raise FormatError(f"{file}: defines XML entities, which are not read; write it without them")
    root = ElementTree.fromstring(text)
    if root.tag != "VTKFile" or root.get("type") != "Collection":
        raise FormatError(f"{file}: is no list of time steps (no Collection in it); its suffix may be wrong")
    for index, entry in enumerate(root.iter("DataSet")):
        yield entry.get("timestep") or str(index), entry.attrib["file"], entry.get("name", "")


def _of_series(text: bytes) -> Iterable[tuple[str, str, str]]:
    for index, entry in enumerate(json.loads(text.decode("utf-8-sig"))["files"]):
        yield str(entry.get("time", index)), entry["name"], ""


FORMATS = (Format("ParaView's series", SUFFIXES, read_series),)
