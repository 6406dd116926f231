"""DrivAerML: 484 DrivAer notchbacks, hybrid RANS-LES with OpenFOAM (Ashton et al., arXiv:2408.11969; CC BY-SA 4.0).

Where the facts come from:

- files (``run_N/drivaer_N.stl``, ``boundary_N.vtp``, ``volume_N.vtu`` in two or three parts ``volume_N.vtu.00.part``,
  ..., to be put together byte by byte; ``force_mom_N.csv`` with each car's own and ``force_mom_constref_N.csv`` with
  a constant reference area, the other way round than in AhmedML; ``geo_ref_N.csv``, ``geo_parameters_N.csv``): the
  listing on Hugging Face, ``neashton/drivaerml``, MLSimKit's documentation, and FluidsBench's
  ``benchmark-specs/drivaerml``;
- arrays (``pMeanTrim``, ``CpMeanTrim``, ``wallShearStressMeanTrim`` at cells of the boundary, ``UMeanTrim``,
  ``pMeanTrim`` and others at cells of the volume), m2/s2 with a density of 1 kg/m3 and an inlet of 38.889 m/s, and
  that forces are ``p A - tau |A|``: FluidsBench, which replayed all 484 forces, and its ``PRESSURE_REFERENCES.md``;
- the 16 columns of ``geo_parameters_N.csv``, changes against the baseline in mm, the pitch in degrees: public
  projects that cite the paper;
- the split of 400, 34 and 50 runs and the 16 runs that are not public: ``generate_splits.py`` of the data set.
"""

from __future__ import annotations

from pathlib import Path

from tramontane.formats.layouts import runs, shared
from tramontane.formats.layouts.layout import Layout
from tramontane.formats.results import Collection

_DENSITY = 1.0  # kg/m3
_LENGTHS = (
    "vehicle_length", "vehicle_width", "vehicle_height", "front_overhang", "front_planview", "hood_angle",
    "approach_angle", "windscreen_angle", "greenhouse_tapering", "backlight_angle", "decklid_height",
    "rearend_tapering", "rear_overhang", "rear_diffusor_angle", "vehicle_ride_height",
)  # fmt: skip
_HIDDEN = (167, 211, 218, 221, 248, 282, 291, 295, 316, 325, 329, 364, 370, 376, 403, 473)
_VALIDATION = (
    4, 22, 56, 109, 150, 165, 177, 191, 228, 234, 241, 247, 252, 253, 260, 271, 275, 298, 303, 311, 321, 324, 328, 341,
    352, 366, 380, 390, 401, 423, 441, 447, 454, 487,
)  # fmt: skip
_TEST = (
    11, 12, 19, 20, 24, 26, 29, 41, 55, 59, 108, 124, 127, 133, 142, 158, 173, 180, 187, 188, 197, 199, 203, 205, 207,
    208, 210, 215, 222, 226, 258, 263, 280, 284, 290, 322, 337, 350, 354, 363, 372, 382, 387, 405, 410, 424, 428, 429,
    436, 472,
)  # fmt: skip


def fields(mesh: shared.Mesh, domain: str) -> dict[str, str]:
    """Name the fields of a boundary or a volume."""
    units = shared.rename_fields(mesh, shared.OPENFOAM, shared.openfoam_base)
    shared.from_kinematic(mesh, _DENSITY)
    return units


_RUNS = runs.RunLayout(
    name="DrivAerML", stem="drivaer", boundary=".vtp", forces="force_mom_constref",
    parameters={"vehicle_pitch": "deg"} | dict.fromkeys(_LENGTHS, "mm"),
    fields=fields, solver=("OpenFOAM", "v2212"), count=484,
    notes=(
        "DrivAerML: pressure and shear are stored divided by density; they are taken times 1 kg/m3, at 38.889 m/s.",
        "wall_shear_stress is OpenFOAM's with the sign turned: the force of the fluid on the wall.",
        "Coefficients are those for a constant reference area (force_mom_constref, 2.17 m2).",
        "Parameters are changes against the baseline car, in mm also where they are called angles.",
    ),
    default_splits={
        "train": [n for n in range(1, 501) if n not in {*_HIDDEN, *_VALIDATION, *_TEST}],
        "validation": _VALIDATION, "test": _TEST,
    },
)  # fmt: skip


def drivaerml(folder: Path, splits: str | None = None) -> Collection | None:
    """DrivAerML in a folder, or None where it is something else; ``splits`` is a family such as ``scarce``."""
    return runs.find(_RUNS, folder, splits)


LAYOUT = Layout("DrivAerML", drivaerml)
