"""Patches of a CGNS file from its sections of faces: what VTK's reader skips, such as conditions without a family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tramontane.formats.blocks import Named
from tramontane.formats.isolation.isolated import Block

_POLYHEDRON = 42
SECTIONS = "Surfaces"  # what VTK's reader calls the sections of faces of a zone


@dataclass(frozen=True)
class Condition:
    """A boundary condition of an unstructured zone.

    Attributes:
        zone: Where it stands.
        names: Its own, its family's, and what that calls itself; the last is the patch's.
        faces: Numbers of its elements of faces: all of them, or the first and the last where ``whole``; None where it
            is given otherwise, such as by vertices.
        whole: Whether ``faces`` are two ends.
    """

    zone: str
    names: tuple[str, ...]
    faces: NDArray[np.int64] | None
    whole: bool

    def holds(self, first: int, last: int) -> NDArray[np.bool_]:
        """Which of the elements of a section it holds."""
        mask = np.zeros(last - first + 1, dtype=bool)
        if self.faces is None or not len(self.faces):
            return mask
        if self.whole:
            mask[max(int(self.faces.min()) - first, 0) : max(int(self.faces.max()) - first + 1, 0)] = True
        else:
            mask[self.faces[(self.faces >= first) & (self.faces <= last)] - first] = True
        return mask

    def left_out(self, file: Path) -> str:
        """What to say where it is in nothing that was read."""
        why = "it has no section of faces; export the faces, too" if self.faces is not None else (
            "its faces are not listed, only vertices; export it by faces (GridLocation FaceCenter)")  # fmt: skip
        return f"{file}: boundary condition {self.names[0]} of zone {self.zone} is left out, {why}"


def skipped(blocks: Sequence[Block], conditions: Sequence[Condition]) -> list[Condition]:
    """The conditions that none of the blocks that were read is called after."""
    names = {block.path[-1] for block in blocks}
    return [each for each in conditions if not names & set(each.names)]


def by_section(
    file: Path,
    blocks: Sequence[Block],
    conditions: Sequence[Condition],
    ranges: Mapping[tuple[str, str], tuple[int, int]],
) -> tuple[dict[int, list[Named]], list[str]]:
    """What becomes of blocks that are sections of faces.

    Args:
        file: For messages.
        blocks: All that were read, with sections.
        conditions: Of all zones.
        ranges: First and last number of the elements of each zone's section.

    Returns:
        By the place of a block, its parts by condition; what belongs to none keeps the section's name, without faces
        between two polyhedra. And what to mind.
    """
    parts_of: dict[int, list[Named]] = {}
    used: set[int] = set()
    for place, block in enumerate(blocks):
        path = block.path[1:]
        if len(path) < 3 or path[2] != SECTIONS:
            continue
        zone, section = path[1], path[-1]
        own = [(number, each) for number, each in enumerate(conditions) if each.zone == zone and each.faces is not None]
        first, last = ranges.get((zone, section), (1, 0))
        parts: list[Named] = []
        left = np.ones(block.mesh.n_cells, dtype=bool)
        if last - first + 1 == block.mesh.n_cells:
            for number, condition in own:
                mask = condition.holds(first, last)
                if mask.any():
                    used.add(number)
                    parts.append(Named(condition.names[-1], _cells(block.mesh, mask & left)))
                    left &= ~mask
        if left.any():
            outer = left & _outer(block.mesh, [each.mesh for each in blocks if each.path[1:3] == path[:2]], left)
            parts += [Named(section, _cells(block.mesh, outer))] if outer.any() else []
        parts_of[place] = [part for part in parts if part.mesh.n_cells]
    warnings = [each.left_out(file) for number, each in enumerate(conditions) if number not in used]
    return parts_of, warnings


def _cells(mesh: Any, chosen: NDArray[np.bool_]) -> Any:
    return mesh if chosen.all() else mesh.extract_cells(
        np.flatnonzero(chosen), pass_cell_ids=False, pass_point_ids=False
    )  # fmt: skip


def _outer(faces: Any, zone: Sequence[Any], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which faces lie on the outside of a zone of polyhedra, whose section of faces holds the inner ones, too."""
    keep = wanted.copy()
    bulk = [mesh for mesh in zone if mesh.n_cells and _POLYHEDRON in np.unique(getattr(mesh, "celltypes", ()))]
    if not bulk:
        return keep
    places = np.concatenate([mesh.extract_surface(algorithm="dataset_surface").cell_centers().points for mesh in bulk])
    centres = faces.cell_centers().points
    size = float(np.ptp(np.asarray(places), axis=0).max()) or 1.0
    apart, _ = cKDTree(places).query(centres[wanted], distance_upper_bound=1e-7 * size)
    keep[np.flatnonzero(wanted)] = np.isfinite(apart)
    return keep
