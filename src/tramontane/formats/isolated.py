"""Reading in a process of its own, for readers that a damaged file can crash, hang or send after all memory there is.

VTK's readers of CGNS, EnSight, Exodus, Fluent and XDMF trust what a file says of itself: a flipped byte ends the whole
interpreter. Here a fresh process reads, within bounds of memory and time, and leaves what it found as files that are
read back; its crash is an error that names the file.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyvista as pv
from vtkmodules.vtkIOXML import (
    vtkXMLPolyDataReader,
    vtkXMLPolyDataWriter,
    vtkXMLUnstructuredGridReader,
    vtkXMLUnstructuredGridWriter,
)

from tramontane.errors import FormatError
from tramontane.formats import vtk

# What a reader may take: sound files of these formats need a small multiple of their size, and need not crawl.
MEMORY = 4 << 30
MEMORY_PER_BYTE = 20
SECONDS = 60.0
BYTES_A_SECOND = 2e6
_ANSWER = "answer.json"
# The package's own __init__ imports every other format, which would cost a child half a second for nothing: for a
# loader among the formats, an empty package stands in its place.
_START = """
import sys, types
if sys.argv[2].startswith("tramontane.formats."):
    package = types.ModuleType("tramontane.formats")
    package.__path__ = [sys.argv[1]]
    sys.modules["tramontane.formats"] = package
from tramontane.formats.isolated import _answer
_answer(*sys.argv[2:])
"""

Loader = Callable[[Path], tuple[Any, dict[str, Any]]]


@dataclass(frozen=True)
class Block:
    """One mesh of several that a file holds.

    Attributes:
        path: The names that lead to it in the file.
        mesh: With its fields under the names that the file gives them.
    """

    path: tuple[str, ...]
    mesh: pv.PolyData | pv.UnstructuredGrid


def read_isolated(
    loader: Loader,
    file: Path,
    *,
    beside: Sequence[Path] = (),
    seconds: float | None = None,
    memory: int | None = None,
) -> tuple[list[Block], dict[str, Any]]:
    """Run a reader of VTK in a process of its own.

    Args:
        loader: A function of a module: takes the file, gives VTK's data object and what else it found, as plain JSON.
        file: To read.
        beside: Further files that are read with it; they count for the bounds.
        seconds: Until it is given up; by default a minute, and a second more for each 2 MB.
        memory: Bytes it may take; by default 4 GiB, and 20 times the files' size.

    Returns:
        The meshes, every cell checked to be of points that exist, and what else the reader found.

    Raises:
        FormatError: The reader complains, crashes, or needs more memory or time than a sound file would.
    """
    size = sum(each.stat().st_size for each in (file, *beside) if each.is_file())
    memory = MEMORY + MEMORY_PER_BYTE * size if memory is None else memory
    limit = SECONDS + size / BYTES_A_SECOND if seconds is None else seconds
    with tempfile.TemporaryDirectory(prefix="tramontane-") as name:
        folder = Path(name)
        command = [
            sys.executable, "-P", "-c", _START, str(Path(__file__).parent), loader.__module__, loader.__qualname__,
            str(file.absolute()), str(file), str(folder), str(memory),
        ]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
        with (folder / "output").open("wb") as output:
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, timeout=limit,
                    check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                raise FormatError(f"{file}: was not read within {limit:.0f} s, so it is probably damaged; "
                                  "write or copy it again") from None  # fmt: skip
        answer = folder / _ANSWER
        if done.returncode != 0 or not answer.is_file():
            raise FormatError(f"{file}: cannot be read ({_reason(done.returncode, folder / 'output', memory)}); "
                              "write or copy it again")  # fmt: skip
        said = json.loads(answer.read_text(encoding="utf-8"))
        if "error" in said:
            raise FormatError(said["error"])
        blocks = [
            Block(tuple(block["path"]), _fetch(file, folder / block["file"], block["names"]))
            for block in said["blocks"]
        ]
        return blocks, said["found"]


def _reason(code: int, output: Path, memory: int) -> str:
    text = output.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if "bad_alloc" in text or "MemoryError" in text or "Unable to allocate" in text:
        return f"its reader wants more than {memory / 1e9:.0f} GB for it"
    if code < 0:
        return f"its reader crashes: {signal.Signals(-code).name}"
    return f"its reader ends: {lines[-1][:160]}" if lines else f"its reader ends with code {code}"


def _answer(module: str, function: str, path: str, shown: str, folder: str, memory: str) -> None:
    """What the child does: read, check, and leave the meshes in ``folder``."""
    _bound(int(memory))
    target, file = Path(folder), Path(shown)
    loader: Loader = getattr(importlib.import_module(module), function)
    answer: dict[str, Any]
    try:
        with vtk.complaints(file, "cannot be read", "write or copy it again"):
            data, found = loader(Path(path))
        blocks = []
        for number, (names, block) in enumerate(vtk.leaves(data, (file.stem,)) if data is not None else ()):
            wrapped = pv.wrap(block)
            mesh = wrapped if isinstance(wrapped, pv.PolyData) else wrapped.cast_to_unstructured_grid()
            vtk.check_cells(file, mesh)
            blocks.append({"path": names, **_leave(file, mesh, target, number)})
        answer = {"blocks": blocks, "found": found}
    except FormatError as error:
        answer = {"error": str(error).replace(path, shown)}
    except MemoryError:
        answer = {"error": f"{file}: cannot be read (its reader wants more than {int(memory) / 1e9:.0f} GB for it); "
                           "write or copy it again"}  # fmt: skip
    (target / f".{_ANSWER}").write_text(json.dumps(answer), encoding="utf-8")
    (target / f".{_ANSWER}").replace(target / _ANSWER)


def _bound(memory: int) -> None:
    """No more memory than this on top of what the libraries take; no core dumps."""
    try:
        import resource
    except ImportError:  # Windows has no such bound
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = Path("/proc/self/statm")
    taken = int(status.read_text().split()[0]) * resource.getpagesize() if status.is_file() else 0
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))


def _leave(file: Path, mesh: Any, folder: Path, number: int) -> dict[str, Any]:
    """Write a mesh with numbers for its fields' names: VTK's XML does not escape what names may hold."""
    plain = mesh.copy(deep=False)
    names: dict[str, list[str]] = {}
    plain.clear_data()
    for kind, source, target, count in (
        ("point", mesh.GetPointData(), plain.GetPointData(), mesh.n_points),
        ("cell", mesh.GetCellData(), plain.GetCellData(), mesh.n_cells),
    ):
        names[kind] = []
        for index in range(source.GetNumberOfArrays()):
            array = source.GetArray(index)
            if array is None:  # text
                continue
            if array.GetNumberOfTuples() != count:
                raise FormatError(f"{file}: field {array.GetName()} has {array.GetNumberOfTuples()} values for {count} "
                                  f"{kind}s; it is cut off or damaged, write or copy it again")  # fmt: skip
            twin = array.NewInstance()
            twin.ShallowCopy(array)
            twin.SetName(f"f{len(names[kind])}")
            names[kind].append(str(array.GetName()))
            target.AddArray(twin)
    surface = isinstance(mesh, pv.PolyData)
    stored = folder / f"{number}{'.vtp' if surface else '.vtu'}"
    writer: Any = vtkXMLPolyDataWriter() if surface else vtkXMLUnstructuredGridWriter()
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetHeaderTypeToUInt64()
    writer.SetCompressorTypeToNone()
    writer.SetInputDataObject(plain)
    writer.SetFileName(str(stored))
    if not writer.Write():
        raise FormatError(f"{file}: cannot be kept in {folder}; check the space left on the disk")
    return {"file": stored.name, "names": names}


def _fetch(file: Path, stored: Path, names: dict[str, list[str]]) -> pv.PolyData | pv.UnstructuredGrid:
    reader: Any = vtkXMLPolyDataReader() if stored.suffix == ".vtp" else vtkXMLUnstructuredGridReader()
    with vtk.complaints(file, "cannot be read back", "check the space left on the disk"):
        reader.SetFileName(str(stored))
        reader.Update()
    mesh: pv.PolyData | pv.UnstructuredGrid = pv.wrap(reader.GetOutput())
    for kind, data in (("point", mesh.GetPointData()), ("cell", mesh.GetCellData())):
        for index, name in enumerate(names[kind]):
            data.GetArray(f"f{index}").SetName(name)
    vtk.check_cells(file, mesh)
    stored.unlink()
    return mesh
