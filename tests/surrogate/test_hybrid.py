"""The surrogate where it may answer, the solver where it must, and what both say of one design."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import TESTS
from helpers.analytic_solvers import BeamSolver, EllipsoidSolver
from helpers.beam_tables import write_beams
from helpers.ellipsoids import ellipsoid
from helpers.once import once
from tramontane import solvers
from tramontane.contract import FieldSpec, ParameterSpec, QoiSpec
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.errors import ContractError
from tramontane.formats import read_case
from tramontane.simulator import Simulator
from tramontane.surrogate import Surrogate
from tramontane.surrogate.agreement import check_agreement, with_units
from tramontane.surrogate.checks import Checked, QoiCheck, check_with, compare
from tramontane.surrogate.fit import fit
from tramontane.surrogate.hybrid import Hybrid
from tramontane.surrogate.kept_cases import read_tally

INSIDE = {"force": "0.3 kN", "length": "1200 mm", "modulus": "140 GPa", "inertia": "5 cm^4"}
FAR = INSIDE | {"force": "4 kN"}


@pytest.fixture(scope="module")
def beams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of cantilevers."""

    def make(path: Path) -> None:
        path.mkdir()
        fit(ingest(write_beams(path / "beams.csv"), path / "store", test=5, validation=0)).save(path / "model")

    return once(tmp_path_factory, "hybrid beams", make) / "model"


@pytest.fixture
def beam(beams: Path) -> Surrogate:
    return Surrogate.load(beams)


def tip(design: dict[str, str]) -> float:
    return BeamSolver().simulate(Design(None, **design)).qoi["deflection"]


def test_the_surrogate_answers_inside_and_the_solver_elsewhere(beam: Surrogate, tmp_path: Path) -> None:
    solver = BeamSolver()
    hybrid = Hybrid(beam, solver, keep=tmp_path / "kept")
    assert isinstance(hybrid, Simulator)
    answer = hybrid.simulate(Design(None, **INSIDE))
    assert (solver.runs, hybrid.predicted, hybrid.solved) == (0, 1, 0)
    assert answer.verdict.domain == "inside"
    assert answer.qoi["deflection"] == pytest.approx(tip(INSIDE), rel=0.02)
    assert not (tmp_path / "kept").exists()
    answer = hybrid.simulate(Design(None, **FAR))
    assert (solver.runs, hybrid.predicted, hybrid.solved) == (1, 1, 1)
    assert answer.qoi["deflection"] == tip(FAR)
    assert answer.provenance.solver == "beam theory"
    # An edge is good enough where that is asked for: just above the highest force.
    edge = Design(None, **(INSIDE | {"force": "0.51 kN"}))
    assert beam.simulate(edge).verdict.domain == "edge"
    assert hybrid.simulate(edge).qoi == solver.simulate(edge).qoi
    patient = Hybrid(beam, solver, require="edge")
    assert patient.simulate(edge).verdict.domain == "edge"
    assert patient.simulate(Design(None, **FAR)).verdict is None


def test_what_the_solver_said_can_be_trained_on(beam: Surrogate, tmp_path: Path) -> None:
    hybrid = Hybrid(beam, BeamSolver(), keep=tmp_path / "kept")
    forces = [0.8, 1.0, 1.2, 1.4, 1.6]
    for force in [*forces, forces[0]]:  # the last one again
        hybrid.simulate(Design(None, **(INSIDE | {"force": f"{force} kN"})))
    cases = sorted(each for each in (tmp_path / "kept").iterdir() if each.is_dir())
    assert len(cases) == 5
    kept = ingest(tmp_path / "kept", tmp_path / "store", test=0, validation=0)
    assert sorted(kept.names) == [case.name for case in cases]
    assert sorted(kept.parameters(name)["force"] for name in kept.names) == pytest.approx([1e3 * f for f in forces])
    for case in cases:
        asked = read_case(case).design
        (record,) = json.loads((case / "check.json").read_text())["checks"]
        stated = record["predicted_qoi"]["deflection"]
        predicted = beam.simulate(Design(None, **asked.parameters))
        assert record["model"] == beam.identity
        assert record["verdict"] == predicted.verdict.domain != "inside"
        assert stated["predicted"] == pytest.approx(predicted.qoi["deflection"])
        assert stated["solved"] == pytest.approx(BeamSolver().simulate(asked).qoi["deflection"])
        assert stated["held"] == (stated["low"] <= stated["solved"] <= stated["high"])


def test_bare_numbers_are_in_the_solvers_units(beam: Surrogate) -> None:
    bare = Design(None, force=0.3, length=1200, modulus=140, inertia=5)
    assert Hybrid(beam, BeamSolver()).simulate(bare).qoi["deflection"] == pytest.approx(tip(INSIDE), rel=0.02)


class Other(BeamSolver):
    """The beam solver under another contract."""

    def __init__(self, **changes: object) -> None:
        super().__init__()
        self.changes = changes

    @property
    def contract(self):  # type: ignore[no-untyped-def]
        return super().contract.model_copy(update=self.changes)


def test_contracts_that_do_not_agree_are_refused(beam: Surrogate) -> None:
    parameters = BeamSolver().contract.parameters
    fewer = {name: spec for name, spec in parameters.items() if name != "inertia"}
    with pytest.raises(ContractError, match="the solver has no parameter 'inertia'"):
        Hybrid(beam, Other(parameters=fewer))
    more = parameters | {"width": ParameterSpec(unit="mm", low=0.01, high=0.02)}
    with pytest.raises(ContractError, match="the surrogate has no parameter 'width'"):
        Hybrid(beam, Other(parameters=more))
    turned = parameters | {"force": ParameterSpec(unit="N*m", low=1, high=2)}
    with pytest.raises(ContractError, match=r"parameter 'force' is in kN, the solver's in N\*m"):
        Hybrid(beam, Other(parameters=turned))
    with pytest.raises(ContractError, match="the solver has no QoI 'deflection'"):
        Hybrid(beam, Other(qoi={"stress": QoiSpec(unit="Pa")}))
    with pytest.raises(ContractError, match="QoI 'deflection' is in m, the solver's in Pa"):
        check_with(beam, Other(qoi={"deflection": QoiSpec(unit="Pa")}), Design(None, **INSIDE))
    with pytest.raises(ContractError, match="require is 'outside'; give inside or edge"):
        Hybrid(beam, BeamSolver(), require="outside")  # type: ignore[arg-type]
    # What the solver has besides does not matter.
    Hybrid(beam, Other(qoi=BeamSolver().contract.qoi | {"stress": QoiSpec(unit="Pa")},
                       fields={"surface": {"pressure": FieldSpec(unit="Pa")}}))  # fmt: skip


def test_a_solver_of_another_family_of_shapes_is_refused() -> None:
    """A model of cantilevers by their length, width and height; the bracket has the same outputs, and a load."""
    cantilevers = Surrogate.load(TESTS / "data" / "cantilever" / "model")
    contract = solvers.known_solvers()["bracket"].make().contract
    with pytest.raises(ContractError, match="the solver has no parameter 'length'"):
        check_agreement(cantilevers, contract)
    same = dict(cantilevers.contract.parameters)
    check_agreement(cantilevers, contract.model_copy(update={"parameters": same}))
    # One that takes the geometry itself is asked with the load alone.
    check_agreement(cantilevers, contract.model_copy(update={"parameters": {"load": same["load"]}}))


def test_a_check_says_which_intervals_held(beam: Surrogate) -> None:
    checked = check_with(beam, BeamSolver(), Design(None, **INSIDE))
    assert checked.held is True
    of = checked.qoi["deflection"]
    assert of.solved == tip(INSIDE)
    assert of.low < of.solved < of.high
    wrong = check_with(beam, BeamSolver(factor=1.5), Design(None, **INSIDE))
    assert (wrong.held, wrong.qoi["deflection"].held) == (False, False)
    assert wrong.qoi["deflection"].predicted == of.predicted
    none = replace(checked, qoi={"deflection": QoiCheck(1.0, 2.0)})
    assert (none.held, none.qoi["deflection"].held) == (None, None)


def test_parameters_alone_get_their_geometry_from_the_solver(kriging: Surrogate, tmp_path: Path) -> None:
    assert kriging.needs_geometry
    solver, axes = EllipsoidSolver(), (0.8, 0.7, 0.75)
    design = Design(None, half_length="0.8 m", half_width="70 cm", half_height=0.75, load="250 N")
    answer = Hybrid(kriging, solver, require="edge", cells=500).simulate(design)
    truth = ellipsoid("a", axes, 250.0)
    assert solver.runs == 0
    assert answer.qoi["mass"] == pytest.approx(truth.qoi["mass"], rel=1e-3)
    checked = check_with(kriging, solver, design)
    assert solver.runs == 1
    # Fields are compared at the solver's own points; the share follows from bounds and truth there.
    assert checked.predicted.meshes["volume"].n_points == truth.meshes["volume"].n_points
    for domain, name in (("surface", "pressure"), ("volume", "displacement")):
        found, exact = checked.fields[domain][name], np.asarray(truth.field_values(domain, name))
        mean = np.asarray(checked.predicted.field_values(domain, name))
        half = checked.predicted.field_intervals[domain][name].half_width
        assert found.relative_l2 == pytest.approx(np.linalg.norm(mean - exact) / np.linalg.norm(exact), rel=1e-3)
        assert found.relative_l2 < 0.1
        assert found.inside == pytest.approx(np.mean(np.abs(mean - exact) <= half), abs=0.01)
    assert checked.qoi["peak_pressure"].solved == truth.qoi["peak_pressure"]
    # Far outside, where the solver must: its case is kept whole, fields and geometry.
    hybrid = Hybrid(kriging, solver, keep=tmp_path / "kept")
    far = Design(None, half_length=3, half_width=0.7, half_height=0.75, load="250 N")
    assert hybrid.simulate(far).qoi == ellipsoid("far", (3.0, 0.7, 0.75), 250.0).qoi
    (case,) = [each for each in (tmp_path / "kept").iterdir() if each.is_dir()]
    kept = read_case(case)
    assert kept.field_values("volume", "displacement").shape == (truth.meshes["volume"].n_points, 3)
    assert (case / "geometry.stl").is_file()
    (record,) = json.loads((case / "check.json").read_text())["checks"]
    assert record["verdict"] == "outside"
    assert set(record["predicted_fields"]) == {"surface/pressure", "volume/displacement"}


def test_the_geometry_must_be_the_one_that_the_parameters_make(kriging: Surrogate) -> None:
    solver = EllipsoidSolver()
    axes = {"half_length": 0.8, "half_width": 0.7, "half_height": 0.75, "load": "250 N"}
    shape = ellipsoid("same", (0.8, 0.7, 0.75), 1.0).meshes["surface"]
    assert check_with(kriging, solver, Design(shape, **axes)).qoi["mass"].held is not None
    runs = solver.runs
    for other in ((0.8, 0.7, 0.9), (0.9, 0.7, 0.75)):
        wrong = Design(ellipsoid("other", other, 1.0).meshes["surface"], **axes)
        with pytest.raises(ContractError, match="is not the one that the solver makes of the parameters"):
            check_with(kriging, solver, wrong)
        with pytest.raises(ContractError, match="is not the one that the solver makes of the parameters"):
            Hybrid(kriging, solver).simulate(wrong.with_geometry(wrong.geometry.scale(3.0)))
        with pytest.raises(ContractError, match="is not the one that the solver makes of the parameters"):
            compare(kriging, with_units(wrong, solver.contract), ellipsoid("solved", (0.8, 0.7, 0.75), 250.0))
    assert solver.runs == runs  # told before the solver runs
    with pytest.raises(ContractError, match="parameter 'half_length' is missing"):
        check_with(kriging, solver, Design(shape, load="250 N"))


class Shapeless(EllipsoidSolver):
    """Makes no geometry without solving."""

    geometry = None  # type: ignore[assignment]


def test_where_nothing_makes_a_geometry_it_must_be_given(kriging: Surrogate) -> None:
    solver = Shapeless()
    design = Design(None, half_length=0.8, half_width=0.7, half_height=0.75, load="250 N")
    with pytest.raises(ContractError, match="the design has no geometry, which this surrogate needs"):
        Hybrid(kriging, solver).simulate(design)
    assert check_with(kriging, solver, design).qoi["mass"].held is not None  # of the solved case it is known


def test_checks_are_counted_by_model(tmp_path: Path, beam: Surrogate) -> None:
    from tramontane.surrogate.kept_cases import keep_case

    def keep(force: float, factor: float, model: str) -> Checked:
        solver = BeamSolver(factor)
        checked = check_with(beam, solver, Design(None, **(INSIDE | {"force": f"{force} kN"})))
        keep_case(checked.solved, tmp_path, contract=solver.contract, model=model, checked=checked)
        return checked

    for force in (0.2, 0.3, 0.4):
        keep(force, 1.0, "a")
    keep(0.35, 1.5, "a")
    keep(0.35, 1.5, "b")
    tally = read_tally([tmp_path, tmp_path / "none"], "a")
    assert (tally.checks, tally.held, tally.qoi) == (4, 3, {"deflection": (3, 4)})
    assert (read_tally([tmp_path], "b").checks, read_tally([tmp_path], "c").checks) == (1, 0)
    damaged = next(tmp_path.glob("*/check.json"))
    damaged.write_text("{")
    assert read_tally([tmp_path], "a").checks == 3


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command, with the analytic solvers in place of those that it knows."""
    known = {"beam": BeamSolver(), "stiff": BeamSolver(0.5), "ellipsoid": EllipsoidSolver()}
    monkeypatch.setattr(solvers, "create", known.__getitem__)
    return run


def test_predict_checks_an_answer(run: Callable[..., str], beams: Path, tmp_path: Path) -> None:
    asked = [part for name, value in INSIDE.items() for part in ("--set", f"{name}={value}")]
    kept, file = tmp_path / "kept", tmp_path / "answer.json"
    said = run("predict", beams, *asked, "--check", "beam", "--keep", kept, "--json", file)
    assert f"solver: deflection = {1e3 * tip(INSIDE):.6g} mm: held" in said
    assert "of 1 checks of this model there, 1 held" in " ".join(said.split())
    assert json.loads(file.read_text())["check"]["held"] is True
    said = run("predict", beams, *asked, "--check", "stiff")
    assert f"solver: deflection = {0.5e3 * tip(INSIDE):.6g} mm: NOT held" in said
    assert "name one with --check" in run("predict", beams, *asked, "--keep", kept, code=2)
    assert "do not agree" in run("predict", beams, *asked, "--check", "ellipsoid", code=2)
    assert "parameter 'inertia' is missing" in run("predict", beams, *asked[:-2], "--check", "beam", code=2)


def test_predict_checks_a_case_with_fields(
    run: Callable[..., str], kriging: Surrogate, family: Path, tmp_path: Path
) -> None:
    kriging.save(tmp_path / "model")
    axes = ["--set", "half_length=0.8", "--set", "half_width=0.7", "--set", "half_height=0.75", "--set", "load=250"]
    said = run("predict", tmp_path / "model", *axes, "--cells", 500, "--check", "ellipsoid")
    mass = ellipsoid("a", (0.8, 0.7, 0.75), 250.0).qoi["mass"]
    assert f"solver: mass = {mass:.6g} kg" in said
    assert "% of the points in their intervals" in said
    # The results of a case say all of its parameters.
    said = run("predict", tmp_path / "model", family / "003", "--cells", 500, "--check", "ellipsoid")
    assert f"solver: mass = {read_case(family / '003').qoi['mass']:.6g} kg" in said
