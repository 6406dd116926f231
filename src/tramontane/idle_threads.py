"""Threads of numerical libraries sleep while they have nothing to do, rather than look for work in a loop."""

from __future__ import annotations

import os

_SETTINGS = {"OPENBLAS_THREAD_TIMEOUT": "4", "OMP_WAIT_POLICY": "passive"}


def let_them_sleep() -> None:
    """Ask OpenBLAS and OpenMP for it, unless the user asked for something else; before NumPy is loaded.

    Each library has threads of its own for all cores, which by default look for work for tens of milliseconds after
    each product of matrices. A prediction has many small ones: on a busy machine its own idle threads, and those of the
    requests beside it, keep the cores from what there is to do.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
