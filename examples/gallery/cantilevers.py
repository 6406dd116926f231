"""A simulator in closed form: steel cantilevers with a load at the tip, by the beam theory of Euler and Bernoulli.

The examples of the gallery make their data with it in a second. It is also the shortest complete simulator: anything
with a ``contract`` and a ``simulate`` is one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvista as pv

from tramontane.case import Case, Provenance
from tramontane.contract import Contract, FieldSpec, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.formats import write_case
from tramontane.studies import sobol_designs

YOUNG, DENSITY = 210e9, 7850.0  # steel, Pa and kg/m^3
FIELDS = {"displacement": FieldSpec(unit="m", components=3), "von_mises": FieldSpec(unit="Pa")}

CONTRACT = Contract(
    name="cantilever",
    parameters={
        "length": ParameterSpec(unit="mm", low=0.4, high=0.6, role="geometry"),
        "width": ParameterSpec(unit="mm", low=0.03, high=0.06, role="geometry"),
        "height": ParameterSpec(unit="mm", low=0.03, high=0.06, role="geometry"),
        "load": ParameterSpec(unit="N", low=200.0, high=900.0),
    },
    fields={"surface": FIELDS, "volume": FIELDS},
    qoi={"deflection": QoiSpec(unit="m"), "max_von_mises": QoiSpec(unit="Pa"), "mass": QoiSpec(unit="kg")},
)


class Cantilever:
    """A beam along x, clamped at x = 0, with a load along -z at its other end.

    Args:
        cells: Of its mesh, along, across and up.
    """

    contract = CONTRACT

    def __init__(self, cells: tuple[int, int, int] = (14, 2, 4)) -> None:
        self.cells = cells

    def simulate(self, design: Design) -> Case:
        """The case of a length, a width, a height and a load."""
        values = CONTRACT.values(design.with_geometry(None))
        length, width, height, load = (values[name] for name in ("length", "width", "height", "load"))
        volume = _block(np.array([length, width, height]), np.array(self.cells))
        x, _, z = volume.points.T
        inertia = width * height**3 / 12
        turn = load * x * (2 * length - x) / (2 * YOUNG * inertia)  # of a section
        sink = load * x**2 * (3 * length - x) / (6 * YOUNG * inertia)
        bending = load * (length - x) * z / inertia
        shear = 1.5 * load / (width * height) * (1 - (2 * z / height) ** 2)
        volume.point_data["displacement"] = np.stack([z * turn, 0 * z, -sink], axis=1)
        volume.point_data["von_mises"] = np.sqrt(bending**2 + 3 * shear**2)
        surface = volume.extract_surface(algorithm="dataset_surface").triangulate()
        surface.clear_cell_data()
        for name in ("vtkOriginalPointIds", "vtkOriginalCellIds"):
            surface.point_data.pop(name, None)
        shape = pv.PolyData(surface.points, surface.faces)
        return Case(
            name=f"{length:.3f}",
            design=Design(shape, **design.parameters),
            meshes={"surface": surface, "volume": volume},
            qoi={
                "deflection": float(sink.max()),
                "max_von_mises": float(volume.point_data["von_mises"].max()),
                "mass": DENSITY * length * width * height,
            },
            field_units={"displacement": "m", "von_mises": "Pa"},
            qoi_units={"deflection": "m", "max_von_mises": "Pa", "mass": "kg"},
            provenance=Provenance(solver="beam theory", version="1"),
        )


def _block(size: np.ndarray, cells: np.ndarray) -> pv.UnstructuredGrid:
    origin = (0, -size[1] / 2, -size[2] / 2)
    block = pv.ImageData(dimensions=cells + 1, spacing=size / cells, origin=origin).cast_to_unstructured_grid()
    block.points = np.asarray(block.points, dtype=np.float64)
    return block


def write_cantilevers(folder: Path, count: int = 16, cells: tuple[int, int, int] = (14, 2, 4)) -> Path:
    """A folder of results: a case for each of the first ``count`` designs of the design space."""
    for index, design in enumerate(sobol_designs(CONTRACT, count, seed=0)):
        case = Cantilever(cells).simulate(design)
        case.name = f"{index:03d}"
        write_case(case, folder / case.name)
    return folder
