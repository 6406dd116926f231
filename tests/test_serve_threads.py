"""Idle threads of a server's numerical libraries."""

from __future__ import annotations

import os
import subprocess
import sys

# What `tramontane serve` does first; the last line is what the libraries find.
_PROGRAM = """
import sys
import tramontane.cli
from tramontane.idle_threads import let_them_sleep
let_them_sleep()
import os
loaded = [name for name in ("numpy", "torch", "scipy") if name in sys.modules]
print(loaded, os.environ["OPENBLAS_THREAD_TIMEOUT"], os.environ["OMP_WAIT_POLICY"])
"""


def said(**environment: str) -> str:
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "OPENBLAS_"))}
    return subprocess.run([sys.executable, "-c", _PROGRAM], env=plain | environment, capture_output=True, text=True,
                          check=True).stdout.strip()  # fmt: skip


def test_they_are_asked_to_sleep_before_any_library_is_loaded() -> None:
    assert said() == "[] 4 passive"


def test_what_the_operator_asks_for_stays() -> None:
    assert said(OMP_WAIT_POLICY="active", OPENBLAS_THREAD_TIMEOUT="26") == "[] 26 active"
