"""Checks: a solver says, as a job, whether a model's intervals hold."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import TESTS
from helpers.cylinder_tables import save_cylinders
from helpers.once import once
from helpers.serving import Running, inputs, part, until
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.solvers import create

pytest.importorskip("ngsolve", reason="the embedded solvers are missing: pip install 'tramontane[solve]'")
DESIGN = {"reynolds": 20, "centre_x": "20 cm", "centre_y": 0.2, "radius": "50 mm"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cylinders, and a model that needs a geometry."""
    made = once(tmp_path_factory, "cylinders", save_cylinders) / "models"
    folder = tmp_path_factory.mktemp("served") / "models"
    shutil.copytree(made, folder)
    shutil.copytree(TESTS / "data" / "cantilever" / "model", folder / "beams")
    return folder


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("checks") / "state"
    with Running(models, state, "--solver", "cylinder", "--solver", "bracket") as running:
        yield running


def model(server: Running, name: str) -> dict[str, Any]:
    return dict(server.http.get(f"/v1/models/{name}").json())


def finished(server: Running, job: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        found = dict(server.http.get(f"/v1/jobs/{job}").json())
        return found if found["state"] in ("done", "stopped", "cancelled") else None

    return dict(until(ended, 120.0))


def test_a_check_comes_back_beside_the_prediction_and_counts(server: Running, models: Path, tmp_path: Path) -> None:
    before = model(server, "cylinders")
    assert before["checked_by"] == ["solver-cylinder"]
    assert before["checks"] == {"checks": 0, "held": 0, "qoi": {}}
    assert model(server, "solver-cylinder")["checks"] is None
    predicted = server.http.post("/v1/models/cylinders/predict", json={"parameters": DESIGN}).json()
    submitted = server.http.post("/v1/models/cylinders/check", json={"parameters": DESIGN})
    assert submitted.status_code == 202
    job = submitted.json()
    assert (job["kind"], job["model"], job["total"], job["keep"]) == ("check", "cylinders", 1, True)
    assert finished(server, job["id"])["state"] == "done"
    (answer,) = server.http.get(f"/v1/jobs/{job['id']}/designs").json()["designs"]
    summary, check = answer["summary"], answer["summary"]["check"]
    truth = create("cylinder").simulate(Design(None, **DESIGN))
    for name in ("drag", "pressure_drop"):
        found, stated = check["qoi"][name], predicted["qoi"][name]
        assert (found["predicted"], found["low"], found["high"]) == (stated["value"], stated["low"], stated["high"])
        assert found["solved"] == pytest.approx(truth.qoi[name], rel=1e-6)
        assert found["held"] == (found["low"] <= found["solved"] <= found["high"])
    assert (check["qoi"]["drag"]["held"], check["qoi"]["pressure_drop"]["held"]) == (False, True)
    assert (check["held"], check["level"]) == (False, 0.9)
    assert check["verdict"] == predicted["verdict"]
    # Of the solver there is all that it said, its fields as files, too.
    assert summary["model"] == "solver-cylinder"
    assert summary["qoi"]["lift"]["value"] == pytest.approx(truth.qoi["lift"], rel=1e-6, abs=1e-9)
    assert summary["seconds"] > 0
    where = f"/v1/jobs/{job['id']}/designs/0"
    assert server.http.get(where, params={"format": "vtp", "domain": "surface"}).content.startswith(b"<VTKFile")
    assert model(server, "cylinders")["checks"] == {
        "checks": 1, "held": 0, "qoi": {"drag": [0, 1], "pressure_drop": [1, 1]},
    }  # fmt: skip
    # What the solver said can be trained on.
    kept = next(server.log.parent.glob("state/checks/cylinders"))
    dataset = ingest(kept, tmp_path / "store", test=0, validation=0)
    (name,) = dataset.names
    assert dataset.qoi(name)["drag"] == pytest.approx(truth.qoi["drag"], rel=1e-6)


def test_a_design_that_cannot_be_solved_has_failed(server: Running) -> None:
    counts = model(server, "cylinders")["checks"]
    impossible = DESIGN | {"radius": "0.3 m"}
    job = server.http.post("/v1/models/cylinders/check", json={"parameters": impossible}).json()
    assert finished(server, job["id"])["failed"] == 1
    (answer,) = server.http.get(f"/v1/jobs/{job['id']}/designs").json()["designs"]
    assert "a cylinder of radius 0.3 m fits between" in answer["reason"]
    assert model(server, "cylinders")["checks"] == counts


def test_what_cannot_be_checked_is_refused_at_once(server: Running, tmp_path: Path) -> None:
    def ask(name: str, **asked: Any) -> Any:
        return server.http.post(f"/v1/models/{name}/check", json=asked)

    assert inputs(ask("cylinders", parameters=DESIGN | {"radius": "2 s"})) == {"parameters.radius": "m"}
    assert inputs(ask("cylinders", parameters=DESIGN | {"width": 1})) == {"parameters.width": None}
    missing = {name: value for name, value in DESIGN.items() if name != "reynolds"}
    assert set(inputs(ask("cylinders", parameters=missing))) == {"parameters.reynolds"}
    refused = ask("cylinders", parameters=DESIGN, solver="solver-bracket")
    assert inputs(refused) == {"solver": None}
    assert "the solver has no parameter 'reynolds'" in refused.json()["detail"]
    assert ask("cylinders", parameters=DESIGN, solver="solver-bodies").status_code == 409
    # No solver that is served fits these beams.
    geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
    refused = ask("beams", geometry=geometry, parameters={"load": 300})
    assert refused.status_code == 409
    assert "can be checked by none" in refused.json()["detail"]
    assert model(server, "beams")["checked_by"] == []
    assert ask("solver-cylinder", parameters=DESIGN).status_code == 409
    assert ask("none", parameters=DESIGN).status_code == 404
