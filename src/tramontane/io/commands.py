"""Commands of other programs in a process tree that is watched, bounded, and ended as a whole.

A command's children end with it, and all of them end when this process does, however it ends:
`tramontane.io.supervisor` stands between.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tramontane.io import supervisor


@dataclass(frozen=True)
class Command:
    """A program with its arguments, and the file that takes what it prints; it is added to what the file holds."""

    argv: tuple[str, ...]
    log: Path


@dataclass(frozen=True)
class Ended:
    """What became of commands.

    Attributes:
        how: ``done`` when all ended with exit code 0; else what the last one that was started came to: ``exit`` with
            another code, ``missing`` (it could not be started), ``time`` or ``memory`` (a limit was reached),
            ``diverged`` (a pattern was found in a log), or ``lost`` (its supervisor was killed).
        command: Index of that last one.
        code: Its exit code, negative for a signal.
        reason: What the system, or the log, says of it.
        seconds: How long each command ran.
        memory: Largest resident memory of all processes together, bytes; 0 where the system does not say.
    """

    how: Literal["done", "exit", "missing", "time", "memory", "diverged", "lost"]
    command: int
    code: int = 0
    reason: str = ""
    seconds: tuple[float, ...] = ()
    memory: int = 0


def run_commands(
    commands: Sequence[Command],
    folder: Path,
    *,
    environment: Mapping[str, str],
    seconds: float | None = None,
    memory: int | None = None,
    diverged: Sequence[str] = (),
    watched: Sequence[Path] = (),
    remove: Path | None = None,
) -> Ended:
    """Run commands one after the other, until one fails.

    Args:
        commands: Each is started without a shell.
        folder: In which they run.
        environment: Theirs, whole.
        seconds: After which all is ended; time in which the machine slept does not count.
        memory: Bytes of resident memory of all their processes together at which all is ended.
        diverged: Regular expressions; what matches a line of a log ends the run.
        watched: More files in which they are looked for.
        remove: A folder that is deleted if this process dies.

    Returns:
        How they ended; nothing that they started still runs.
    """
    asked = {
        "commands": [{"argv": command.argv, "log": str(command.log)} for command in commands],
        "folder": str(folder), "environment": dict(environment), "seconds": seconds, "memory": memory,
        "diverged": list(diverged), "watched": [str(file) for file in watched],
        "remove": None if remove is None else str(remove),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    groups: list[int] = []
    ended: dict[str, Any] | None = None
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.flush()
        for line in process.stdout:
            said = json.loads(line)
            if "started" in said:
                groups.append(said["started"])
            else:
                ended = said
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()  # Ctrl-C: the supervisor hears that nobody waits
        process.stdout.close()
        process.wait()
    if ended is None:
        for group in groups:
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        return Ended("lost", max(0, len(groups) - 1))
    return Ended(
        ended["how"], ended.get("command", len(commands) - 1), ended.get("code", 0),
        ended.get("reason", ""), tuple(ended["seconds"]), ended["peak"],
    )  # fmt: skip
