"""Folders of results over the API: looked at, ingested under an edited contract, cancelled, refused."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from helpers.ellipsoids import write_family
from helpers.serving import Running
from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.page.controls.contract_table import ContractTable


def models(folder: Path) -> Path:
    """A folder without any."""
    (folder / "models").mkdir(exist_ok=True)
    return folder / "models"


def wait(server: Running, identity: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 300
    while True:
        answer = server.http.get(f"/v1/ingests/{identity}").json()
        if answer["state"] in states:
            return answer  # type: ignore[no-any-return]
        assert answer["state"] == "running", answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)


def begin(server: Running, **request: Any) -> dict[str, Any]:
    answer = server.http.post("/v1/ingests", json=request)
    assert answer.status_code == 202, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_results_are_looked_at_and_become_a_dataset(tmp_path: Path) -> None:
    cases = write_family(tmp_path / "cases", 8)
    (cases / "007" / "case.json").write_text("{")
    with Running(models(tmp_path), tmp_path / "state", "--results", str(cases)) as server:
        assert server.http.get("/v1/ingests").json() == {"ingests": [], "results": ["cases"]}
        looked = wait(server, begin(server, results="cases")["id"], "done")
        outcome = looked["outcome"]
        assert (outcome["cases"], list(outcome["left_out"])) == (7, ["007"])
        assert str(tmp_path) not in str(looked)
        assert server.http.get("/v1/datasets").json()["datasets"] == []
        table = ContractTable(outcome["contract"])
        entries = {each.source: each for each in table.entries}
        entries["load"].name = "force"
        entries["mass"].kept = entries["peak_pressure"].kept = False
        entries["charge"].unit = "kJ"
        made = begin(server, results="cases", name="edited", contract=table.toml(), test=2, validation=1)
        done = wait(server, made["id"], "done")
        assert (done["stage"], done["done"], done["count"], done["outcome"]["cases"]) == ("done", 7, 7, 7)
        (listed,) = server.http.get("/v1/datasets").json()["datasets"]
        assert (listed["name"], listed["cases"], listed["splits"]["test"]) == ("edited", 7, 2)
        assert set(listed["qoi"]) == {"charge"}
        assert "force" in listed["parameters"]
        dataset = Dataset.open(tmp_path / "state" / "datasets" / "edited")
        assert 100 <= dataset.parameters(dataset.names[0])["force"] <= 500
        # A dataset that was made here is trained on like any other.
        assert server.http.post("/v1/trainings", json={"dataset": "edited", "model": "classical"}).status_code == 202
        answer = server.http.post("/v1/ingests", json={"results": "cases", "name": "edited"})
        assert (answer.status_code, answer.json()["errors"][0]["input"]) == (409, "name")
        assert server.http.delete(f"/v1/ingests/{made['id']}").status_code == 204
        assert server.http.get(f"/v1/ingests/{made['id']}").status_code == 404
        assert len(server.http.get("/v1/datasets").json()["datasets"]) == 1


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    cases = write_family(tmp_path / "cases", 5)
    with Running(models(tmp_path), tmp_path / "state", "--results", str(cases)) as server:
        for request, part in (
            ({"results": str(cases)}, "results"), ({"results": "../cases"}, "results"),
            ({"results": "cases", "contract": "[parameters.load]\nlow = 1"}, "contract"),
            ({"results": "cases", "contract": "no toml ["}, "contract"),
            ({"results": "cases", "name": "../out"}, "name"), ({"results": "cases", "test": -1}, "test"),
        ):  # fmt: skip
            answer = server.http.post("/v1/ingests", json=request)
            assert (answer.status_code, answer.json()["errors"][0]["input"].rpartition(".")[2]) == (422, part), request
            assert str(tmp_path / "state") not in answer.text
        for path in ("none", "0" * 32, "..%2f..", "x" * 32):
            assert server.http.get(f"/v1/ingests/{path}").status_code == 404
        failed = wait(server, begin(server, results="cases", name="all-held-out", test=5)["id"], "failed")
        assert "leave none of 5 to train on" in failed["outcome"]["reason"]
        assert server.http.get("/v1/datasets").json()["datasets"] == []


def test_an_ingest_is_cancelled_and_one_that_the_server_left_is_told_of(tmp_path: Path) -> None:
    cases = write_family(tmp_path / "cases", 12)
    options = "--results", str(cases)
    with Running(models(tmp_path), tmp_path / "state", *options) as server:
        identity = begin(server, results="cases", name="first")["id"]
        busy = server.http.post("/v1/ingests", json={"results": "cases"})
        assert (busy.status_code, identity in busy.json()["detail"]) == (409, True)
        assert server.http.post(f"/v1/ingests/{identity}/cancel").json()["state"] == "cancelled"
        assert server.http.post(f"/v1/ingests/{identity}/cancel").status_code == 409
        left = begin(server, results="cases", name="first")["id"]
        server.end(signal.SIGKILL)
    with Running(models(tmp_path), tmp_path / "state", *options) as server:
        answer = server.http.get(f"/v1/ingests/{left}").json()
        assert (answer["state"], answer["outcome"]["reason"][:29]) == ("stopped", "the server ended meanwhile; s")
        again = wait(server, begin(server, results="cases", name="first")["id"], "done")
        assert again["outcome"]["cases"] == 12


def test_ingests_need_the_scope_of_operators(tmp_path: Path) -> None:
    from tramontane.service.access.tokens import create_token
    from tramontane.service.database import open_database
    from tramontane.service.settings import Settings

    (tmp_path / "state").mkdir()
    engine, sessions = open_database(Settings(models=tmp_path, state=tmp_path / "state").database_url)
    token = create_token(sessions, "Anna", scope="predict")
    engine.dispose()
    with Running(models(tmp_path), tmp_path / "state") as server:
        server.http.headers["Authorization"] = f"Bearer {token}"
        for method, path in (("GET", ""), ("POST", ""), ("GET", "/x"), ("POST", "/x/cancel"), ("DELETE", "/x")):
            answer = server.http.request(method, f"/v1/ingests{path}", json={"results": "cases"})
            assert answer.status_code == 403, (method, path)


def test_a_contract_is_edited_as_a_person_would(tmp_path: Path) -> None:
    text = """
    [parameters.speed]
    unit = "m/s"
    low = 10.0
    high = 40.0
    [domains.surface]
    [fields.surface.p]
    unit = "Pa"
    scales_with = { speed = 2.0 }
    [fields.surface.shear]
    unit = "Pa"
    [qoi.peak]
    unit = "Pa"
    definition = { kind = "max", domain = "surface", field = "p" }
    [qoi.drag]
    unit = "N"
    definition = { kind = "force", domain = "surface", field = "p", shear = "shear", per = { speed = 2.0 } }
    """
    table = ContractTable(text)
    entries = {each.source: each for each in table.entries}
    assert table.faults() == {}
    entries["speed"].name, entries["p"].name, entries["shear"].kept = "wind", "pressure", False
    (tmp_path / "contract.toml").write_text(table.toml())
    contract = Contract.from_toml(tmp_path / "contract.toml")
    assert (contract.parameters["wind"].source, contract.fields["surface"]["pressure"].source) == ("speed", "p")
    assert contract.fields["surface"]["pressure"].scales_with == {"wind": 2.0}
    peak = contract.qoi["peak"].definition
    assert peak is not None
    assert peak.field == "pressure"
    assert contract.qoi["drag"].definition is None  # its shear is not read: the cases' own number counts
    entries["speed"].unit, entries["speed"].spec["low"], entries["peak"].name = "furlong-ish", 50.0, "drag"
    assert table.faults() == {
        "parameters//speed": {"unit": "contract.bad_unit", "low": "contract.bad_range"},
        "qoi//drag": {"name": "contract.name_taken"},
    }
    for each in table.entries:
        each.kept = each.kind == "parameters"
    assert table.faults()[""] == {"outputs": "contract.no_outputs"}


@pytest.mark.parametrize("name", ["a.b", "a/b", "", 'a"b'])
def test_a_name_that_no_contract_can_have_is_told(name: str) -> None:
    table = ContractTable("[qoi.drag]\nunit = 'N'")
    table.entries[0].name = name
    assert table.faults() == {"qoi//drag": {"name": "contract.bad_name"}}
