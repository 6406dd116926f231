"""Files of Exodus II."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers.formats.programs import Exodus

X = np.array([0, 1, 1, 0, 0, 1, 1, 0, 2, 2, 2, 2, 3.0])
Y = np.array([0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0.5])
Z = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0.5])
STRESS = ["stress_xx", "stress_yy", "stress_zz", "stress_xy", "stress_yz", "stress_zx"]


def write_bar(path: Path) -> Path:
    """Two cubes of steel and a pyramid as their tip, held at the left, at three times."""
    exodus = Exodus(path)
    exodus("put_init", "a bar", 3, 13, 3, 2, 0, 2)
    exodus("put_coord", X, Y, Z)
    exodus("put_block", Exodus.BLOCK, 10, "HEX8", 2, 8, 0, 0, 0)
    exodus("put_block", Exodus.BLOCK, 20, "PYRAMID5", 1, 5, 0, 0, 0)
    exodus("put_names", Exodus.BLOCK, ["steel", "tip"])
    cubes = np.array([1, 2, 3, 4, 5, 6, 7, 8, 2, 9, 10, 3, 6, 11, 12, 7], np.int32)
    exodus("put_conn", Exodus.BLOCK, 10, cubes, None, None)
    exodus("put_conn", Exodus.BLOCK, 20, np.array([9, 10, 12, 11, 13], np.int32), None, None)
    for number, elements, sides in ((100, [1], [4]), (200, [1, 2], [1, 1])):
        exodus("put_set_param", Exodus.SIDES, number, len(elements), 0)
        exodus("put_set", Exodus.SIDES, number, np.array(elements, np.int32), np.array(sides, np.int32))
    exodus("put_names", Exodus.SIDES, ["fixed", "front"])
    nodal, elemental = ["disp_x", "disp_y", "disp_z", "temperature"], [*STRESS, "vonmises"]
    for kind, names in ((Exodus.NODAL, nodal), (Exodus.BLOCK, elemental)):
        exodus("put_variable_param", kind, len(names))
        exodus("put_variable_names", kind, len(names), names)
    for step in (1, 2, 3):
        exodus("put_time", step, np.array([0.5 * step]))
        for index in range(1, 5):
            values = 300 + step + X if index == 4 else step * index * X
            exodus("put_var", step, Exodus.NODAL, index, 1, 13, values)
        for index in range(1, 8):
            exodus("put_var", step, Exodus.BLOCK, index, 10, 2, np.array([10.0 * step * index, 7.0]))
            exodus("put_var", step, Exodus.BLOCK, index, 20, 1, np.array([-1.0 * step * index]))
    exodus("close")
    return path
