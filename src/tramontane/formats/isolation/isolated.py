"""Reading in a process of its own, for readers that a damaged file can crash, hang or send after all memory there is.

VTK's readers trust what a file says of itself: a flipped byte can end the whole interpreter. Here a second process
reads, within bounds of memory and time, and leaves what it found as files that are read back; its crash is an error
that names the file. The process stays for the next file; after an error of any kind, a fresh one takes its place.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLUnstructuredGridReader

from tramontane.errors import FormatError
from tramontane.formats.isolation.cell_check import check_cells
from tramontane.formats.vtk import files as vtk
from tramontane.io import processes

# What a reader may take: sound files of these formats need a small multiple of their size, and need not crawl.
MEMORY = 4 << 30
MEMORY_PER_BYTE = 20
SECONDS = 60.0
BYTES_A_SECOND = 2e6
LATE = "late"
_GRACE = 10.0  # s
ANSWER, ARRAYS, OUTPUT = "answer.json", "arrays.npz", "output"
# The package's own __init__ imports every format, which would cost the process half a second for nothing: an empty
# package stands in its place. Libraries load faster while Python does not look for garbage among them.
_START = """
import gc, sys, types
gc.disable()
package = types.ModuleType("tramontane.formats")
package.__path__ = [sys.argv[1]]
sys.modules["tramontane.formats"] = package
from tramontane.formats.isolation.child import serve
serve()
"""

Loader = Callable[..., tuple[Any, dict[str, Any]]]


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
    options: Sequence[Any] = (),
    fresh: bool = False,
) -> tuple[list[Block], dict[str, Any]]:
    """Run a reader in a process of its own.

    Args:
        loader: A function of a module: takes the file, gives VTK's data object (or None) and what else it found, as
            plain JSON and NumPy arrays.
        file: To read.
        beside: Further files that are read with it; they count for the bounds.
        seconds: Until it is given up; by default a minute, and a second more for each 2 MB.
        memory: Bytes it may take; by default what `memory_for` says.
        options: Further arguments of the loader, plain JSON.
        fresh: Whether the process reads this file alone, beside others that read at the same time; it ends with all
            that it has started. Otherwise one process reads all files, one after the other. Where the system can fork,
            it is forked off one that waits with everything imported.

    Returns:
        The meshes, every cell checked to be of points that exist, and what else the reader found.

    Raises:
        FormatError: The reader complains, crashes, or needs more memory or time than a sound file would.
    """
    size = sum(each.stat().st_size for each in (file, *beside) if each.is_file())
    memory = memory_for(size) if memory is None else memory
    limit = SECONDS + size / BYTES_A_SECOND if seconds is None else seconds
    with tempfile.TemporaryDirectory(prefix="tramontane-") as name:
        folder = Path(name)
        request = {
            "module": loader.__module__, "function": loader.__qualname__, "path": str(file.absolute()),
            "shown": str(file), "folder": name, "memory": memory, "seconds": limit, "options": list(options),
            "sys_path": sys.path,
        }  # fmt: skip
        code = _ask(request, limit, fresh)
        if code is None:
            raise FormatError(f"{file}: was not read within {limit:.0f} s, so it is probably damaged; "
                              "write or copy it again")  # fmt: skip
        answer = folder / ANSWER
        if code != 0 or not answer.is_file():
            raise FormatError(f"{file}: cannot be read ({_reason(code, folder / OUTPUT, memory)}); "
                              "write or copy it again")  # fmt: skip
        reply = json.loads(answer.read_text(encoding="utf-8"))
        if "error" in reply:
            if not fresh:
                _end_process()
            raise FormatError(reply["error"])
        blocks = [
            Block(tuple(block["path"]), _fetch(file, folder / block["file"], block["names"]))
            for block in reply["blocks"]
        ]
        extra = reply["extra"]
        if (folder / ARRAYS).is_file():
            with np.load(folder / ARRAYS, allow_pickle=False) as stored:
                extra |= {key: stored[key] for key in stored.files}
        return blocks, extra


def probe(loader: Loader, file: Path, *, beside: Sequence[Path] = ()) -> None:
    """Let a process of its own read a file first, so that what would end this one is an error.

    Nothing is done in a process that may end without harm to others, such as those of `ingest`.

    Args:
        loader: Reads the file and drops it: gives None and nothing else.
        file: To read.
        beside: Further files that are read with it.

    Raises:
        FormatError: As for `read_isolated`.
    """
    if not processes.contained():
        read_isolated(loader, file, beside=beside)


def memory_for(size: int) -> int:
    """Bytes of memory that reading files of ``size`` bytes may take."""
    return MEMORY + MEMORY_PER_BYTE * size


def prepare(loader: Loader) -> None:
    """Have a process wait that reads the next file that is to be read by a fresh one.

    Args:
        loader: Its module is imported there.
    """
    if hasattr(os, "fork"):
        process = _take_fresh()
        process.ask({"module": loader.__module__, "function": None, "sys_path": sys.path}, SECONDS)
        _give_back(process)


class _Process:
    """The process that reads, or that others are forked off; a fresh one takes all of these with it when it ends."""

    def __init__(self, *, fresh: bool = False) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
        if fresh:  # only what has no threads can be forked
            environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.owner, self.fresh, self.waiting = os.getpid(), fresh, False
        how = ["fork"] if fresh and hasattr(os, "fork") else []
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[1]), *how], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True, encoding="utf-8",
            start_new_session=fresh,
        )  # fmt: skip
        self.replies: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.replies.put(line.strip())
        self.replies.put(None)

    def ask(self, request: dict[str, Any], seconds: float) -> int | None:
        """0 when it is done, the exit code where it ended instead, None where time ran out."""
        assert self.process.stdin is not None
        self.waiting = True
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            # One that others are forked off keeps the time itself.
            reply = self.replies.get(timeout=seconds + (_GRACE if self.fresh else 0.0))
        except queue.Empty:
            return None
        except OSError:
            reply = None
        self.waiting = False
        if reply == LATE:
            return None
        return int(reply) if reply else self.process.wait() or 1

    def end(self) -> None:
        if self.fresh and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.listener.join()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                assert pipe is not None
                pipe.close()
            except OSError:  # what was not sent any more
                pass


_lock = threading.Lock()
_waiting: list[_Process] = []  # those that files are read by alone, and whose turn it is not
_process: _Process | None = None


def _ask(request: dict[str, Any], seconds: float, fresh: bool) -> int | None:
    global _process
    if fresh:
        process = _take_fresh()
        try:
            return process.ask(request, seconds)
        finally:
            _give_back(process)
    with _lock:
        if _process is not None and _process.owner != os.getpid():  # the one of the process that was forked
            _process = None
        if _process is None:
            _process = _Process()
        code = _process.ask(request, seconds)
        if code != 0:
            _process.end()
            _process = None
        return code


def _take_fresh() -> _Process:
    with _lock:
        while _waiting:
            process = _waiting.pop()
            if process.owner == os.getpid() and process.process.poll() is None:
                return process
    return _Process(fresh=True)


def _give_back(process: _Process) -> None:
    """Keep a process for the next file, unless it ended or does not answer."""
    if process.process.poll() is not None or process.waiting or not hasattr(os, "fork"):
        process.end()
        return
    with _lock:
        _waiting.append(process)


def _end_all() -> None:
    _end_process()
    with _lock:
        while _waiting:
            process = _waiting.pop()
            if process.owner == os.getpid():
                process.end()


def _end_process() -> None:
    global _process
    with _lock:
        if _process is not None and _process.owner == os.getpid():
            _process.end()
        _process = None


atexit.register(_end_all)


def _reason(code: int, output: Path, memory: int) -> str:
    text = output.read_text(encoding="utf-8", errors="replace") if output.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if "bad_alloc" in text or "MemoryError" in text or "Unable to allocate" in text:
        return f"its reader wants more than {memory / 1e9:.0f} GB for it"
    if code < 0:
        return f"its reader crashes: {signal.Signals(-code).name}"
    return f"its reader ends: {lines[-1][:160]}" if lines else f"its reader ends with code {code}"


def _fetch(file: Path, stored: Path, names: dict[str, list[str]]) -> pv.PolyData | pv.UnstructuredGrid:
    reader: Any = vtkXMLPolyDataReader() if stored.suffix == ".vtp" else vtkXMLUnstructuredGridReader()
    with vtk.complaints(file, "cannot be read back", "check the space left on the disk"):
        reader.SetFileName(str(stored))
        reader.Update()
    mesh: pv.PolyData | pv.UnstructuredGrid = pv.wrap(reader.GetOutput())
    for kind, data in (("point", mesh.GetPointData()), ("cell", mesh.GetCellData())):
        for index, name in enumerate(names[kind]):
            data.GetArray(f"f{index}").SetName(name)
    check_cells(file, mesh)
    stored.unlink()
    return mesh
