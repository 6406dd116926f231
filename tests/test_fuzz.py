"""Spoilt files of every format: an error in one line that names the file, or a result; nothing crashes, nothing hangs.

Each try has 20 s and 3 GiB. `TRAMONTANE_FUZZ=500 pytest tests/test_fuzz.py` tries 500 seeds of each format.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz import Watched, attack
from fuzz_subjects import SUBJECTS

TRIES = int(os.environ.get("TRAMONTANE_FUZZ", "40"))
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
    tally = attack(watched, subject, range(FIRST, FIRST + TRIES))
    assert tally.wrong == []
    assert tally.refused + tally.contained > 0
