"""A case: what is known of one design."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tramontane.design import Design
from tramontane.errors import ContractError
from tramontane.interval import FieldInterval, Interval
from tramontane.notice import Notice
from tramontane.units import Quantity
from tramontane.verdict import Verdict

if TYPE_CHECKING:
    import numpy as np
    import pyvista as pv

Location = Literal["point", "cell"]


@dataclass
class Provenance:
    """Where a case came from.

    Attributes:
        sources: SHA-256 of each source file, by its name relative to the case's folder.
        solver: The program that computed it, empty when unknown.
        version: That program's version.
        extra: Whatever else the source said of the case (cell counts, run time, residuals), plain JSON values.
    """

    sources: dict[str, str] = field(default_factory=dict)
    solver: str = ""
    version: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(repr=False)
class Case:
    """A design, meshes with fields on them, quantities of interest, and where it all came from. Everything in SI.

    Attributes:
        name: Unique in its folder or dataset.
        design: What was asked.
        meshes: A PyVista mesh in metres for each domain (``surface``, ``volume``, ``particles``); its point and cell
            data are the fields.
        qoi: Quantities of interest in SI, by name.
        field_units: The SI unit of each field, by field name.
        qoi_units: The SI unit of each QoI, by its name.
        provenance: Source files, solver, version.
        qoi_deviations: The standard deviation of each QoI of which the simulator states one, SI.
        field_intervals: By domain and field, prediction intervals at the field's places, where the simulator has any.
        qoi_intervals: Those of QoIs.
        verdict: Whether the design lies in the simulator's applicability domain; None where it has none to judge by.
        notices: What to mind about an answer.
    """

    name: str
    design: Design
    meshes: dict[str, pv.DataSet] = field(default_factory=dict)
    qoi: dict[str, float] = field(default_factory=dict)
    field_units: dict[str, str] = field(default_factory=dict)
    qoi_units: dict[str, str] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    qoi_deviations: dict[str, float] = field(default_factory=dict)
    field_intervals: dict[str, dict[str, FieldInterval]] = field(default_factory=dict)
    qoi_intervals: dict[str, Interval] = field(default_factory=dict)
    verdict: Verdict | None = None
    notices: list[Notice] = field(default_factory=list)

    def __repr__(self) -> str:
        lines = [f"<Case {self.name}: {self.design!r}>"]
        for domain, mesh in self.meshes.items():
            fields = ", ".join(
                f"{name} [{self.field_units[name]}]" if self.field_units.get(name) else name
                for name in self.field_names(domain)
            )
            lines.append(f"  {domain}: {mesh.n_points} points, {mesh.n_cells} cells; {fields or 'no fields'}")
        if self.qoi:
            qoi = (f"{name} = {Quantity(value, self.qoi_units.get(name, ''))}" for name, value in self.qoi.items())
            lines.append(f"  QoIs: {', '.join(qoi)}")
        return "\n".join(lines)

    def field_names(self, domain: str) -> dict[str, Location]:
        """The fields of a domain and where each lives; arrays that VTK keeps for itself are left out."""
        mesh = self.meshes[domain]
        places: tuple[tuple[Location, Any], ...] = (("point", mesh.point_data), ("cell", mesh.cell_data))
        return {
            name: location
            for location, data in places
            for name in data.keys()  # noqa: SIM118 (PyVista's DataSetAttributes does not iterate over its names)
            if not name.startswith("vtk") and name not in ("Normals", "TCoords")
        }

    def field_values(self, domain: str, name: str) -> np.ndarray[Any, Any]:
        """A field's values, ``(n,)`` or ``(n, components)``, in SI.

        Raises:
            ContractError: The domain or field is not in this case.
        """
        if domain not in self.meshes or name not in (fields := self.field_names(domain)):
            has = {d: sorted(self.field_names(d)) for d in self.meshes}
            raise ContractError(f"case {self.name}: no field {name!r} on domain {domain!r}; it has {has}")
        mesh = self.meshes[domain]
        data = mesh.point_data if fields[name] == "point" else mesh.cell_data
        return data[name]  # type: ignore[no-any-return]

    def with_bounds(self, fields: Collection[str] | None = None, *, whole_field: bool = False) -> Case:
        """The same case with two more fields beside each that has an interval: ``pressure_lower``, ``pressure_upper``.

        Args:
            fields: Which fields are kept, with their bounds; None keeps all.
            whole_field: Whether the bounds are to hold nearly everywhere at once, rather than at each place for itself.

        Raises:
            ContractError: The case has no such bounds.
        """
        import numpy as np

        meshes, units = dict(self.meshes), dict(self.field_units)
        if not any(self.field_intervals.values()):
            raise ContractError(f"case {self.name}: its fields have no intervals; ask a model that is calibrated")
        for domain, of in self.field_intervals.items():
            mesh = meshes[domain] = self.meshes[domain].copy(deep=False)
            for name, interval in of.items():
                try:
                    bounds = interval.bounds(np.asarray(self.field_values(domain, name)), whole_field=whole_field)
                except ValueError as error:
                    raise ContractError(f"case {self.name}: {name} on {domain}: {error}") from error
                data = mesh.point_data if self.field_names(domain)[name] == "point" else mesh.cell_data
                for suffix, values in zip(("lower", "upper"), bounds, strict=True):
                    data[f"{name}_{suffix}"] = values
                    units[f"{name}_{suffix}"] = self.field_units.get(name, "")
            for name, location in self.field_names(domain).items():
                if fields is not None and name not in fields:
                    kept = mesh.point_data if location == "point" else mesh.cell_data
                    for each in (name, f"{name}_lower", f"{name}_upper"):
                        if each in kept:
                            kept.remove(each)
        return replace(self, meshes=meshes, field_units=units)

    def summary(self) -> dict[str, Any]:
        """What the case says beside its meshes, as plain values for JSON; numbers in the units beside them."""
        deviations, intervals = self.qoi_deviations, self.qoi_intervals
        return {
            "name": self.name,
            "parameters": {key: {"value": q.value, "unit": q.unit} for key, q in self.design.parameters.items()},
            "qoi": {
                key: {"value": value, "unit": self.qoi_units.get(key, "")}
                | ({"deviation": deviations[key]} if key in deviations else {})
                | (
                    {"low": intervals[key].low, "high": intervals[key].high, "level": intervals[key].level}
                    if key in intervals
                    else {}
                )
                for key, value in self.qoi.items()
            },
            "solver": self.provenance.solver,
            "version": self.provenance.version,
            "verdict": None
            if self.verdict is None
            else {
                "domain": self.verdict.domain,
                "score": self.verdict.score,
                "reasons": [str(reason) for reason in self.verdict.reasons],
            },
            "warnings": [*map(str, self.notices), *self.provenance.extra.get("warnings", [])],
        }

    def save(self, path: str | os.PathLike[str]) -> list[Path]:
        """Write the case for ParaView and for `Case.read`; see `tramontane.formats.saved.save_case`.

        Args:
            path: A new folder, for all that the case has: ``surface.vtp``, ``volume.vtu``, ``geometry.stl`` and
                ``case.json`` with parameters and QoIs; or a file ``.vtm`` (all meshes), ``.vtu`` or ``.vtp`` (the only
                one), with a JSON of the same name beside it.

        Returns:
            The files written.

        Raises:
            FormatError: The path is taken, its suffix does not fit, or something of the case cannot be written.
        """
        from tramontane.formats.saved import save_case

        return save_case(self, path)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Case:
        """Read what `save` wrote, or any case that `tramontane inspect` reads: a folder, or a file of results.

        Raises:
            TramontaneError: It cannot be read; file and field are named.
        """
        from tramontane.formats.saved import load_case

        return load_case(path)

    def plot(self, field_name: str | None = None, *, domain: str | None = None, **options: Any) -> Any:
        """Show a field on a domain with PyVista.

        Args:
            field_name: The field; the domain's first where None.
            domain: The domain; ``surface`` where there is one.
            options: Passed to ``pyvista.DataSet.plot`` (``screenshot="picture.png"``, ``off_screen=True``, ...).

        Raises:
            ContractError: The case has no meshes.
        """
        if not self.meshes:
            raise ContractError(f"case {self.name}: has no meshes to show, only QoIs")
        domain = domain or ("surface" if "surface" in self.meshes else next(iter(self.meshes)))
        field_name = field_name or next(iter(self.field_names(domain)), None)
        unit = self.field_units.get(field_name or "", "")
        options.setdefault("scalar_bar_args", {"title": f"{field_name} [{unit}]" if unit else field_name})
        return self.meshes[domain].plot(scalars=field_name, **options)
