"""Small cases for tests of the store: a block of air over a ball, with fields that are known everywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from tramontane.case import Case, Provenance
from tramontane.contract import Contract, FieldSpec, ParameterSpec, QoiSpec
from tramontane.dataset import Dataset
from tramontane.design import Design

CONTRACT = Contract(
    parameters={"speed": ParameterSpec(unit="m/s", low=1, high=90)},
    fields={
        "surface": {"pressure": FieldSpec(unit="Pa", location="cell")},
        "volume": {"velocity": FieldSpec(unit="m/s", components=3), "pressure": FieldSpec(unit="Pa")},
    },
    qoi={"drag": QoiSpec(unit="N")},
)


def make_case(name: str = "a", side: int = 6, speed: float = 30.0) -> Case:
    """A block of air over a ball: velocity is the position times the speed, pressure is the height."""
    ball = pv.Sphere(theta_resolution=12, phi_resolution=12)
    ball.cell_data["pressure"] = (speed * ball.cell_centers().points[:, 2]).astype(np.float32)
    block = pv.ImageData(dimensions=(side,) * 3, spacing=(1 / (side - 1),) * 3).cast_to_unstructured_grid()
    block.points = block.points.astype(np.float64)
    block.point_data["velocity"] = speed * block.points
    block.point_data["pressure"] = block.points[:, 2].astype(np.float32)
    return Case(
        name,
        Design(None, speed=f"{speed} m/s"),
        {"surface": ball, "volume": block},
        qoi={"drag": 2 * speed},
        field_units={"pressure": "Pa", "velocity": "m/s"},
        qoi_units={"drag": "N"},
        provenance=Provenance(
            {"surface.vtp": "00ff"}, "simpleFoam", "1912", {"cells": np.int64(7), "std": [0.1, None]}
        ),
    )


def make_dataset(path: Path, names: str = "abcd", side: int = 6) -> Dataset:
    dataset = Dataset.create(path, CONTRACT)
    for place, name in enumerate(names):
        dataset.add(make_case(name, side, speed=10.0 + place), pv.Sphere())
    return dataset


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cases; the volume has 35,937 sites, two chunks."""
    path = tmp_path_factory.mktemp("store") / "data"
    make_dataset(path, "ab", side=33)
    return path


@pytest.fixture
def dataset(written: Path, tmp_path: Path) -> Dataset:
    shutil.copytree(written, tmp_path / "data")
    return Dataset.open(tmp_path / "data")


def add_some(path: Path, names: str) -> None:
    dataset = Dataset.open(path)
    for name in names:
        dataset.add(make_case(name))
