"""A cantilever whose mass, stress and deflection are known, as a simulator of studies."""

from __future__ import annotations

from tramontane.case import Case
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import SolverError
from tramontane.interval import Interval
from tramontane.verdict import Verdict

LENGTH, DENSITY, MODULUS = 1.0, 7850.0, 210e9

CONTRACT = Contract(
    name="cantilever",
    parameters={
        "width": ParameterSpec(unit="mm", low=0.01, high=0.1, role="geometry"),
        "height": ParameterSpec(unit="mm", low=0.01, high=0.1, role="geometry"),
        "load": ParameterSpec(unit="N", low=100.0, high=2000.0),
    },
    qoi={
        "mass": QoiSpec(unit="kg"),
        "stress": QoiSpec(unit="Pa", display_unit="MPa", scales_with={"load": 1.0}),
        "deflection": QoiSpec(unit="m", display_unit="mm", scales_with={"load": 1.0}),
    },
)


class Cantilever:
    """A beam of rectangular section, clamped at one end and loaded at the other (Euler and Bernoulli).

    Args:
        factor: Of its stress: another one than 1 makes it a surrogate that errs, with intervals that hold.
        slender: The largest height over width that it can be made with.
    """

    def __init__(self, *, factor: float = 1.0, slender: float = 100.0) -> None:
        self.factor, self.slender = factor, slender

    @property
    def contract(self) -> Contract:
        return CONTRACT

    def simulate(self, design: Design) -> Case:
        values = CONTRACT.values(design)
        width, height, load = (values[name] for name in ("width", "height", "load"))
        if height > self.slender * width:
            raise SolverError(f"a section {height / width:.3g} times as high as wide buckles; widen it")
        stress = 6 * load * LENGTH / (width * height**2)
        qoi = {
            "mass": DENSITY * LENGTH * width * height,
            "stress": self.factor * stress,
            "deflection": 4 * load * LENGTH**3 / (MODULUS * width * height**3),
        }
        case = Case("cantilever", design, qoi=qoi, qoi_units={name: of.unit for name, of in CONTRACT.qoi.items()})
        if self.factor != 1:
            case.qoi_intervals = {
                "mass": Interval(0.99 * qoi["mass"], 1.01 * qoi["mass"], 0.9),
                "stress": Interval(stress / 1.2, stress * 1.2, 0.9),
            }
            case.verdict = Verdict("inside" if height < 0.08 else "outside", min(1.0, 0.5 * height / 0.08))
        return case
