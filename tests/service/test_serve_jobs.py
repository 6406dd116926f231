"""Jobs: many designs, progress, cancel, resume, and a server that is killed in the middle."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from helpers.serving import Running, inputs, part, until
from tramontane.design import Design
from tramontane.formats import read_mesh
from tramontane.solvers import create
from tramontane.surrogate import Surrogate

CELLS = 2000


def submit(server: Running, designs: list[dict[str, Any]], **more: Any) -> httpx.Response:
    return server.http.post("/v1/jobs", json={"model": "model", "designs": designs, "cells": CELLS, **more})


def loads(geometry: str, count: int) -> list[dict[str, Any]]:
    return [{"geometry": geometry, "parameters": {"load": f"{150 + k} N"}} for k in range(count)]


def job(server: Running, identity: str) -> dict[str, Any]:
    return dict(server.http.get(f"/v1/jobs/{identity}").json())


def designs(server: Running, identity: str, **query: int) -> list[dict[str, Any]]:
    return list(server.http.get(f"/v1/jobs/{identity}/designs", params=query).json()["designs"])


def finished(server: Running, identity: str, seconds: float = 120.0) -> dict[str, Any]:
    def done() -> dict[str, Any] | None:
        answer = job(server, identity)
        return answer if answer["state"] in ("done", "stopped") else None

    return dict(until(done, seconds))


def test_a_killed_server_loses_no_finished_prediction_and_goes_on(saved: Path, tmp_path: Path) -> None:
    with Running(saved.parent, tmp_path / "state") as server:
        geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
        identity = submit(server, loads(geometry, 30), cells=4000).json()["id"]
        until(lambda: job(server, identity)["done"] >= 3)
        server.end(signal.SIGKILL)
    with Running(saved.parent, tmp_path / "state") as server:
        before = [each for each in designs(server, identity, count=30) if each["state"] == "done"]
        answer = finished(server, identity)
        assert 3 <= len(before) < 30
        assert (answer["state"], answer["done"], answer["failed"], answer["waiting"]) == ("done", 30, 0, 0)
        after = designs(server, identity, count=30)
        # The seconds that each took say that nothing was predicted twice.
        assert [after[each["index"]] for each in before] == before
        assert len({each["summary"]["seconds"] for each in after}) == 30
        peaks = [each["summary"]["qoi"]["peak_pressure"]["value"] for each in after]
        assert np.all(np.diff(peaks) > 0)  # the load rises from design to design
        # The upload survived, too.
        assert server.http.get(f"/v1/geometries/{geometry}").status_code == 200


def test_a_job_is_cancelled_resumed_and_forgotten(saved: Path, tmp_path: Path) -> None:
    with Running(saved.parent, tmp_path / "state") as server:
        geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
        identity = submit(server, loads(geometry, 40), cells=4000).json()["id"]
        until(lambda: job(server, identity)["done"] >= 1)
        assert server.http.delete(f"/v1/jobs/{identity}").status_code == 409
        refused = server.http.delete(f"/v1/geometries/{geometry}")
        assert (refused.status_code, inputs(refused)) == (409, {"path.geometry": None})
        assert identity in refused.json()["detail"]
        cancelled = server.http.post(f"/v1/jobs/{identity}/cancel").json()
        assert (cancelled["state"], cancelled["waiting"] > 0) == ("cancelled", True)
        assert server.http.post(f"/v1/jobs/{identity}/cancel").status_code == 409
        # Another job is not held up by what is left of it.
        other = submit(server, loads(geometry, 2)).json()["id"]
        assert finished(server, other)["done"] == 2
        still = job(server, identity)
        assert (still["state"], still["waiting"] > 0) == ("cancelled", True)
        server.http.post(f"/v1/jobs/{identity}/resume")
        assert finished(server, identity)["done"] == 40
        assert [each["id"] for each in server.http.get("/v1/jobs").json()["jobs"]] == [other, identity]
        assert server.http.delete(f"/v1/jobs/{identity}").status_code == 204
        assert inputs(server.http.get(f"/v1/jobs/{identity}")) == {"path.job": None}
        assert server.http.delete(f"/v1/geometries/{geometry}").status_code == 204


def test_a_graceful_stop_finishes_what_runs_and_goes_on_later(saved: Path, tmp_path: Path) -> None:
    with Running(saved.parent, tmp_path / "state") as server:
        geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
        identity = submit(server, loads(geometry, 20), cells=4000).json()["id"]
        until(lambda: job(server, identity)["done"] >= 1)
        assert server.end(signal.SIGTERM) == 0
    with Running(saved.parent, tmp_path / "state") as server:
        assert finished(server, identity)["done"] == 20


def test_all_designs_are_checked_before_the_first_is_asked(saved: Path, tmp_path: Path) -> None:
    with Running(saved.parent, tmp_path / "state") as server:
        geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
        wrong = [*loads(geometry, 3), {"geometry": geometry, "parameters": {"load": "3 m"}}]
        answer = submit(server, wrong)
        assert (answer.status_code, inputs(answer)) == (422, {"designs.3.parameters.load": "N"})
        assert inputs(submit(server, [])) == {"designs": None}
        assert inputs(submit(server, loads("0" * 64, 1))) == {"geometry": None}
        assert inputs(submit(server, loads(geometry, 1), model="x")) == {"path.model": None}
        assert server.http.get("/v1/jobs").json() == {"jobs": []}


def test_kept_cases_are_had_as_files(saved: Path, surrogate: Surrogate, tmp_path: Path) -> None:
    with Running(saved.parent, tmp_path / "state") as server:
        content = part(tmp_path)
        geometry = server.upload(content.read_bytes()).json()["hash"]
        identity = submit(server, loads(geometry, 2), keep=True).json()["id"]
        assert finished(server, identity)["done"] == 2
        path = f"/v1/jobs/{identity}/designs/1"
        file = tmp_path / "answer.vtu"
        file.write_bytes(server.http.get(path, params={"format": "vtu", "domain": "volume"}).content)
        truth = surrogate.simulate(Design(content, load="151 N"), cells=CELLS).meshes["volume"]
        mesh = read_mesh(file)
        np.testing.assert_allclose(mesh.points, truth.points, rtol=1e-5, atol=1e-6)
        size = float(np.abs(truth.point_data["displacement"]).max())
        np.testing.assert_allclose(mesh["displacement"], truth["displacement"], atol=1e-3 * size)
        assert inputs(server.http.get(path, params={"format": "vtu"})) == {"query.domain": None}
        plain = submit(server, loads(geometry, 1)).json()["id"]
        finished(server, plain)
        assert server.http.get(f"/v1/jobs/{plain}/designs/0", params={"format": "vtu"}).status_code == 409
        assert server.http.get(f"/v1/jobs/{plain}/designs/7").status_code == 404


def test_a_model_that_was_replaced_stops_its_jobs(saved: Path, tmp_path: Path) -> None:
    import shutil

    models = tmp_path / "models"
    shutil.copytree(saved, models / "model")
    with Running(models, tmp_path / "state") as server:
        geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
        identity = submit(server, loads(geometry, 400), cells=4000).json()["id"]
        until(lambda: job(server, identity)["done"] >= 1)
        shutil.rmtree(models / "model")
        answer = finished(server, identity)
        assert answer["state"] == "stopped"
        assert "no longer served" in answer["reason"]
        shutil.copytree(saved, models / "model")
        until(lambda: server.http.get("/v1/models").json()["models"])
        server.http.post(f"/v1/jobs/{identity}/resume")
        until(lambda: job(server, identity)["done"] > answer["done"])


def test_a_solver_is_asked_the_same_way_as_a_job(saved: Path, tmp_path: Path) -> None:
    pytest.importorskip("ngsolve", reason="the embedded solvers are missing: pip install 'tramontane[solve]'")
    solver = create("bracket")
    middle = {name: (spec.low + spec.high) / 2 for name, spec in solver.contract.parameters.items()}
    given: dict[str, Any] = {name: f"{1e3 * value} mm" for name, value in middle.items()}
    given |= {"upright_angle": "90 deg", "load": "0.5 kN"}
    impossible = given | {"hole_radius": "400 mm"}
    with Running(saved.parent, tmp_path / "state", "--solver", "bracket") as server:
        kinds = {each["name"]: each["kind"] for each in server.http.get("/v1/models").json()["models"]}
        assert kinds == {"model": "surrogate", "solver-bracket": "solver"}
        assert server.http.post("/v1/models/solver-bracket/predict", json={}).status_code == 409
        submitted = [{"parameters": given}, {"parameters": impossible}]
        short = [{"parameters": {"load": "0.5 kN"}}]
        assert "designs.0.parameters.width" in inputs(submit(server, short, model="solver-bracket"))
        identity = submit(server, submitted, model="solver-bracket").json()["id"]
        answer = finished(server, identity)
        assert (answer["done"], answer["failed"], answer["keep"]) == (1, 1, True)
        good, bad = designs(server, identity)
        truth = solver.simulate(Design(None, **given))
        assert good["summary"]["qoi"]["max_displacement"]["value"] == pytest.approx(
            truth.qoi["max_displacement"], rel=1e-3
        )
        assert bad["reason"]
        file = tmp_path / "surface.vtp"
        path = f"/v1/jobs/{identity}/designs/0"
        file.write_bytes(server.http.get(path, params={"format": "vtp", "domain": "surface"}).content)
        assert read_mesh(file)["von_mises"].max() == pytest.approx(truth.meshes["surface"]["von_mises"].max(), rel=1e-3)
