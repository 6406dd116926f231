"""Write the PLAID data that the tests read, with PLAID's own library: ``pip install pyplaid==1.0.0`` and run this file.

A plate of 12 triangles, 2 x 1 in size. At a point (x, y) and time t: ``p = load (x + 2 y) + t`` at points,
``heat = load + cell's index`` at cells; ``mass = 3 load`` is a scalar. The edge y = 0 is a base of its own with
``tau = load x``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import CGNS.PAT.cgnskeywords as words
import CGNS.PAT.cgnslib as nodes
import numpy as np
from plaid.containers.sample import Sample
from plaid.infos import Infos
from plaid.problem_definition import ProblemDefinition
from plaid.storage import save_to_disk

LOADS = {"train": [1.0, 2.0], "test": [5.0], "extrapolation": [9.0]}
TIMES = {5.0: (0.0, 0.5)}  # of the others, one: the files are small, but HDF5 is not


def sample(load: float) -> Sample:
    x, y = (values.ravel() for values in np.meshgrid(np.linspace(0, 2, 4), np.linspace(0, 1, 3)))
    corners = [4 * j + i for j in range(2) for i in range(3)]
    triangles = np.array([t for k in corners for t in ((k, k + 1, k + 5), (k, k + 5, k + 4))])
    made = Sample()
    for time in TIMES.get(load, (0.0,)):
        for base, dimension, count, kind, cells in (
            ("Base_2_2", 2, 12, "TRI_3", triangles), ("Base_1_2", 1, 4, "BAR_2", np.array([(0, 1), (1, 2), (2, 3)])),
        ):  # fmt: skip
            place: dict[str, Any] = {"base": base, "time": time}
            made.init_base(dimension, 2, **place)
            zone = made.init_zone(np.array([[count, len(cells), 0]]), zone="Zone", **place)
            made.set_nodes(np.stack([x, y], axis=1)[:count], zone="Zone", **place)
            nodes.newElements(
                zone, f"Elements_{kind}", kind, np.array([1, len(cells)]), (cells + 1).ravel().astype(np.int64)
            )
        made.add_field("p", load * (x + 2 * y) + time, base="Base_2_2", zone="Zone", time=time)
        heat = load + np.arange(12.0)
        made.add_field("heat", heat, location=words.CellCenter_s, base="Base_2_2", zone="Zone", time=time)
        made.add_field("tau", load * x[:4], base="Base_1_2", zone="Zone", time=time)
        made.add_global("load", load, time=time)
        made.add_global("mass", 3 * load, time=time)
    return made


def main(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    problem = ProblemDefinition(
        input_features=["Global/load"],
        output_features=["Global/mass", "Base_2_2/Zone/VertexFields/p", "Base_2_2/Zone/CellCenterFields/heat"],
        train_split={"train": [0]}, test_split={"test": "all"},
    )  # fmt: skip
    infos = Infos(owner="the tests", license="Apache-2.0")
    save_to_disk(target, sample, LOADS, infos=infos, backend="cgns", pb_defs={"main": problem}, overwrite=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "plaid")
