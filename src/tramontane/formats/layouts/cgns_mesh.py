"""Meshes, fields and single numbers of CGNS files as PLAID writes them, read node by node.

VTK's reader ends the program on many damaged files and does not hand out numbers that stand beside the meshes, where
PLAID keeps a sample's scalars. Element types and the order of their nodes are those of CGNS's standard (SIDS).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.cgns.tree import Tree, open_tree

# By CGNS's element type: nodes, dimension, VTK's cell type.
_ELEMENTS: dict[int, tuple[int, int, int]] = {
    2: (1, 0, pv.CellType.VERTEX), 3: (2, 1, pv.CellType.LINE), 4: (3, 1, pv.CellType.QUADRATIC_EDGE),
    5: (3, 2, pv.CellType.TRIANGLE), 6: (6, 2, pv.CellType.QUADRATIC_TRIANGLE), 7: (4, 2, pv.CellType.QUAD),
    8: (8, 2, pv.CellType.QUADRATIC_QUAD), 9: (9, 2, pv.CellType.BIQUADRATIC_QUAD),
    10: (4, 3, pv.CellType.TETRA), 11: (10, 3, pv.CellType.QUADRATIC_TETRA), 12: (5, 3, pv.CellType.PYRAMID),
    14: (6, 3, pv.CellType.WEDGE), 15: (15, 3, pv.CellType.QUADRATIC_WEDGE), 17: (8, 3, pv.CellType.HEXAHEDRON),
    18: (20, 3, pv.CellType.QUADRATIC_HEXAHEDRON), 21: (13, 3, pv.CellType.QUADRATIC_PYRAMID),
}  # fmt: skip
_MIXED = 20
# CGNS has the nodes of the edges that stand between the two caps before those of the upper cap, VTK after them.
_ORDER = {15: [*range(9), 12, 13, 14, 9, 10, 11], 18: [*range(12), 16, 17, 18, 19, 12, 13, 14, 15]}


@dataclass
class Bases:
    """What a file holds.

    Attributes:
        bases: The mesh of each base that has zones, with its fields at vertices and at cell centres.
        numbers: Single numbers in the base ``Global``.
        skipped: What was left out, a phrase each.
    """

    bases: dict[str, pv.UnstructuredGrid] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def read_bases(file: Path) -> Bases:
    """Read a CGNS file.

    Raises:
        FormatError: h5py is not installed, or the file is damaged, no CGNS file, or has elements that are not known.
    """
    bases_read = Bases()
    with open_tree(file) as tree:
        reader = _Reader(file, tree, bases_read)
        bases = list(tree.children(tree.root, "CGNSBase_t"))
        for name, base in bases:
            zones = [mesh for _, zone in tree.children(base, "Zone_t") if (mesh := reader.zone(zone)) is not None]
            if zones:
                bases_read.bases[name] = zones[0] if len(zones) == 1 else pv.merge(zones, merge_points=False)
            elif name == "Global":
                bases_read.numbers = reader.numbers(base)
    if not bases:
        raise FormatError(f"{file}: holds no base; write or copy it again")
    return bases_read


@dataclass
class _Reader:
    """Reads the nodes of one file.

    Attributes:
        file: For messages.
        tree: Its nodes.
        bases_read: Where notes of what is left out go.
    """

    file: Path
    tree: Tree
    bases_read: Bases

    def text(self, node: Any, label: str, default: str) -> str:
        """The text of the first node of a label."""
        return next((self.tree.text(child) for _, child in self.tree.children(node, label)), default)

    def numbers(self, base: Any) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for name, node in self.tree.children(base, "DataArray_t"):
            if " data" not in node:
                continue
            values = self.tree.values(node)
            if values.size == 1 and values.dtype.kind in "iuf":
                numbers[name] = float(values[0])
            else:
                self.bases_read.skipped.append(f"Global/{name} is no single number")
        return numbers

    def zone(self, zone: Any) -> pv.UnstructuredGrid | None:
        sizes = self.tree.values(zone)
        if sizes.size == 0 or sizes[0] == 0:
            return None
        structured = self.text(zone, "ZoneType_t", "Unstructured") == "Structured"
        points = self.points(zone)
        if structured:
            shape = [*sizes[: sizes.size // 3].tolist(), 1, 1][:3]
            if int(np.prod(shape)) != len(points):
                raise FormatError(f"{self.file}: {zone.name} has {len(points)} points for a grid of {shape}; "
                                  "write or copy it again")  # fmt: skip
            grid = pv.StructuredGrid()
            grid.points = points
            grid.dimensions = shape
            mesh = grid.cast_to_unstructured_grid()
        else:
            mesh = self.elements(zone, points, int(sizes[1]))
        self.solutions(zone, mesh)
        return mesh

    def points(self, zone: Any) -> NDArray[Any]:
        for _, node in self.tree.children(zone, "GridCoordinates_t"):
            coordinates = {name: self.tree.values(array) for name, array in self.tree.children(node, "DataArray_t")}
            axes = [coordinates[name] for name in ("CoordinateX", "CoordinateY", "CoordinateZ") if name in coordinates]
            if not axes or len({len(axis) for axis in axes}) != 1 or axes[0].dtype.kind != "f":
                break
            points = np.zeros((len(axes[0]), 3), axes[0].dtype)
            for column, axis in enumerate(axes):
                points[:, column] = axis
            bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
            if len(bad):
                raise FormatError(f"{self.file}: {zone.name}: {len(bad)} points are not finite, the first is point "
                                  f"{bad[0]}; write or copy it again")  # fmt: skip
            return points
        raise FormatError(f"{self.file}: {zone.name} has no Cartesian coordinates; write or copy it again")

    def elements(self, zone: Any, points: NDArray[Any], cells: int) -> pv.UnstructuredGrid:
        """The cells of a zone in the order of their numbers; sections of lower dimension, as of boundaries, are left.

        They are kept where the zone counts them among its cells.
        """
        sections = []
        for name, node in self.tree.children(zone, "Elements_t"):
            start = int(self.tree.values(node["ElementRange"])[0])
            sections.append((start, name, *self.section(node)))
        sections.sort(key=lambda section: section[0])
        if not sections:
            raise FormatError(f"{self.file}: {zone.name} has points and no elements; write or copy it again")
        dimension = max(_ELEMENTS[int(code)][1] for _, _, codes, _ in sections for code in np.unique(codes))
        if sum(len(codes) for _, _, codes, _ in sections) != cells:
            lower = [name for _, name, codes, _ in sections if _ELEMENTS[int(codes.max())][1] < dimension]
            self.bases_read.skipped += [f"section {name} of {zone.name} has a lower dimension" for name in lower]
            sections = [section for section in sections if section[1] not in lower]
        codes = np.concatenate([section[2] for section in sections])
        flat = np.concatenate([section[3] for section in sections]) - 1
        if flat.size and (flat.min() < 0 or flat.max() >= len(points)):
            raise FormatError(f"{self.file}: {zone.name} has a cell of point {int(flat.max()) + 1}, points are 1 to "
                              f"{len(points)}; write or copy it again")  # fmt: skip
        lengths = np.zeros(max(_ELEMENTS) + 1, dtype=np.int64)
        kinds = np.zeros(max(_ELEMENTS) + 1, dtype=np.uint8)
        for code, (count, _, kind) in _ELEMENTS.items():
            lengths[code], kinds[code] = count, kind
        sources = np.concatenate([[0], np.cumsum(lengths[codes])])
        targets = sources[:-1] + np.arange(len(codes))
        connectivity = np.empty(len(flat) + len(codes), dtype=np.int64)
        connectivity[targets] = lengths[codes]
        for code in np.unique(codes).tolist():
            chosen = codes == code
            order = np.array(_ORDER.get(code, range(lengths[code])))
            places = targets[chosen][:, None] + 1 + np.arange(lengths[code])
            connectivity[places] = flat[sources[:-1][chosen][:, None] + order]
        return pv.UnstructuredGrid(connectivity, kinds[codes], points)

    def section(self, node: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """The type of each element and the numbers of their points, one after the other."""
        code = int(self.tree.values(node)[0])
        flat = self.tree.values(node["ElementConnectivity"]).astype(np.int64)
        if code in _ELEMENTS:
            count, rest = divmod(len(flat), _ELEMENTS[code][0])
            if rest:
                raise FormatError(f"{self.file}: {node.name} is cut off; write or copy it again")
            return np.full(count, code), flat
        if code != _MIXED or "ElementStartOffset" not in node:
            raise FormatError(f"{self.file}: {node.name} has elements of type {code}, which are not read (polyhedra, "
                              "cubic ones, mixed ones of CGNS before 4); convert them")  # fmt: skip
        offsets = self.tree.values(node["ElementStartOffset"]).astype(np.int64)
        if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(flat) or np.any(np.diff(offsets) < 2):
            raise FormatError(
                f"{self.file}: {node.name} has offsets that do not fit its elements; write or copy it again"
            )
        codes = flat[offsets[:-1]]
        counts = np.array([_ELEMENTS.get(number, (-1,))[0] for number in range(max(_ELEMENTS) + 1)])
        if codes.min() < 0 or codes.max() > max(_ELEMENTS) or np.any(counts[codes] != np.diff(offsets) - 1):
            raise FormatError(f"{self.file}: {node.name} has elements that are not known; write or copy it again")
        return codes, np.delete(flat, offsets[:-1])

    def solutions(self, zone: Any, mesh: pv.UnstructuredGrid) -> None:
        """Fields at vertices and at cell centres; three that end in X, Y and Z are a vector."""
        for name, node in self.tree.children(zone, "FlowSolution_t"):
            location = self.text(node, "GridLocation_t", "Vertex")
            if location not in ("Vertex", "CellCenter"):
                self.bases_read.skipped.append(f"{name} is at {location}")
                continue
            data, count = (mesh.point_data, mesh.n_points) if location == "Vertex" else (mesh.cell_data, mesh.n_cells)
            fields = {
                key: self.tree.values(array)
                for key, array in self.tree.children(node, "DataArray_t")
                if " data" in array
            }
            for key, values in fields.items():
                if len(values) != count:
                    raise FormatError(f"{self.file}: field {key} of {zone.name} has {len(values)} values for {count} "
                                      "places; write or copy it again")  # fmt: skip
            for key in [key for key in fields if key.endswith("X") and f"{key[:-1]}Y" in fields]:
                axes = [fields.pop(f"{key[:-1]}{axis}", None) for axis in "XYZ"]
                fields[key[:-1]] = np.stack([np.zeros(count) if axis is None else axis for axis in axes], axis=1)
            for key, values in fields.items():
                if values.dtype.kind in "iuf":
                    data[key] = values
                else:
                    self.bases_read.skipped.append(f"field {key} holds no numbers")
