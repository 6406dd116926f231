"""Standard names of fields: what programs call them, and vectors and tensors put together from their components."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyvista as pv

# Names as programs write them, in small letters and without anything between the words.
STANDARD = {
    "pressure": "pressure", "staticpressure": "pressure", "svp": "pressure",
    "totalpressure": "total_pressure", "stagnationpressure": "total_pressure", "pressurestagnation": "total_pressure",
    "velocity": "velocity", "velocityvector": "velocity", "flowvelocity": "velocity", "sv": "velocity",
    "temperature": "temperature", "statictemperature": "temperature", "svt": "temperature",
    "density": "density", "svdensity": "density",
    "wallshear": "wall_shear_stress", "wallshearstress": "wall_shear_stress", "svwallshear": "wall_shear_stress",
    "displacement": "displacement", "displacements": "displacement", "disp": "displacement", "displ": "displacement",
    "stress": "stress", "stresstensor": "stress", "cauchystress": "stress",
    "strain": "strain", "straintensor": "strain",
    "vonmises": "von_mises", "vonmisesstress": "von_mises", "stressvonmises": "von_mises", "mises": "von_mises",
    "turbulentkineticenergy": "turbulent_kinetic_energy", "turbulentenergykinetic": "turbulent_kinetic_energy",
    "turbkineticenergy": "turbulent_kinetic_energy", "tke": "turbulent_kinetic_energy",
    "svk": "turbulent_kinetic_energy",
    "turbulentdissipation": "turbulent_dissipation", "turbdissrate": "turbulent_dissipation",
    "svd": "turbulent_dissipation",
    "turbulentdissipationrate": "specific_dissipation_rate", "specificdissrate": "specific_dissipation_rate",
    "svo": "specific_dissipation_rate",
    "viscosityeddy": "eddy_viscosity", "turbulentviscosity": "eddy_viscosity", "svmut": "eddy_viscosity",
    "viscositymolecular": "dynamic_viscosity", "viscositykinematic": "kinematic_viscosity",
    "machnumber": "mach_number", "mach": "mach_number", "yplus": "y_plus", "vorticity": "vorticity",
    "heatflux": "heat_flux", "momentum": "momentum", "enthalpy": "enthalpy", "svh": "enthalpy",
}  # fmt: skip
# How many components a field of this name has; one of another kind keeps its own name.
_PARTS = {
    "velocity": (3,),
    "displacement": (3,),
    "stress": (6,),
    "strain": (6,),
    "wall_shear_stress": (1, 3),
    **dict.fromkeys(("pressure", "total_pressure", "temperature", "density", "von_mises"), (1,)),
}
_ORDER = ("xx", "yy", "zz", "xy", "yz", "xz")
_TWINS = {"yx": "xy", "zy": "yz", "zx": "xz"}
# How a name says that it is a component: ``(pattern, direction)``, the rest of the name is what they have in common.
_ENDS = (
    re.compile(r"^(?P<base>.+?)[ _.:-]\(?(?P<axis>[xyzXYZ]{1,2})\)?$"),  # disp_x, Velocity:X, stress_xy
    re.compile(r"^(?P<base>.*[a-z0-9])(?P<axis>[XYZ]{1,2})$"),  # VelocityX, StressXY
    re.compile(r"^(?P<axis>[xyzXYZ])[ _-](?P<base>[a-zA-Z].+)$"),  # x-velocity, X Velocity
)
_FLUENT = {"SV_U": ("SV_", "x"), "SV_V": ("SV_", "y"), "SV_W": ("SV_", "z")}


def standard_name(name: str) -> str:
    """The package's name for what a program calls ``name``; the name as it is where it is not known."""
    return STANDARD.get(re.sub(r"[^a-z0-9]", "", name.lower()), name)


def standardise(mesh: pv.DataSet) -> dict[str, str]:
    """Join components of vectors and symmetric tensors and give fields their standard names, in place.

    Two of three components make a vector whose third is zero. The order of a symmetric tensor is xx, yy, zz, xy, yz,
    xz. A field keeps its own name where another one has the standard name already.

    Args:
        mesh: Its point and cell data are changed.

    Returns:
        Every name that there was, and what it is called now or is a component of.
    """
    renamed: dict[str, str] = {}
    for data in (mesh.point_data, mesh.cell_data):
        data.active_scalars_name = data.active_vectors_name = None
        joined = _join(data)
        wanted = {name: standard_name(name.strip(" _")) for name in data.keys()}  # noqa: SIM118
        taken = set(wanted)
        for name, new in wanted.items():
            values = data[name]
            parts = 1 if values.ndim == 1 else values.shape[1]
            if new == name or new in taken or parts not in _PARTS.get(new, (parts,)):
                renamed.setdefault(name, name)
                continue
            del data[name]
            data[new] = values
            taken.add(new)
            renamed[name] = new
        renamed |= {part: renamed.get(whole, whole) for part, whole in joined.items()}
    return renamed


def _join(data: Any) -> dict[str, str]:
    """Put components together; the name that each component went into."""
    groups: dict[tuple[str, int, str], dict[str, str]] = {}
    for name in data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
        values = data[name]
        part = component_of(name) if values.ndim == 1 and np.issubdtype(values.dtype, np.floating) else None
        if part is not None:
            base, axis = part
            groups.setdefault((base, len(axis), values.dtype.str), {}).setdefault(axis, name)
    joined: dict[str, str] = {}
    for (base, rank, _), parts in groups.items():
        order = ("x", "y", "z") if rank == 1 else _ORDER
        plane = ("x", "y") if rank == 1 else ("xx", "yy", "xy")
        if not set(plane) <= set(parts) or base in data.keys():  # noqa: SIM118
            continue
        first = data[parts[plane[0]]]
        whole = np.zeros((len(first), len(order)), first.dtype)
        for index, axis in enumerate(order):
            if axis in parts:
                whole[:, index] = data[parts[axis]]
        for name in parts.values():
            del data[name]
            joined[name] = base
        data[base] = whole
    return joined


def component_of(name: str) -> tuple[str, str] | None:
    """What a component's name has in common with its siblings', and its direction (``x``, ``xy``)."""
    if name in _FLUENT:
        return _FLUENT[name]
    for pattern in _ENDS:
        match = pattern.match(name)
        if match is not None:
            axis = match["axis"].lower()
            return match["base"], _TWINS.get(axis, axis)
    return None
