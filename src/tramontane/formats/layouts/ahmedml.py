"""AhmedML: 500 Ahmed bodies, hybrid RANS-LES with OpenFOAM (Ashton et al., arXiv:2407.20801; CC BY-SA 4.0).

Where the facts come from:

- files (``run_N/ahmed_N.stl``, ``boundary_N.vtp``, ``volume_N.vtu``, ``force_mom_N.csv`` with a constant and
  ``force_mom_varref_N.csv`` with each body's own reference area, ``geo_parameters_N.csv``; ``force_mom_all.csv``,
  ``geo_parameters_all.csv``): the data set's README and its file listing on Hugging Face, ``neashton/ahmedml``;
- arrays (``pMean``, ``wallShearStressMean``, ``static(p)_coeffMean``, ``yPlusMean`` on the boundary; ``UMean``,
  ``pMean``, ``nutMean``, ``UPrime2Mean``, ``vorticityMean`` and two coefficients in the volume; at points and at
  cells, computed at cells) and their unit, m2/s2, with a density of 1 kg/m3 and an inlet of 1 m/s: the inventories of
  FluidsBench (``neilashton/fluidsbench-submission``, ``benchmark-specs/ahmedml``, ``docs/PRESSURE_REFERENCES.md``),
  which name the paper's B.7 and table 6;
- columns of the CSV files, lengths in mm: public projects that read them; reference area 0.112 m2: the paper;
- that OpenFOAM's wall shear stress enters forces with a minus: FluidsBench's replay of DrivAerML's forces, and that
  the sign is the same here follows from OpenFOAM.

Not found: the run numbers of the official splits (they are read from ``splits/manifest.json``).
"""

from __future__ import annotations

from pathlib import Path

from tramontane.formats.layouts import runs, shared
from tramontane.formats.layouts.layout import Layout
from tramontane.formats.results import Collection

_DENSITY = 1.0  # kg/m3


def fields(mesh: shared.Mesh, domain: str) -> dict[str, str]:
    """Name the fields of a boundary or a volume."""
    units = shared.rename_fields(mesh, shared.OPENFOAM, shared.openfoam_base)
    shared.from_kinematic(mesh, _DENSITY)
    return units


_RUNS = runs.RunLayout(
    name="AhmedML", stem="ahmed", boundary=".vtp", forces="force_mom",
    parameters={"slant_angle_degrees": "deg"} | dict.fromkeys(
        ("body_length", "body_height", "body_width", "front_arc_diameter", "slant_angle_length", "slant_angle_height",
         "slant_surface_length"), "mm"),
    fields=fields, solver=("OpenFOAM", "v2212"), count=500,
    notes=(
        "AhmedML: pressure and shear are stored divided by density; they are taken times 1 kg/m3, at 1 m/s.",
        "wall_shear_stress is OpenFOAM's with the sign turned: the force of the fluid on the wall.",
        "Coefficients are those for a constant reference area (0.112 m2).",
    ),
)  # fmt: skip


def ahmedml(folder: Path, splits: str | None = None) -> Collection | None:
    """AhmedML in a folder, or None where it is something else; ``splits`` is a family such as ``scarce``."""
    return runs.find(_RUNS, folder, splits)


LAYOUT = Layout("AhmedML", ahmedml)
