"""Solvers whose answers are formulas: of beams without fields, and of the ellipsoids with their fields."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyvista as pv

from helpers.ellipsoids import ellipsoid
from tramontane.case import Case, Provenance
from tramontane.contract import Contract, FieldSpec, ParameterSpec, QoiSpec
from tramontane.design import Design

_AXES = ("half_length", "half_width", "half_height")


class BeamSolver:
    """Deflection of a cantilever's tip; see `helpers.beam_tables.write_beams`, whose cases have these ranges.

    Args:
        factor: Times the deflection: a solver that knows better than the table.
    """

    def __init__(self, factor: float = 1.0) -> None:
        self.factor, self.runs = factor, 0

    @property
    def contract(self) -> Contract:
        return Contract(
            name="beam",
            parameters={
                "force": ParameterSpec(unit="kN", low=100.0, high=500.0),
                "length": ParameterSpec(unit="mm", low=0.5, high=2.0),
                "modulus": ParameterSpec(unit="GPa", low=70e9, high=210e9),
                "inertia": ParameterSpec(unit="cm^4", low=2e-8, high=9e-8),
            },
            qoi={"deflection": QoiSpec(unit="m", display_unit="mm")},
        )

    def simulate(self, design: Design) -> Case:
        values = self.contract.values(design)
        self.runs += 1
        tip = values["force"] * values["length"] ** 3 / (3 * values["modulus"] * values["inertia"])
        return Case("beam", design, {}, {"deflection": self.factor * tip}, qoi_units={"deflection": "m"},
                    provenance=Provenance(solver="beam theory", version="1"))  # fmt: skip


class EllipsoidSolver:
    """A loaded ellipsoid of three half axes; see `helpers.ellipsoids.ellipsoid`."""

    def __init__(self) -> None:
        self.runs = 0

    @property
    def contract(self) -> Contract:
        axis = ParameterSpec(unit="m", low=0.5, high=1.0, role="geometry")
        return Contract(
            name="ellipsoid",
            parameters={**dict.fromkeys(_AXES, axis), "load": ParameterSpec(unit="N", low=100.0, high=500.0)},
            fields={"surface": {"pressure": FieldSpec(unit="Pa")},
                    "volume": {"displacement": FieldSpec(unit="m", components=3)}},
            qoi={"peak_pressure": QoiSpec(unit="Pa"), "mass": QoiSpec(unit="kg"), "charge": QoiSpec(unit="N*m")},
        )  # fmt: skip

    def simulate(self, design: Design) -> Case:
        values = self.contract.values(design.with_geometry(None))
        self.runs += 1
        return ellipsoid("ellipsoid", _axes(values), values["load"])

    def geometry(self, design: Design) -> pv.PolyData:
        known = {name: value for name, value in design.parameters.items() if name in _AXES}
        values, _ = self.contract.examine(known, geometry=False)
        return ellipsoid("shape", _axes(values), 1.0).design.geometry


def _axes(values: Mapping[str, float]) -> tuple[float, float, float]:
    a, b, c = (float(np.float64(values[name])) for name in _AXES)
    return a, b, c
