"""A server as `pip install "tramontane[serve]"` gives it: without solvers, further readers, tools of developers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers import ROOT
from helpers.serving import Running, part, until
from tramontane.dataset import Dataset

_HIDE = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in hidden else find(name, *rest)
"""


def needed(*extras: str) -> set[str]:
    """The distributions that pip would install for the package with some of its extras."""
    project = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["project"]
    chosen = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    todo = [(Requirement(line), "") for line in chosen]
    needed_parts: set[tuple[str, str]] = set()
    while todo:
        wanted, extra = todo.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        for part_ in {"", *wanted.extras}:
            if (name, part_) not in needed_parts:
                needed_parts.add((name, part_))
                try:
                    todo += [(Requirement(line), part_) for line in requires(name) or ()]
                except PackageNotFoundError:  # of another platform
                    continue
    return {name for name, _ in needed_parts}


@pytest.fixture(scope="module")
def hidden() -> set[str]:
    """Modules that are here, and would not be there."""
    there = needed("serve")
    names = {
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & there
    } - {"tramontane"}
    assert {"ngsolve", "netgen", "pytest", "hypothesis", "zarr", "jwt", "pg8000", "s3fs", "moto"} <= names
    assert not {"torch", "fastapi", "nicegui", "sqlalchemy", "pyarrow", "vtkmodules"} & names
    return names


def test_it_serves(
    saved: Path, dataset: Dataset, tmp_path: Path, hidden: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python runs such a module before all else, in the server's own processes, too.
    (tmp_path / "sitecustomize.py").write_text(f"hidden = {hidden!r}{_HIDE}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    program = [sys.executable, "-m", "tramontane"]
    solver = subprocess.run([sys.executable, "-c", "import ngsolve"], capture_output=True, check=False, timeout=60)
    assert b"No module named 'ngsolve'" in solver.stderr
    with Running(saved, tmp_path / "state", "--data", str(dataset.path), program=program) as running:
        geometry = running.upload(part(tmp_path).read_bytes()).json()["hash"]
        for form in ("json", "vtp", "npz", "arrow"):
            request = {"parameters": {"load": "0.3 kN"}, "cells": 500, "domains": ["surface"], "format": form}
            assert running.predict(geometry, **request).status_code == 200
        assert running.http.get("/page/").status_code == 200
        request = {"dataset": dataset.path.name, "model": "classical"}  # type: ignore[union-attr]
        training = running.http.post("/v1/trainings", json=request).json()["id"]
        until(lambda: running.http.get(f"/v1/trainings/{training}").json()["state"] == "done", 300)
    for option, extra in (("--oidc-issuer", "oidc"), ("--database", "postgres"), ("--solver", "solve")):
        given = {
            "--oidc-issuer": "https://login.example",
            "--database": "postgresql://localhost/x",
            "--solver": "bracket",
        }
        missing = subprocess.run(
            [*program, "serve", str(saved), option, given[option], "--state", str(tmp_path / "other")],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert (missing.returncode, f"pip install 'tramontane[{extra}]'" in missing.stderr) == (2, True), missing.stderr


def test_nothing_else_is_loaded_where_it_is_there() -> None:
    code = "import sys, json, tramontane.http.run, tramontane.page.mount; print(json.dumps(sorted(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=120)
    loaded = {name.partition(".")[0] for name in json.loads(ended.stdout)}
    assert "tramontane" in loaded
    others = {"ngsolve", "netgen", "ray", "botorch", "h5py", "zarr", "s3fs", "jwt", "pg8000", "ansys"}
    assert not loaded & (others | {"pytest", "hypothesis", "beartype", "schemathesis", "moto", "playwright"})
