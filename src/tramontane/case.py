"""A case: what is known of one design."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tramontane.design import Design
from tramontane.errors import ContractError

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


@dataclass
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
    """

    name: str
    design: Design
    meshes: dict[str, pv.DataSet] = field(default_factory=dict)
    qoi: dict[str, float] = field(default_factory=dict)
    field_units: dict[str, str] = field(default_factory=dict)
    qoi_units: dict[str, str] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)

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

    def summary(self) -> dict[str, Any]:
        """What the case says beside its meshes, as plain values for JSON; numbers in the units beside them."""
        deviations = self.provenance.extra.get("deviations", {})
        return {
            "name": self.name,
            "parameters": {key: {"value": q.value, "unit": q.unit} for key, q in self.design.parameters.items()},
            "qoi": {
                key: {"value": value, "unit": self.qoi_units.get(key, "")}
                | ({"deviation": deviations[key]} if key in deviations else {})
                for key, value in self.qoi.items()
            },
            "solver": self.provenance.solver,
            "version": self.provenance.version,
            "warnings": self.provenance.extra.get("warnings", []),
        }

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
