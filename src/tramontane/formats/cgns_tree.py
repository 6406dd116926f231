"""What VTK's reader of CGNS does not tell: units, and which section of faces belongs to which boundary condition."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tramontane.errors import FormatError

# CGNS names units in five words, in this order: mass, length, time, temperature, angle.
_UNITS = {
    "Kilogram": "kg", "Gram": "g", "Slug": "slug", "PoundMass": "lb",
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
class Tree:
    """What the nodes of a CGNS file say beside meshes and fields.

    Attributes:
        length_unit: Of the coordinates, where it is stated.
        units: By the fields' names in the file.
        patches: The name of the patch, by zone and section of faces.
        warnings: What could not be told.
    """

    length_unit: str | None = None
    units: dict[str, str] = field(default_factory=dict)
    patches: dict[tuple[str, str], str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_tree(file: Path) -> Tree:
    """Read units and boundary conditions from a CGNS file in HDF5; nothing is told where h5py is not installed.

    Raises:
        FormatError: Damaged.
    """
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError:
        return Tree(warnings=[f'{file}: its units are not read for want of h5py; pip install "tramontane[hdf5]"'])
    tree = Tree()
    try:
        with h5py.File(file, "r") as root:
            for _, base in _children(root, "CGNSBase_t"):
                _read_base(base, tree)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, IndexError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise FormatError(f"{file}: is cut off or damaged ({reason}); write or copy it again") from error
    return tree


def _read_base(base: Any, tree: Tree) -> None:
    for zone_name, zone in _children(base, "Zone_t"):
        for _, grid in _children(zone, "GridCoordinates_t"):
            for _, array in _children(grid, "DataArray_t"):
                units = _units_of(array, grid, zone, base)
                tree.length_unit = tree.length_unit or (_UNITS.get(units[1]) if units else None)
        for _, solution in _children(zone, "FlowSolution_t"):
            for name, array in _children(solution, "DataArray_t"):
                unit = _unit(name, array, _units_of(array, solution, zone, base))
                if unit is not None:
                    tree.units.setdefault(name, unit)
        _read_conditions(zone_name, zone, tree)


def _read_conditions(zone_name: str, zone: Any, tree: Tree) -> None:
    """Which sections lie wholly in the range of elements of one boundary condition."""
    ranges = {}
    for name, section in _children(zone, "Elements_t"):
        if "ElementRange" in section:
            ranges[name] = np.asarray(section["ElementRange"][" data"]).ravel()[:2]
    for _, conditions in _children(zone, "ZoneBC_t"):
        for name, condition in _children(conditions, "BC_t"):
            called = _text(condition["FamilyName"]) if "FamilyName" in condition else name
            called = _family(zone, called)
            where: Any = next((condition[key] for key in ("PointRange", "ElementRange", "PointList", "ElementList")
                          if key in condition), None)  # fmt: skip
            location = _text(condition["GridLocation"]) if "GridLocation" in condition else "Vertex"
            if where is None or (location == "Vertex" and "ElementRange" not in condition
                                 and "ElementList" not in condition):  # fmt: skip
                continue
            ids = np.asarray(where[" data"]).ravel()
            low, high = int(ids.min()), int(ids.max())
            for section, (first, last) in ranges.items():
                if low <= first and last <= high:
                    tree.patches.setdefault((zone_name, section), called)


def _family(zone: Any, name: str) -> str:
    """A family's own name for itself where it has one, as Gmsh writes the names of physical groups."""
    base = zone.parent
    family = base.get(name)
    if family is None or _label(family) != "Family_t":
        return name
    for child, node in _children(family, "FamilyName_t"):
        return _text(node) or child
    return name


def _unit(name: str, array: Any, units: list[str] | None) -> str | None:
    """The unit of an array of a solution, where its dimension and the file's units are known."""
    exponents: Sequence[float] | None = _EXPONENTS.get(name)
    for _, node in _children(array, "DimensionalExponents_t"):
        exponents = [float(each) for each in np.asarray(node[" data"]).ravel()[:5]]
    if exponents is None or units is None:
        return None
    powers = [(unit, power) for unit, power in zip(units, exponents, strict=False) if power]
    if any(unit not in _UNITS for unit, _ in powers):
        return None
    return "*".join(f"{_UNITS[unit]}^{power:g}" for unit, power in powers)


def _units_of(*nodes: Any) -> list[str] | None:
    """The five words of the first ``DimensionalUnits``, from the inside out; None for data that have no dimension."""
    for node in nodes:
        if "DataClass" in node:
            if _text(node["DataClass"]) != "Dimensional":
                return None
            break
    for node in nodes:
        for _, child in _children(node, "DimensionalUnits_t"):
            text = _text(child, strip=False)
            return [text[start : start + 32].strip() for start in range(0, len(text), 32)]
    return None


def _children(node: Any, label: str) -> Iterator[tuple[str, Any]]:
    for name in node:
        if not isinstance(node.get(name, getclass=True), type) or name.startswith(" "):
            continue
        child = node[name]
        if _label(child) == label:
            yield name, child


def _label(node: Any) -> str:
    label = node.attrs.get("label", b"")
    return (label.decode("ascii", "replace") if isinstance(label, bytes) else str(label)).strip("\0 ")


def _text(node: Any, *, strip: bool = True) -> str:
    text = np.asarray(node[" data"]).astype(np.uint8).tobytes().decode("ascii", "replace") if " data" in node else ""
    return text.strip("\0 ") if strip else text
