"""Files of XDMF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvista as pv

POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], np.float64)
TETRAHEDRA = np.array([[0, 1, 2, 3], [1, 2, 3, 4]])


def item(values: np.ndarray, file: Path | None = None) -> str:
    """A DataItem with its numbers in the XML, or in a binary file."""
    kind = "Float" if values.dtype.kind == "f" else "Int"
    head = f'<DataItem Dimensions="{" ".join(map(str, values.shape))}" NumberType="{kind}" Precision="8"'
    if file is None:
        return f'{head} Format="XML">{" ".join(map(str, values.ravel().tolist()))}</DataItem>'
    file.write_bytes(values.tobytes())
    return f'{head} Format="Binary" Endian="Little">{file.name}</DataItem>'


def grid(time: float | None = None, folder: Path | None = None) -> str:
    """Two tetrahedra with a temperature of 300 + x + time."""
    values = {"points": POINTS, "cells": TETRAHEDRA, "temperature": 300 + POINTS[:, 0] + (time or 0.0),
              "velocity": 2 * POINTS, "heat": np.array([5.0, 7.0])}  # fmt: skip
    data = {name: item(array, folder and folder / f"{name}.bin") for name, array in values.items()}
    stamp = "" if time is None else f'<Time Value="{time}"/>'
    return (
        f'<Grid Name="body" GridType="Uniform">{stamp}'
        f'<Topology TopologyType="Tetrahedron" NumberOfElements="2">{data["cells"]}</Topology>'
        f'<Geometry GeometryType="XYZ">{data["points"]}</Geometry>'
        f'<Attribute Name="temperature" AttributeType="Scalar" Center="Node">{data["temperature"]}</Attribute>'
        f'<Attribute Name="velocity" AttributeType="Vector" Center="Node">{data["velocity"]}</Attribute>'
        f'<Attribute Name="heat" AttributeType="Scalar" Center="Cell">{data["heat"]}</Attribute></Grid>'
    )


def write(file: Path, *grids: str) -> Path:
    file.write_text(f'<?xml version="1.0" ?>\n<Xdmf Version="2.0"><Domain>{"".join(grids)}</Domain></Xdmf>\n')
    return file


def write_with_vtk(file: Path) -> pv.UnstructuredGrid:
    from vtkmodules.vtkIOXdmf2 import vtkXdmfWriter

    mesh = pv.ImageData(dimensions=(3, 3, 3)).cast_to_unstructured_grid()
    mesh.point_data["pressure"] = mesh.points[:, 0].astype(np.float64)
    writer = vtkXdmfWriter()
    writer.SetInputData(mesh)
    writer.SetFileName(str(file))
    writer.SetHeavyDataFileName(str(file.with_suffix(".h5")))
    writer.SetLightDataLimit(1)
    writer.Write()
    return mesh
