"""Damage, crashes and neighbours: what is in a dataset is whole, and damage never passes for data."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv

from helpers import air
from helpers.air import CONTRACT, add_some, make_case
from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.errors import DatasetError

written, dataset = air.written, air.dataset  # pytest finds fixtures among a module's names

# -- damage ------------------------------------------------------------------------------------------------------------


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def _swap(file: Path) -> None:
    other = file.parents[1] / ("1" if file.parent.name == "0" else "0") / file.name
    other.rename(file.with_name("aside"))
    file.rename(other)
    file.with_name("aside").rename(file)


@pytest.mark.parametrize(
    ("damage", "lines", "message"),
    [
        (lambda file: os.truncate(file, file.stat().st_size - 100), 1, "chunk 1 is not the one that was written"),
        (lambda file: os.truncate(file, 0), 1, "chunk 1 is not the one that was written"),
        (_flip, 1, "altered"),
        (Path.unlink, 1, "chunk 1 is missing"),
        (_swap, 2, "chunk [01] is not the one that was written"),
    ],
    ids=["truncated", "emptied", "flipped", "deleted", "swapped"],
)
def test_a_damaged_chunk_is_refused_in_use_and_found_by_verify(
    dataset: Dataset, damage: Any, lines: int, message: str
) -> None:
    dataset.sites("a", "volume", 0, 10)  # it was opened before the damage came
    damage(dataset.path / "cases/a/domains/volume/point_data/velocity/c/1/0")
    for reader in (dataset, Dataset.open(dataset.path)):
        with pytest.raises(
            DatasetError, match=f"case a, array domains/volume/point_data/velocity: .*{message}.*restore"
        ):
            reader.sites("a", "volume")
        with pytest.raises(DatasetError, match="velocity"):
            reader.case("a")
        assert len(reader.sites("b", "volume").positions) == 33**3
    lines_found = dataset.verify()
    assert len(lines_found) == lines
    assert all("case a, array domains/volume/point_data/velocity: chunk" in line for line in lines_found)


def test_a_chunk_put_in_another_arrays_place_is_refused(dataset: Dataset) -> None:
    folder = dataset.path / "cases"
    shutil.copy(folder / "b/domains/volume/points/c/0/0", folder / "a/domains/volume/points/c/0/0")
    shutil.copy(folder / "b/domains/volume/point_data/velocity/c/0/0",
                folder / "a/domains/volume/point_data/velocity/c/0/0")  # fmt: skip
    with pytest.raises(DatasetError, match="is not the one that was written"):
        dataset.sites("a", "volume")


@pytest.mark.parametrize("place", ["case.json", "domains/volume/points/zarr.json"])
def test_an_altered_description_is_refused(dataset: Dataset, place: str) -> None:
    file = dataset.path / "cases/a" / place
    file.write_text(file.read_text().replace("float64", "float32").replace("volume", "volume "))
    with pytest.raises(DatasetError, match="restore"):
        dataset.sites("a", "volume")
    assert len(dataset.verify()) == 1


def test_verify_reports_strangers(dataset: Dataset) -> None:
    (dataset.path / "cases/a/domains/volume/points/c/9").mkdir()
    (dataset.path / "cases/a/domains/volume/points/c/9/0").write_bytes(b"1")
    (dataset.path / "cases/copy of a").mkdir()
    (dataset.path / "staging/a.12345678").mkdir(parents=True)
    lines = dataset.verify()
    assert len(lines) == 3
    assert all("remove it" in line for line in lines)


# -- crashes and neighbours --------------------------------------------------------------------------------------------

_ADD_FOR_EVER = """
import sys
import numpy as np, pyvista as pv
from tramontane.case import Case
from tramontane.dataset import Dataset
from tramontane.design import Design
dataset = Dataset.open(sys.argv[1])
dataset.add(Case("small", Design(None), {"particles": pv.PolyData(np.eye(3))}))
dataset.add(Case("large", Design(None), {"particles": pv.PolyData(np.random.default_rng(0).random((1_000_000, 3)))}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_process_killed_in_the_middle_of_add_leaves_whole_cases_only(tmp_path: Path) -> None:
    path = tmp_path / "data"
    Dataset.create(path, Contract())
    process = subprocess.Popen([sys.executable, "-c", _ADD_FOR_EVER, str(path)])
    while process.poll() is None and not list(path.glob("staging/large.*/domains/particles/*/c/3")):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    dataset = Dataset.open(path)
    assert dataset.names == ["small"]
    assert len(dataset.sites("small", "particles").positions) == 3
    assert [line.partition(": ")[2] for line in dataset.verify()] == ["is of an add that was cut off; remove it"]
    # Whoever resumes adds the case again, which clears what was left.
    dataset.add(Case("large", Design(None), {"particles": pv.PolyData(np.eye(3))}))
    assert dataset.verify() == []


def test_a_crash_between_the_renaming_and_the_manifest_leaves_no_case(dataset: Dataset) -> None:
    before = (dataset.path / "manifest.json").read_bytes()
    dataset.add(make_case("c"))
    (dataset.path / "manifest.json").write_bytes(before)
    again = Dataset.open(dataset.path)
    assert again.names == ["a", "b"]
    again.add(make_case("c", speed=50.0))
    assert again.qoi("c") == {"drag": 100.0}
    assert again.verify() == []


def test_processes_that_add_at_once_lose_no_case(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "data", CONTRACT)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(add_some, dataset.path, names) for names in ("abcd", "efgh")]:
            future.result()
        staged = pool.submit(dataset.stage, make_case("i")).result()
    assert sorted(Dataset.open(dataset.path).names) == list("abcdefgh")
    dataset.register(staged)
    assert sorted(dataset.names) == list("abcdefghi")
    assert dataset.verify() == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "data", CONTRACT)
    assert not (dataset.path / "staging").exists()
    (dataset.path / "staging").write_text("no directory can be made here, as on a full disk")
    with pytest.raises(DatasetError, match=r"cannot be written.*add it again"):
        dataset.add(make_case())
    assert Dataset.open(dataset.path).names == []
