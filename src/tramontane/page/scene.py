"""What a view draws of a case, as buffers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.page.buffers import Buffers, pack
from tramontane.page.colours import readable
from tramontane.page.state import AXES, View

Array = NDArray[np.floating[Any]]
_TENSOR = ("xx", "yy", "zz", "xy", "yz", "xz")
_ARROWS, _SEEDS = 400, 70


def choices(contract: Contract) -> dict[str, str]:
    """Fields that can be looked at, and their names for people: scalars, a vector's length, components."""
    found: dict[str, str] = {}
    for specs in contract.fields.values():
        for name, spec in specs.items():
            label = name.replace("_", " ")
            if spec.components in (1, 3):
                found.setdefault(name, label if spec.components == 1 else f"|{label}|")
            parts = {3: tuple(AXES), 6: _TENSOR}.get(spec.components, ())
            for part in parts:
                found.setdefault(f"{name}.{part}", f"{label} {part}")
    return found


def surface_domain(contract: Contract) -> str | None:
    """The domain that is drawn as a surface."""
    sides = {name: contract.domains[name].side if name in contract.domains else "on" for name in contract.fields}
    return next((name for name, side in sides.items() if side == "on"), None)


def volume_domain(contract: Contract) -> str | None:
    """The domain that sections are cut through."""
    return next((name for name in contract.fields
                 if name in contract.domains and contract.domains[name].side != "on"), None)  # fmt: skip


def vector_field(contract: Contract, field: str) -> str | None:
    """The vector of the volume of which arrows and lines are drawn: the one looked at, or the first."""
    volume = volume_domain(contract)
    vectors = [name for name, spec in contract.fields.get(volume or "", {}).items() if spec.components == 3]
    return field.partition(".")[0] if field.partition(".")[0] in vectors else next(iter(vectors), None)


def values_of(case: Case, domain: str, choice: str) -> Array | None:
    """Values ``(n,)`` of a choice, SI; None where the domain has no such field."""
    name, _, part = choice.partition(".")
    if name not in case.field_names(domain):
        return None
    values = np.asarray(case.field_values(domain, name), dtype=np.float32)
    if values.ndim == 1 or values.shape[1] == 1:
        return values.reshape(-1)
    if not part:
        return np.asarray(np.linalg.norm(values, axis=1))
    names = tuple(AXES) if values.shape[1] == 3 else _TENSOR
    return np.ascontiguousarray(values[:, names.index(part)]) if part in names[: values.shape[1]] else None


def by_cell(case: Case, domain: str, choice: str) -> bool:
    """Whether a choice has a value a cell."""
    return case.field_names(domain).get(choice.partition(".")[0]) == "cell"


class Triangles(NamedTuple):
    """A surface as the view takes it: float32 points, and triangles of a surface's cell each.

    Attributes:
        arrays: ``points`` and ``triangles``.
        cells: The cell of each triangle; None where each cell is the triangle of its number.
    """

    arrays: dict[str, np.ndarray[Any, Any]]
    cells: NDArray[np.int64] | None

    def size(self) -> int:
        """Bytes that they take."""
        own = 0 if self.cells is None else self.cells.nbytes
        return own + sum(array.nbytes for array in self.arrays.values())

    def values(self, values: Array, *, cell: bool) -> NDArray[np.float32]:
        """Values as the view takes them: one a point, or one a triangle."""
        return (values[self.cells] if cell and self.cells is not None else values).astype(np.float32)


def triangles_of(mesh: pv.PolyData) -> Triangles:
    """The triangles of a surface of any polygons."""
    surface, cells = mesh, None
    if not mesh.is_all_triangles:
        plain = pv.PolyData(mesh.points, mesh.faces)
        plain.cell_data["cell"] = np.arange(plain.n_cells)
        surface = plain.triangulate()
        cells = np.asarray(surface.cell_data["cell"])
    points, faces = np.asarray(surface.points, dtype=np.float32), np.asarray(surface.regular_faces, dtype=np.uint32)
    return Triangles({"points": points, "triangles": faces}, cells)


def _coloured(mesh: pv.PolyData, values: Array, *, cell: bool) -> bytes:
    triangles = triangles_of(mesh)
    return pack(triangles.arrays | {"values": triangles.values(values, cell=cell)}, {"cell": cell})


def _eye(contract: Contract) -> list[float]:
    """From where one looks at first: at the outside of a half model, and at the front of a body in a flow along x."""
    domain, volume = surface_domain(contract), volume_domain(contract)
    halved = domain in contract.domains and contract.domains[domain].low[1] is not None
    outside = volume is not None and contract.domains[volume].side == "outside"
    return [-1.0 if outside else 1.0, 1.0 if halved else -1.0, 0.7]


class Scene:
    """One picture: asks for layers, gathers the range of what is shown, and gives what the view is told.

    Args:
        buffers: Where buffers are put.
        view: How the case is looked at.
        contract: Of the model.
    """

    def __init__(self, buffers: Buffers, view: View, contract: Contract) -> None:
        self.buffers, self.view, self.contract = buffers, view, contract
        self.spec: dict[str, Any] = {"map": view.map, "camera": view.camera, "eye": _eye(contract)}
        self._ranges: list[tuple[float, float]] = []

    def surface(self, key: str, where: str, case: Case, domain: str, values: Array | None = None) -> None:
        """Add a surface with a field.

        Args:
            key: Of the prediction.
            where: The same for all predictions on this mesh.
            case: Has the surface.
            domain: Which it is.
            values: Values to show in place of the case's own.
        """
        mesh, choice = case.meshes[domain], self.view.field
        own = values_of(case, domain, choice) if values is None else values
        cell = by_cell(case, domain, choice)
        if own is None:
            cell, shown = False, np.full(mesh.n_points, np.nan, dtype=np.float32)
        else:
            shown = own
            self._see(own)
        name = f"{key} difference" if values is not None else key
        triangles = self.buffers.drawn.get((where, domain), lambda: triangles_of(mesh), size=Triangles.size)
        self.spec["surface"] = {
            "mesh": self.buffers.put([where, domain, "mesh"], lambda: pack(triangles.arrays)),
            "values": self.buffers.put(
                [name, domain, choice], lambda: pack({"values": triangles.values(shown, cell=cell)})
            ),
            "cell": cell,
        }

    def section(self, key: str, case: Case, domain: str) -> None:
        """Add a slice through a volume, with arrows and streamlines where the view wants them."""
        view, mesh = self.view, case.meshes[domain]
        axis = AXES.index(view.section)
        low, high = np.asarray(mesh.bounds).reshape(3, 2)[axis]
        # On the very end there is nothing to cut.
        at = float(low + (high - low) * (0.001 + 0.998 * view.at))
        normal = [float(axis == index) for index in range(3)]
        inside = self.contract.domains[domain].side == "inside"
        # What lies between the eye and the section is taken away.
        towards = 1.0 if _eye(self.contract)[axis] > 0 else -1.0
        self.spec |= {"plane": [-towards * n for n in normal] + [towards * at], "clip": inside}
        origin = tuple(at if index == axis else 0.0 for index in range(3))
        cut = mesh.slice(normal=normal, origin=origin)
        if cut.n_cells == 0:
            return
        cut = cut.triangulate()
        part = Case("slice", case.design, {"slice": cut}, field_units=case.field_units)
        values = values_of(part, "slice", view.field)
        where = [key, domain, view.section, view.at]
        if values is not None and not (view.arrows or view.lines):  # it would hide half of them
            self._see(values)
            cell = by_cell(part, "slice", view.field)
            self.spec["slice"] = self.buffers.put(
                [*where, view.field, "slice"],
                lambda: _coloured(cut, values, cell=cell),
            )
        vector = vector_field(self.contract, view.field)
        if vector is None:
            return
        if view.arrows:
            self._arrows(where, part, cut, vector)
        if view.lines:
            self._lines(where, case, domain, cut, vector)

    def told(self) -> dict[str, Any]:
        """What the view is told."""
        low = min((low for low, _ in self._ranges), default=0.0)
        high = max((high for _, high in self._ranges), default=1.0)
        if self.view.map == "coolwarm":
            low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
        self.spec["free"] = [low, high]
        low = low if self.view.low is None else self.view.low
        high = high if self.view.high is None else self.view.high
        name = self.view.field.partition(".")[0]
        specs = [fields[name] for fields in self.contract.fields.values() if name in fields]
        unit, factor = readable(specs[0].unit if specs else "", max(abs(low), abs(high)))
        title = choices(self.contract).get(self.view.field, name)
        return self.spec | {"range": [low, high], "unit": unit, "factor": factor, "title": title}

    def _see(self, values: Array) -> None:
        finite = values[np.isfinite(values)]
        if len(finite):
            self._ranges.append((float(finite.min()), float(finite.max())))

    def _arrows(self, where: list[Any], part: Case, cut: pv.PolyData, vector: str) -> None:
        sites = cut.cell_centers() if by_cell(part, "slice", vector) else cut
        rng = np.random.default_rng(0)
        # By area, so that a refined corner does not take them all.
        areas = np.asarray(cut.compute_cell_sizes(length=False, volume=False).cell_data["Area"])
        if by_cell(part, "slice", vector) and areas.sum() > 0:
            keep = rng.choice(len(areas), size=min(_ARROWS, len(areas)), replace=False, p=areas / areas.sum())
        else:
            keep = rng.permutation(sites.n_points)[:_ARROWS]
        vectors = np.asarray(part.field_values("slice", vector), dtype=np.float32)[keep]
        shown = values_of(part, "slice", self.view.field)
        values = np.linalg.norm(vectors, axis=1) if shown is None else shown[keep]
        self._see(values)
        length = 0.08 * float(cut.length)
        self.spec["arrows"] = self.buffers.put([*where, self.view.field, vector, "arrows"], lambda: pack(
            {"points": np.asarray(sites.points, dtype=np.float32)[keep], "vectors": vectors,
             "values": np.asarray(values, dtype=np.float32)}, {"length": length}))  # fmt: skip

    def _lines(self, where: list[Any], case: Case, domain: str, cut: pv.PolyData, vector: str) -> None:
        plain = case.meshes[domain].copy(deep=False)
        if by_cell(case, domain, vector):
            plain = plain.cell_data_to_point_data()
        seeds = cut.points[np.random.default_rng(0).permutation(cut.n_points)[:_SEEDS]]
        found = plain.streamlines_from_source(
            pv.PolyData(np.ascontiguousarray(seeds)), vectors=vector, integration_direction="both",
            max_length=3.0 * float(plain.length), initial_step_length=0.5, step_unit="cl",
        )  # fmt: skip
        if found.n_points == 0 or found.n_lines == 0:
            return
        tubes = found.tube(radius=0.0012 * float(plain.length), n_sides=5, capping=False).triangulate()
        part = Case("lines", case.design, {"lines": tubes}, field_units=case.field_units)
        shown = values_of(part, "lines", self.view.field)
        values = shown if shown is not None else values_of(part, "lines", vector)
        assert values is not None
        self._see(values)
        self.spec["lines"] = self.buffers.put(
            [*where, self.view.field, vector, "lines"], lambda: _coloured(tubes, values, cell=False)
        )
