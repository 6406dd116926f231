"""Reading of an uploaded geometry, in a process of its own that may run away or crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tramontane.errors import FormatError, GeometryError
from tramontane.formats.surfaces.geometry import read_geometry


def load(file: Path) -> tuple[Any, dict[str, Any]]:
    """The checked and oriented surface in the file's own unit (STEP: metres), and what was noticed.

    Raises:
        FormatError: It cannot serve as a geometry.
    """
    try:
        # Whatever the unit is: the model that is asked says it, and the surface is scaled then.
        geometry = read_geometry(file, length_unit="m")
    except GeometryError as error:
        raise FormatError(str(error)) from error
    warnings = [warning for warning in geometry.warnings if "check the length unit" not in warning]
    return geometry.mesh, {"warnings": warnings, "closed": geometry.closed}
