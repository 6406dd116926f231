"""The Python client: a surrogate or solver of a server is a simulator, and answers what it answers here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tramontane
from helpers.beam_tables import write_beams
from helpers.ellipsoids import ellipsoid
from helpers.serving import Running, inputs, part
from tramontane.case import Case
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.errors import ContractError, SolverError, TramontaneError
from tramontane.simulator import Simulator
from tramontane.solvers import create
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit
from tramontane.units import from_si, si_unit

CELLS = 2000


@pytest.fixture(scope="module")
def server(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    pytest.importorskip("ngsolve", reason="the embedded solvers are missing: pip install 'tramontane[solve]'")
    state = tmp_path_factory.mktemp("client") / "state"
    with Running(saved.parent, state, "--solver", "cylinder") as running:
        yield running


def same(one: Case, other: Case, within: float) -> None:
    assert one.qoi_units == other.qoi_units
    assert one.field_units == other.field_units
    for name, value in other.qoi.items():
        assert one.qoi[name] == pytest.approx(value, rel=within)
    assert set(one.meshes) == set(other.meshes)
    for domain, mesh in other.meshes.items():
        assert type(one.meshes[domain]) is type(mesh)
        np.testing.assert_allclose(one.meshes[domain].points, mesh.points, rtol=1e-6, atol=1e-7)
        for field in other.field_names(domain):
            truth = other.field_values(domain, field)
            values = one.field_values(domain, field)
            np.testing.assert_allclose(values, truth, atol=within * float(np.abs(truth).max()))


@pytest.mark.parametrize("kind", ["file", "mesh"])
def test_a_remote_surrogate_answers_what_the_local_one_does(
    server: Running, surrogate: Surrogate, tmp_path: Path, kind: str
) -> None:
    remote = tramontane.connect(server.url, model="model")
    assert isinstance(remote, Simulator)
    assert remote.contract == surrogate.contract
    shape: Any = part(tmp_path) if kind == "file" else ellipsoid("part", (0.8, 0.7, 0.6), 1.0).meshes["surface"]
    design = Design(shape, load="0.3 kN")
    same(remote.simulate(design, cells=CELLS), surrogate.simulate(design, cells=CELLS), 1e-3)


def test_warnings_come_along(server: Running, tmp_path: Path) -> None:
    case = tramontane.connect(server.url, model="model").simulate(Design(part(tmp_path), load="9 kN"), cells=CELLS)
    assert "load = 9000 N lies outside" in str(case.notices[0])


def test_one_domain_alone(server: Running, tmp_path: Path) -> None:
    remote = tramontane.connect(server.url, model="model")
    case = remote.simulate(Design(part(tmp_path), load="300 N"), cells=CELLS, domains=["surface"])
    assert list(case.meshes) == ["surface"]


def test_a_remote_solver_answers_what_the_local_one_does(server: Running) -> None:
    remote, local = tramontane.connect(server.url, model="solver-cylinder"), create("cylinder")
    assert isinstance(remote, Simulator)
    given = {name: (spec.low + spec.high) / 2 for name, spec in local.contract.parameters.items()}
    design = Design(None, **{name: f"{value!r} {si_unit(local.contract.parameters[name].unit)}"
                             for name, value in given.items()})  # fmt: skip
    same(remote.simulate(design), local.simulate(design), 1e-5)
    with pytest.raises((SolverError, ContractError)):
        remote.simulate(Design(None, **dict.fromkeys(given, 0.0)))


def test_mistakes_are_errors_that_say_what_to_do(server: Running, tmp_path: Path) -> None:
    remote = tramontane.connect(server.url, model="model")
    with pytest.raises(ContractError, match=r"'load' = 3 m has the wrong unit.*give it in N"):
        remote.simulate(Design(part(tmp_path), load="3 m"))
    with pytest.raises(ContractError, match="geometry is missing"):
        remote.simulate(Design(None, load="3 N"))
    with pytest.raises(ContractError, match="there is no such file"):
        remote.simulate(Design(tmp_path / "none.stl", load="3 N"))
    with pytest.raises(TramontaneError, match=r"serves model, solver-cylinder; give model=NAME"):
        tramontane.connect(server.url)
    with pytest.raises(TramontaneError, match="does not serve 'other', it serves model"):
        tramontane.connect(server.url, model="other")
    with pytest.raises(TramontaneError, match="does not answer"):
        tramontane.connect("http://127.0.0.1:1")


def test_a_surrogate_of_parameters_alone_needs_no_geometry(tmp_path: Path) -> None:
    local = fit(ingest(write_beams(tmp_path / "beams.csv"), tmp_path / "store", test=5, validation=0))
    local.save(tmp_path / "models" / "beams")
    given = {name: from_si((spec.low + spec.high) / 2, spec.unit) for name, spec in local.contract.parameters.items()}
    with Running(tmp_path / "models", tmp_path / "state") as server:
        remote = tramontane.connect(server.url)
        case, truth = remote.simulate(Design(None, **given)), local.simulate(Design(None, **given))
        assert case.qoi == pytest.approx(truth.qoi, rel=1e-6)
        assert case.meshes == {}
        with pytest.raises(ContractError, match="leave the geometry out"):
            remote.simulate(Design(part(tmp_path), **given))
        answer = server.http.post("/v1/models/beams/predict", json={"parameters": given, "format": "npz"})
        assert inputs(answer) == {"domains": None}
