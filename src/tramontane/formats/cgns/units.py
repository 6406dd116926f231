"""What VTK's reader of CGNS does not tell: units, and which section of faces belongs to which boundary condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tramontane.formats.cgns.patches import Condition
from tramontane.formats.cgns.tree import EXTRA, Tree, is_installed, label_of, open_tree

# CGNS names units in five words, in this order: mass, length, time, temperature, angle.
_UNITS = {
    "Kilogram": "kg", "Gram": "g", "Slug": "slug", "PoundMass": "lbm",
    "Meter": "m", "Centimeter": "cm", "Millimeter": "mm", "Foot": "ft", "Inch": "inch",
    "Second": "s",
    "Kelvin": "K", "Rankine": "degR",
    "Degree": "deg", "Radian": "rad",
}  # fmt: skip
# The exponents of the data that the standard names, where a file leaves them to it.
_EXPONENTS = {
    "Pressure": (1, -1, -2, 0, 0), "Density": (1, -3, 0, 0, 0), "Temperature": (0, 0, 0, 1, 0),
    "VelocityX": (0, 1, -1, 0, 0), "VelocityY": (0, 1, -1, 0, 0), "VelocityZ": (0, 1, -1, 0, 0),
    "PressureStagnation": (1, -1, -2, 0, 0), "TurbulentEnergyKinetic": (0, 2, -2, 0, 0),
    "VelocityMagnitude": (0, 1, -1, 0, 0), "ViscosityEddy": (1, -1, -1, 0, 0), "Mach": (0, 0, 0, 0, 0),
}  # fmt: skip


@dataclass
class Stated:
    """What the nodes of a CGNS file say beside meshes and fields.

    Attributes:
        length_unit: Of the coordinates, where it is stated.
        units: By the fields' names in the file.
        conditions: The boundary conditions of unstructured zones.
        ranges: First and last number of the elements of each zone's section.
        warnings: What could not be told.
    """

    length_unit: str | None = None
    units: dict[str, str] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    ranges: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_stated(file: Path) -> Stated:
    """Read units and boundary conditions from a CGNS file in HDF5; nothing is told where h5py is not installed.

    Raises:
        FormatError: Damaged.
    """
    if not is_installed():
        return Stated(warnings=[f"{file}: its units are not read for want of h5py; {EXTRA}"])
    stated = Stated()
    with open_tree(file) as tree:
        for _, base in tree.children(tree.root, "CGNSBase_t"):
            _read_base(tree, base, stated)
    return stated


def _read_base(tree: Tree, base: Any, stated: Stated) -> None:
    for zone_name, zone in tree.children(base, "Zone_t"):
        for _, grid in tree.children(zone, "GridCoordinates_t"):
            for _, array in tree.children(grid, "DataArray_t"):
                units = _units_of(tree, array, grid, zone, base)
                stated.length_unit = stated.length_unit or (_UNITS.get(units[1]) if units else None)
        for _, solution in tree.children(zone, "FlowSolution_t"):
            for name, array in tree.children(solution, "DataArray_t"):
                unit = _unit(tree, name, array, _units_of(tree, array, solution, zone, base))
                if unit is not None:
                    stated.units.setdefault(name, unit)
        _read_conditions(tree, zone_name, zone, stated)


def _read_conditions(tree: Tree, zone_name: str, zone: Any, stated: Stated) -> None:
    """Boundary conditions by the numbers of their faces, and the numbers of each section's elements."""
    for name, section in tree.children(zone, "Elements_t"):
        if "ElementRange" in section:
            first, last = tree.values(section["ElementRange"])[:2]
            stated.ranges[zone_name, name] = (int(first), int(last))
    for _, conditions in tree.children(zone, "ZoneBC_t"):
        for name, condition in tree.children(conditions, "BC_t"):
            called = tree.text(condition["FamilyName"]) if "FamilyName" in condition else name
            key = next(
                (key for key in ("PointRange", "ElementRange", "PointList", "ElementList") if key in condition), ""
            )
            location = tree.text(condition["GridLocation"]) if "GridLocation" in condition else "Vertex"
            faces = None
            if key and stated.ranges and (location != "Vertex" or key.startswith("Element")):
                faces = tree.values(condition[key]).astype(np.int64)
            names = (name, called, _family(tree, zone, called))
            if any(first <= last for (of, _), (first, last) in stated.ranges.items() if of == zone_name):
                stated.conditions.append(Condition(zone_name, names, faces, whole=key.endswith("Range")))


def _family(tree: Tree, zone: Any, name: str) -> str:
    """A family's own name for itself where it has one, as Gmsh writes the names of physical groups."""
    base = zone.parent
    family = base.get(name)
    if family is None or label_of(family) != "Family_t":
        return name
    for child, node in tree.children(family, "FamilyName_t"):
        return tree.text(node) or child
    return name


def _unit(tree: Tree, name: str, array: Any, units: list[str] | None) -> str | None:
    """The unit of an array of a solution, where its dimension and the file's units are known."""
    exponents: Sequence[float] | None = _EXPONENTS.get(name)
    for _, node in tree.children(array, "DimensionalExponents_t"):
        exponents = [float(each) for each in tree.values(node)[:5]]
    if exponents is None or units is None:
        return None
    powers = [(unit, power) for unit, power in zip(units, exponents, strict=False) if power]
    if any(unit not in _UNITS for unit, _ in powers):
        return None
    return "*".join(f"{_UNITS[unit]}^{power:g}" for unit, power in powers)


def _units_of(tree: Tree, *nodes: Any) -> list[str] | None:
    """The five words of the first ``DimensionalUnits``, from the inside out; None for data that have no dimension."""
    for node in nodes:
        if "DataClass" in node:
            if tree.text(node["DataClass"]) != "Dimensional":
                return None
            break
    for node in nodes:
        for _, child in tree.children(node, "DimensionalUnits_t"):
            text = tree.text(child, strip=False)
            return [text[start : start + 32].strip() for start in range(0, len(text), 32)]
    return None
