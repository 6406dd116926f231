"""What is shown of long work: a bar in a terminal, few lines in a pipe, nothing where nobody looks."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tramontane import progress
from tramontane.progress import follow, seconds, stage


class Clock:
    """Stands for the clock: each look at it takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


def test_a_pipe_gets_a_line_a_stage_and_one_every_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "time", Clock())
    console = Console(file=io.StringIO(), width=140)
    steps: list[tuple[int, int]] = []
    assert list(follow(range(40), "reading", 40, console, watch=lambda done, of: steps.append((done, of)))) == [
        *range(40)
    ]
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "reading: 40 cases"
    assert lines[1] == "reading: case 4 of 40, 4 s, about 36 s left"
    assert len(lines) == 10
    assert steps == [(k, 40) for k in range(1, 41)]


def test_slow_cases_are_told_of_one_by_one_and_quick_ones_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    console = Console(file=io.StringIO(), width=140)
    with stage("training", console, size="2 h") as tell:
        for step in range(1, 4):
            clock.now += 40.0
            tell(step / 1000, f"step {step}")
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "training: 2 h"
    assert len(lines) == 4
    assert lines[1] == "training: step 1, 41 s, about 11 h 22 min left"
    quick = Console(file=io.StringIO(), width=140)
    monkeypatch.undo()
    assert list(follow([7], "asking", 1, quick)) == [7]
    assert quick.file.getvalue() == "asking: 1 case\n"  # type: ignore[attr-defined]


def test_a_terminal_gets_a_bar_and_nobody_nothing() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    assert sum(follow([1, 2, 3], "reading", 3, console)) == 6
    assert "case 3 of 3" in console.file.getvalue()  # type: ignore[attr-defined]
    assert sum(follow([1, 2, 3], "reading", 3, None)) == 6


def test_durations_are_read_at_once() -> None:
    assert [seconds(s) for s in (0.2, 59.4, 60, 200, 3600, 7500)] == [
        "0 s", "59 s", "1 min", "3 min 20 s", "1 h", "2 h 5 min",
    ]  # fmt: skip
