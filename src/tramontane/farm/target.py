"""What ``--on`` says: an executor, and with what; ``local``, ``slurm?partition=short&time=2h``, ``ray://head:10001``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tramontane.errors import TramontaneError

_BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Target:
    """Where tasks are to run.

    Attributes:
        name: Of the executor.
        address: What stood before the ``?``, such as ``ray://head:10001``.
        resources: Of each task, as `tramontane.io.tasks.Resources` names them; they stand above a simulator's own.
        options: All others, for the executor.
        folder: Of the run, which a cluster sees as well; None where there is none.
    """

    name: str
    address: str
    resources: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    def allow(self, *options: str, resources: tuple[str, ...] = ("cores", "memory", "gpus", "licenses")) -> None:
        """Refuse what the executor does not know.

        Args:
            options: That it knows.
            resources: That it counts.

        Raises:
            TramontaneError: Another is given.
        """
        for option in [*self.resources, *self.options]:
            if option not in (*options, *resources):
                raise TramontaneError(f"--on {self.address}: {option!r} is no option of {self.name}; choose of "
                                      f"{', '.join([*resources, *options])}")  # fmt: skip


def parse(on: str, folder: Path | None = None) -> Target:
    """Take apart what ``--on`` says.

    Raises:
        TramontaneError: It is not ``NAME?OPTION=VALUE&OPTION=VALUE``, or a value cannot be read.
    """
    address, _, query = on.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError as error:
        raise TramontaneError(f"--on {on}: is not NAME?OPTION=VALUE&OPTION=VALUE; put it in quotes") from error
    resources: dict[str, Any] = {}
    options: dict[str, str] = {}
    for option, value in pairs:
        if option not in _RESOURCES:
            options[option] = value
            continue
        read, example = _RESOURCES[option]
        try:
            resources[option] = read(value)
        except ValueError as error:
            raise TramontaneError(f"--on {on}: {option}={value} cannot be read; give one such as {example}") from error
    return Target(address.partition("://")[0], address, resources, options, folder)


def _cores(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def _gpus(text: str) -> float:
    if not 0.0 < float(text) < 1024.0:
        raise ValueError
    return float(text)


def _memory(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None or float(match[1]) <= 0:
        raise ValueError
    return int(float(match[1]) * _BYTES[match[2].upper()])


def _licenses(text: str) -> dict[str, int]:
    """Counts by name of ``abaqus:2,ansys``."""
    counts = {}
    for each in text.split(","):
        name, _, count = each.strip().partition(":")
        if not name:
            raise ValueError
        counts[name] = _cores(count or "1")
    return counts


_RESOURCES: dict[str, tuple[Callable[[str], Any], str]] = {
    "cores": (_cores, "cores=2"),
    "memory": (_memory, "memory=4GB"),
    "gpus": (_gpus, "gpus=1"),
    "licenses": (_licenses, "licenses=abaqus:2"),
}
