"""Damage by the hundred: a process reads spoilt files as `ingest` would, and this one watches what becomes of it.

What isolation would contain in the product (a crash or a hang of a reader that `isolation.isolated` runs)
happens in the watched process, too, so that a try takes milliseconds; it says when it is inside of such a reader.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers import TESTS

HANG = 20.0  # s that one try may take
HANG_INSIDE = 4.0  # s until a reader that runs isolated counts as stopped; the product gives it a minute and more
ABSURD = (0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**32 - 1, 2**62, 10**9, 10**18, 255)
_NUMBER = re.compile(rb"\d+")


@dataclass(frozen=True)
class Subject:
    """Sound files and how they are read.

    Attributes:
        path: What the reader is given.
        targets: The files to be spoilt, one at a time.
        geometry: Whether it is read as a geometry, not as results.
        misbehave: What the process does instead: ``crash``, ``hang``, ``raise`` or ``eat`` memory.
    """

    path: Path
    targets: Sequence[Path]
    geometry: bool = False
    misbehave: str = ""


@dataclass
class Tally:
    """What became of the tries; ``wrong`` must stay empty."""

    read: int = 0
    refused: int = 0
    contained: int = 0
    wrong: list[str] = field(default_factory=list)
    messages: set[str] = field(default_factory=set)


class Watched:
    """The process that reads; after a crash it is there again at once, for it is forked from one that only waits."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.worker = 0

    def read(self, subject: Subject) -> tuple[str, str]:
        """How it ended (``read``, ``refused``, ``contained``, ``raised``, ``crashed``, ``hung``), and in what words."""
        if self.process is None:
            self._start()
        assert self.process is not None
        assert self.process.stdin is not None
        request = {"path": str(subject.path), "geometry": subject.geometry, "misbehave": subject.misbehave}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        inside, hung = False, False
        while True:
            try:
                word, rest = self.messages.get(timeout=HANG_INSIDE if inside else HANG)
            except queue.Empty:
                hung = True
                os.kill(self.worker, signal.SIGKILL)
                continue
            if word == "worker":
                self.worker = int(rest)
            elif word in ("inside", "outside"):
                inside = word == "inside"
            elif word == "died":
                return "contained" if inside else "hung" if hung else "crashed", str(rest)
            else:
                return word, str(rest)

    def renew(self) -> None:
        """Have the next try read by a fresh process."""
        if self.process is not None:
            os.kill(self.worker, signal.SIGKILL)
            assert self.messages.get(timeout=HANG)[0] == "died"

    def end(self) -> None:
        """Close the channel, upon which both processes end."""
        if self.process is None:
            return
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                if pipe is self.process.stdout:
                    self.process.wait(timeout=HANG)
                    self.listener.join()
                pipe.close()
        self.process = None

    def _start(self) -> None:
        here = str(TESTS)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([here, *filter(None, sys.path)])}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "helpers.fuzzing.fuzz_child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=environment, encoding="utf-8",
        )  # fmt: skip
        self.messages: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
        self.listener = threading.Thread(target=self._listen, args=(self.process, self.messages), daemon=True)
        self.listener.start()
        word, pid = self.messages.get(timeout=60)
        assert word == "worker"
        self.worker = int(str(pid))

    @staticmethod
    def _listen(process: subprocess.Popen[str], messages: queue.SimpleQueue[tuple[str, object]]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            word, _, rest = line.partition(" ")
            messages.put((word, json.loads(rest)))


def attack(watched: Watched, subject: Subject, seeds: Sequence[int], *, log: Callable[[str], None] = print) -> Tally:
    """Spoil one file of a subject for each seed, and have it read; all files are whole again afterwards."""
    tally = Tally()
    contents = {target: target.read_bytes() for target in subject.targets}
    for seed in seeds:
        chance = random.Random(seed)
        target = subject.targets[seed % len(subject.targets)]
        spoilt = damaged(contents[target], chance)
        target.write_bytes(spoilt)
        try:
            how, words = watched.read(subject)
            if how in ("crashed", "hung"):  # an earlier try may have left the process damaged
                watched.renew()
                how, words = watched.read(subject)
        finally:
            target.write_bytes(contents[target])
        names = (target.name, subject.path.name, target.parent.name, str(subject.path))
        if how in ("read", "refused", "contained"):
            setattr(tally, how, getattr(tally, how) + 1)
        if how == "refused":
            tally.messages.add(words)
        if how == "refused" and not any(name in words for name in names):
            tally.wrong.append(f"seed {seed}: names no file: {words}")
        elif how == "refused" and "\n" in words.strip():
            tally.wrong.append(f"seed {seed}: more than a line: {words}")
        elif how not in ("read", "refused", "contained"):
            tally.wrong.append(f"seed {seed}, {target.name}: {how}: {words}")
    return tally


def damaged(content: bytes, chance: random.Random) -> bytes:
    """One of many ways in which a file is spoilt."""
    way = chance.choice(
        (_cut, _cut, _flip, _flip, _overwrite, _lie, _lie, _lie_in_binary, _lie_in_binary, _drop, _zero)
    )
    return way(bytearray(content), chance)


def _place(content: bytearray, chance: random.Random) -> int:
    """Anywhere, half of the time in the head."""
    if not content:
        return 0
    return chance.randrange(min(len(content), 1024) if chance.random() < 0.5 else len(content))


def _cut(content: bytearray, chance: random.Random) -> bytes:
    end = chance.random()
    return bytes(content[: len(content) - chance.randrange(1, 80) if end < 0.3 else _place(content, chance)])


def _flip(content: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 2, 8, 40)) if content else 0):
        content[_place(content, chance)] ^= 1 << chance.randrange(8)
    return bytes(content)


def _overwrite(content: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 4, 16)) if content else 0):
        content[_place(content, chance)] = chance.randrange(256)
    return bytes(content)


def _lie(content: bytearray, chance: random.Random) -> bytes:
    """Another number where there is one in text: a count, an index, a size."""
    numbers = list(_NUMBER.finditer(bytes(content[:20_000])))
    for match in sorted(chance.sample(numbers, min(len(numbers), chance.choice((1, 1, 3)))), key=lambda m: -m.start()):
        number = int(match[0][:18])
        lie = chance.choice((*ABSURD, number + 1, number - 1, number * 1000))
        content[match.start() : match.end()] = str(lie).encode()
    return bytes(content)


def _lie_in_binary(content: bytearray, chance: random.Random) -> bytes:
    """Another number of 4 or 8 bytes, either way round."""
    for _ in range(chance.choice((1, 1, 4))):
        width, order = chance.choice((4, 8)), chance.choice(("little", "big"))
        place = _place(content, chance) // 4 * 4
        number = chance.choice(ABSURD) % (1 << 8 * width)
        content[place : place + width] = number.to_bytes(width, order)  # type: ignore[arg-type]
    return bytes(content)


def _drop(content: bytearray, chance: random.Random) -> bytes:
    start = _place(content, chance)
    length = chance.choice((1, 4, 64, 1000))
    if chance.random() < 0.5:
        del content[start : start + length]
    else:
        content[start:start] = content[start : start + length]
    return bytes(content)


def _zero(content: bytearray, chance: random.Random) -> bytes:
    start, length = _place(content, chance), chance.choice((1, 8, 256, 5000))
    end = min(len(content), start + length)
    content[start:end] = bytes(end - start)
    return bytes(content)
