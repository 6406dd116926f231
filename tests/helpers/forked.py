"""Processes of their own that begin where the package's libraries are loaded: a fork of one that has done only that.

A server loads for four seconds, and tests start some ninety. Each is still a process with a command line, signals, open
files, an exit code and a start of everything after the imports.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

COMMAND = "from tramontane.__main__ import main; main()"
"""What ``tramontane`` runs."""
_LOADED = (
    "tramontane.cli", "tramontane.http.run", "tramontane.page.mount", "tramontane.surrogate.kinds.networks",
    "tramontane.surrogate.network", "tramontane.surrogate.reference",
)  # fmt: skip


class Forked:
    """Such a process, to be handled like a `subprocess.Popen` that says little on its standard output.

    Args:
        arguments: Its command line after the program's name.
        code: What it runs.
        stderr: Where its standard error goes.
    """

    def __init__(self, arguments: Sequence[str], stderr: IO[Any], code: str = COMMAND) -> None:
        out, written = os.pipe()
        reading, telling = os.pipe()
        request = json.dumps({"argv": ["tramontane", *arguments], "code": code, "env": dict(os.environ)}).encode()
        parent = _parent()
        parent.sendall(len(request).to_bytes(8, "big"))
        socket.send_fds(parent, [b"."], [written, stderr.fileno(), telling])
        parent.sendall(request)
        os.close(written)
        os.close(telling)
        self.stdout: IO[str] = os.fdopen(out)
        self._reading = os.fdopen(reading)
        self.pid = int(self._reading.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code once it has ended; that of a signal is negative."""
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """What it still says, once it has ended."""
        self.wait(timeout)
        if self.stdout.closed:
            return "", None
        with self.stdout:
            return self.stdout.read(), None

    def send_signal(self, kind: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, kind)

    def kill(self) -> None:
        self.send_signal(9)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._reading], [], [], timeout)[0]:
            with self._reading:
                self.returncode = int(self._reading.readline())
        return self.returncode


def run(*arguments: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run a command of ``tramontane`` to its end."""
    with tempfile.TemporaryFile("w+") as errors:
        process = Forked(arguments, errors)
        try:
            with process.stdout:
                out = process.stdout.read()
            code = process.wait(timeout)
        finally:
            process.kill()
        errors.seek(0)
        return subprocess.CompletedProcess(["tramontane", *arguments], code, out, errors.read())


@functools.cache
def _parent() -> socket.socket:
    """The end of a connection to the process that forks; it ends with this one."""
    here, there = socket.socketpair()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    code = f"import sys; sys.path[:] = {sys.path!r}; from helpers.forked import serve; serve({there.fileno()})"
    with there:
        process = subprocess.Popen([sys.executable, "-c", code], pass_fds=[there.fileno()], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, env=environment)  # fmt: skip
    atexit.register(process.wait)
    atexit.register(here.close)
    return here


def serve(descriptor: int) -> None:
    """Load the libraries, then fork whenever asked; it returns in the forked processes, too, once they are done."""
    from importlib import import_module

    from tramontane.idle_threads import let_them_sleep

    let_them_sleep()
    for name in _LOADED:
        import_module(name)
    threads = Path("/proc/self/task")
    assert not threads.is_dir() or len(list(threads.iterdir())) == 1, "a process with threads cannot be forked"
    with socket.socket(fileno=descriptor) as connection:
        while size := connection.recv(8, socket.MSG_WAITALL):
            _, files, _, _ = socket.recv_fds(connection, 1, 3)
            given = json.loads(connection.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
            if not os.fork():
                break
            for file in files:
                os.close(file)
            _reap()
        else:
            _reap()
            return
    out, error, status_pipe = files
    # One process more stays as its parent, and tells the exit code.
    if pid := os.fork():
        os.close(out)
        os.write(status_pipe, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(status_pipe, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.close(status_pipe)
    os.dup2(out, 1)
    os.dup2(error, 2)
    os.close(out)
    os.close(error)
    os.environ.clear()
    os.environ.update(given["env"])
    sys.argv[:] = given["argv"]
    exec(given["code"], {"__name__": "__main__"})


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
