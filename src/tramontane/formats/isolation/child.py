"""What the process does that reads for `tramontane.formats.isolation.isolated`; it imports little, to start fast."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter, vtkXMLUnstructuredGridWriter

from tramontane.errors import FormatError
from tramontane.formats.isolation.cell_check import check_cells
from tramontane.formats.isolation.isolated import ANSWER, ARRAYS, LATE, OUTPUT
from tramontane.formats.vtk import files as vtk
from tramontane.io import processes


def serve() -> None:
    """Answer requests, a line of JSON each, until there are no more; whatever a loader raises ends the process.

    With the argument ``fork``, a process that was forked answers each: it has all that was imported before, and nothing
    of the files that others read.
    """
    processes.contain()
    channel = os.fdopen(os.dup(1), "w")
    forking = sys.argv[2:3] == ["fork"]
    if not forking:
        gc.enable()
    while line := sys.stdin.readline():
        request = json.loads(line)
        sys.path.extend(entry for entry in request["sys_path"] if entry not in sys.path)
        if not forking:
            _answer_bounded(request)
            channel.write("0\n")
        elif request.get("function") is None:  # it is to be ready, no more
            importlib.import_module(request["module"])
            channel.write("0\n")
        else:
            importlib.import_module(request["module"])
            channel.write(f"{_fork(request)}\n")
        channel.flush()


def _fork(request: dict[str, Any]) -> int | str:
    """The exit code of a process that answers a request, or `LATE`; all that it has started ends with it."""
    gc.freeze()  # what is loaded stays in pages that both share
    child = os.fork()
    if child == 0:
        code = 1
        try:
            gc.enable()
            os.setsid()
            os.close(0)
            _end_with_parent()
            _answer_bounded(request)
            code = 0
        except BaseException:  # the request's output has the reason
            traceback.print_exc()
        finally:
            os._exit(code)
    until, pause = time.monotonic() + request["seconds"], 0.001
    status = None
    while status is None:
        ended, waited = os.waitpid(child, os.WNOHANG)
        if ended:
            status = waited
        elif time.monotonic() > until:
            break
        else:
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)  # where it had no group of its own yet
        os.waitpid(child, 0)
        return LATE
    return os.waitstatus_to_exitcode(status)


def _end_with_parent() -> None:
    """Where the system can, this process ends with the one that it was forked off, however that ends."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG of Linux


def _answer_bounded(request: dict[str, Any]) -> None:
    """Answer a request, with what is printed meanwhile in a file beside the answer, and within its bounds."""
    sys.stdout.flush()
    sys.stderr.flush()
    output = os.open(Path(request["folder"], OUTPUT), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    _bound(request["memory"], request["seconds"])
    answer(request)


def answer(request: dict[str, Any]) -> None:
    """Read, check, and leave the meshes and what else was found in the request's folder."""
    target, path, shown = Path(request["folder"]), request["path"], request["shown"]
    file = Path(shown)
    reply: dict[str, Any]
    try:
        loader = getattr(importlib.import_module(request["module"]), request["function"])
        with vtk.complaints(file, "cannot be read", "write or copy it again"):
            data, extra = loader(Path(path), *request["options"])
        blocks = []
        for number, (names, block) in enumerate(vtk.leaves(data, (file.stem,)) if data is not None else ()):
            wrapped = pv.wrap(block)
            mesh = wrapped if isinstance(wrapped, pv.PolyData) else wrapped.cast_to_unstructured_grid()
            check_cells(file, mesh)
            blocks.append({"path": names, **_leave(file, mesh, target, number)})
        arrays = {key: value for key, value in extra.items() if isinstance(value, np.ndarray)}
        if arrays:
            np.savez(target / ARRAYS, allow_pickle=False, **arrays)
        reply = {"blocks": blocks, "extra": {key: value for key, value in extra.items() if key not in arrays}}
    except FormatError as error:
        reply = {"error": str(error).replace(path, shown)}
    except MemoryError:
        reply = {"error": f"{file}: cannot be read (its reader wants more than {request['memory'] / 1e9:.0f} GB for "
                 "it); write or copy it again"}  # fmt: skip
    (target / f".{ANSWER}").write_text(json.dumps(reply), encoding="utf-8")
    (target / f".{ANSWER}").replace(target / ANSWER)


def _bound(memory: int, seconds: float) -> None:
    """No more memory than this on top of what the libraries take; no core dumps.

    Processor time is bound, too, for when whoever asked has ended and nobody stops this process any more.
    """
    try:
        import resource
    except ImportError:  # Windows has no such bound
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    usage, (_, longest) = resource.getrusage(resource.RUSAGE_SELF), resource.getrlimit(resource.RLIMIT_CPU)
    until = int(usage.ru_utime + usage.ru_stime + (seconds + 60) * (os.cpu_count() or 1))
    resource.setrlimit(resource.RLIMIT_CPU, (until if longest < 0 else min(until, longest), longest))
    status = Path("/proc/self/statm")
    taken = int(status.read_text().split()[0]) * resource.getpagesize() if status.is_file() else 0
    allowed = taken + memory if most < 0 else min(taken + memory, most)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, most))


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
