"""Python functions as solvers."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv

from tramontane import solvers
from tramontane.case import Case
from tramontane.contract import Contract, FieldSpec, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import ContractError, SolverError
from tramontane.qoi import QoiDefinition
from tramontane.simulator import Parametric, Simulator
from tramontane.solvers.function import solver
from tramontane.studies import generate, sobol_designs

EXAMPLE = Path(__file__).parents[2] / "examples" / "solvers" / "cantilever.py"


@solver(parameters={"side": "1 to 3 mm", "count": {"low": 1, "high": 9, "integer": True}}, qoi={"area": "mm^2"})
def squares(side: float, count: int) -> dict[str, float]:
    """The area of some squares."""
    if count == 9:
        raise ValueError("nine are too many")
    return {"area": {3: float("nan"), 4: "x"}.get(count, count * side**2)}  # type: ignore[dict-item]


def test_arguments_and_results_are_in_the_units_that_are_stated() -> None:
    assert isinstance(squares, Simulator)
    assert not isinstance(squares, Parametric)
    case = squares.simulate(Design(side="0.2 cm", count=5))
    assert case.qoi == {"area": pytest.approx(20e-6)}
    assert case.qoi_units == {"area": "m^2"}
    assert squares(side=2, count=1) == {"area": 4}
    assert squares.contract.parameters["side"].high == pytest.approx(0.003)


@pytest.mark.parametrize(
    ("count", "text"),
    [(9, "squares: ValueError: nine are too many"), (3, "squares: area is nan; give a finite number"),
     (4, "squares: area is 'x', and no number")],
)  # fmt: skip
def test_what_a_function_fails_with_is_the_reason(count: int, text: str) -> None:
    with pytest.raises(SolverError, match=text):
        squares.simulate(Design(side="1 mm", count=count))


def test_fields_come_on_meshes() -> None:
    contract = Contract(
        name="plate", length_unit="mm", parameters={"heat": ParameterSpec(unit="W", low=1, high=2)},
        fields={"surface": {"temperature": FieldSpec(unit="degC")}},
        qoi={"hottest": QoiSpec(unit="K", definition=QoiDefinition(kind="max", field="temperature"))},
    )  # fmt: skip

    @solver(contract)
    def plate(heat: float) -> dict[str, Any]:
        mesh = pv.Plane(i_size=100, j_size=100)
        mesh.point_data["temperature"] = np.linspace(20.0, 20.0 + 10 * heat, mesh.n_points)
        mesh.point_data["other"] = np.zeros(mesh.n_points)
        return {"surface": mesh}

    case = plate.simulate(Design(heat=2))
    assert case.qoi == {"hottest": pytest.approx(313.15)}
    assert np.ptp(case.meshes["surface"].points[:, 0]) == pytest.approx(0.1)
    assert list(case.field_names("surface")) == ["temperature"]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [({"side": "1 mm"}, "'1 mm' is no range; write one such as '5 to 15 m/s'"),
     ({"side": "3 to 1 mm"}, "low .3. is above high .1."),
     ({"edge": "1 to 3 mm"}, "takes other parameters than its contract has"),
     ({"side": "1 to 3 foo"}, "foo")],
)  # fmt: skip
def test_a_contract_that_is_wrong_is_refused(parameters: dict[str, str], text: str) -> None:
    with pytest.raises(ContractError, match=text) as failed:
        solver(parameters=parameters, qoi={"area": "mm^2"})(lambda side: side)
    assert str(failed.value).startswith("@solver")


def test_the_example_bends_as_euler_says_and_makes_its_shape(tmp_path: Path) -> None:
    beam = solvers.create(EXAMPLE)
    assert isinstance(beam, Parametric)
    assert pickle.loads(pickle.dumps(beam)) is beam
    design = Design(length="0.5 m", width="4 cm", height="40 mm", load="300 N")
    case = beam.simulate(design)
    inertia = 0.04**4 / 12
    assert case.qoi["deflection"] == pytest.approx(300 * 0.5**3 / (3 * 210e9 * inertia))
    assert case.qoi["mass"] == pytest.approx(7850 * 0.5 * 0.04**2)
    assert beam.geometry(Design(length="0.5 m", width="4 cm", height="40 mm")).volume == pytest.approx(8e-4, rel=1e-5)
    assert case.design.geometry is not None
    assert len(generate(str(EXAMPLE), 2, 0, tmp_path / "out", workers=1).finished) == 2


def test_a_file_names_its_solver(tmp_path: Path) -> None:
    two = tmp_path / "two.py"
    shutil.copy(EXAMPLE, two)
    two.write_text(
        two.read_text() + "\nother = solver(parameters={'x': '1 to 2'}, qoi={'y': ''})(lambda x: {'y': x})\n"
    )
    with pytest.raises(ContractError, match=r"two\.py: has 2 functions with @solver; name one, such as .*:cantilever"):
        solvers.create(two)
    assert solvers.create(f"{two}:other").simulate(Design(x=1.5)).qoi == {"y": 1.5}
    with pytest.raises(ContractError, match=r"has no @solver 'third'; it has cantilever, other"):
        solvers.create(f"{two}:third")
    with pytest.raises(ContractError, match=r"missing\.py: does not exist"):
        solvers.create(tmp_path / "missing.py")
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(ContractError, match=r"bad\.py: does not run \(ZeroDivisionError"):
        solvers.create(tmp_path / "bad.py")


def test_whole_numbers_are_equally_frequent_in_a_design_space(tmp_path: Path) -> None:
    counts = [design.parameters["count"].value for design in sobol_designs(squares.contract, 90, seed=1)]
    assert set(counts) == set(range(1, 10))
    assert max(map(counts.count, counts)) <= 12
    squares.contract.to_toml(tmp_path / "contract.toml")
    assert (tmp_path / "contract.toml").read_text().count("integer") == 1
    assert Contract.from_toml(tmp_path / "contract.toml").parameters == squares.contract.parameters


def test_the_list_of_solvers_loads_none_of_a_user_s_own() -> None:
    code = "import sys, tramontane.solvers as s; s.known_solvers(); print('tramontane.dataset' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize(("qoi", "words"), [({"y": float("nan")}, "y is nan"), ({}, "gave a case without y")])
def test_a_whole_case_without_a_number_is_a_failure(qoi: dict[str, float], words: str) -> None:
    whole = solver(parameters={"x": "1 to 2"}, qoi={"y": ""}, name="whole")(
        lambda x: Case("whole", Design(x=x), qoi=qoi)
    )
    with pytest.raises(SolverError, match=words):
        whole.simulate(Design(x=1.5))
