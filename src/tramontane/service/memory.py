"""Memory that is free goes back to the system: glibc keeps it for each thread that ever used some."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import Any

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1  # of glibc's malloc.h
_ARENAS, _LARGE, _KEPT = 4, 4 << 20, 64 << 20


def keep_memory_together() -> None:
    """Have threads share a few arenas, and arrays of megabytes be mapped alone; before threads are started.

    Without it, each of some fifty threads keeps what it once needed: with many clients a server grows to several times
    what its caches hold. What the operator says in ``MALLOC_ARENA_MAX`` and the like stands.
    """
    if (libc := _glibc()) is None or any(name.startswith("MALLOC_") for name in os.environ):
        return
    for which, value in ((_ARENA_MAX, _ARENAS), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _KEPT)):
        libc.mallopt(which, value)


def give_back() -> None:
    """Give the system what is free."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        assert libc.mallopt
        assert libc.malloc_trim
        return libc
    return None
