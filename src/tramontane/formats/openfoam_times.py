"""Which time of an OpenFOAM case is read, and whether from the case as a whole or from its parts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from tramontane.errors import FormatError
from tramontane.formats.openfoam_fields import is_field, kind_of
from tramontane.formats.openfoam_files import existing
from tramontane.formats.results import Results

_PART = re.compile(r"processor(\d+)")
_COLLATED = re.compile(r"processors\d+(_\d+-\d+)?")


@dataclass(frozen=True)
class Time:
    """A time of a case: its value, its name, and its folder in each part of the case."""

    value: float
    name: str
    folders: tuple[Path, ...]


def choose(folder: Path, time: str | float | None, mean: bool, found: Results) -> Time:
    """The time that is meant, in the whole case or in its parts, whichever has the later one.

    Args:
        folder: Of the case.
        time: Its name or value; the last that has fields, but not 0, where None.
        mean: Whether it must have mean fields.
        found: Gets a warning for each time that is passed over.

    Raises:
        FormatError: There is no such time, or none with fields.
    """
    layouts = [layout for layout in (_whole(folder), _decomposed(folder, found)) if layout is not None]
    if not layouts:
        collated = next((entry for entry in sorted(folder.iterdir()) if _COLLATED.fullmatch(entry.name)), None)
        if collated is not None:
            raise FormatError(f"{collated}: collated parts are not read; run reconstructPar, or foamFormatConvert "
                              "-fileHandler uncollated")  # fmt: skip
        raise FormatError(f"{folder}: has no mesh in constant/polyMesh; run the mesher, or copy the case whole")
    times = sorted((each for layout in layouts for each in layout), key=lambda each: (each.value, -len(each.folders)))
    if time is not None:
        chosen = [each for each in times if each.name == str(time) or _same(each.value, time)]
        if not chosen:
            names = list(dict.fromkeys(each.name for each in times))
            some = ", ".join(names[-8:]) or "none"
            raise FormatError(f"{folder}: has no time {time}; it has {'..., ' if len(names) > 8 else ''}{some}")
        empty = [each for each in chosen if not _has_fields(each, mean)]
        if len(empty) == len(chosen):
            raise FormatError(
                f"{chosen[0].folders[0]}: holds no {'mean fields' if mean else 'fields'}; name another time"
            )
        return next(each for each in reversed(chosen) if each not in empty)
    later = [each for each in times if each.value != 0]
    for each in reversed(later):
        if _has_fields(each, mean):
            return each
        if not mean or _has_fields(each, False):
            found.warnings.append(f"{each.folders[0]}: holds no {'mean fields' if mean else 'fields'}; an earlier time "
                                  "is read")  # fmt: skip
    if mean and any(_has_fields(each, False) for each in later):
        raise FormatError(f"{folder}: no time has mean fields (UMean, pMean); add a fieldAverage function object, or "
                          "read it without mean")  # fmt: skip
    what = "times without fields" if later else "no time but 0" if times else "no times"
    raise FormatError(f"{folder}: has {what}; run the solver{', or ask for time 0' if times else ''}")


def _whole(folder: Path) -> list[Time] | None:
    if existing(folder / "constant/polyMesh/faces") is None:
        return None
    return [Time(value, entry.name, (entry,)) for value, entry in time_folders(folder).items()]


def _decomposed(folder: Path, found: Results) -> list[Time] | None:
    parts = {int(match[1]): entry for entry in folder.iterdir() if (match := _PART.fullmatch(entry.name))}
    if not parts or existing(parts[min(parts)] / "constant/polyMesh/faces") is None:
        return None
    lacking = sorted(set(range(max(parts) + 1)) - set(parts))
    if lacking:
        raise FormatError(f"{folder}: processor{lacking[0]} is missing of {max(parts) + 1}; copy all processor folders")
    each = [time_folders(parts[number]) for number in range(len(parts))]
    common = sorted(set.intersection(*(set(times) for times in each)))
    for value in sorted(set.union(*(set(times) for times in each)) - set(common)):
        number = next(number for number, times in enumerate(each) if value not in times)
        found.warnings.append(f"{parts[number]}: has no time {value:g}, other parts have; that time is left out")
    return [Time(value, each[0][value].name, tuple(times[value] for times in each)) for value in common]


def time_folders(folder: Path) -> dict[float, Path]:
    found: dict[float, Path] = {}
    for entry in sorted(folder.iterdir()):
        try:
            value = float(entry.name)
        except ValueError:
            continue
        if math.isfinite(value) and entry.is_dir():
            found[value] = entry
    return found


def _has_fields(time: Time, mean: bool) -> bool:
    """Whether a time has a field, or a mean field, in its first part."""
    return any(
        is_field(kind_of(file))
        for file in time.folders[0].iterdir()
        if file.is_file() and (not mean or file.name.removesuffix(".gz").endswith("Mean"))
    )


def _same(value: float, time: str | float) -> bool:
    try:
        return math.isclose(value, float(time), rel_tol=1e-9, abs_tol=1e-15)
    except ValueError:
        return False
