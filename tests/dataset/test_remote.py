"""A dataset on an S3 server is read by the same code as one on disk, and damage there is refused as well."""

from __future__ import annotations

import os
import pickle
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.air import make_dataset
from tramontane.dataset import Dataset
from tramontane.errors import DatasetError

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("s3fs", reason="needs the extra remote")

# moto answers over HTTP as S3 does; what its libraries warn of is theirs.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, Any]]:
    """A real S3 server on this machine, and what a client needs to reach it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"no_proxy": "127.0.0.1"},
    )  # fmt: skip
    try:
        for _ in range(300):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield {"key": "user", "secret": "word", "endpoint_url": f"http://127.0.0.1:{port}"}
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    dataset = make_dataset(tmp_path_factory.mktemp("local") / "data", "ab", side=33)
    dataset.set_splits({"train": ["a"], "test": ["b"]})
    return dataset


@pytest.fixture(scope="module")
def remote(local: Dataset, options: dict[str, Any]) -> Dataset:
    system = fsspec.filesystem("s3", **options)
    system.mkdir("bucket")
    system.put(str(local.path), "bucket/set 1", recursive=True)
    return Dataset.open("s3://bucket/set 1", storage_options=options)


def test_everything_is_as_on_disk(local: Dataset, remote: Dataset) -> None:
    assert (remote.names, remote.splits, remote.contract) == (local.names, local.splits, local.contract)
    assert remote.fingerprint() == local.fingerprint()
    assert remote.case("a").meshes["volume"] == local.case("a").meshes["volume"]
    assert remote.geometry("b") == local.geometry("b")
    mine, theirs = (one.sample("b", "volume", 20_000, np.random.default_rng(4)) for one in (remote, local))
    assert np.array_equal(mine.positions, theirs.positions)
    assert np.array_equal(mine.fields["velocity"], theirs.fields["velocity"])
    assert remote.statistics()["volume"]["velocity"].mean == pytest.approx(
        local.statistics()["volume"]["velocity"].mean
    )
    assert remote.verify() == local.verify() == []


def test_it_travels_to_other_processes_with_its_options(local: Dataset, remote: Dataset) -> None:
    again = pickle.loads(pickle.dumps(remote))
    assert np.array_equal(again.sites("a", "surface").weights, local.sites("a", "surface").weights)


def test_damage_and_absence_are_named(remote: Dataset, options: dict[str, Any], local: Dataset) -> None:
    system = fsspec.filesystem("s3", **options)
    system.put(str(local.path), "bucket/hurt", recursive=True)
    hurt = Dataset.open("s3://bucket/hurt", storage_options=options)
    velocity = "bucket/hurt/cases/a/domains/volume/point_data/velocity/c"
    system.rm(f"{velocity}/0/0")
    system.pipe(f"{velocity}/1/0", system.cat(f"{velocity}/1/0")[:-9])
    with pytest.raises(DatasetError, match=r"velocity: chunk 0 is missing; restore s3://bucket/hurt/cases/a"):
        hurt.sites("a", "volume", 0, 10)
    lines = hurt.verify()
    assert len(lines) == 2
    assert re.search("chunk 1 is not the one that was written", lines[1])
    with pytest.raises(DatasetError, match="s3://bucket/nothing: is no dataset"):
        Dataset.open("s3://bucket/nothing", storage_options=options)


def test_it_is_not_changed_from_afar(remote: Dataset) -> None:
    with pytest.raises(DatasetError, match="cannot be changed on a server; change a copy"):
        remote.set_splits({"train": ["b"], "test": ["a"]}, force=True)
    with pytest.raises(DatasetError, match="cannot be changed on a server"):
        remote.stage(remote.case("a"))


def test_a_server_that_does_not_answer_and_an_address_of_no_kind_are_said(options: dict[str, Any]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = options | {
            "endpoint_url": f"http://127.0.0.1:{nobody.getsockname()[1]}",
            "config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 2},
        }
        with pytest.raises(DatasetError, match=r"s3://bucket/data.*cannot be read"):
            Dataset.open("s3://bucket/data", storage_options=away)
    with pytest.raises(DatasetError, match="nosuch://x: cannot be opened"):
        Dataset.open("nosuch://x")


def test_a_path_on_disk_stays_one(local: Dataset) -> None:
    assert Dataset.open(str(local.path)).path == Path(local.path)
