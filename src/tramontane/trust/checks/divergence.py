"""Conservation of mass at each place: the velocity of an incompressible fluid has no divergence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.store.sites import mesh_sites
from tramontane.trust.physics_check import PhysicsCheck, Residual

Array = NDArray[np.floating[Any]]


def _residual(case: Case, contract: Contract) -> Residual | None:
    """What a tenth of the volume exceeds, 1/s, beside that of the velocity's whole gradient."""
    if "velocity" not in (case.field_names("volume") if "volume" in case.meshes else {}):
        return None
    if any("density" in fields for fields in contract.fields.values()):
        return None  # of a compressible fluid it has
    mesh = _without_polyhedra(case.meshes["volume"])
    if case.field_names("volume")["velocity"] == "cell":
        mesh = mesh.cell_data_to_point_data()
    if mesh.n_cells == 0 or np.asarray(mesh.point_data["velocity"]).shape[1:] != (3,):
        return None
    mesh.point_data["velocity"] = np.asarray(mesh.point_data["velocity"], dtype=np.float64)
    derived = mesh.compute_derivative(scalars="velocity", gradient=True, divergence=True)
    derived.point_data["sizes"] = np.stack([
        np.abs(derived.point_data["divergence"]), np.linalg.norm(derived.point_data["gradient"], axis=1)
    ], axis=1)  # fmt: skip
    sizes = np.asarray(derived.point_data_to_cell_data().cell_data["sizes"])
    volumes = np.asarray(mesh_sites(mesh, "cell", []).weights, dtype=np.float64)
    return Residual(*(_exceeded_by_a_tenth(of, volumes) for of in sizes.T))


def _exceeded_by_a_tenth(values: Array, volumes: Array) -> float:
    """The value that a tenth of the volume exceeds: derivatives in slivers of cells are without bounds."""
    order = np.argsort(values)
    shares = np.cumsum(volumes[order]) / volumes.sum()
    return float(values[order[np.searchsorted(shares, 0.9)]])


def _without_polyhedra(mesh: pv.DataSet) -> pv.DataSet:
    """A shallow copy without the cells whose derivatives VTK takes minutes for."""
    if isinstance(mesh, pv.UnstructuredGrid) and (polyhedra := mesh.celltypes == pv.CellType.POLYHEDRON).any():
        return mesh.extract_cells(~polyhedra)
    return mesh.copy(deep=False)


CHECK = PhysicsCheck("divergence", "the velocity of an incompressible fluid has no divergence", "1/s", _residual)
