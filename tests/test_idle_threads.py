"""Idle threads of numerical libraries, in every command."""

from __future__ import annotations

import os
import subprocess
import sys

# The last line is what the libraries find that are loaded when a command runs.
_PROGRAM = """
import os, sys
from tramontane.__main__ import main
sys.argv = ["tramontane", "--help"]
sys.stdout = open(os.devnull, "w")
try:
    main()
except SystemExit:
    sys.stdout = sys.__stdout__
loaded = [name for name in ("numpy", "torch", "scipy") if name in sys.modules]
print(loaded, os.environ["OPENBLAS_THREAD_TIMEOUT"], os.environ["OMP_WAIT_POLICY"])
"""


def output(**environment: str) -> str:
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "OPENBLAS_"))}
    return subprocess.run([sys.executable, "-c", _PROGRAM], env=plain | environment, capture_output=True, text=True,
                          check=True).stdout.strip()  # fmt: skip


def test_they_are_asked_to_sleep_before_any_library_is_loaded() -> None:
    assert output() == "[] 4 passive"


def test_what_the_operator_asks_for_stays() -> None:
    assert output(OMP_WAIT_POLICY="active", OPENBLAS_THREAD_TIMEOUT="26") == "[] 26 active"
