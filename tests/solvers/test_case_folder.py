"""Solver folders: values go in, commands run, results come out; whatever goes wrong is one reason, and no result."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
import tomli_w
from typer.testing import CliRunner

from helpers.solver_folders import SPRING, spring
from tramontane import solvers
from tramontane.cli import app
from tramontane.design import Design
from tramontane.errors import ContractError, SolverError, TramontaneError
from tramontane.formats import read_case
from tramontane.io.tasks import Resources
from tramontane.service.registry import find_solvers
from tramontane.simulator import Parametric, Simulator
from tramontane.solvers.case_folder import FolderSolver, open_folder
from tramontane.studies import generate

DESIGN = Design(stiffness="2 N/mm", load="200 N")


def reason(folder: Path, design: Design = DESIGN) -> str:
    with pytest.raises(SolverError) as failed:
        open_folder(folder).simulate(design)
    return str(failed.value)


def refusal(folder: Path) -> str:
    with pytest.raises(ContractError) as failed:
        solvers.create(folder)
    return str(failed.value)


# --- what works


def test_values_go_into_templates_and_results_come_out_in_si(tmp_path: Path) -> None:
    simulator = solvers.create(spring(tmp_path / "spring"))
    assert isinstance(simulator, Simulator)
    assert not isinstance(simulator, Parametric)
    case = simulator.simulate(DESIGN)
    # 200 N pull 100 mm out of 2 N/mm, and store 10 J.
    assert case.qoi == pytest.approx({"stretch": 0.1, "energy": 10.0})
    assert case.qoi_units == {"stretch": "m", "energy": "J"}
    assert simulator.contract.qoi["stretch"].shown == "mm"
    assert str(case.design.parameters["load"]) == "0.2 kN"
    assert case.provenance.solver == "spring"
    assert list(case.provenance.extra["seconds"]) == ["python"]


def test_a_folder_says_what_a_design_takes(tmp_path: Path) -> None:
    folder = spring(tmp_path / "s", cores=4, memory="2 GB", time_limit="5 min", licenses={"flow": 2})
    simulator = open_folder(folder)
    assert simulator.resources == Resources(4, 2 * 10**9 + 2**30, 0.0, {"flow": 2})
    assert simulator.time_limit == 300.0


def test_a_run_leaves_nothing_behind_unless_it_is_to_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    plain, kept = spring(tmp_path / "plain"), spring(tmp_path / "kept", keep=True)
    solvers.create(plain).simulate(DESIGN)
    assert list(scratch.iterdir()) == []
    assert sorted(file.name for file in plain.iterdir()) == ["solver.toml", "spring.py"]
    folder = Path(solvers.create(kept).simulate(DESIGN).provenance.extra["run_folder"])
    assert folder.parent == scratch
    assert "stiffness = 2  # N/mm\nload = 200\n" in (folder / "spring.py").read_text()


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("out.csv", "time,stretch [cm]\n1,3\n2,4\n3,6\n", {"column": "stretch", "rows": 2}),
        ("out.json", '{"last": {"stretch": [30, 40, 60]}}', {"column": "last.stretch", "rows": 2}),
        ("out.dat", "# Case : 1\n# Time stretch(x)\n1 30\n2 40\n3 60\n", {"column": "stretch(x)", "rows": 2}),
        ("out.txt", "1 (30 0)\n2 (40 0)\n3 (60 0)\n", {"column": 2, "rows": 2}),
    ],
)
def test_a_number_is_found_in_tables_of_every_kind(tmp_path: Path, file: str, text: str, place: dict[str, Any]) -> None:
    text = text if file != "out.txt" else text.replace("(", "").replace(")", "")
    folder = spring(
        tmp_path / "s", f"# {{{{ stiffness }}}} {{{{ load }}}}\nopen('{file}', 'w').write({text!r})",
        qoi={"stretch": {"unit": "mm"}}, results={"qoi": {"stretch": {"file": f"{file[:3]}.*", **place}}},
    )  # fmt: skip
    assert solvers.create(folder).simulate(DESIGN).qoi == {"stretch": pytest.approx(0.05)}


def test_whole_numbers_cores_and_commands_take_placeholders(tmp_path: Path) -> None:
    folder = spring(
        tmp_path / "s", "import json, os, sys\njson.dump({'n': int(sys.argv[1]) * 10 + int(sys.argv[2]) + "
        "int(os.environ['OMP_NUM_THREADS']) * 100 + int(os.environ['MORE'])}, open('r.json', 'w'))",
        templates=None, commands=["python -S spring.py {{ coils }} {{cores}}"], cores=2,
        environment={"MORE": "1000"}, parameters={"coils": {"low": 3, "high": 6, "integer": True}}, qoi={"n": {}},
        results={"tables": ["r.json"]},
    )  # fmt: skip
    simulator = solvers.create(folder)
    assert simulator.simulate(Design(coils=4)).qoi == {"n": 1242.0}
    with pytest.raises(ContractError, match=r"'coils' is 4\.5, and must be a whole number; give 4"):
        simulator.simulate(Design(coils=4.5))


FIELDS = {"surface": {"height": {"unit": "mm"}}}
PLANE = """
import pyvista as pv
import tomli_w
# {{ stiffness }} {{ load }}
mesh = pv.read("shape.stl")
mesh.point_data["height"] = 1000 * mesh.points[:, 2]
mesh.save("surface.vtp")
"""


def test_a_geometry_is_written_to_its_place_and_fields_are_measured(tmp_path: Path) -> None:
    folder = spring(
        tmp_path / "s", PLANE.replace("1000 * ", ""), commands=["python spring.py"], fields=FIELDS,
        geometry={"file": "shape.stl", "unit": "mm"}, length_unit="mm",
        qoi={"top": {"unit": "mm", "definition": {"kind": "max", "field": "height"}},
             "volume": {"unit": "m^3", "definition": {"kind": "volume"}}},
        results={"path": "surface.vtp"}, parameters={"load": {"unit": "N", "low": 1, "high": 2}},
    )  # fmt: skip
    (folder / "spring.py").write_text((folder / "spring.py").read_text().replace("{{ stiffness }} ", ""))
    simulator = solvers.create(folder)
    box = pv.Box([0, 0.1, 0, 0.2, 0, 0.3]).triangulate()
    case = simulator.simulate(Design(box, load="1 N"))
    assert case.qoi == pytest.approx({"top": 0.3, "volume": 0.006})
    assert case.field_values("surface", "height").max() == pytest.approx(0.3)
    assert isinstance(case.design.geometry, pv.PolyData)
    with pytest.raises(ContractError, match=r"each design needs a geometry, and this one has none; give one"):
        simulator.simulate(Design(load="1 N"))
    with pytest.raises(TramontaneError, match="needs a geometry for each design"):
        generate(str(folder), 4, 0, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_script_makes_the_geometry_of_the_parameters(tmp_path: Path) -> None:
    folder = spring(
        tmp_path / "s", PLANE, commands=["python spring.py"], fields=FIELDS, qoi=None, templates=["spring.py"],
        geometry={"file": "shape.stl", "command": "python shape.py"}, results={"path": "surface.vtp"},
        parameters={"stiffness": {"low": 1, "high": 2},
                    "edge": {"unit": "mm", "low": 10.0, "high": 20.0, "role": "geometry"}},
    )  # fmt: skip
    (folder / "spring.py").write_text(PLANE.replace(" {{ load }}", ""))
    (folder / "shape.py").write_text(
        "import json, pyvista\nedge = json.load(open('design.json'))['edge'] / 1000\n"
        "pyvista.Box([0, edge, 0, edge, 0, edge]).triangulate().save('shape.stl')\n"
    )
    simulator = solvers.create(folder)
    assert isinstance(simulator, Parametric)
    assert simulator.geometry(Design(edge="20 mm")).volume == pytest.approx(8e-6, rel=1e-5)
    case = simulator.simulate(Design(edge="20 mm", stiffness=1))
    assert case.field_values("surface", "height").max() == pytest.approx(0.02)
    assert list(case.provenance.extra["seconds"]) == ["geometry", "python"]
    (folder / "shape.py").write_text("print('no kernel'); raise SystemExit(4)")
    with pytest.raises(SolverError, match=r"spring: command `python shape\.py` ended with exit code 4.*no kernel"):
        open_folder(folder).geometry(Design(edge="20 mm"))  # type: ignore[attr-defined]


def test_a_morph_makes_the_geometry_of_one_surface_and_its_parameters_are_like_any_other(tmp_path: Path) -> None:
    folder = spring(
        tmp_path / "s", PLANE.replace("1000 * ", ""), commands=["python spring.py"], fields=FIELDS, qoi=None,
        geometry={"file": "shape.stl", "morph": "morph.toml"}, results={"path": "surface.vtp"}, length_unit="mm",
        parameters={"stiffness": {"low": 1, "high": 2}, "load": {"low": 1, "high": 2}},
    )  # fmt: skip
    pv.Box([0, 10, 0, 10, 0, 20], level=2).triangulate().save(folder / "shape.stl")
    corners, top = {"low": [0, 0, 0], "high": [10, 10, 20], "control_points": [2, 2, 2]}, ["*", "*", 1]
    tall = {"low": -2, "high": 20, "moves": [{"box": "all", "control_points": [top], "direction": [0, 0, 1]}]}
    morph = {"length_unit": "mm", "boxes": {"all": corners}, "parameters": {"tall": tall}}
    (folder / "morph.toml").write_text(tomli_w.dumps(morph))
    simulator = solvers.create(folder)
    assert isinstance(simulator, Parametric)
    spec = simulator.contract.parameters["tall"]
    assert (spec.role, spec.low, spec.high, spec.unit) == ("geometry", -0.002, 0.02, "mm")
    assert simulator.geometry(Design(tall="5 mm")).volume == pytest.approx(2.5e-6, rel=1e-6)
    case = simulator.simulate(Design(tall="5 mm", stiffness=1, load=1))
    assert case.field_values("surface", "height").max() == pytest.approx(0.025)
    assert str(case.design.parameters["tall"]) == "5 mm"
    assert (folder / "shape.stl").stat().st_size == (84 + 50 * 12 * 9)  # the folder's own is as it was
    result = generate(str(folder), 1, 0, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("[0-9]*"))) == 1, str(result)
    with pytest.raises(ContractError, match="'tall' is missing"):
        simulator.geometry(Design())
    with pytest.raises(SolverError, match=r"spring: parameter tall = -20 mm: .* folded over"):
        simulator.geometry(Design(tall="-20 mm"))
    (folder / "morph.toml").write_text(tomli_w.dumps(morph | {"parameters": {"load": tall}}))
    assert "solver.toml: parameters.load: stands in morph.toml, too; keep one of them" in refusal(folder)
    (folder / "shape.stl").unlink()
    (folder / "morph.toml").write_text(tomli_w.dumps(morph))
    assert "solver.toml: geometry: " in (said := refusal(folder))
    assert "shape.stl: there is no such file" in said


def test_designs_are_generated_failures_recorded_and_a_second_call_goes_on(tmp_path: Path) -> None:
    folder = spring(tmp_path / "s", SPRING + "if {{ load [N] }} > 250: raise SystemExit('too much')\n")
    result = generate(str(folder), 4, 0, tmp_path / "out", workers=1)
    assert len(result.finished) == 3
    ((name, why),) = result.failed.items()
    assert "exit code 1" in why
    assert why.endswith("log.python ends: too much")
    assert json.loads((tmp_path / "out" / "failed" / f"{name}.json").read_text())["reason"] == why
    case = read_case(tmp_path / "out" / result.finished[0])
    load, stiffness = (case.design.parameters[key].value for key in ("load", "stiffness"))
    assert case.qoi["stretch"] == pytest.approx(load / stiffness)

    os.utime(folder / "solver.toml")
    again = generate(os.path.relpath(folder), 4, 0, tmp_path / "out", workers=1)
    assert (again.kept, list(again.failed)) == (result.finished, [name])
    (folder / "spring.py").write_text(SPRING)
    with pytest.raises(TramontaneError, match="was begun with hash of the solver's files"):
        generate(str(folder), 4, 0, tmp_path / "out", workers=1)


def test_check_says_what_was_read_and_list_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spring(tmp_path / "mine" / "spring")
    spring(tmp_path / "mine" / "broken", commands=[])
    told = CliRunner().invoke(app, ["solver", "check", "mine/spring", "--set", "load=0.1 kN", "-o", "case"])
    assert told.exit_code == 0, told.output
    assert "stretch = 33.3333 mm\nenergy = 1666.67 mJ\nseconds: python" in told.output
    assert read_case(tmp_path / "case").qoi["stretch"] == pytest.approx(0.1 / 3)
    listed = CliRunner().invoke(app, ["solver", "list"])
    assert "mine/spring" in listed.output
    assert "a spring that is pulled" in listed.output
    assert "cannot be used" in listed.output


def test_a_server_knows_a_folder_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = spring(tmp_path / "s")
    monkeypatch.chdir(tmp_path)
    (solver,) = find_solvers(["s/", str(folder)]).values()
    assert (solver.name, Path(solver.solver)) == ("solver-spring", folder)
    before = solver.hash
    (folder / "spring.py").write_text(SPRING + "\n")
    assert find_solvers(["s/"])["solver-spring"].hash != before
    spring(tmp_path / "other")
    with pytest.raises(TramontaneError, match=r"--solver other/: another solver is called spring, too"):
        find_solvers(["s/", "other/"])


# --- what is refused before the first run


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"commands": ["no-such-program {{ load }}"]}, "commands.1: program 'no-such-program' is not on the path; "
         "install it, or correct the name"),
        ({"commands": ["spring.py"]}, "commands.1: program 'spring.py' is not on the path; write ./spring.py"),
        ({"commands": ["./spring.py"]}, "spring.py may not be run; `chmod +x ./spring.py`"),
        ({"commands": ["./other.sh"]}, "other.sh does not exist; correct the name"),
        ({"commands": []}, "commands: tuple should have at least 1 item"),
        ({"commands": ["echo 'x"]}, "commands.1: cannot be split into words (No closing quotation)"),
        ({"templates": ["deck.inp"]}, "deck.inp does not exist; correct the name"),
        ({"name": None}, "name: is missing; write it"),
        ({"nmae": "x"}, "nmae: is no key of a solver.toml; correct or remove it"),
        ({"results": {"tabels": []}}, "results.tabels: is no key of a solver.toml"),
        ({"results": {"tables": ["../r.json"]}}, "results.tables.0: '../r.json' must be a path below the folder"),
        ({"results": {"qoi": {"strech": {"file": "r.json", "column": 1}}}}, "results.qoi.strech: is no QoI"),
        ({"memory": "much"}, "memory: 'much' is no amount of memory; write one such as '4 GB'"),
        ({"time_limit": "5 N"}, "time limit"),
        ({"log": {"converged": "("}}, "log.converged: '(' is no regular expression"),
        ({"parameters": {"stiffness": {"unit": "N/mm", "low": 5.0, "high": 1.0}, "load": {"low": 0, "high": 1}}},
         "parameters.stiffness: low (5) is above high (1); exchange or correct them"),
        ({"parameters": {"stiffness": {"unit": "N/mm", "low": 1.5, "high": 3, "integer": True}}},
         "parameters.stiffness: is an integer, but its range ends at 1.5; give whole numbers"),
        ({"parameters": {"stiffness": {"unit": "N/mm", "low": 1, "high": 2}}},
         "spring.py, line 3: {{ load [N] }} is no parameter (known are stiffness, cores)"),
        ({"geometry": {"file": "shape.step"}}, "geometry: file 'shape.step' has a suffix that is not written"),
        ({"geometry": {"file": "shape.stl", "command": "true", "morph": "morph.toml"}},
         "geometry: a command makes the geometry, and a morph.toml morphs it; give one of the two"),
        ({"contract": "contract.toml"}, "parameters: stands in contract.toml, too; keep one of them"),
    ],
)  # fmt: skip
def test_a_solver_toml_that_is_wrong_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:  # fmt: skip
    said = refusal(spring(tmp_path / "s", **changes))
    assert text in said
    assert str(tmp_path / "s") in said
    assert "\n" not in said


def test_a_parameter_that_goes_nowhere_is_refused(tmp_path: Path) -> None:
    said = refusal(spring(tmp_path / "s", SPRING.replace("{{ stiffness }}", "2")))
    assert "solver.toml: parameters.stiffness: {{ stiffness }} stands in no template and no command" in said
    said = refusal(spring(tmp_path / "t", SPRING.replace("{{ load [N] }}", "{{ load [m] }}")))
    assert "spring.py, line 3: {{ load [m] }}: m is no unit for kN" in said
    assert solvers.create(spring(tmp_path / "u", SPRING.replace("{{ stiffness }}", "2"), inputs="in.json"))


# --- what ends a run


def ending(lines: str) -> str:
    return SPRING + lines


@pytest.mark.parametrize(
    ("lines", "changes", "text"),
    [
        ("print('mesh is bad'); raise SystemExit(3)", {}, "ended with exit code 3"),
        ("import os; print('started', flush=True); os.kill(os.getpid(), 9)", {},
         "was ended by SIGKILL after"),
        ("raise SystemExit(128 + 9)", {}, "was ended by SIGKILL after"),
        ("import time; print('iteration 7', flush=True); time.sleep(30)", {"time_limit": "0.8 s"},
         "was not done within the time limit of 0.8 s; it was ended; log.python ends: iteration 7"),
        ("block = bytearray(200_000_000); import time; time.sleep(30)", {"memory": "100 MB"},
         "GB of memory, 100 MB are allowed; it was ended"),
        ("print('residual: nan', flush=True); import time; time.sleep(30)", {"log": {"diverged": ["nan"]}},
         "diverged: its log says 'residual: nan'"),
        ("print('gave up')", {"log": {"converged": "solution converged"}},
         "did not converge: 'solution converged' is not in log.python; log.python ends: gave up"),
        ("import os; os.remove('results.json'); print('disk full')", {},
         "results.tables: the commands did not write results.json; correct it, or the commands; log.python ends: disk"),
        ("json.dump({'stretch': float('nan'), 'energy': 1}, open('results.json', 'w'))", {},
         "results.json: stretch is nan, and no number; the run diverged"),
        ("json.dump({'stretch': 1}, open('results.json', 'w'))", {},
         "QoI energy: no number 'energy' is in the results (they have stretch)"),
        ("open('results.json', 'w').write('{')", {}, "results.json: cannot be read as JSON"),
    ],
)  # fmt: skip
def test_a_run_that_fails_gives_its_reason_and_the_end_of_its_log(
    tmp_path: Path, lines: str, changes: dict[str, Any], text: str
) -> None:
    started = time.monotonic()
    said = reason(spring(tmp_path / "s", ending(lines), **changes))
    assert said.startswith("spring: ")
    assert text in said
    assert "\n" not in said
    assert "/tramontane-spring-" not in said
    assert time.monotonic() - started < 10


def test_results_of_an_earlier_run_are_not_taken_for_those_of_this_one(tmp_path: Path) -> None:
    folder = spring(tmp_path / "s", "# {{ stiffness }} {{ load }}")
    (folder / "results.json").write_text('{"stretch": 1, "energy": 1}')
    assert "the commands did not write results.json" in reason(folder)

    meshes = spring(tmp_path / "t", "# {{ stiffness }} {{ load }}", fields=FIELDS, qoi=None, results={})
    plane = pv.Plane()
    plane.point_data["height"] = np.zeros(plane.n_points)
    plane.save(meshes / "surface.vtp")
    assert "results.path: . holds no results of this run" in reason(meshes)


def test_a_field_with_nan_is_no_result(tmp_path: Path) -> None:
    script = PLANE.replace('pv.read("shape.stl")', "pv.Sphere()").replace(
        "mesh.save", "mesh['height'][3] = 'nan'; mesh.save"
    )
    folder = spring(tmp_path / "s", script, commands=["python spring.py"], fields=FIELDS, qoi=None, results={})
    assert "surface.vtp: field surface/height is NaN or infinite at 1 of" in reason(folder)


def simulate_in(folder: str) -> None:
    FolderSolver(folder).simulate(DESIGN)


def test_all_ends_when_the_process_that_asked_is_killed(tmp_path: Path, waits: Callable[..., None]) -> None:
    folder = spring(
        tmp_path / "s", SPRING + f"import os, subprocess, time\nchild = subprocess.Popen(['sleep', '60'], "
        f"start_new_session=True)\nopen({str(tmp_path / 'pids')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}} ')\n"
        "time.sleep(60)", commands=["python spring.py"],
    )  # fmt: skip
    process = multiprocessing.get_context("spawn").Process(target=simulate_in, args=(str(folder),))
    process.start()
    pids = tmp_path / "pids"
    waits(lambda: pids.exists() and pids.read_text().count(" ") == 2)
    process.kill()
    process.join()
    for pid in pids.read_text().split():
        waits(lambda pid=pid: not Path(f"/proc/{pid}").exists())


def test_the_log_of_an_earlier_run_does_not_say_that_this_one_converged(tmp_path: Path) -> None:
    folder = spring(tmp_path / "spring", log={"converged": "solution converged", "files": ["own.log"]})
    for name in ("log.python", "own.log"):
        (folder / name).write_text("solution converged\n")
    assert "did not converge" in reason(folder)
    assert (folder / "own.log").read_text() == "solution converged\n"


def test_what_a_link_in_the_folder_leads_to_is_not_written(tmp_path: Path) -> None:
    folder = spring(tmp_path / "spring", SPRING)
    (folder / "spring.py").rename(tmp_path / "shared.py")
    (folder / "spring.py").symlink_to("../shared.py")
    assert open_folder(folder).simulate(DESIGN).qoi["stretch"] == pytest.approx(0.1)
    assert (tmp_path / "shared.py").read_text() == SPRING


def test_results_read_elsewhere_are_those_of_another_solver(tmp_path: Path) -> None:
    fingerprints = [
        open_folder(spring(tmp_path / str(number), **changes)).fingerprint
        for number, changes in enumerate([
            {}, {"time_limit": "9 s"}, {"results": {"qoi": {"stretch": {"file": "results.json", "column": "energy"}}}},
        ])
    ]  # fmt: skip
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


@pytest.fixture
def waits() -> Callable[..., None]:
    def wait(is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < end
            time.sleep(0.02)

    return wait
