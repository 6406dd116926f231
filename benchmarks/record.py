"""What every benchmark's file says first, and how it is written."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any


def heading(machine: str = "") -> dict[str, Any]:
    """The command as it was given, the commit, and the machine.

    Args:
        machine: What else there is to say than its number of cores.
    """
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "command": " ".join(["python", *sys.argv]),
        "commit": commit.stdout.strip(),
        "machine": machine or f"{os.cpu_count()} cores, {platform.machine()}",
    }


def keep(document: dict[str, Any], file: Path | None) -> None:
    """Print what was found, and write it where a file is given."""
    text = json.dumps(document, indent=1)
    print(text, flush=True)
    if file:
        file.write_text(text + "\n", encoding="utf-8")
