"""WindsorML: 355 Windsor bodies, wall-modelled LES with Volcano (Ashton et al., arXiv:2407.19320; CC BY-SA 4.0).

Where the facts come from:

- files (``run_0`` to ``run_354``, ``windsor_N.stl``, ``boundary_N.vtu``, ``volume_N.vtu``, ``force_mom_N.csv`` with a
  constant and ``force_mom_varref_N.csv`` with each body's own reference area, ``geo_parameters_N.csv``): the
  documentation of MLSimKit (awslabs) and of PhysicsNeMo Curator (NVIDIA, Apache-2.0);
- arrays (``cpavg``, ``cfxavg``, ``cfyavg``, ``cfzavg``, ``cpvar``, ``yplusavg``, ``Normals`` at points of the
  boundary; ``velocityxavg``, ``velocityyavg``, ``velocityzavg``, ``pressureavg`` and six Reynolds stresses at cells
  of the volume), that y points up, that runs 350 to 354 have no files of their own, and the constant reference area
  of 0.112 m2: FluidsBench's ``WINDSORML_FLUIDSBENCH_READINESS_REVIEW.md``;
- columns of the CSV files: public projects that read them.

Not settled: sources disagree on the speed (30 or 40 m/s), so coefficients stay coefficients; the unit and the
reference of ``pressureavg`` (FluidsBench's ``PRESSURE_REFERENCES.md`` calls them unresolved), so it stays under its
name without a unit; the units of ``side_taper`` and ``clearance``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tramontane.formats.layouts import runs, shared
from tramontane.formats.layouts.layout import Layout
from tramontane.formats.results import Collection

_VECTORS = {
    "skin_friction_coefficient": ("cfxavg", "cfyavg", "cfzavg"),
    "velocity": ("velocityxavg", "velocityyavg", "velocityzavg"),
}
_NAMES = {
    "cpavg": ("pressure_coefficient", ""),
    "cpvar": ("pressure_coefficient_variance", ""),
    "yplusavg": ("y_plus", ""),
    "velocity": ("velocity", "m/s"),
    "skin_friction_coefficient": ("skin_friction_coefficient", ""),
    "pressureavg": ("pressureavg", ""),
}


def fields(mesh: shared.Mesh, domain: str) -> dict[str, str]:
    """Name the fields of a boundary or a volume; components that lie apart become vectors."""
    for data in (mesh.point_data, mesh.cell_data):
        for name, components in _VECTORS.items():
            if set(components) <= set(data.keys()):
                data[name] = np.stack([np.asarray(data[component]) for component in components], axis=1)
                for component in components:
                    del data[component]
    return shared.rename_fields(mesh, _NAMES)


_RUNS = runs.RunLayout(
    name="WindsorML", stem="windsor", boundary=".vtu", forces="force_mom",
    parameters={"bottom_taper_angle": "deg", "frontal_area": "m^2"},
    fields=fields, solver=("Volcano ScaLES", ""), count=355,
    notes=(
        "WindsorML: y points up; pressure and skin friction on the boundary are coefficients.",
        "The unit of pressureavg in the volume is not documented; it is stored as it is.",
        "Parameters side_taper and clearance have no documented unit and are stored as they are.",
        "Coefficients are those for a constant reference area (0.112 m2).",
    ),
)  # fmt: skip


def windsorml(folder: Path, splits: str | None = None) -> Collection | None:
    """WindsorML in a folder, or None where it is something else; ``splits`` is a family such as ``scarce``."""
    return runs.find(_RUNS, folder, splits)


LAYOUT = Layout("WindsorML", windsorml)
