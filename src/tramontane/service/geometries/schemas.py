"""What is told of stored geometries in JSON."""

from __future__ import annotations

from pydantic import BaseModel


class StoredGeometry(BaseModel):
    """A stored geometry.

    Attributes:
        hash: SHA-256 of the uploaded bytes.
        name: What its sender calls it, the newest name where it was sent again; empty where an older server stored it.
        bytes: Their number.
        format: The suffix without its dot.
        metric: Whether the file states its unit (STEP), so that the surface is in metres.
        triangles: Their number.
        points: Their number.
        low: Lowest corner of the bounding box, in metres or in the file's unit.
        high: Highest corner.
        closed: Whether no edge is open.
        warnings: What was noticed.
        created: When it was stored, seconds since 1970.
    """

    hash: str
    name: str = ""
    bytes: int
    format: str
    metric: bool
    triangles: int
    points: int
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    closed: bool
    warnings: list[str]
    created: float


class GeometriesAnswer(BaseModel):
    """Stored geometries, the newest first; ``total`` counts all of them."""

    geometries: list[StoredGeometry]
    total: int
