"""A Python function as a solver. Try it: tramontane solver check examples/solvers/cantilever.py

Numbers come, and are given back, in the units that stand beside them.
"""

import numpy as np
import pyvista as pv

from tramontane.solvers.function import solver

YOUNG, DENSITY = 210e3, 7.85e-6  # steel; N/mm2, kg/mm3


def block(length, width, height):
    """The beam's surface, metres."""
    return pv.Box(np.array([0, length, -width / 2, width / 2, -height / 2, height / 2]) / 1000).triangulate()


@solver(
    parameters={
        "length": {"unit": "mm", "low": 400, "high": 600, "role": "geometry"},
        "width": {"unit": "mm", "low": 30, "high": 60, "role": "geometry"},
        "height": {"unit": "mm", "low": 30, "high": 60, "role": "geometry"},
        "load": "200 to 900 N",
    },
    qoi={"deflection": "mm", "max_stress": "MPa", "mass": "kg"},
    geometry=block,
)
def cantilever(length, width, height, load):
    """Euler and Bernoulli's beam, clamped at one end, a load at the other."""
    inertia = width * height**3 / 12
    return {
        "deflection": load * length**3 / (3 * YOUNG * inertia),
        "max_stress": load * length * height / 2 / inertia,
        "mass": DENSITY * length * width * height,
    }
