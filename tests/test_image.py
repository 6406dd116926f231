"""The image of deploy/Dockerfile, run as its head says; deploy/try_image.sh builds it and starts these tests.

TRAMONTANE_IMAGE names the image, TRAMONTANE_IMAGE_TOOL what runs it (docker), TRAMONTANE_IMAGE_OPTIONS how its port
8000 becomes 127.0.0.1:8000 and what else `run` needs.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import pyvista as pv

from helpers.serving import part, sha256, until
from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.surrogate import Surrogate

if "TRAMONTANE_IMAGE" not in os.environ:
    pytest.skip("no image is named; deploy/try_image.sh builds and tries it", allow_module_level=True)

IMAGE = os.environ["TRAMONTANE_IMAGE"]
TOOL = os.environ.get("TRAMONTANE_IMAGE_TOOL", "docker").split()
OPTIONS = os.environ.get("TRAMONTANE_IMAGE_OPTIONS", "--publish 127.0.0.1:8000:8000").split()
LOCKED = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
NAME = "tramontane-try"
STATE = f"{NAME}-state"
SITE = "surrogates.example.com"


def tool(*arguments: str) -> str:
    """What a command of the tool prints."""
    ended = subprocess.run([*TOOL, *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, f"{arguments}: {ended.stdout}{ended.stderr}"
    return ended.stdout


class Container:
    """The server in its container, with what it serves."""

    def __init__(self, models: Path, dataset: Path) -> None:
        self.mounts = [
            "-v",
            f"{STATE}:/state",
            "-v",
            f"{models}:/models:ro",
            "-v",
            f"{dataset}:/data/bodies.dataset:ro",
        ]
        made = tool(
            "run", "--rm", *OPTIONS, "-v", f"{STATE}:/state", IMAGE, "token", "create", "first", "--scope", "admin"
        )
        self.token = made.split()[-1]
        self.http = httpx.Client(
            base_url="http://127.0.0.1:8000", headers={"authorization": f"Bearer {self.token}"}, timeout=120
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        hosts = ["-e", f"TRAMONTANE_ALLOW_HOST={SITE}"]
        command = [IMAGE, "serve", "/models", "--data", "/data/bodies.dataset"]
        tool(
            "run", "--detach", "--name", NAME, *OPTIONS, *LOCKED, "--stop-timeout", "60", *self.mounts, *hosts, *command
        )

        def answers() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return self.http.get("/healthz").status_code == 200
            return False

        until(answers, 120)

    def stop(self) -> tuple[int, list[str]]:
        """Stop it as an operator does; its exit code and what it printed."""
        tool("stop", NAME)
        code = int(tool("inspect", "--format", "{{.State.ExitCode}}", NAME))
        log = subprocess.run([*TOOL, "logs", NAME], capture_output=True, text=True, check=True, timeout=60)
        tool("rm", NAME)
        return code, (log.stdout + log.stderr).splitlines()

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in it, as its user."""
        return subprocess.run([*TOOL, "exec", NAME, *command], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def container(saved: Path, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    folder = tmp_path_factory.mktemp("image")
    shutil.copytree(saved, folder / "models" / "bodies")
    shutil.copytree(str(dataset.path), folder / "bodies.dataset")
    _remove()
    running = Container(folder / "models", folder / "bodies.dataset")
    running.start()
    yield running
    running.http.close()
    _remove()


def _remove() -> None:
    for left in (["rm", "--force", NAME], ["volume", "rm", "--force", STATE]):
        subprocess.run([*TOOL, *left], capture_output=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def geometry(container: Container, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ellipsoid that the server has."""
    file = part(tmp_path_factory.mktemp("part"))
    sent = container.http.post("/v1/geometries", params={"name": "part.stl"}, content=file.read_bytes())
    assert sent.status_code == 201, sent.text
    return file


def test_it_has_no_rights_and_can_write_nothing_but_its_state(container: Container) -> None:
    status = dict(line.split(":\t", 1) for line in container.inside("cat", "/proc/1/status").stdout.splitlines())
    assert (status["Uid"].split(), status["Gid"].split()) == (["10001"] * 4, ["10001"] * 4)
    assert {int(status[kind], 16) for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    code = "import os, sys; print([p for p in sys.argv[1:] if os.access(p, os.W_OK)])"
    places = [
        "/",
        "/opt/tramontane",
        "/models",
        "/models/bodies/manifest.json",
        "/data/bodies.dataset",
        "/tmp",
        "/state",
    ]
    assert container.inside("python", "-c", code, *places).stdout.strip() == "['/tmp', '/state']"


def test_nothing_of_developers_or_solvers_is_in_it(container: Container) -> None:
    code = "from importlib.metadata import distributions as d; print(*sorted(x.name.lower() for x in d()))"
    installed = set(container.inside("python", "-c", code).stdout.split())
    assert {"torch", "tramontane", "fastapi", "nicegui", "pg8000", "pyjwt"} <= installed
    assert not installed & {
        "pytest",
        "hypothesis",
        "mypy",
        "ruff",
        "moto",
        "playwright",
        "ngsolve",
        "ray",
        "botorch",
        "zarr",
    }


def test_only_with_a_token_and_under_its_names(container: Container) -> None:
    assert httpx.get("http://127.0.0.1:8000/v1/models").status_code == 401
    assert container.http.get("/v1/models", headers={"host": f"{SITE}:8000"}).status_code == 200
    assert container.http.get("/v1/models", headers={"host": "elsewhere.example.com"}).status_code == 400


def test_its_answers_are_the_models(container: Container, geometry: Path, saved: Path, tmp_path: Path) -> None:
    assert [model["name"] for model in container.http.get("/v1/models").json()["models"]] == ["bodies"]
    request = {"geometry": sha256(geometry.read_bytes()), "parameters": {"load": "0.3 kN"}, "cells": 500}
    here = Surrogate.load(saved).simulate(Design(geometry, load="300 N"), cells=500)
    summary = container.http.post("/v1/models/bodies/predict", json=request).json()
    assert {name: qoi["value"] for name, qoi in summary["qoi"].items()} == pytest.approx(here.qoi, rel=1e-4)
    request |= {"domains": ["surface"]}
    for form in ("npz", "vtp"):
        answer = container.http.post("/v1/models/bodies/predict", json=request | {"format": form})
        assert answer.status_code == 200, answer.text
        if form == "npz":
            pressure = np.load(io.BytesIO(answer.content), allow_pickle=False)["point_data/pressure"]
        else:
            (tmp_path / "part.vtp").write_bytes(answer.content)
            pressure = pv.read(tmp_path / "part.vtp").point_data["pressure"]
        there = summary["domains"]["surface"]["fields"]["pressure"]
        assert (pressure.min(), pressure.max()) == pytest.approx((*there["low"], *there["high"]), rel=1e-5)


def test_the_page_and_all_that_it_names_is_there(container: Container) -> None:
    for path in ("/page/", "/page/predict", "/page/compare", "/page/data", "/page/training", "/page/evaluation"):
        page = container.http.get(path)
        assert page.status_code == 200
        named = sorted(set(re.findall(r'(?:src|href)="(/[^"]+)"', page.text)))
        assert len(named) > 5
        assert {name: container.http.get(name).status_code for name in named} == dict.fromkeys(named, 200)


def test_a_model_is_trained_in_it_and_not_kept_where_nothing_can_be_written(container: Container) -> None:
    begun = container.http.post("/v1/trainings", json={"dataset": "bodies", "model": "classical"})
    assert begun.status_code == 202, begun.text
    path = f"/v1/trainings/{begun.json()['id']}"
    until(lambda: container.http.get(path).json()["state"] != "running", 300)
    assert container.http.get(path).json()["state"] == "done", container.http.get(path).text
    kept = container.http.post(f"{path}/keep", json={"name": "new"})
    assert (kept.status_code, "cannot be written" in kept.json()["detail"]) == (409, True)


def test_the_health_check_is_content(container: Container) -> None:
    description = json.loads(tool("image", "inspect", IMAGE))[0]
    kind, *command = (description["Config"].get("Healthcheck") or description["Healthcheck"])[
        "Test"
    ]  # docker's place, or podman's
    assert kind == "CMD"
    assert container.inside(*command).returncode == 0
    elsewhere = [each.replace(":8000", ":8001") for each in command]
    assert container.inside(*elsewhere).returncode != 0


def test_it_stops_in_order_and_finds_everything_again(container: Container, geometry: Path) -> None:
    identity = sha256(geometry.read_bytes())
    designs = [{"geometry": identity, "parameters": {"load": load}} for load in (200, 300)]
    job = container.http.post("/v1/jobs", json={"model": "bodies", "designs": designs, "keep": True}).json()["id"]
    until(lambda: container.http.get(f"/v1/jobs/{job}").json()["state"] == "done")
    kept = container.http.get(f"/v1/jobs/{job}/designs").json()
    begun = container.http.post(
        "/v1/trainings", json={"dataset": "bodies", "model": "tokens", "budget": "10min"}
    ).json()
    time.sleep(5)  # in the middle of it
    code, log = container.stop()
    assert code == 0, log
    lines = [json.loads(line) for line in log if line.startswith("{")]
    assert [line for line in log if not line.startswith(("{", "Serving 1 model at "))] == []
    assert [line for line in lines if line["level"] not in ("debug", "info")] == []
    assert any(line["message"] == "Application shutdown complete." for line in lines)
    container.start()
    assert container.http.get(f"/v1/geometries/{identity}").status_code == 200
    assert container.http.get(f"/v1/jobs/{job}/designs").json() == kept
    path = f"/v1/trainings/{begun['id']}"
    assert container.http.get(path).json()["state"] == "stopped"
    assert container.http.post(f"{path}/resume").json()["state"] == "running"
    assert container.http.delete(path).status_code == 204
