"""Readers that behave badly, for `test_ingest`; its processes import them, so they import little."""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from tramontane.formats.results import Results


def crash() -> Results:
    os.kill(os.getpid(), signal.SIGSEGV)
    return Results()


def hang() -> Results:
    time.sleep(600)
    return Results()


def eat() -> Results:
    hoard = [np.ones(2**24) for _ in range(64)]  # 8 GiB
    return Results(extra={"sum": float(sum(part[0] for part in hoard))})


def err() -> Results:
    raise ZeroDivisionError("in a reader")
