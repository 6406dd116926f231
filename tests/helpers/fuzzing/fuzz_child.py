"""The process that `fuzz` watches: reads what it is told to, and says on its standard output how that ended."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

_VTK = ("vtkIOXdmf2", "vtkIOEnSight", "vtkIOExodus", "vtkIOFLUENTCFF", "vtkIOCGNSReader", "vtkIOGeometry")
MEMORY = 3 << 30  # bytes on top of what the libraries take, for files of some kilobytes


def main() -> None:
    """Fork processes that answer requests, one after the other: where one ends before its time, the next."""
    channel = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)

    def say(word: str, rest: object = "") -> None:
        channel.write(f"{word} {json.dumps(rest)}\n")
        channel.flush()

    import tramontane.dataset.ingest.run
    import tramontane.formats.collection
    import tramontane.formats.isolation.child  # noqa: F401

    for name in ("ansys.mapdl.reader", "netgen.meshing", "netgen.occ", "h5py"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for module in _VTK:
        importlib.import_module(f"vtkmodules.{module}")
    warnings.simplefilter("ignore")
    while True:
        pid = os.fork()
        if pid == 0:
            say("worker", os.getpid())
            _serve(say)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        say("died", signal.Signals(-code).name if code < 0 else f"exit code {code}")


def _serve(say: Callable[..., None]) -> None:
    """Answer requests, a line each."""
    from tramontane.errors import TramontaneError
    from tramontane.formats.isolation import child as isolated_child
    from tramontane.formats.isolation import isolated

    def ask(request: dict[str, Any], seconds: float, fresh: bool) -> int:
        say("inside")
        code = 0
        try:
            isolated_child.answer(request)
        except Exception:
            Path(request["folder"], isolated.OUTPUT).write_text(traceback.format_exc(), encoding="utf-8")
            code = 1
        say("outside")
        return code

    isolated._ask = ask  # type: ignore[assignment]
    _bound()
    while line := sys.stdin.readline():
        request = json.loads(line)
        path = Path(request["path"])
        try:
            _misbehave(request["misbehave"])
            (_read_geometry if request["geometry"] else _read_results)(path)
        except TramontaneError as error:
            say("refused", str(error))
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))
            say("raised", f"{type(error).__name__}: {str(error)[:300]} at {places}")
        else:
            say("read")


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))


def _misbehave(how: str) -> None:
    """What the test wants to see told from a refusal."""
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hang":
        time.sleep(600)
    if how == "raise":
        raise ValueError("no error of ours")
    if how == "eat":
        bytearray(2 * MEMORY)


def _read_geometry(path: Path) -> None:
    from tramontane.formats.surfaces.geometry import read_geometry

    read_geometry(path)


def _read_results(path: Path) -> None:
    """As `ingest` does: what is in the path, each case of it, in SI, its facts and its sites."""
    from tramontane.dataset.audit.facts import examine
    from tramontane.dataset.store.sites import mesh_sites
    from tramontane.errors import TramontaneError
    from tramontane.formats.assemble import assemble_source
    from tramontane.formats.collection import open_collection
    from tramontane.geometry.mesh_arrays import mesh_to_arrays

    collection = open_collection(path)
    errors: list[TramontaneError] = []
    for source in collection.sources:
        try:
            case = assemble_source(source, source.read(), collection)
            examine(case)
            for mesh in case.meshes.values():
                mesh_to_arrays(mesh)
                mesh_sites(mesh, "cell", None)
        except TramontaneError as error:
            errors.append(error)
    if errors:
        raise errors[0]


if __name__ == "__main__":
    main()
