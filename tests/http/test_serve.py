"""The HTTP API, as a client sees it: a server in a process of its own, a small surrogate of ellipsoids."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
import trimesh

from helpers.ellipsoids import ellipsoid
from helpers.serving import Running, inputs, part, sha256, until
from tramontane.design import Design
from tramontane.formats import read_mesh, stored_units
from tramontane.surrogate import Surrogate

CELLS = 2000


@pytest.fixture(scope="module")
def server(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Open on loopback, one model."""
    with Running(saved.parent, tmp_path_factory.mktemp("serve") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def geometry(server: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Hash of an uploaded ellipsoid of half axes 0.8, 0.7 and 0.6 m."""
    answer = server.upload(part(tmp_path_factory.mktemp("parts")).read_bytes())
    assert answer.status_code == 201
    return str(answer.json()["hash"])


def test_models_are_listed_with_contract_and_figures(server: Running, surrogate: Surrogate) -> None:
    answer = server.http.get("/v1/models").json()
    assert answer["refused"] == {}
    (model,) = answer["models"]
    assert (model["name"], model["kind"], model["architecture"]) == ("model", "surrogate", "ab-upt")
    assert model["parameters"]["load"]["unit"] == "N"
    assert model["parameters"]["load"]["low"] == pytest.approx(surrogate.contract.parameters["load"].low)
    assert surrogate.contract.model_validate(model["contract"]) == surrogate.contract
    assert model["figures"] == json.loads(json.dumps(surrogate.record.figures.document()))
    assert server.http.get("/v1/models/model").json() == model


def test_a_geometry_is_stored_once_by_the_hash_of_its_bytes(server: Running, tmp_path: Path) -> None:
    content = part(tmp_path, (0.9, 0.6, 0.7)).read_bytes()
    first, second = server.upload(content), server.upload(content, "other.stl")
    assert (first.status_code, second.status_code) == (201, 200)
    stored = first.json()
    assert second.json() == server.http.get(f"/v1/geometries/{sha256(content)}").json()
    assert second.json() == stored | {"name": "other.stl"}
    assert stored["hash"] == sha256(content)
    assert (stored["triangles"], stored["closed"], stored["warnings"]) == (320, True, [])
    assert stored["high"][2] == pytest.approx(0.7, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Träger 4.stl", "Träger 4.stl"),
        ("../../etc/part.stl", "part.stl"),
        ("C:\\Users\\anna\\part.stl", "part.stl"),
        ("a\u202eb\n.stl", "ab.stl"),
        ("x" * 150 + ".stl", "x" * 100),
    ],
)
def test_a_geometry_is_called_as_whoever_sent_it_last_calls_it(
    server: Running, tmp_path: Path, given: str, shown: str
) -> None:
    content = part(tmp_path, (0.9, 0.6, 0.65)).read_bytes()
    other = server.upload(part(tmp_path, (0.9, 0.6, 0.66)).read_bytes(), "newer.stl").json()["hash"]
    stored = server.upload(content, given).json()
    assert stored["name"] == shown
    assert server.http.get(f"/v1/geometries/{stored['hash']}").json() == stored
    listed = [each["hash"] for each in server.http.get("/v1/geometries").json()["geometries"]]
    again = server.upload(content, f"again-{len(given)}.stl")
    assert (again.status_code, again.json()["name"]) == (200, f"again-{len(given)}.stl")
    assert [each["hash"] for each in server.http.get("/v1/geometries").json()["geometries"]] == listed
    assert other in listed


def test_geometries_are_listed_the_newest_first_and_deleted(saved: Path, tmp_path: Path) -> None:
    with Running(saved, tmp_path / "state") as running:
        begun = time.time()
        stored = [running.upload(part(tmp_path, (0.8, 0.7, 0.6 + k / 100)).read_bytes()).json() for k in range(3)]
        assert [begun <= each["created"] <= time.time() for each in stored] == [True] * 3
        assert running.http.get("/v1/geometries").json() == {"geometries": stored[::-1], "total": 3}
        second = running.http.get("/v1/geometries", params={"start": 1, "count": 1}).json()
        assert second == {"geometries": [stored[1]], "total": 3}
        gone = stored[1]["hash"]
        request = {"parameters": {"load": 300}, "cells": CELLS}
        assert running.predict(gone, **request).status_code == 200
        assert running.http.delete(f"/v1/geometries/{gone}").status_code == 204
        # Neither the surface nor what was answered about it is given any more.
        for answer in (running.predict(gone, **request), running.http.delete(f"/v1/geometries/{gone}")):
            assert (answer.status_code, inputs(answer)) == (404, {"geometry": None})
        assert running.http.get("/v1/geometries").json() == {"geometries": [stored[2], stored[0]], "total": 2}
        assert running.upload(part(tmp_path, (0.8, 0.7, 0.61)).read_bytes()).status_code == 201
        assert running.predict(gone, **request).status_code == 200
        assert inputs(running.http.delete("/v1/geometries/../jobs")) == {}


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_other_formats_give_the_same_answer(server: Running, geometry: str, tmp_path: Path, suffix: str) -> None:
    body = ellipsoid("part", (0.8, 0.7, 0.6), 1.0).meshes["surface"]
    file = tmp_path / f"part{suffix}"
    trimesh.Trimesh(body.points, body.regular_faces).export(file)
    other = server.upload(file.read_bytes(), file.name).json()["hash"]
    answers = [server.predict(each, parameters={"load": 300}, cells=CELLS).json() for each in (geometry, other)]
    assert answers[0]["qoi"]["mass"]["value"] == pytest.approx(answers[1]["qoi"]["mass"]["value"], rel=1e-4)


def test_a_step_file_is_in_metres_whatever_it_says(server: Running, tmp_path: Path) -> None:
    occ = pytest.importorskip("netgen.occ", reason="STEP needs Netgen: pip install 'tramontane[solve]'")
    file = tmp_path / "ball.step"
    occ.Sphere(occ.Pnt(0, 0, 0), 700).WriteStep(str(file))  # millimetres
    stored = server.upload(file.read_bytes(), "ball.step").json()
    assert stored["metric"]
    assert stored["high"] == pytest.approx([0.7] * 3, rel=0.01)
    answer = server.predict(stored["hash"], parameters={"load": 300}, cells=CELLS).json()
    assert answer["qoi"]["mass"]["value"] == pytest.approx(1000 * 4 / 3 * np.pi * 0.7**3, rel=0.01)


def test_the_summary_says_what_the_bare_model_says(
    server: Running, geometry: str, surrogate: Surrogate, saved: Path, tmp_path: Path
) -> None:
    case = surrogate.simulate(Design(part(tmp_path), load="300 N"), cells=CELLS)
    answer = server.predict(geometry, parameters={"load": "0.3 kN"}, cells=CELLS).json()
    assert {name: entry["unit"] for name, entry in answer["qoi"].items()} == case.qoi_units
    for name, value in case.qoi.items():
        assert answer["qoi"][name]["value"] == pytest.approx(value, rel=1e-4)
    deviations = case.qoi_deviations
    assert "charge" in deviations
    for name, entry in answer["qoi"].items():
        assert entry["deviation"] == (pytest.approx(deviations[name], rel=1e-4) if name in deviations else None)
    assert answer["parameters"] == {"load": {"value": pytest.approx(300.0), "unit": "N"}}
    pressure = case.meshes["surface"].point_data["pressure"]
    field = answer["domains"]["surface"]["fields"]["pressure"]
    assert (field["unit"], field["location"], field["components"]) == ("Pa", "point", 1)
    assert field["low"] == pytest.approx([pressure.min()], rel=1e-4)
    assert field["high"] == pytest.approx([pressure.max()], rel=1e-4)
    length = np.linalg.norm(case.meshes["volume"].point_data["displacement"], axis=1)
    moved = answer["domains"]["volume"]["fields"]["displacement"]["magnitude"]
    assert moved == pytest.approx([length.min(), length.max()], rel=1e-4)
    assert answer["warnings"] == []
    assert answer["model_hash"] == sha256((saved / "manifest.json").read_bytes())
    assert answer["seconds"] > 0


def test_a_length_unit_scales_the_geometry(server: Running, geometry: str) -> None:
    big = server.predict(geometry, parameters={"load": 300}, cells=CELLS).json()
    small = server.predict(geometry, parameters={"load": 300}, cells=CELLS, length_unit="dm").json()
    assert small["qoi"]["mass"]["value"] == pytest.approx(1e-3 * big["qoi"]["mass"]["value"], rel=1e-6)
    assert {warning["input"] for warning in small["warnings"]} == {"geometry"}


def test_what_lies_outside_is_answered_and_said_with_how_far(server: Running, geometry: str) -> None:
    load = server.http.get("/v1/models/model").json()["parameters"]["load"]
    high = load["high"] + 0.5 * (load["high"] - load["low"])
    (warning,) = server.predict(geometry, parameters={"load": high}, cells=CELLS).json()["warnings"]
    assert (warning["input"], warning["unit"]) == ("parameters.load", "N")
    assert (warning["value"], warning["low"], warning["high"]) == pytest.approx((high, load["low"], load["high"]))
    assert warning["share"] == pytest.approx(0.5)
    assert "by 50 % of the range" in warning["detail"]


@pytest.mark.parametrize("form", ["vtp", "vtu", "vtkhdf", "npz", "arrow"])
def test_every_format_holds_the_same_field(
    server: Running, geometry: str, surrogate: Surrogate, tmp_path: Path, form: str
) -> None:
    truth = surrogate.simulate(Design(part(tmp_path), load="300 N"), cells=CELLS).meshes["surface"]
    answer = server.predict(geometry, parameters={"load": 300}, cells=CELLS, format=form, domains=["surface"])
    assert answer.status_code == 200, answer.text
    file = tmp_path / f"answer.{form}"
    file.write_bytes(answer.content)
    if form == "npz":
        with np.load(file, allow_pickle=False) as arrays:
            points, pressure = arrays["points"], arrays["point_data/pressure"]
            assert json.loads(str(arrays["summary"]))["model"] == "model"
            triangles = arrays["connectivity"].reshape(-1, 3)
        assert pv.PolyData.from_regular_faces(points, triangles).volume == pytest.approx(truth.volume, rel=1e-5)
    elif form == "arrow":
        import pyarrow as pa

        table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
        points = np.stack([table[axis].to_numpy() for axis in "xyz"], axis=1)
        pressure = table["pressure"].to_numpy()
        assert table.schema.field("pressure").metadata == {b"unit": b"Pa"}
    else:
        mesh = read_mesh(file)
        points, pressure = np.asarray(mesh.points), mesh.point_data["pressure"]
        assert stored_units(mesh) == {"pressure": "Pa"}
    np.testing.assert_allclose(points, truth.points, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pressure, truth.point_data["pressure"], rtol=1e-3, atol=0.05)


def test_a_file_of_a_volume_and_of_some_fields(server: Running, geometry: str, tmp_path: Path) -> None:
    ask = {"parameters": {"load": 300}, "cells": CELLS, "domains": ["volume"]}
    file = tmp_path / "volume.vtu"
    file.write_bytes(server.predict(geometry, **ask, format="vtu").content)
    assert read_mesh(file).point_data["displacement"].shape[1] == 3
    file.write_bytes(server.predict(geometry, **ask, format="vtu", fields=[]).content)
    assert read_mesh(file).array_names == []
    assert inputs(server.predict(geometry, **ask, format="vtp")) == {"format": None}
    assert inputs(server.predict(geometry, **ask, format="vtu", fields=["heat"])) == {"fields": None}
    assert inputs(server.predict(geometry, **(ask | {"domains": None}), format="vtu")) == {"domains": None}


def test_identical_requests_are_answered_from_the_cache(server: Running, geometry: str) -> None:
    def ask(load: str, form: str = "json") -> str:
        answer = server.predict(geometry, parameters={"load": load}, cells=CELLS, format=form, domains=["surface"])
        return str(answer.headers["tramontane-cache"])

    assert [ask("321 N"), ask("321 N"), ask("0.321 kN"), ask("322 N")] == ["miss", "hit", "hit", "miss"]
    assert [ask("321 N", "npz"), ask("321 N", "npz")] == ["miss", "hit"]


def test_many_clients_at_once_get_what_one_gets(server: Running, geometry: str) -> None:
    loads = [150.0 + 10 * (k % 8) for k in range(24)]

    def ask(load: float) -> float:
        answer = server.predict(geometry, parameters={"load": load}, cells=3 * CELLS, domains=["surface"])
        return float(answer.json()["qoi"]["peak_pressure"]["value"])

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, loads))
    for load in set(loads):
        values = {value for sent, value in zip(loads, together, strict=True) if sent == load}
        assert len(values) == 1  # one answer each, shared or kept
    assert len(set(together)) == 8
    one = server.predict(geometry, parameters={"load": loads[0]}, cells=3 * CELLS, domains=["surface"], format="npz")
    with np.load(io.BytesIO(one.content)) as arrays:  # fields on a mesh, on which the QoI is not measured
        assert json.loads(str(arrays["summary"]))["qoi"]["peak_pressure"]["value"] == together[0]
        assert arrays["point_data/pressure"].max() == pytest.approx(together[0], rel=5e-3)
    assert ask(loads[0]) == together[0]


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"parameters": {}}, {"parameters.load": "N"}),
        ({"parameters": {"load": "3 m/s"}}, {"parameters.load": "N"}),
        ({"parameters": {"load": "much"}}, {"parameters.load": "N"}),
        ({"parameters": {"load": "1 furlongs_of_hope"}}, {"parameters.load": "N"}),
        ({"parameters": {"load": "1 N**9**9**9**9"}}, {"parameters.load": "N"}),
        ({"parameters": {"load": 3, "laod": 3, "speed": 2}}, {"parameters.laod": None, "parameters.speed": None}),
        ({"parameters": {"load": True}}, {"parameters.load": None}),
        ({"parameters": {"load": [1]}}, {"parameters.load": None}),
        ({"parameters": {"load": 3}, "cell": 100}, {"cell": None}),
        ({"parameters": {"load": 3}, "cells": 10**9}, {"cells": None}),
        ({"parameters": {"load": 3}, "domains": ["air"]}, {"domains": None}),
        ({"parameters": {"load": 3}, "length_unit": "s"}, {"length_unit": "m"}),
        ({"parameters": {"load": 3}, "geometry": None}, {"geometry": None}),
        ({"parameters": {"load": 3}, "geometry": "../../etc/passwd"}, {"geometry": None}),
    ],
)
def test_a_bad_request_names_the_input_and_its_unit(
    server: Running, geometry: str, request_: dict[str, object], named: dict[str, str | None]
) -> None:
    answer = server.http.post("/v1/models/model/predict", json={"geometry": geometry, **request_})
    assert answer.status_code == 422
    assert inputs(answer) == named


def test_the_summary_has_intervals_and_a_verdict_at_the_level_asked_for(
    server: Running, geometry: str, surrogate: Surrogate, tmp_path: Path
) -> None:
    answers = [server.predict(geometry, parameters={"load": 300}, cells=CELLS, level=level).json()
               for level in (0.5, 0.9)]  # fmt: skip
    assert [answer["level"] for answer in answers] == [0.5, 0.9]
    widths = [answer["qoi"]["charge"]["high"] - answer["qoi"]["charge"]["low"] for answer in answers]
    assert 0 < widths[0] < widths[1]
    case = surrogate.simulate(Design(part(tmp_path), load="300 N"), cells=CELLS)
    assert case.verdict is not None
    assert answers[1]["verdict"]["domain"] == case.verdict.domain
    assert answers[1]["verdict"]["score"] == pytest.approx(case.verdict.score, rel=1e-3)
    half = case.field_intervals["surface"]["pressure"].half_width
    interval = answers[1]["domains"]["surface"]["fields"]["pressure"]["interval"]
    assert interval["median"] == pytest.approx(float(np.median(half)), rel=1e-3)
    assert inputs(server.predict(geometry, parameters={"load": 300}, level=2)) == {"level": None}


def test_a_file_holds_the_bounds_of_fields(server: Running, geometry: str, tmp_path: Path) -> None:
    request = {"parameters": {"load": 300}, "cells": CELLS, "domains": ["surface"], "format": "vtp"}
    plain, wide = (server.predict(geometry, **request, bounds=bounds) for bounds in (False, True))
    meshes = []
    for number, answer in enumerate((plain, wide)):
        file = tmp_path / f"{number}.vtp"
        file.write_bytes(answer.content)
        meshes.append(pv.read(file))
    assert set(meshes[1].point_data) - set(meshes[0].point_data) == {"pressure_lower", "pressure_upper"}
    low, mean, high = (meshes[1].point_data[f"pressure{end}"] for end in ("_lower", "", "_upper"))
    assert (low <= mean).all()
    assert (mean <= high).all()
    np.testing.assert_array_equal(mean, meshes[0].point_data["pressure"])


def test_an_unknown_key_is_answered_with_those_that_are_known(server: Running, geometry: str) -> None:
    answer = server.predict(geometry, parameters={"load": 3}, fmt="npz")
    assert inputs(answer) == {"fmt": None}
    keys = "geometry, length_unit, parameters, cells, domains, format, fields, level, bounds"
    assert answer.json()["detail"] == f"fmt: is not known here; known are {keys}"
    design = {"geometry": geometry, "params": {"load": 3}}
    answer = server.http.post("/v1/jobs", json={"model": "model", "designs": [design], "cell": 9})
    assert inputs(answer) == {"designs.0.params": None, "cell": None}
    details = {fault["input"]: fault["detail"] for fault in answer.json()["errors"]}
    assert details["designs.0.params"].endswith("known are geometry, length_unit, parameters")
    assert details["cell"].endswith("known are model, designs, cells, domains, keep")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(server: Running, geometry: str, number: str) -> None:
    body = f'{{"geometry": "{geometry}", "parameters": {{"load": {number}}}}}'
    answer = server.http.post("/v1/models/model/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert inputs(answer) == {"parameters.load": "N"}


def test_what_is_not_there_is_a_problem_document_too(server: Running, geometry: str) -> None:
    assert inputs(server.predict(geometry, model="other", parameters={})) == {"path.model": None}
    assert inputs(server.predict("0" * 64, parameters={"load": 1})) == {"geometry": None}
    assert "send the file to /v1/geometries" in server.predict("2ebf", parameters={"load": 1}).text
    assert server.http.get("/v1/geometries/" + "0" * 64).status_code == 404
    assert inputs(server.http.get("/v1/nothing")) == {}
    assert server.http.delete("/v1/models").status_code == 405
    broken = server.http.post("/v1/models/model/predict", content=b"{", headers={"content-type": "application/json"})
    assert (broken.status_code, inputs(broken)) == (400, {"body": None})


@pytest.mark.parametrize(
    ("content", "name", "status", "word"),
    [
        (b"<!doctype html><p>Not found</p>" * 50, "part.stl", 422, "no STL"),
        (b"", "part.stl", 422, "empty"),
        (b"solid part\nfacet normal 0 0 1\n", "part.stl", 422, "cut off"),
        (b"PK\x03\x04" + bytes(100), "parts.zip", 415, "does not end in"),
        (b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "part.obj", 422, "not finite"),
        (b"\x00" * 80 + (10_000_000).to_bytes(4, "little"), "huge.stl", 422, "cut off"),
        (b"solid x\nendsolid x\n", "../../../etc/cron.d/x.stl", 422, "no triangles"),
    ],
)
def test_files_that_are_no_geometry(server: Running, content: bytes, name: str, status: int, word: str) -> None:
    answer = server.upload(content, name)
    assert answer.status_code == status
    assert set(inputs(answer)) <= {"body", "query.name"}
    assert word in answer.json()["detail"]
    assert "incoming" not in answer.text  # no path of the server's


def test_a_packed_upload_is_not_unpacked(server: Running) -> None:
    answer = server.http.post("/v1/geometries?name=a.stl", content=b"x", headers={"content-encoding": "gzip"})
    assert (answer.status_code, inputs(answer)) == (415, {"header.content-encoding": None})


def test_a_directory_is_served_once_it_is_whole(saved: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    with Running(models, tmp_path / "state") as running:

        def names() -> list[str]:
            return [model["name"] for model in running.http.get("/v1/models").json()["models"]]

        def refused() -> dict[str, str]:
            return dict(running.http.get("/v1/models").json()["refused"])

        assert names() == []
        half = models / "bodies"
        half.mkdir()
        files = sorted(saved.iterdir(), key=lambda file: file.name != "manifest.json")
        for file in files[:-1]:
            shutil.copy(file, half)
        assert "bodies" in until(refused)
        assert names() == []
        assert str(tmp_path) not in str(refused())
        shutil.copy(files[-1], half)
        assert until(names) == ["bodies"]
        assert refused() == {}
        (half / "contract.json").write_text("{}")  # being replaced: what was loaded goes on
        assert "has changed" in until(refused)["bodies"]
        assert names() == ["bodies"]
        shutil.rmtree(half)
        until(lambda: names() == [])
