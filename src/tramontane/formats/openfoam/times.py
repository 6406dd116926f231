"""Which time of an OpenFOAM case is read, of which region, and whether from the case as a whole or from its parts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from tramontane.errors import FormatError
from tramontane.formats.openfoam import collated
from tramontane.formats.openfoam.fields import is_field, kind_of
from tramontane.formats.openfoam.files import entries_of, existing
from tramontane.formats.results import Results

_PART = re.compile(r"processor(\d+)")
_DEFAULT = "region0"  # what OpenFOAM calls the mesh in constant/polyMesh


@dataclass(frozen=True)
class Time:
    """A time of a case.

    Attributes:
        value: In seconds, or iterations.
        name: As OpenFOAM writes it.
        folders: That hold its fields, one in each part of the case.
        parts: The parts: the case itself, or its processors' folders.
    """

    value: float
    name: str
    folders: tuple[Path, ...]
    parts: tuple[Path, ...]


def has_mesh(folder: Path) -> bool:
    """Whether a folder has a mesh, whole or in parts, of one region or of several."""
    places = ("constant/polyMesh", "constant/*/polyMesh")
    return any(True for part in ("", "processor*/") for place in places for _ in folder.glob(part + place))


def regions(folder: Path) -> list[str]:
    """Names of the regions that a case has meshes of, sorted; ``""`` is the mesh that belongs to none."""
    names = set()
    for part in (folder, *folder.glob("processor*")):
        for mesh in (*part.glob("constant/polyMesh"), *part.glob("constant/*/polyMesh")):
            if existing(mesh / "faces") is not None:
                names.add("" if mesh.parent.name == "constant" else mesh.parent.name)
    return sorted(names)


def choose_region(folder: Path, region: str | None, results: Results) -> str:
    """The region that is meant: the only one that has been run, unless one is asked for.

    Args:
        folder: Of the case.
        region: Its name; ``region0`` is the mesh in ``constant/polyMesh``.
        results: Gets a warning where regions are passed over.

    Raises:
        FormatError: There is no such region, or several and none is asked for.
    """
    names = regions(folder)
    named = [name for name in names if name]
    if region is not None:
        if region == _DEFAULT or region in names:
            return "" if region == _DEFAULT else region
        one = f"its regions are {', '.join(named)}" if named else "it has one mesh and no regions"
        raise FormatError(f"{folder}: has no region {region}; {one}")
    if not named:
        return ""
    run = [
        name
        for name in names
        if any(each.value != 0 and _has_fields(each, False) for each in reversed(_times(folder, name, Results())[0]))
    ] or names
    if len(run) == 1 or run[0] == "":
        others = [name for name in run[1:] if name]
        if others:
            results.warnings.append(f"{folder}: has the regions {', '.join(others)}, too, which are left out; read one "
                                    f"with --region, or \"region\": \"{others[0]}\" in its case.json")  # fmt: skip
        return run[0]
    raise FormatError(f"{folder}: has {len(run)} regions ({', '.join(run)}); choose one with --region, or "
                      f'"region": "{run[0]}" in its case.json')  # fmt: skip


def choose(folder: Path, region: str, time: str | float | None, mean: bool, results: Results) -> Time:
    """The time that is meant, in the whole case or in its parts, whichever has the later one.

    Args:
        folder: Of the case.
        region: Whose fields are meant; ``""`` where there are none.
        time: Its name or value; the last that has fields, but not 0, where None.
        mean: Whether it must have mean fields.
        results: Gets a warning for each time that is passed over.

    Raises:
        FormatError: There is no such time, or none with fields.
    """
    times, meshes = _times(folder, region, results)
    if not meshes:
        raise FormatError(f"{folder}: has no mesh in constant/{f'{region}/' if region else ''}polyMesh; run the "
                          "mesher, or copy the case whole")  # fmt: skip
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
            results.warnings.append(f"{each.folders[0]}: holds no {'mean fields' if mean else 'fields'}; an earlier "
                                    "time is read")  # fmt: skip
    if mean and any(_has_fields(each, False) for each in later):
        raise FormatError(f"{folder}: no time has mean fields (UMean, pMean); add a fieldAverage function object, or "
                          "read it without mean")  # fmt: skip
    what = "times without fields" if later else "no time but 0" if times else "no times"
    raise FormatError(f"{folder}: has {what}; run the solver{', or ask for time 0' if times else ''}")


def _times(folder: Path, region: str, results: Results) -> tuple[list[Time], bool]:
    """All times of a case, the one to be preferred last, and whether it has a mesh at all."""
    whole = _whole(folder, region)
    alone = not any(each.value != 0 for each in whole or ())
    plain = {int(match[1]): entry for entry in folder.iterdir() if (match := _PART.fullmatch(entry.name))}
    several = [(plain, max(plain) + 1)] if plain else []
    several += [(parts, count) for count, parts in collated.parts_of(folder).items()]
    layouts = [whole, *(_decomposed(folder, region, parts, count, alone, results) for parts, count in several)]
    times = [each for layout in layouts if layout is not None for each in layout]
    return sorted(times, key=lambda each: (each.value, -len(each.parts))), any(each is not None for each in layouts)


def _whole(folder: Path, region: str) -> list[Time] | None:
    if existing(folder / "constant" / region / "polyMesh/faces") is None:
        return None
    times = time_folders(folder, region).items()
    return [Time(value, time.name, (time / region,), (folder,)) for value, time in times]


def _decomposed(
    folder: Path, region: str, parts: dict[int, Path], count: int, alone: bool, results: Results
) -> list[Time] | None:
    if existing(parts[min(parts)] / "constant" / region / "polyMesh/faces") is None:
        return None
    lacking = sorted(set(range(count)) - set(parts))
    if lacking:
        what = f"{folder}: processor{lacking[0]} is missing of {count}"
        if alone:
            raise FormatError(f"{what}; copy all processor folders")
        results.warnings.append(f"{what}; the case is read without its parts")
        return None
    each = [time_folders(parts[number], region) for number in range(count)]
    common = sorted(set.intersection(*(set(times) for times in each)))
    for value in sorted(set.union(*(set(times) for times in each)) - set(common)):
        number = next(number for number, times in enumerate(each) if value not in times)
        results.warnings.append(f"{parts[number]}: has no time {value:g}, other parts have; that time is left out")
    every = tuple(parts[number] for number in range(count))
    return [Time(value, each[0][value].name, tuple(times[value] / region for times in each), every) for value in common]


def time_folders(folder: Path, region: str = "") -> dict[float, Path]:
    """The folders of a case, or of a part, that are named after a time and hold something of a region."""
    folders: dict[float, Path] = {}
    for entry in entries_of(folder):
        try:
            value = float(entry.name)
        except ValueError:
            continue
        if math.isfinite(value) and collated.stored(entry / region)[0].is_dir():
            folders[value] = entry
    return folders


def _has_fields(time: Time, mean: bool) -> bool:
    """Whether a time has a field, or a mean field, in its first part."""
    return any(
        is_field(kind_of(file))
        for file in entries_of(time.folders[0])
        if collated.stored(file)[0].is_file() and (not mean or file.name.removesuffix(".gz").endswith("Mean"))
    )


def _same(value: float, time: str | float) -> bool:
    try:
        return math.isclose(value, float(time), rel_tol=1e-9, abs_tol=1e-15)
    except ValueError:
        return False
