"""What OpenFOAM's checkMesh says of a mesh, from its log."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError
from tramontane.formats.openfoam.files import AGAIN

LOG = "log.checkMesh"
_NUMBER = r"([-+.\deE]+)"
_MEASURES = {
    "max_non_orthogonality": re.compile(rf"Mesh non-orthogonality Max: {_NUMBER}"),  # degrees
    "max_skewness": re.compile(rf"Max skewness = {_NUMBER}"),
    "max_aspect_ratio": re.compile(rf"Max aspect ratio(?: =|:) {_NUMBER}"),
}
_FAILED = re.compile(r"Failed (\d+) mesh checks")


def read_mesh_check(folder: Path) -> dict[str, Any] | None:
    """The largest non-orthogonality (degrees), skewness and aspect ratio, and how many checks failed.

    Args:
        folder: Of a case; a ``log.checkMesh`` in it is read, its last check where it holds several.

    Returns:
        None where there is no such log, or it holds no check that came to its end.

    Raises:
        FormatError: It cannot be read.
    """
    log = folder / LOG
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FormatError(f"{log}: cannot be read ({error.strerror}); {AGAIN}") from error
    failed = _FAILED.findall(text)
    if not failed and "Mesh OK." not in text:
        return None
    quality: dict[str, Any] = {"failed_checks": int(failed[-1]) if failed else 0}
    for name, pattern in _MEASURES.items():
        if matches := pattern.findall(text):
            try:
                quality[name] = float(matches[-1].rstrip("."))
            except ValueError:
                continue
    return quality
