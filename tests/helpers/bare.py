"""A bare environment: a fresh virtual environment with the base dependencies of the package and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "tramontane"


def base_dependencies(requirements: list[str]) -> dict[str, Distribution]:
    """The distributions that requirements ask for, with all that these ask for, as they are installed here.

    Args:
        requirements: Of the wheel; those of an extra do not count.
    """
    distributions: dict[str, Distribution] = {}
    visited: set[tuple[str, str]] = set()
    waiting = [(Requirement(each), "") for each in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        distributions.setdefault(name, distribution(name))
        for chosen_extra in ("", *requirement.extras):
            if (name, chosen_extra) not in visited:
                visited.add((name, chosen_extra))
                waiting += [(Requirement(each), chosen_extra) for each in distributions[name].requires or []]
    return distributions


def make_bare(place: Path, wheel: Path, dependencies: dict[str, Distribution], *, from_index: str = "") -> Path:
    """A virtual environment with a wheel and its base dependencies; gives the folder of its programs.

    Args:
        place: Where it is made.
        wheel: What is installed into it.
        dependencies: What it sees beside: by links to what is installed here, which takes seconds, not minutes.
        from_index: In place of links, what pip installs first (torch as it is pinned); the rest comes with the wheel.
    """
    venv.create(place, with_pip=False)
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet"]
    if from_index:
        subprocess.run([*pip, from_index], check=True)
        subprocess.run([*pip, str(wheel)], check=True)
        return programs
    located = subprocess.run(
        [programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    site = Path(located.stdout.strip())
    shared = _shared(dependencies)
    for each in dependencies.values():
        for file in each.files or ():
            if file.parts[0] == "..":
                continue  # a program, not a module
            top = file.parts[0]
            link = site / (file if top in shared else top)
            if not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(Path(str(each.locate_file(file if top in shared else top))))
    subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], check=True)
    return programs


def _shared(dependencies: dict[str, Distribution]) -> set[str]:
    """Top folders in which distributions that are no dependencies have files, too."""
    others = [each for each in distributions() if canonicalize_name(each.name) not in dependencies]
    return {file.parts[0] for each in others for file in each.files or () if len(file.parts) > 1}
