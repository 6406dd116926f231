"""Trainings of a server, in processes of their own: started, ended, kept, thrown away, interrupted, gone on with."""

from __future__ import annotations

import functools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.serving import Running, inputs, part
from helpers.serving import until as soon
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.service.trainings.process import EVENTS, Recorder, progress
from tramontane.surrogate import Surrogate
from tramontane.surrogate.files import put_in_place
from tramontane.training import FieldError

NAME, FEW = "ellipsoids", "few"
until = functools.partial(soon, seconds=300.0)  # trainings give way to everything else on the machine


@pytest.fixture(scope="module")
def store(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The family's dataset under a name as ingest gives it."""
    path = tmp_path_factory.mktemp("stores") / f"{NAME}.dataset"
    shutil.copytree(dataset.path, path)
    return path


@pytest.fixture(scope="module")
def small(few: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of few cases, of which networks are trained."""
    path = tmp_path_factory.mktemp("stores") / f"{FEW}.dataset"
    shutil.copytree(few.path, path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, empty at first."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def server(models: Path, store: Path, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(models, store, tmp_path_factory.mktemp("server"), "--data", str(small)) as running:
        yield running


def start(models: Path, store: Path, folder: Path, *options: str) -> Running:
    return Running(models, folder / "state", "--data", str(store), "--no-page", *options)


def begin(server: Running, model: str, budget: str = "10min", dataset: str = NAME) -> str:
    answer = server.http.post("/v1/trainings", json={"dataset": dataset, "model": model, "budget": budget})
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "running"
    return str(answer.json()["id"])


def find(server: Running, identity: str) -> dict[str, Any]:
    training: dict[str, Any] = server.http.get(f"/v1/trainings/{identity}").json()
    return training


def steps(server: Running, identity: str) -> list[int]:
    """Steps of the network at which a loss was told."""
    loss = find(server, identity)["progress"]["loss"]
    return loss[0]["steps"] if loss else []


def ended(server: Running, identity: str) -> dict[str, Any]:
    return until(lambda: (training := find(server, identity))["state"] != "running" and training)  # type: ignore[no-any-return]


def children(process: int) -> list[int]:
    """The processes that a process started and that train."""
    listed = subprocess.run(
        ["ps", "--ppid", str(process), "-o", "pid=,ni="], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if line.split()[1] == "10"]


def test_a_training_is_watched_ended_and_kept(server: Running, models: Path, tmp_path: Path) -> None:
    listed = server.http.get("/v1/datasets").json()["datasets"]
    assert [(about["name"], about["cases"], about["splits"]) for about in listed] == [
        (NAME, 16, {"train": 11, "validation": 2, "test": 3}), (FEW, 6, {"train": 4, "validation": 1, "test": 1}),
    ]  # fmt: skip
    identity = begin(server, "ab-upt", dataset=FEW)
    first = until(lambda: (reported := steps(server, identity)) and reported)
    assert until(lambda: steps(server, identity)[-1] > first[-1])
    # It runs beside the server, after everything else.
    assert until(lambda: children(server.process.pid))
    second = server.http.post("/v1/trainings", json={"dataset": NAME, "model": "classical"})
    assert second.status_code == 409
    assert identity in second.json()["detail"]
    assert server.http.post(f"/v1/trainings/{identity}/keep", json={"name": "early"}).status_code == 409
    assert server.http.post(f"/v1/trainings/{identity}/end").json()["ending"]
    done = ended(server, identity)
    assert (done["state"], done["chosen"], done["reason"]) == ("done", "ab-upt", None)
    assert done["progress"]["stage"] == "saving"
    answer = server.http.post(f"/v1/trainings/{identity}/keep", json={"name": "ellipsoids-1"})
    assert answer.json()["kept"] == "ellipsoids-1"
    assert "ellipsoids-1" in [each["name"] for each in server.http.get("/v1/models").json()["models"]]
    surrogate = Surrogate.load(models / "ellipsoids-1")
    assert surrogate.record.run.stopped_early
    assert surrogate.record.run.steps >= done["progress"]["loss"][0]["steps"][-1]
    # What was shown of the error in physical units is what the model has on record.
    last = surrogate.record.figures.history[-1]
    shown = {each["field"]: each for each in done["progress"]["errors"]}
    assert set(shown) == {"surface/pressure", "volume/displacement"}
    for field, (relative, absolute, unit) in last["errors"].items():
        assert (shown[field]["steps"][-1], shown[field]["unit"]) == (last["step"], unit)
        assert (shown[field]["relative"][-1], shown[field]["absolute"][-1]) == pytest.approx((relative, absolute))
    geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
    prediction = server.predict(geometry, "ellipsoids-1", parameters={"load": "0.3 kN"}, cells=500)
    assert prediction.status_code == 200
    assert server.http.post(f"/v1/trainings/{identity}/keep", json={"name": "again"}).status_code == 409
    assert server.http.delete(f"/v1/trainings/{identity}").status_code == 204
    assert server.http.get("/v1/models/ellipsoids-1").status_code == 200  # it stays
    assert identity not in [each["id"] for each in server.http.get("/v1/trainings").json()["trainings"]]
    assert server.http.get("/v1/jobs").json()["jobs"] == []


def test_models_without_steps_say_what_they_leave_of_the_error(server: Running, saved: Path, models: Path) -> None:
    shutil.copytree(saved, models / "taken")
    identity = begin(server, "classical")
    done = ended(server, identity)
    assert (done["state"], done["chosen"]) == ("done", "classical")
    (candidate,) = done["progress"]["candidates"]
    assert candidate["cases"] == 11
    assert candidate["errors"]["surface/pressure"] < 0.1
    mean = sum(candidate["errors"].values()) / 2
    assert f"{100 * mean:.1f} %" in done["why"]
    choice = done["progress"]["choice"]
    assert (choice["chosen"], choice["fields"], choice["cases"]) == ("classical", 2, 11)
    assert choice["compared"] == [{"cases": 11, "errors": {"classical": pytest.approx(mean)}}]
    for name in ("../taken", ".taken", "a/b", ""):
        refused = server.http.post(f"/v1/trainings/{identity}/keep", json={"name": name})
        assert (refused.status_code, list(inputs(refused))) == (422, ["name"])
    before = (models / "taken" / "manifest.json").read_bytes()
    refused = server.http.post(f"/v1/trainings/{identity}/keep", json={"name": "taken"})
    assert (refused.status_code, list(inputs(refused))) == (409, ["name"])
    assert (models / "taken" / "manifest.json").read_bytes() == before
    kept = server.http.post(f"/v1/trainings/{identity}/keep", json={"name": "taken", "replace": True})
    assert kept.status_code == 200
    assert server.http.get("/v1/models/taken").json()["architecture"] == "classical"


def test_a_model_that_cannot_be_written_can_be_kept_later(saved: Path, small: Path, tmp_path: Path) -> None:
    models, away = tmp_path / "models", tmp_path / "away"
    shutil.copytree(saved, models / "taken")
    before = (models / "taken" / "manifest.json").read_bytes()
    program = [sys.executable, "-m", "tramontane"]
    if os.geteuid() == 0:  # or permissions would mean nothing
        program = ["setpriv", "--bounding-set=-dac_override", *program]
    options = ["--data", str(small), "--no-page"]
    with Running(models, tmp_path / "state", *options, program=program) as server:
        identity = begin(server, "classical", dataset=FEW)
        assert ended(server, identity)["state"] == "done"

        def refused(status: int, why: str) -> None:
            for name in ("taken", "new"):
                request = {"name": name, "replace": True}
                answer = server.http.post(f"/v1/trainings/{identity}/keep", json=request)
                assert (answer.status_code, inputs(answer)) == (status, {}), answer.text
                assert f"the folder of models, models ({why});" in answer.json()["detail"]
                assert str(tmp_path) not in answer.text
            training = find(server, identity)
            assert (training["state"], training["kept"]) == ("done", None)

        models.chmod(0o555)
        refused(409, "Permission denied")
        models.chmod(0o755)
        pid, (soft, hard) = server.process.pid, resource.getrlimit(resource.RLIMIT_FSIZE)
        # A bound on the size of any file that the process writes stands for a disk that is full.
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (60_000, hard))
        refused(507, "File too large")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
        assert [entry.name for entry in models.iterdir()] == ["taken"]
        assert (models / "taken" / "manifest.json").read_bytes() == before
        models.rename(away)
        refused(409, "No such file or directory")
        assert not models.exists()  # a disk that is not mounted, perhaps: nothing is written where it would be
        models.write_text("in its place")
        refused(409, "Not a directory")
        assert models.read_text() == "in its place"
        models.unlink()
        away.rename(models)
        kept = server.http.post(f"/v1/trainings/{identity}/keep", json={"name": "taken", "replace": True})
        assert (kept.status_code, kept.json()["kept"]) == (200, "taken")
        assert Surrogate.load(models / "taken").model == "classical"
        assert server.http.get("/v1/models/taken").json()["architecture"] == "classical"
        assert sorted(entry.name for entry in models.iterdir()) == ["taken"]


def test_a_model_that_cannot_be_replaced_stays(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "missing", tmp_path / "model")
    assert Surrogate.load(tmp_path / "model").model == Surrogate.load(saved).model
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_what_cannot_be_trained_is_refused_by_name(server: Running, store: Path) -> None:
    for wrong, key in (
        ({"dataset": str(store)}, "dataset"), ({"dataset": f"../{store.name}"}, "dataset"),
        ({"dataset": NAME, "model": "oracle"}, "model"), ({"dataset": NAME, "budget": "soon"}, "budget"),
        ({"dataset": NAME, "path": "/etc"}, "path"),
    ):  # fmt: skip
        refused = server.http.post("/v1/trainings", json=wrong)
        assert (refused.status_code, list(inputs(refused))) == (422, [key])
    for method, path in (("GET", ""), ("POST", "/end"), ("POST", "/resume"), ("DELETE", "")):
        assert server.http.request(method, f"/v1/trainings/{'0' * 32}{path}").status_code == 404
    assert server.http.get(f"/v1/jobs/{'0' * 32}").status_code == 404


def test_one_that_runs_is_thrown_away_at_once(server: Running) -> None:
    identity = begin(server, "ab-upt", dataset=FEW)
    (process,) = until(lambda: children(server.process.pid))
    assert server.http.delete(f"/v1/trainings/{identity}").status_code == 204
    assert not Path(f"/proc/{process}").exists()
    assert server.http.get(f"/v1/trainings/{identity}").status_code == 404
    other = begin(server, "classical")
    assert server.http.delete(f"/v1/trainings/{other}").status_code == 204


def test_a_server_that_ends_leaves_trainings_to_go_on_with(models: Path, store: Path, tmp_path: Path) -> None:
    with start(models, store, tmp_path) as server:
        identity = begin(server, "ab-upt")
        until(lambda: steps(server, identity))
        last_step = steps(server, identity)[-1]
        assert server.end(signal.SIGTERM) == 0
    assert [file.name for file in (tmp_path / "state" / "trainings" / identity).glob("*.safetensors")] == [
        "checkpoint.safetensors"
    ]
    with start(models, store, tmp_path) as server:
        left = find(server, identity)
        assert left["state"] == "stopped"
        assert "resume the training" in left["reason"]
        assert server.http.post(f"/v1/trainings/{identity}/resume").json()["state"] == "running"
        grown = until(lambda: (reported := steps(server, identity)) and reported[-1] > last_step and reported)
        assert grown[0] < grown[-1]
        (process,) = until(lambda: children(server.process.pid))
        server.end(signal.SIGKILL)
        until(lambda: not Path(f"/proc/{process}").exists())  # it does not train on alone
    with start(models, store, tmp_path) as server:
        assert find(server, identity)["state"] == "stopped"
        assert server.http.post(f"/v1/trainings/{identity}/resume").status_code == 200
        before = find(server, identity)["progress"]["seconds"]
        until(lambda: find(server, identity)["progress"]["seconds"] > before)
        until(lambda: find(server, identity)["progress"]["stage"] == "networks")
        server.http.post(f"/v1/trainings/{identity}/end")
        assert ended(server, identity)["state"] == "done"
    lines = (tmp_path / "state" / "trainings" / identity / EVENTS).read_text().split("\n")
    told_all = [json.loads(line) for line in lines if line.endswith("}")]
    begun = [index for index, each in enumerate(told_all) if each.get("name") == "starting"]
    firsts = [next(each["step"] for each in told_all[index:] if "step" in each) for index in begun]
    assert len(begun) == 3
    assert firsts[0] == 1
    assert min(firsts[1:]) > last_step  # none of the later parts began anew


def test_training_is_for_operators(models: Path, tmp_path: Path) -> None:
    from tramontane.service.access.tokens import create_token
    from tramontane.service.database import open_database
    from tramontane.service.settings import Settings

    (tmp_path / "state").mkdir()
    engine, sessions = open_database(Settings(models=models, state=tmp_path / "state").database_url)
    tokens = {scope: create_token(sessions, scope, scope=scope) for scope in ("predict", "admin")}
    engine.dispose()
    with Running(models, tmp_path / "state", "--no-page", "--require-tokens") as server:
        for scope, started, listed in (("predict", 403, 403), ("admin", 422, 200)):
            head = {"authorization": f"Bearer {tokens[scope]}"}
            answer = server.http.post("/v1/trainings", json={"dataset": NAME, "model": "classical"}, headers=head)
            assert answer.status_code == started  # there is no dataset
            assert server.http.get("/v1/datasets", headers=head).status_code == 200
            assert server.http.get("/v1/trainings", headers=head).status_code == listed
        assert server.http.get("/v1/trainings").status_code == 401


def test_failures_are_said_and_one_model_alone_is_not_joined(saved: Path, dataset: Dataset, tmp_path: Path) -> None:
    from helpers.beam_tables import write_beams

    beams = ingest(write_beams(tmp_path / "beams.csv"), tmp_path / f"{NAME}.dataset", test=10, validation=0)
    with start(saved, Path(str(beams.path)), tmp_path) as server:
        failed = ended(server, begin(server, "tokens"))
        assert failed["state"] == "stopped"
        assert failed["reason"].startswith(f"{NAME}.dataset: its contract has no fields to learn")
        identity = begin(server, "auto")
        done = ended(server, identity)
        assert (done["state"], done["chosen"]) == ("done", "scalars")
        assert done["progress"]["candidates"][0]["errors"]["deflection"] < 0.01
        refused = server.http.post(f"/v1/trainings/{identity}/keep", json={"name": "beam"})
        assert refused.status_code == 409
        assert "one model alone" in refused.json()["detail"]


def test_what_was_told_twice_counts_once(tmp_path: Path) -> None:
    first = Recorder(tmp_path)
    first.stage("networks")
    for step in (1, 2, 3, 4):
        first._last_told.clear()
        first.step("net", step, 1.0 / step)
    first.validated("net", 2, {"surface/pressure": FieldError(0.5, 7.0, "Pa")})
    first.validated("net", 4, {"surface/pressure": FieldError(0.4, 6.0, "Pa")})
    with (tmp_path / EVENTS).open("a") as file:
        file.write('{"event": "loss", "sec')  # a kill in the middle of a line
    before = progress(tmp_path)
    second = Recorder(tmp_path)
    second.step("net", 3, 0.25)
    second.validated("net", 4, {"surface/pressure": FieldError(0.3, 5.0, "Pa")})
    after = progress(tmp_path)
    assert before.loss[0].steps == [1, 2, 3, 4]
    assert (after.loss[0].steps, after.loss[0].values) == ([1, 2, 3], pytest.approx([1.0, 0.5, 0.25]))
    assert (after.errors[0].steps, after.errors[0].absolute) == ([2, 4], [7.0, 5.0])
    assert after.seconds >= before.seconds
    (tmp_path / "end").touch()
    second._looked = 0.0
    assert second.enough()
    (tmp_path / "pause").touch()
    second._looked = 0.0
    with pytest.raises(KeyboardInterrupt):
        second.enough()
