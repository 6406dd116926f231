"""What a view draws of a case, as buffers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.errors import TramontaneError
from tramontane.interval import LEVEL
from tramontane.page.language.readable_units import number, readable
from tramontane.page.language.words import Words
from tramontane.page.view.bounds import LOWER, UPPER, WIDTH, measured_of
from tramontane.page.view.buffers import Buffers, pack
from tramontane.page.view.derived import CP, pressure_coefficient
from tramontane.page.view.state import AUTO, AXES, View
from tramontane.page.view.unsure import areas_of, least_of_widest

Array = NDArray[np.floating[Any]]
_TENSOR = ("xx", "yy", "zz", "xy", "yz", "xz")
_BENT = 0.08  # of the part's diagonal: how far a deformed shape moves where its scale is chosen for it


def choices(contract: Contract) -> dict[str, str]:
    """Fields that can be looked at, and their names for people: scalars, a vector's length, components."""
    labels: dict[str, str] = {}
    for specs in contract.fields.values():
        for name, spec in specs.items():
            label = name.replace("_", " ")
            if spec.components in (1, 3):
                labels.setdefault(name, label if spec.components == 1 else f"|{label}|")
            parts = {3: tuple(AXES), 6: _TENSOR}.get(spec.components, ())
            for part in parts:
                labels.setdefault(f"{name}.{part}", f"{label} {part}")
    if pressure_coefficient(contract) is not None:
        labels[CP] = "Cp"
    return labels


def label_of(contract: Contract, choice: str, words: Words) -> str:
    """The name of a choice for people, the width of an interval included."""
    measured = measured_of(choice)
    label = choices(contract).get(measured, measured.partition(".")[0])
    return label if choice == measured else words("view.width", field=label, level=level_of(words))


def level_of(words: Words) -> str:
    """The probability of the intervals, per cent."""
    return words.local(f"{100 * LEVEL:g}")


def volume_choices(contract: Contract) -> dict[str, str]:
    """Of these, what the volume has: sections and iso-surfaces show it."""
    fields = contract.fields.get(volume_domain(contract) or "", {})
    return {choice: label for choice, label in choices(contract).items() if field_of(contract, choice) in fields}


def surface_domain(contract: Contract) -> str | None:
    """The domain that is drawn as a surface."""
    sides = {name: contract.domains[name].side if name in contract.domains else "on" for name in contract.fields}
    return next((name for name, side in sides.items() if side == "on"), None)


def volume_domain(contract: Contract) -> str | None:
    """The domain that sections are cut through."""
    return next((name for name in contract.fields
                 if name in contract.domains and contract.domains[name].side != "on"), None)  # fmt: skip


def vector_field(contract: Contract, field: str) -> str | None:
    """The vector of the volume of which arrows are drawn: the one looked at, or the first."""
    return _vector(contract, field, unit=None)


def velocity_field(contract: Contract, field: str) -> str | None:
    """The velocity of the volume that streamlines follow: the one looked at, or the first; no other vector flows."""
    return _vector(contract, field, unit="m/s")


def _vector(contract: Contract, field: str, *, unit: str | None) -> str | None:
    fields = contract.fields.get(volume_domain(contract) or "", {})
    vectors = [name for name, spec in fields.items() if spec.components == 3 and unit in (None, spec.unit)]
    return field.partition(".")[0] if field.partition(".")[0] in vectors else next(iter(vectors), None)


def displacement_field(contract: Contract, field: str) -> str | None:
    """The displacement of the surface that is drawn: the one looked at, or the first; None where it has none."""
    fields = contract.fields.get(surface_domain(contract) or volume_domain(contract) or "", {})
    shifts = [name for name, spec in fields.items() if spec.components == 3 and spec.unit == "m"]
    return field.partition(".")[0] if field.partition(".")[0] in shifts else next(iter(shifts), None)


def field_of(contract: Contract, choice: str) -> str:
    """The field that a choice is of."""
    derived = pressure_coefficient(contract) if choice == CP else None
    return choice.partition(".")[0] if derived is None else derived.pressure


def values_of(case: Case, domain: str, choice: str, contract: Contract) -> Array | None:
    """Values ``(n,)`` of a choice, SI; None where the domain has no such field."""
    if choice.endswith(WIDTH):
        bounds = bounds_of(case, domain, measured_of(choice), contract)
        return None if bounds is None else bounds[1] - bounds[0]
    name, part = field_of(contract, choice), choice.partition(".")[2]
    if name not in case.field_names(domain):
        return None
    values = np.asarray(case.field_values(domain, name), dtype=np.float32)
    if values.ndim == 2 and values.shape[1] > 1 and not part:
        return np.asarray(np.linalg.norm(values, axis=1))
    derived, component = pressure_coefficient(contract) if choice == CP else None, _component(values, part)
    return component if derived is None or component is None else derived.values(component, case, contract)


def bounds_of(case: Case, domain: str, choice: str, contract: Contract) -> tuple[Array, Array] | None:
    """Lower and upper bound ``(n,)`` of a choice, SI, in a case that has them (`bounds.bounded`).

    None of a vector's length: the bounds of the components, each for itself, say nothing of all of them together.
    """
    name, part = field_of(contract, choice), choice.partition(".")[2]
    if choice.endswith(WIDTH) or name + LOWER not in case.field_names(domain):
        return None
    limits = [
        _component(np.asarray(case.field_values(domain, name + suffix), dtype=np.float32), part)
        for suffix in (LOWER, UPPER)
    ]
    low, high = limits
    if low is None or high is None:
        return None
    derived = pressure_coefficient(contract) if choice == CP else None
    if derived is None:
        return low, high
    pressure = np.asarray(case.field_values(domain, name), dtype=np.float32).reshape(-1)
    middle, slope = derived.values(pressure, case, contract), derived.slope(case, contract)
    return middle + slope * (low - pressure), middle + slope * (high - pressure)


def width_of(case: Case, domain: str, choice: str, contract: Contract) -> Array | None:
    """How wide intervals are ``(n,)``, SI; of a vector's length, the length of its components' widths."""
    bounds = bounds_of(case, domain, measured_of(choice), contract)
    if bounds is not None:
        return bounds[1] - bounds[0]
    name = field_of(contract, choice)
    if choice != name or name + LOWER not in case.field_names(domain):
        return None
    low, high = (np.asarray(case.field_values(domain, name + suffix), dtype=np.float32) for suffix in (LOWER, UPPER))
    return np.asarray(np.linalg.norm(high - low, axis=1))


def _component(values: Array, part: str) -> Array | None:
    """A scalar, or a component of a vector or tensor; None where it has no such component."""
    if values.ndim == 1 or values.shape[1] == 1:
        return values.reshape(-1)
    names = tuple(AXES) if values.shape[1] == 3 else _TENSOR
    return np.ascontiguousarray(values[:, names.index(part)]) if part in names[: values.shape[1]] else None


def by_cell(case: Case, domain: str, choice: str, contract: Contract) -> bool:
    """Whether a choice has a value a cell."""
    return case.field_names(domain).get(field_of(contract, choice)) == "cell"


def by_cell_in(contract: Contract, domain: str) -> bool:
    """Whether a domain has any field at cells."""
    return any(spec.location == "cell" for spec in contract.fields.get(domain, {}).values())


class Triangles(NamedTuple):
    """A surface as the view takes it: float32 points, and triangles of a surface's cell each.

    Attributes:
        arrays: ``points`` and ``triangles``.
        cells: The cell of each triangle; None where each cell is the triangle of its number.
        n_cells: How many cells the surface has.
    """

    arrays: dict[str, np.ndarray[Any, Any]]
    cells: NDArray[np.int64] | None
    n_cells: int

    def size(self) -> int:
        """Bytes that they take."""
        own = 0 if self.cells is None else self.cells.nbytes
        return own + sum(array.nbytes for array in self.arrays.values())

    def values(self, values: Array, *, cell: bool) -> NDArray[np.float32]:
        """Values as the view takes them: one a point, or one a triangle.

        Raises:
            TramontaneError: There are more or fewer of them than the surface has points or cells.
        """
        count = self.n_cells if cell else len(self.arrays["points"])
        if len(values) != count:
            raise TramontaneError(f"{len(values)} values are not of this surface, which has {count} "
                                  f"{'cells' if cell else 'points'}; load the page again")  # fmt: skip
        return (values[self.cells] if cell and self.cells is not None else values).astype(np.float32)

    def areas(self, *, cell: bool) -> Array:
        """How much of the surface each point or cell stands for."""
        points, triangles = self.arrays["points"], self.arrays["triangles"]
        cells = np.arange(len(triangles)) if self.cells is None else self.cells
        return areas_of(points, triangles, cells[:, None] if cell else triangles, self.n_cells if cell else len(points))

    def bounds(self, bounds: tuple[Array, Array], *, cell: bool) -> dict[str, NDArray[np.float32]]:
        """Lower and upper bounds as the view takes them."""
        return {name: self.values(each, cell=cell) for name, each in zip(("low", "high"), bounds, strict=True)}


def triangles_of(mesh: pv.PolyData) -> Triangles:
    """The triangles of a surface of any polygons."""
    surface, cells = mesh, None
    if not mesh.is_all_triangles:
        plain = pv.PolyData(mesh.points, mesh.faces)
        plain.cell_data["cell"] = np.arange(plain.n_cells)
        surface = plain.triangulate()
        cells = np.asarray(surface.cell_data["cell"])
    points, faces = np.asarray(surface.points, dtype=np.float32), np.asarray(surface.regular_faces, dtype=np.uint32)
    return Triangles({"points": points, "triangles": faces}, cells, mesh.n_cells)


def coloured(
    mesh: pv.PolyData, values: Array, *, cell: bool, shift: Array | None = None,
    bounds: tuple[Array, Array] | None = None,
) -> bytes:  # fmt: skip
    """A surface of its own with its values and their bounds, and how far its points move in a deformed shape."""
    triangles = triangles_of(mesh)
    arrays = triangles.arrays | {"values": triangles.values(values, cell=cell)}
    if bounds is not None:
        arrays |= triangles.bounds(bounds, cell=cell)
    if shift is not None:
        arrays["shift"] = triangles.values(shift, cell=False)
    return pack(arrays, {"cell": cell})


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
        view: How the case is looked at; nothing changes it meanwhile.
        contract: Of the model.
        words: Of the reader's language, for what the picture states.
    """

    def __init__(self, buffers: Buffers, view: View, contract: Contract, words: Words) -> None:
        self.buffers, self.view, self.contract, self.words = buffers, view, contract, words
        self.spec: dict[str, Any] = {"map": view.map, "camera": view.camera, "eye": _eye(contract)}
        # Of another body the camera looks at all of it anew.
        self.spec["body"] = f"{view.geometry} {view.unit}" if view.geometry else view.model
        self.body: Array | None = None
        self._notes: dict[str, None] = {}
        self._ranges: list[tuple[float, float]] = []

    def surface(self, key: str, mesh_key: str, case: Case, domain: str, values: Array | None = None) -> None:
        """Add a surface with a field.

        Args:
            key: Of the prediction.
            mesh_key: The same for all predictions on this mesh.
            case: Has the surface.
            domain: Which it is.
            values: Values to show in place of the case's own.

        Raises:
            TramontaneError: The values are not of this surface.
        """
        mesh, choice = case.meshes[domain], self.view.field
        own = values_of(case, domain, choice, self.contract) if values is None else values
        cell = by_cell(case, domain, choice, self.contract)
        if own is None:
            cell, shown = False, np.full(mesh.n_points, np.nan, dtype=np.float32)
        else:
            shown = own
            self.see(own)
        if values is None:
            self._state_coefficient(case, domain)
        self.body = np.asarray(mesh.bounds, dtype=float).reshape(3, 2)
        name = f"{key} difference" if values is not None else key
        triangles = self.buffers.drawn.get((mesh_key, domain), lambda: triangles_of(mesh), size=Triangles.size)
        shown = triangles.values(shown, cell=cell)
        self.spec["surface"] = {
            "mesh": self.buffers.put([mesh_key, domain, "mesh"], lambda: pack(triangles.arrays)),
            "values": self.buffers.put([name, domain, choice], lambda: pack({"values": shown})),
            "cell": cell,
        }
        bounds = bounds_of(case, domain, choice, self.contract) if values is None else None
        if bounds is not None:
            between = triangles.bounds(bounds, cell=cell)
            self.spec["surface"]["bounds"] = self.buffers.put([name, domain, choice, "bounds"], lambda: pack(between))
        if self.view.unsure and values is None:
            self._mark_unsure(name, case, domain, triangles, cell=cell)
        shift = self.shift(case, domain)
        if shift is not None:
            longest = float(np.linalg.norm(shift, axis=1).max(initial=0.0))
            fitting = round_scale(_BENT * float(mesh.length) / longest) if longest > 0 else 1.0
            scale = fitting if self.view.warp == AUTO else float(self.view.warp or 1.0)
            self.spec["warp"] = {"scale": scale, "fitting": fitting}
            kind = "auto" if self.view.warp == AUTO else "true" if scale == 1.0 else "by"
            word = {"auto": "view.warp_auto", "true": "view.warp_true", "by": "view.warp_by"}[kind]
            self.note(self.words(word, scale=number(scale)))
            whole = triangles.values(shift, cell=False)
            self.spec["surface"]["shift"] = self.buffers.put(
                [key, domain, "shift", displacement_field(self.contract, choice)], lambda: pack({"shift": whole})
            )

    def shift(self, case: Case, domain: str) -> NDArray[np.float32] | None:
        """How far the points of a mesh move, m, where a deformed shape is asked and the mesh has its displacement."""
        name = displacement_field(self.contract, self.view.field)
        if self.view.warp is None or name not in case.field_names(domain):
            return None
        mesh = case.meshes[domain]
        if case.field_names(domain)[name] == "cell":
            mesh = mesh.cell_data_to_point_data()
        return np.nan_to_num(np.asarray(mesh.point_data[name], dtype=np.float32))

    def note(self, sentence: str) -> None:
        """State something on the picture, once."""
        self._notes[sentence] = None

    def see(self, values: Array) -> None:
        """Take values into the range of the colours."""
        finite = values[np.isfinite(values)]
        if len(finite):
            self._ranges.append((float(finite.min()), float(finite.max())))

    def payload(self) -> dict[str, Any]:
        """What the view is told."""
        low = min((low for low, _ in self._ranges), default=0.0)
        high = max((high for _, high in self._ranges), default=1.0)
        if self.view.map == "coolwarm":
            low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
        self.spec["free"] = [low, high]
        low = low if self.view.low is None else self.view.low
        high = high if self.view.high is None else self.view.high
        unit, factor = unit_of(self.contract, self.view.field, max(abs(low), abs(high)))
        return self.spec | {"range": [low, high], "unit": unit, "factor": factor, "blank": not self._ranges,
                            "title": label_of(self.contract, self.view.field, self.words),
                            "interval": f"{level_of(self.words)} %", "note": " · ".join(self._notes)}  # fmt: skip

    def _mark_unsure(self, name: str, case: Case, domain: str, triangles: Triangles, *, cell: bool) -> None:
        """Mark the tenth of the surface with the widest intervals, and say so."""
        choice = measured_of(self.view.field)
        widths, field = width_of(case, domain, choice, self.contract), label_of(self.contract, choice, self.words)
        if widths is None:
            return
        least = least_of_widest(widths, triangles.areas(cell=cell))
        if least is None:
            self.note(self.words("view.even", field=field))
            return
        marks = triangles.values(widths / least, cell=cell)
        self.spec["surface"]["marks"] = self.buffers.put(
            [name, domain, choice, "marks"], lambda: pack({"marks": marks})
        )
        shown = values_of(case, domain, choice, self.contract)
        if shown is None or bounds_of(case, domain, choice, self.contract) is None:
            self.note(self.words("view.unsure_vector", field=field))
        else:
            span = float(np.nanmax(shown) - np.nanmin(shown))
            self.note(self.words("view.unsure", field=field, share=self.words.share(least / span if span else np.inf)))

    def _state_coefficient(self, case: Case, domain: str) -> None:
        derived = pressure_coefficient(self.contract) if self.view.field == CP else None
        if derived is None or derived.pressure not in case.field_names(domain):
            return
        pressure = np.asarray(case.field_values(domain, derived.pressure), dtype=float)
        absolute = derived.is_absolute(pressure, case, self.contract)
        self.note(self.words("view.absolute") if absolute else derived.stated(case, self.contract))


def unit_of(contract: Contract, choice: str, magnitude: float) -> tuple[str, float]:
    """The unit in which a choice's numbers are shown, and the factor into it from SI."""
    specs = [
        fields[choice.partition(".")[0]] for fields in contract.fields.values() if choice.partition(".")[0] in fields
    ]
    return readable(specs[0].unit if specs else "", magnitude)


def round_scale(factor: float) -> float:
    """The nearest factor of 1, 2 or 5 times a power of ten below another, which people take in at once."""
    if not np.isfinite(factor) or factor <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(factor))
    return float(max(head for head in (1.0, 2.0, 5.0) if head * power <= factor * (1 + 1e-9)) * power)
