"""Spoilt files of every format: an error in one line that names the file, or a result; nothing crashes, nothing hangs.

Each try has 20 s and 3 GiB. `TRAMONTANE_FUZZ=500 pytest tests/formats/test_fuzz.py` tries 500 seeds of each format.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.fuzzing.fuzz import Subject, Watched, attack
from helpers.fuzzing.fuzz_subjects import SUBJECTS

TRIES = int(os.environ.get("TRAMONTANE_FUZZ", "40"))
SLOW = {"step": 5}  # where fewer tries are made: spoilt solids take Open CASCADE seconds
FIRST = int(os.environ.get("TRAMONTANE_FUZZ_FIRST", "0"))


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    process = Watched()
    yield process
    process.end()


@pytest.mark.parametrize("name", SUBJECTS)
def test_spoilt_files(name: str, watched: Watched, tmp_path: Path) -> None:
    subject = SUBJECTS[name](tmp_path)
    how, words = watched.read(subject)
    assert how == "read", words  # sound, it is read
    tally = attack(watched, subject, range(FIRST, FIRST + TRIES // SLOW.get(name, 1)))
    assert tally.wrong == []
    assert tally.refused > 0


def test_what_is_watched_for_is_seen(watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that crashes, hangs, raises or wants all memory outside of isolation is told from one that refuses."""
    monkeypatch.setattr("helpers.fuzzing.fuzz.HANG", 1.0)
    for name, how in (("crash", "crashed"), ("hang", "hung"), ("raise", "raised"), ("eat", "raised"), ("", "refused")):
        subject = Subject(tmp_path / f"x.{name}", [], misbehave=name)
        assert watched.read(subject)[0] == how
    (tmp_path / "body.vtp").write_bytes(b"x")
    assert watched.read(Subject(tmp_path / "body.vtp", []))[0] == "refused"
