"""Cases that are not there though something says that they should be."""

from __future__ import annotations

import json
import re
from collections.abc import Collection as Names
from collections.abc import Iterable
from pathlib import Path

from tramontane.dataset.audit.facts import Problem
from tramontane.formats.results import Collection
from tramontane.formats.surfaces.geometry import SUFFIXES as GEOMETRY_SUFFIXES

_FAILED = "failed"  # where a farm records the designs whose simulation failed
_NUMBERED = re.compile(r"^(.*?)(\d+)(\D*)$")
_COMPLETE = 0.75  # numbers with more gaps than this leaves were not meant to be without


def missing_cases(collection: Collection, bad: Names[str] = ()) -> list[Problem]:
    """A warning for each case that is missing, or of which something is.

    Looked at are lines of the table without a case and cases without a line, failures recorded in ``failed/*.json``,
    gaps in the numbering (``run_1``, ``run_2``, ``run_4``), and folders that hold a geometry alone.

    Args:
        collection: The cases that there are.
        bad: Names of cases that are reported already.
    """
    names = [source.name for source in collection.sources]
    problems: dict[str, Problem] = {}

    def note(case: str, place: str, message: str) -> None:
        if case not in problems and case not in bad:
            problems[case] = Problem("warning", case, place, message)

    root = collection.root
    for name in sorted(set(collection.table) - set(names)):
        note(name, "table", f"{root}: the table names case {name}, of which there are no files")
    if collection.table:
        for name in (name for name in names if name not in collection.table):
            note(name, "table", f"case {name}: has no line in the table of {root}; add it")
    if collection.layout == "folder of cases":
        for folder in sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
            if folder.name not in names and any(file.suffix.lower() in GEOMETRY_SUFFIXES for file in folder.iterdir()):
                note(folder.name, "files", f"{folder}: has a geometry, but neither meshes nor case.json; "
                                           "it is left out")  # fmt: skip
    if root.is_dir():
        for file in sorted((root / _FAILED).glob("*.json")):
            if file.stem not in names:
                note(file.stem, _FAILED, f"case {file.stem}: its simulation failed ({_reason(file)}); see {file}")
    for name in _gaps(names):
        note(name, "numbering", f"case {name}: is missing between those before and after it; if it exists, add it")
    return list(problems.values())


def _reason(file: Path) -> str:
    try:
        return " ".join(str(json.loads(file.read_text(encoding="utf-8"))["reason"]).split())
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "the reason cannot be read"


def _gaps(names: Iterable[str]) -> list[str]:
    """The names that are missing in a numbering that is otherwise nearly complete."""
    numbered: dict[tuple[str, str], dict[int, int]] = {}
    for name in names:
        match = _NUMBERED.match(name)
        if match is not None:
            numbered.setdefault((match[1], match[3]), {})[int(match[2])] = len(match[2])
    gaps = []
    for (before, after), digits in numbered.items():
        first, last = min(digits), max(digits)
        if 3 <= len(digits) < last - first + 1 and len(digits) >= _COMPLETE * (last - first + 1):
            width = min(digits.values()) if len(set(digits.values())) == 1 else 0
            gaps += [f"{before}{number:0{width}d}{after}" for number in range(first, last) if number not in digits]
    return gaps
