"""The process that runs commands for another one and ends with it: a script of the standard library alone.

It reads one line of JSON from its standard input, which then stays open: when it closes, whoever asked is no more, and
all that was started ends. It writes lines of JSON to its standard output: each process that it starts, then what became
of the commands. `tramontane.io.commands` starts it, as a file rather than a module, so that it begins in milliseconds.

On Linux everything that a command starts stays its descendant, whatever sessions or daemons it makes, since orphans
become children of this process (prctl(2), PR_SET_CHILD_SUBREAPER). Elsewhere the process group of each command is
ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

_LOOK_EVERY = 0.25  # s between two looks at time, memory and log
_PAUSE = 5.0  # s: a longer time between two looks is not the commands': this process was stopped, or the machine slept
_TAIL = 4096  # bytes of a log that a pattern may reach back over
_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36  # of prctl(2)
_LINUX = sys.platform.startswith("linux")


def main() -> None:
    """Run the commands that standard input names, and say what became of them."""
    asked = json.loads(_line(0))
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # whoever asked decides; it may end without a word
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    if _LINUX:
        ctypes.CDLL(None).prctl(_SET_SUBREAPER, 1, 0, 0, 0)
    run = _Run(asked)
    try:
        ended = run.commands()
    finally:
        run.end_all()
    if ended is None:
        if asked["remove"]:
            shutil.rmtree(asked["remove"], ignore_errors=True)
        return
    _tell(ended)


class _Run:
    def __init__(self, asked: dict[str, Any]) -> None:
        self.asked = asked
        self.patterns = [re.compile(pattern.encode(), re.MULTILINE) for pattern in asked["diverged"]]
        self.places: dict[str, int] = {}  # how far each log was read
        self.groups: list[int] = []
        self.worked = 0.0
        self.peak = 0
        woken, self.wake = os.pipe()
        self.woken = woken
        for end in (woken, self.wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def commands(self) -> dict[str, Any] | None:
        """What became of the commands; None where nobody waits for it."""
        seconds: list[float] = []
        for index, command in enumerate(self.asked["commands"]):
            before = self.worked
            how = self._one(command)
            seconds.append(self.worked - before)
            if how is None:
                return None
            if how != {"how": "exit", "code": 0}:
                return how | {"command": index, "seconds": seconds, "peak": self.peak}
        return {"how": "done", "seconds": seconds, "peak": self.peak}

    def _one(self, command: dict[str, Any]) -> dict[str, Any] | None:
        logs = [command["log"], *self.asked["watched"]]
        with open(command["log"], "ab") as log:
            self.places[command["log"]] = max(self.places.get(command["log"], 0), log.tell())
            try:
                process = subprocess.Popen(
                    command["argv"], cwd=self.asked["folder"], env=self.asked["environment"], stdin=subprocess.DEVNULL,
                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_die_with_parent,
                )  # fmt: skip
            except OSError as error:
                return {"how": "missing", "reason": error.strerror or str(error)}
        self.groups.append(process.pid)
        _tell({"started": process.pid})
        looked = time.monotonic()
        while True:
            heard, _, _ = select.select([0, self.woken], [], [], _LOOK_EVERY)
            if 0 in heard and not os.read(0, 4096):
                return None
            if self.woken in heard:
                os.read(self.woken, 4096)
            code = self._reaped(process.pid)
            passed, looked = time.monotonic() - looked, time.monotonic()
            self.worked += passed if passed < _PAUSE else 0.0
            if code is not None:
                process.returncode = code
                if (match := self._diverged(logs)) is not None:
                    return {"how": "diverged", "reason": match}
                return {"how": "exit", "code": code}
            if (overrun := self._overrun(logs)) is not None:
                return overrun

    def _reaped(self, pid: int) -> int | None:
        """The exit code of a command that has ended, negative for a signal; orphans are taken in by the way."""
        code = None
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return code
            if ended == 0:
                return code
            if ended == pid:
                code = os.waitstatus_to_exitcode(status)

    def _overrun(self, logs: list[str]) -> dict[str, Any] | None:
        if (limit := self.asked["seconds"]) is not None and self.worked > limit:
            return {"how": "time"}
        if _LINUX:
            used = sum(_resident(pid) for pid in _descendants())
            self.peak = max(self.peak, used)
            if (most := self.asked["memory"]) is not None and used > most:
                return {"how": "memory"}
        match = self._diverged(logs)
        return None if match is None else {"how": "diverged", "reason": match}

    def _diverged(self, logs: list[str]) -> str | None:
        """The first line, of those that were added to the logs, in which a pattern is."""
        for log in logs if self.patterns else ():
            try:
                with open(os.path.join(self.asked["folder"], log), "rb") as file:
                    file.seek(max(0, self.places.get(log, 0) - _TAIL))
                    text = file.read(1 << 24)
                    self.places[log] = file.tell()
            except OSError:
                continue
            for pattern in self.patterns:
                if (found := pattern.search(text)) is not None:
                    start = text.rfind(b"\n", 0, found.start()) + 1
                    return text[start:].split(b"\n", 1)[0].decode("utf-8", "replace").strip()[:200]
        return None

    def end_all(self) -> None:
        """End everything that the commands started and that still runs."""
        for group in self.groups:
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        while _LINUX and (left := _descendants()):
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            self._reaped(0)
            time.sleep(0.01)


def _descendants() -> list[int]:
    """The processes below this one, zombies left out."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f"/proc/{entry}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in (b"Z", b"X"):
                    children.setdefault(int(parent), []).append(int(entry))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _die_with_parent() -> None:
    """Between fork and exec: this script may be killed itself, and signals are the commands' own again."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    if _LINUX:
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _line(descriptor: int) -> bytes:
    """A line, and not a byte more: what comes after it is the sign that whoever asked has ended."""
    parts = []
    while (byte := os.read(descriptor, 1)) not in (b"\n", b""):
        parts.append(byte)
    return b"".join(parts)


def _tell(message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # standard input says that nobody listens any more
        os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
