"""Designs on this machine, one process each."""

from __future__ import annotations

from tramontane.farm.executor import Executor
from tramontane.io.processes import run_each

EXECUTOR = Executor("local", "processes on this machine", run_each)
