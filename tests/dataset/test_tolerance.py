"""Fields stored to a tolerance: the bound holds for every value, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from typer.testing import CliRunner

from helpers.air import CONTRACT, make_case
from helpers.ellipsoids import ellipsoid
from tramontane.cli import app
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.dataset.store.tolerance import rounded
from tramontane.errors import DatasetError
from tramontane.formats import write_case

VALUES = st.sampled_from([np.float32, np.float64]).flatmap(
    lambda dtype: arrays.arrays(
        dtype,
        st.tuples(st.integers(1, 40), st.integers(1, 3)),
        elements=st.floats(width=32 if dtype is np.float32 else 64, min_value=-(2.0**100), max_value=2.0**100),
    )
)


@given(VALUES, st.floats(1e-9, 0.5))
def test_no_value_is_off_by_more_than_the_tolerance(values: np.ndarray, tolerance: float) -> None:
    result = rounded(values, tolerance)
    assert (result.dtype, result.shape) == (values.dtype, values.shape)
    wide = values.astype(np.float64)
    bound = tolerance * np.sqrt((wide**2).mean())
    # One rounding of the sum of squares apart.
    assert np.abs(result.astype(np.float64) - wide).max() <= bound * (1 + 1e-12)


@given(VALUES)
def test_what_is_not_finite_and_what_is_zero_stay(values: np.ndarray) -> None:
    values[0, 0] = np.nan
    result = rounded(values, 1e-3)
    assert np.isnan(result[0, 0])
    assert not result[values == 0].any()
    assert np.isfinite(result.ravel()[1:]).all()


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_a_dataset_keeps_its_word_and_says_so(tmp_path: Path) -> None:
    exact = Dataset.create(tmp_path / "exact", CONTRACT)
    lossy = Dataset.create(tmp_path / "lossy", CONTRACT, tolerance=1e-3)
    case = make_case("a", 33)
    noise = np.random.default_rng(0).standard_normal((33**3, 3))
    case.meshes["volume"].point_data["velocity"] = (20 + noise).astype(np.float32)
    velocity = np.array(case.meshes["volume"]["velocity"])
    for dataset in (exact, lossy):
        dataset.add(case)
    assert np.array_equal(case.meshes["volume"]["velocity"], velocity)  # what was given stays as it was
    again = Dataset.open(tmp_path / "lossy")
    assert (exact.tolerance, again.tolerance) == (None, 1e-3)
    back = again.case("a")
    for domain, name in (("volume", "velocity"), ("surface", "pressure")):
        before, after = (np.asarray(one.field_values(domain, name), np.float64) for one in (case, back))
        error = np.abs(after - before).max()
        assert 0 < error <= 1e-3 * np.sqrt((before**2).mean())
    assert np.array_equal(back.meshes["volume"].points, case.meshes["volume"].points)
    assert np.array_equal(back.meshes["volume"].cells, case.meshes["volume"].cells)
    assert back.qoi == case.qoi
    assert again.verify() == []
    place = "cases/a/domains/volume/point_data/velocity"
    # Noise of 5 % of the mean needs six bits and a sign at 0.1 %, of the 24 that a float has.
    assert folder_bytes(tmp_path / "lossy" / place) < 0.5 * folder_bytes(tmp_path / "exact" / place)


def test_ingest_takes_a_tolerance_and_refuses_what_is_none(tmp_path: Path) -> None:
    for index in range(4):
        write_case(ellipsoid(f"{index}", (1.0 - 0.05 * index, 0.8, 0.6), 100.0 + index), tmp_path / "r" / f"{index}")
    command = ["ingest", str(tmp_path / "r"), "-o", str(tmp_path / "lossy"), "--tolerance", "1e-4"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    lossy, exact = Dataset.open(tmp_path / "lossy"), ingest(tmp_path / "r", tmp_path / "exact")
    assert lossy.tolerance == 1e-4
    assert lossy.qoi("2") == exact.qoi("2")  # measured before anything is rounded
    mine, theirs = (one.case("2").meshes["surface"]["pressure"] for one in (lossy, exact))
    assert 0 < np.abs(mine - theirs).max() <= 1e-4 * np.sqrt((theirs**2).mean())
    assert lossy.geometry("2") == exact.geometry("2")
    for bad in (0.0, 1.0, -1e-3, float("nan")):
        with pytest.raises(DatasetError, match="between 0 and 1"):
            ingest(tmp_path / "r", tmp_path / "bad", tolerance=bad)
