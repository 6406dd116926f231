"""Checks: a solver says, as a job, whether a model's intervals hold."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import TESTS
from helpers.checked_models import SOLVER, save_beams, save_shapes
from helpers.once import once
from helpers.serving import Running, inputs, part, until
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.solvers import create

OTHER = SOLVER.with_name("command-json-csv")
DESIGN = {"length": 500, "width": "4.5 cm", "height": "45 mm", "load": "0.5 kN"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beams, a model of their shapes, and one of other outputs."""
    folder = tmp_path_factory.mktemp("served") / "models"
    shutil.copytree(once(tmp_path_factory, "checked beams", save_beams) / "models", folder)
    shutil.copytree(once(tmp_path_factory, "checked shapes", save_shapes) / "model", folder / "shapes")
    shutil.copytree(TESTS / "data" / "cantilever" / "model", folder / "fields")
    return folder


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("checks") / "state"
    with Running(models, state, "--solver", str(SOLVER), "--solver", str(OTHER)) as running:
        yield running


def model(server: Running, name: str) -> dict[str, Any]:
    return dict(server.http.get(f"/v1/models/{name}").json())


def finished(server: Running, job: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        found = dict(server.http.get(f"/v1/jobs/{job}").json())
        return found if found["state"] in ("done", "stopped", "cancelled") else None

    return dict(until(ended, 120.0))


def test_a_check_comes_back_beside_the_prediction_and_counts(server: Running, models: Path, tmp_path: Path) -> None:
    before = model(server, "beams")
    assert before["checked_by"] == ["solver-cantilever"]
    assert before["checks"] == {"checks": 0, "held": 0, "qoi": {}}
    assert model(server, "solver-cantilever")["checks"] is None
    predicted = server.http.post("/v1/models/beams/predict", json={"parameters": DESIGN}).json()
    submitted = server.http.post("/v1/models/beams/check", json={"parameters": DESIGN})
    assert submitted.status_code == 202
    job = submitted.json()
    assert (job["kind"], job["model"], job["total"], job["keep"]) == ("check", "beams", 1, True)
    assert finished(server, job["id"])["state"] == "done"
    (answer,) = server.http.get(f"/v1/jobs/{job['id']}/designs").json()["designs"]
    summary, check = answer["summary"], answer["summary"]["check"]
    truth = create(SOLVER).simulate(Design(None, **DESIGN))
    for name in ("deflection", "max_stress"):
        found, stated = check["qoi"][name], predicted["qoi"][name]
        assert (found["predicted"], found["low"], found["high"]) == (stated["value"], stated["low"], stated["high"])
        assert found["solved"] == pytest.approx(truth.qoi[name], rel=1e-6)
        assert found["held"] == (found["low"] <= found["solved"] <= found["high"])
    assert (check["qoi"]["deflection"]["held"], check["qoi"]["max_stress"]["held"]) == (False, True)
    assert (check["held"], check["level"]) == (False, 0.9)
    assert check["verdict"] == predicted["verdict"]
    # Of the solver there is all that it said.
    assert summary["model"] == "solver-cantilever"
    assert summary["qoi"]["mass"]["value"] == pytest.approx(truth.qoi["mass"], rel=1e-6)
    assert summary["seconds"] > 0
    assert model(server, "beams")["checks"] == {
        "checks": 1, "held": 0, "qoi": {"deflection": [0, 1], "max_stress": [1, 1]},
    }  # fmt: skip
    # What the solver said can be trained on.
    kept = next(server.log.parent.glob("state/checks/beams"))
    dataset = ingest(kept, tmp_path / "store", test=0, validation=0)
    (name,) = dataset.names
    assert dataset.qoi(name)["deflection"] == pytest.approx(truth.qoi["deflection"], rel=1e-6)


def test_a_shape_is_checked_by_its_dimensions_and_they_must_be_its_own(server: Running, tmp_path: Path) -> None:
    create(SOLVER).geometry(Design(None, length=500, width=45, height=45)).save(tmp_path / "part.stl")
    geometry = server.upload((tmp_path / "part.stl").read_bytes()).json()["hash"]
    asked = {"geometry": geometry, "length_unit": "m"}
    short = server.http.post("/v1/models/shapes/check", json=asked | {"parameters": {"load": 500}})
    assert set(inputs(short)) == {"parameters.length", "parameters.width", "parameters.height"}
    good = server.http.post("/v1/models/shapes/check", json=asked | {"parameters": DESIGN}).json()
    thick = server.http.post("/v1/models/shapes/check", json=asked | {"parameters": DESIGN | {"width": 55}}).json()
    assert (finished(server, good["id"])["done"], finished(server, thick["id"])["failed"]) == (1, 1)
    (answer,) = server.http.get(f"/v1/jobs/{good['id']}/designs").json()["designs"]
    mass = answer["summary"]["check"]["qoi"]["mass"]
    assert mass["solved"] == pytest.approx(7850 * 0.5 * 0.045**2, rel=1e-6)
    assert mass["predicted"] == pytest.approx(mass["solved"], rel=0.01)
    (answer,) = server.http.get(f"/v1/jobs/{thick['id']}/designs").json()["designs"]
    assert "is not the one that the solver makes of the parameters" in answer["reason"]
    assert model(server, "shapes")["checks"]["checks"] == 1


def test_what_cannot_be_checked_is_refused_at_once(server: Running, tmp_path: Path) -> None:
    def ask(name: str, **asked: Any) -> Any:
        return server.http.post(f"/v1/models/{name}/check", json=asked)

    assert inputs(ask("beams", parameters=DESIGN | {"load": "2 s"})) == {"parameters.load": "N"}
    assert inputs(ask("beams", parameters=DESIGN | {"depth": 1})) == {"parameters.depth": None}
    missing = {name: value for name, value in DESIGN.items() if name != "load"}
    assert set(inputs(ask("beams", parameters=missing))) == {"parameters.load"}
    refused = ask("beams", parameters=DESIGN, solver="solver-pipe")
    assert inputs(refused) == {"solver": None}
    assert "the solver has no parameter 'length'" in refused.json()["detail"]
    assert ask("beams", parameters=DESIGN, solver="solver-bodies").status_code == 409
    # No solver that is served fits these fields.
    geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
    refused = ask("fields", geometry=geometry, parameters={"load": 300})
    assert refused.status_code == 409
    assert "can be checked by none" in refused.json()["detail"]
    assert model(server, "fields")["checked_by"] == []
    assert ask("solver-cantilever", parameters=DESIGN).status_code == 409
    assert ask("none", parameters=DESIGN).status_code == 404
