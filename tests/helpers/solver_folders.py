"""Small solver folders: a spring that is pulled, computed by a few lines of Python or shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w

SPRING = """\
import json
stiffness = {{ stiffness }}  # N/mm
load = {{ load [N] }}
with open("results.json", "w") as file:
    json.dump({"stretch": load / stiffness, "energy": load**2 / stiffness / 2}, file)
"""


def spring(folder: Path, script: str = SPRING, **changes: Any) -> Path:
    """A folder whose ``spring.py`` computes stretch (mm) and energy (mJ) of stiffness (N/mm) and load (kN).

    Args:
        folder: A new one.
        script: What stands in ``spring.py``.
        changes: Of the entries of its ``solver.toml``; None leaves one out.
    """
    folder.mkdir(parents=True)
    (folder / "spring.py").write_text(script)
    document: dict[str, Any] = {
        "name": "spring",
        "title": "a spring that is pulled",
        "templates": ["*.py"],
        "commands": ["python -S spring.py"],
        "time_limit": "20 s",
        "parameters": {
            "stiffness": {"unit": "N/mm", "low": 1.0, "high": 5.0, "role": "geometry"},
            "load": {"unit": "kN", "low": 0.1, "high": 0.3},
        },
        "qoi": {"stretch": {"unit": "mm"}, "energy": {"unit": "mJ"}},
        "results": {"tables": ["results.json"]},
    }
    document = {key: value for key, value in (document | changes).items() if value is not None}
    (folder / "solver.toml").write_text(tomli_w.dumps(document))
    return folder
