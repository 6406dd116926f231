"""What the folder of a study was begun for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tramontane.errors import TramontaneError
from tramontane.io.atomic import write_json

PLAN = "plan.json"


def _short(value: object) -> str:
    """A value for people, to whom the first figures of a hash are enough."""
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{24,}\b", r"\1", str(value))


def keep_to_plan(folder: Path, plan: Mapping[str, Any]) -> None:
    """Write down what a new folder is for, and refuse one that was begun for something else."""
    file = folder / PLAN
    if file.is_file():
        try:
            begun = dict(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise TramontaneError(f"{file}: is damaged; choose another folder with -o") from error
        for key, value in plan.items():
            if begun.get(key) != value:
                was = f"with {key} {_short(begun[key])}" if key in begun else f"without {key}"
                raise TramontaneError(f"{folder}: was begun {was}, not {_short(value)}; "
                                      "give the same, or another folder with -o")  # fmt: skip
        return
    if folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise TramontaneError(f"{folder}: is not empty and has no {PLAN}; choose another folder with -o")
    write_json(file, plan)
