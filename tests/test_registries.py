"""A solver, an executor, a study, a physics check or a layout is one file: its registry finds it, and who asks that."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from helpers.ellipsoids import ellipsoid
from tramontane.cli import app
from tramontane.contract import Contract
from tramontane.errors import FormatError, TramontaneError
from tramontane.farm import known_executors
from tramontane.formats import read_case
from tramontane.formats.collection import open_collection
from tramontane.formats.layouts import known_layouts
from tramontane.io.lazy_modules import lazy_module
from tramontane.service.registry import find_solvers
from tramontane.solvers import create, known_solvers, names
from tramontane.studies import known_studies
from tramontane.trust.physics_check import known_checks, residuals_of

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS))
import generate  # noqa: E402

AddModule = Callable[[str, str], None]

SOLVER = """
from pathlib import Path
from tramontane.case import Case, Provenance
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.solvers.entry import SolverEntry

class Scale:
    contract = Contract(parameters={"load": ParameterSpec(unit="N", low=1.0, high=9.0)}, qoi={"sum": QoiSpec(unit="N")})

    def simulate(self, design):
        load = self.contract.values(design)["load"]
        return Case(name="scale", design=design, qoi={"sum": 2 * load}, qoi_units={"sum": "N"},
                    provenance=Provenance(solver="scale", version="1"))

SOLVER = SolverEntry("scale", "twice the load", Scale)
"""
EXECUTOR = """
from tramontane.farm.executor import Executor
from tramontane.io.processes import Outcome

def run(function, tasks, *, prepare, **options):
    simulator = prepare()
    for task in tasks:
        function(simulator, task)
        yield Outcome(task, None, None)

EXECUTOR = Executor("here", "this very process", lambda target: run)
"""
CHECK = """
from tramontane.trust.physics_check import PhysicsCheck, Residual

def residual(case, contract):
    return Residual(float(abs(case.meshes["volume"].point_data["displacement"].mean())), 1.0)

CHECK = PhysicsCheck("toy_mean", "the mean displacement is zero", "m", residual)
"""
STUDY = """
from tramontane.studies.study import Study

STUDY = Study("toy-sweep", "one design after the other", lambda simulator, designs: [simulator(d) for d in designs])
"""
LAYOUT = """
from tramontane.formats.layouts.layout import Layout
from tramontane.formats.results import Collection

LAYOUT = Layout("ToySet", lambda folder, splits: Collection(folder, "ToySet", []) if folder.name == "toys" else None)
"""


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AddModule]:
    """Adds a module to a package, by a folder of its own."""

    def module(package: str, text: str) -> None:
        folder = tmp_path / package
        folder.mkdir()
        (folder / "toy_entry.py").write_text(text)
        monkeypatch.setattr(import_module(package), "__path__", [*import_module(package).__path__, str(folder)])

    forget()
    yield module
    forget()


def forget() -> None:
    """Read the registries anew."""
    for name in [name for name in sys.modules if name.endswith(".toy_entry")]:
        del sys.modules[name]
    for registry in (known_solvers, known_executors, known_studies, known_checks, known_layouts):
        registry.cache_clear()


def help_of(command: str) -> str:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.replace("│", " ").split())


def test_a_solver_and_an_executor_in_files_of_their_own_are_named_and_run(add: AddModule, tmp_path: Path) -> None:
    add("tramontane.solvers", SOLVER)
    add("tramontane.farm", EXECUTOR)
    assert "| `scale` | twice the load |" in generate.solvers()
    assert "| `here` | this very process |" in generate.executors()
    assert "scale (twice the load)" in generate.command_line()
    assert "scale (twice the load)" in help_of("serve")
    assert find_solvers(["scale"])["solver-scale"].contract.parameters.keys() == {"load"}
    text = help_of("generate")
    assert "bracket (linear elasticity of bolted angle brackets)" in text
    assert "scale (twice the load)" in text
    assert "here (this very process); local (processes on this machine); ray (a Ray cluster that runs already);" in text
    out = tmp_path / "cases"
    result = CliRunner().invoke(app, ["generate", "scale", "-n", "3", "-o", str(out), "--on", "here"])
    assert result.exit_code == 0, result.output
    assert "3 cases finished" in result.output
    assert all(2 <= read_case(out / name).qoi["sum"] <= 18 for name in ("000", "001", "002"))
    with pytest.raises(TramontaneError, match=r"solver 'wing' is not known; choose one of .*cylinder, scale"):
        create("wing")
    result = CliRunner().invoke(app, ["generate", "scale", "-n", "3", "-o", str(out), "--on", "moon"])
    assert str(result.exception) == "executor 'moon' is not known; choose one of here, local, ray, slurm"


def test_solvers_are_named_without_what_they_need() -> None:
    code = """
import sys
for name in ("ngsolve", "netgen"):
    sys.modules[name] = None
from tramontane import solvers
print(solvers.names())
try:
    solvers.create("bracket")
except Exception as error:
    print(error)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines() == [
        "['bodies', 'bracket', 'cylinder']",
        "solver 'bracket' needs ngsolve and netgen, which must be installed first: pip install 'tramontane[solve]'",
    ]


def test_a_physics_check_in_a_file_of_its_own_is_found(add: AddModule) -> None:
    add("tramontane.trust.checks", CHECK)
    assert "| `toy_mean` | the mean displacement is zero | m |" in generate.checks()
    check = known_checks()["toy_mean"]
    assert check.unit == "m"
    residuals = residuals_of(ellipsoid("a", (1.0, 0.5, 0.5), 100.0), Contract())
    assert residuals["toy_mean"].share == pytest.approx(0.0, abs=1e-9)


def test_a_study_in_a_file_of_its_own_is_found(add: AddModule) -> None:
    add("tramontane.studies", STUDY)
    assert set(known_studies()) >= {"generate", "toy-sweep"}
    assert "| `toy-sweep` | one design after the other |" in generate.studies()
    assert known_studies()["toy-sweep"].run(lambda design: 2 * design, [1, 2]) == [2, 4]


def test_a_layout_in_a_file_of_its_own_is_opened_and_named(add: AddModule, tmp_path: Path) -> None:
    add("tramontane.formats.layouts", LAYOUT)
    (tmp_path / "toys").mkdir()
    assert open_collection(tmp_path / "toys").layout == "ToySet"
    (tmp_path / "others").mkdir()
    with pytest.raises(FormatError, match="WindsorML, ToySet"):
        open_collection(tmp_path / "others", splits="scarce")


def test_documents_name_every_layout() -> None:
    documents = (DOCS / "reference" / "published-datasets.md").read_text(encoding="utf-8")
    assert [name for name in known_layouts() if f"| {name}" not in documents] == []


def test_two_entries_of_one_name_are_refused(add: AddModule) -> None:
    add("tramontane.solvers", SOLVER.replace('"scale"', '"bracket"'))
    with pytest.raises(ValueError, match="SolverEntry 'bracket' is there twice"):
        names()


def test_an_entry_of_another_kind_is_refused(add: AddModule) -> None:
    add("tramontane.trust.checks", "CHECK = 'mass'")
    with pytest.raises(TypeError, match=r"checks\.toy_entry\.CHECK: is a str; make it a PhysicsCheck"):
        known_checks()


def test_a_lazy_module_is_imported_when_it_is_used() -> None:
    fractions = lazy_module("fractions")
    assert "Fraction" not in vars(fractions)
    assert fractions.Fraction(1, 2) + fractions.Fraction(1, 2) == 1
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        _ = lazy_module("no_such_package").anything
