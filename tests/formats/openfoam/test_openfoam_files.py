"""OpenFOAM's dictionaries and tables in the forms of other versions, and files that are damaged."""

from __future__ import annotations

import gzip
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from helpers.formats import foam_cases as foam
from tramontane.dataset.ingest.run import ingest
from tramontane.errors import FormatError
from tramontane.formats.folder import read_case
from tramontane.formats.openfoam import case as openfoam
from tramontane.formats.openfoam import files as openfoam_files
from tramontane.formats.openfoam import times as openfoam_times
from tramontane.formats.openfoam.dictionaries import FoamFile, Pattern, lookup
from tramontane.formats.openfoam.outputs import read_outputs

installed = pytest.mark.skipif(foam.missing() is not None, reason=foam.missing() or "")


@pytest.fixture(scope="session")
def cavity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cavity, run once; tests change copies."""
    return foam.cavity(tmp_path_factory.mktemp("openfoam-files") / "cavity", writePrecision=12)


# --- dictionaries and tables of other versions


def parsed(text: str, root: Path | None = None) -> dict[str, object]:
    return FoamFile(root / "system/file" if root else Path("file"), text.encode(), root=root).entries()


def test_dictionaries_are_read_with_their_macros() -> None:
    entries = parsed(
        "/* head */ a 1; // note\n sub { b $a; c $:a; deeper { d $a; } } list (1 (2 3) $a); \n"
        'internalField uniform (1 0 0); wall { value $internalField; } "(in|out)let.*" { type x; } inlet1 { type y; }'
    )
    assert entries["sub"] == {"b": ["1"], "c": ["1"], "deeper": {"d": ["1"]}}
    assert entries["list"] == [["1", ["2", "3"], "1"]]
    assert entries["wall"] == {"value": ["uniform", ["1", "0", "0"]]}
    assert isinstance(list(entries)[-2], Pattern)
    assert lookup(entries, "inlet1") == {"type": ["y"]}
    assert lookup(entries, "outlet") == {"type": ["x"]}
    assert lookup(entries, "other") is None


def test_includes_stay_in_the_case(tmp_path: Path) -> None:
    (tmp_path / "case/system").mkdir(parents=True)
    (tmp_path / "case/system/more").write_text("inside 1;")
    (tmp_path / "secret").write_text("outside 1;")
    text = '#include "more"\n#include "../../secret"\n#includeFunc forces\n#includeEtc "x"\nlast 2;'
    assert parsed(text, tmp_path / "case") == {"inside": ["1"], "last": ["2"]}


TABLES: dict[str, tuple[str, str, dict[str, float]]] = {
    "newer openfoam.com": (
        "force.dat",
        "# Force\n# CofR : (0 0 0)\n#\n# Time total_x total_y total_z pressure_x pressure_y pressure_z viscous_x "
        "viscous_y viscous_z\n1 9 9 9 9 9 9 9 9 9\n2 11 22 33 10 20 30 1 2 3\n",
        {"force_x": 11, "force_y": 22, "force_z": 33},
    ),
    "openfoam.org": (
        "forces.dat",
        "# Forces\n# CofR : (0 0 0)\n# Time forces(pressure viscous) moment(pressure viscous)\n"
        "1 ((9 9 9) (9 9 9)) ((9 9 9) (9 9 9))\n2\t((10 20 30) (1 2 3)) ((4 5 6) (0.4 0.5 0.6))\n",
        {"force_x": 11, "force_y": 22, "force_z": 33, "moment_x": 4.4, "moment_y": 5.5, "moment_z": 6.6},
    ),
    "openfoam.org, porous": (
        "forces.dat",
        "# Time forces(pressure viscous porous) moment(pressure viscous porous)\n"
        "2 ((10 20 30) (1 2 3) (5 5 5)) ((4 5 6) (0 0 0) (1 1 1))\n",
        {"force_x": 16, "force_y": 27, "force_z": 38, "moment_x": 5, "moment_y": 6, "moment_z": 7},
    ),
    "coefficients of openfoam.org": (
        "forceCoeffs.dat",
        "# Force coefficients\n# magUInf : 20\n# Time Cm Cd Cl Cl(f) Cl(r)\n1 9 9 9 9 9\n2 0.1 0.2 0.3 0.25 0.05\n",
        {"Cm": 0.1, "Cd": 0.2, "Cl": 0.3, "Cl_front": 0.25, "Cl_rear": 0.05},
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_other_versions_are_read(kind: str, tmp_path: Path) -> None:
    name, text, expected = TABLES[kind]
    (tmp_path / "postProcessing/object/0").mkdir(parents=True)
    (tmp_path / "postProcessing/object/0" / name).write_text(text)
    outputs = read_outputs(tmp_path, 2.0)
    assert {key: quantity.value for key, quantity in outputs.qoi.items()} == pytest.approx(expected)
    assert {quantity.unit for key, quantity in outputs.qoi.items() if key.startswith("moment")} <= {"N*m"}


def test_a_restarted_run_counts_from_where_it_went_on(tmp_path: Path) -> None:
    for start, rows in (("0", "1 0.1\n2 0.2\n3 0.3\n"), ("2", "3 0.5\n4 0.6\n5 0.")):
        (tmp_path / "postProcessing/object" / start).mkdir(parents=True)
        (tmp_path / "postProcessing/object" / start / "coefficient.dat").write_text(f"# Time Cd\n{rows}")
    assert read_outputs(tmp_path, 3.0).qoi["Cd"].value == 0.5
    assert read_outputs(tmp_path, 4.0, window=2.0).qoi["Cd"].value == pytest.approx(0.55)
    assert read_outputs(tmp_path, 2.0).qoi["Cd"].value == 0.2


def test_old_residual_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "postProcessing/residuals/0").mkdir(parents=True)
    file = tmp_path / "postProcessing/residuals/0/residuals.dat"
    file.write_text("# Residuals\n# Time\tp\tUx\tUz\n1\t1\t1\tN/A\n2\t0.5\t0.25\tN/A\n")
    assert read_outputs(tmp_path, 2.0).extra["residuals"] == {"p": 0.5, "Ux": 0.25}


EMPTY_TABLES = {
    "empty": ("", "has no line that names its columns"),
    "a header alone": ("# Force coefficients\n# magUInf : 20\n# Time Cm Cd Cl\n", "has no rows of numbers"),
    "no header": ("1 0.1 0.2 0.3\n", "has no line that names its columns"),
    "later rows alone": ("# Time Cm Cd Cl\n7 0.1 0.2 0.3\n", "says nothing of time 2 or before"),
    "blank lines": ("\n\n", "has no line that names its columns"),
}


@pytest.mark.parametrize("name", ["coefficient.dat", "force.dat", "moment.dat", "forces.dat", "solverInfo.dat"])
@pytest.mark.parametrize("kind", EMPTY_TABLES)
def test_a_table_without_rows_is_left_out_by_name(kind: str, name: str, tmp_path: Path) -> None:
    content, reason = EMPTY_TABLES[kind]
    (tmp_path / "postProcessing/object/0").mkdir(parents=True)
    file = tmp_path / "postProcessing/object/0" / name
    file.write_text(content)
    if name == "moment.dat":
        file.with_name("force.dat").write_text("# Time total_x total_y total_z\n2 1 2 3\n")
    outputs = read_outputs(tmp_path, 2.0)
    assert not any("moment" in key or "C" in key for key in outputs.qoi)
    assert outputs.warnings == [f"{file}: {reason}; it is left out"]


@installed
def test_an_empty_table_costs_its_coefficients_alone(cavity: Path, tmp_path: Path) -> None:
    for number in range(3):
        case = foam.copy(cavity, tmp_path / f"cases/run{number}")
        replaced("constant/transportProperties", r"0\.01;", f"0.0{number + 1};")(case)
        (case / "postProcessing/coefficients/0").mkdir(parents=True)
        (case / "postProcessing/coefficients/0/coefficient.dat").write_text(f"# Time Cd\n0.5 0.{number + 1}\n")
    file = tmp_path / "cases/run1/postProcessing/coefficients/0/coefficient.dat"
    file.write_text("")
    console = Console(file=io.StringIO(), width=400)
    dataset = ingest(tmp_path / "cases", tmp_path / "dataset", test=1, validation=0, workers=0, console=console)
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{file}: has no line that names its columns; it is left out" in output
    assert {"run0", "run2"} <= set(dataset.names)
    assert [entry.name for entry in tmp_path.iterdir() if "partial" in entry.name] == []


# --- bad input


def cut(file: str, keep: float = 0.6) -> Callable[[Path], None]:
    def damage(case: Path) -> None:
        data = (case / file).read_bytes()
        (case / file).write_bytes(data[: int(len(data) * keep)])

    return damage


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(case: Path) -> None:
        text = (case / file).read_text()
        assert re.search(old, text)
        (case / file).write_text(re.sub(old, new, text, count=1))

    return damage


def removed(*names: str) -> Callable[[Path], None]:
    def damage(case: Path) -> None:
        for name in names:
            for entry in case.glob(name):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    return damage


MESH = "constant/polyMesh"
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "points cut off": (cut(f"{MESH}/points"), r"polyMesh/points: is cut off"),
    "faces cut off": (cut(f"{MESH}/faces"), r"polyMesh/faces: is cut off"),
    "owner cut off": (cut(f"{MESH}/owner"), r"polyMesh/owner: is cut off"),
    "boundary cut off": (cut(f"{MESH}/boundary", 0.8), r"polyMesh/boundary: is cut off"),
    "field cut off": (cut("0.5/U"), r"0.5/U: is cut off"),
    "field empty": (cut("0.5/U", 0), r"0.5/U: is empty"),
    "a count lies high": (replaced("0.5/p", r"\n400\n", "\n401\n"), r"0.5/p: is cut off.*400 of 401"),
    "a count lies low": (replaced("0.5/p", r"\n400\n", "\n399\n"), r"0.5/p: is damaged.*400 of 399"),
    "an absurd count": (replaced("0.5/p", r"\n400\n\((.*\n)*?\)", "\n999999999999{1}"), r"999999999999 values"),
    "as many equal points": (
        replaced(f"{MESH}/points", r"\n882\n\((.*\n)*?\)", "\n2000000000{(0 0 0)}"),
        r"points: is damaged.*equal values",
    ),
    "an absurd number of points": (replaced(f"{MESH}/points", r"\n882\n", "\n88200000000\n"), r"points: is cut off"),
    "a point that does not exist": (replaced(f"{MESH}/faces", r"\(1 22 ", "(1 9922 "), r"faces: names point 9922"),
    "a negative point": (replaced(f"{MESH}/faces", r"\(1 22 ", "(1 -22 "), r"faces: "),
    "a cell that does not exist": (replaced(f"{MESH}/owner", r"\n399\n", "\n2000000000\n"), r"owner: names cell 2000"),
    "a face of two corners": (replaced(f"{MESH}/faces", r"4\(1 22 \d+ \d+\)", "2(1 22)"), r"face 0 has fewer than 3"),
    "a patch out of place": (
        replaced(f"{MESH}/boundary", r"startFace\s+760", "startFace 761"),
        r"movingWall has",
    ),
    "patches that end early": (replaced(f"{MESH}/boundary", r"nFaces\s+800", "nFaces 80"), r"patches end at face 920"),
    "no dimensions": (replaced("0.5/p", r"dimensions.*;", ""), r"0.5/p: has no dimensions"),
    "odd dimensions": (replaced("0.5/p", r"\[0 2 -2 0 0 0 0\]", "[0 2 x]"), r"0.5/p: its dimensions are \[0 2 x\]"),
    "no word on a patch": (
        replaced("0.5/p", r"fixedWalls", "others"),
        r"0.5/p: its boundaryField says nothing",
    ),
    "a word in a list": (replaced("0.5/p", r"\n-0.0\d+\n", "\nabc\n"), r"0.5/p: is damaged.*no number"),
    "a bracket too few": (replaced("0.5/p", r"fixedWalls\s*\{", "fixedWalls"), r"0.5/p: is damaged at line \d+"),
    "a value of three numbers": (replaced("0.5/U", r"uniform \(1 0 0\)", "uniform (1 0)"), r"3 numbers were expected"),
    "no header": (replaced("0.5/p", r"FoamFile", "FoamFib"), r"0.5/p: has no FoamFile header"),
    "no faces": (removed(f"{MESH}/faces"), r"has no mesh"),
    "no points": (removed(f"{MESH}/points"), r"has no mesh file points"),
    "no time": (removed("0*"), r"has no times; run the solver"),
    "no time but 0": (removed("0.*"), r"has no time but 0; run the solver, or ask for time 0"),
    "times without fields": (removed("0.*/U", "0.*/p", "0.*/phi"), r"has times without fields; run the solver"),
    "a nest without end": (replaced("system/controlDict", r"application", "a {" * 5000), r"nested deeper"),
    "a density of zero": (replaced("constant/transportProperties", r"nu\s", "rho 0; nu "), r"rho is 0; give a density"),
}


@installed
@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_named(kind: str, cavity: Path, tmp_path: Path) -> None:
    damage, message = DAMAGES[kind]
    case = foam.copy(cavity, tmp_path / "case")
    damage(case)
    with pytest.raises(FormatError, match=message) as caught:
        openfoam.read(case)
    assert "\n" not in str(caught.value)
    assert str(case) in str(caught.value)


@installed
def test_a_field_that_is_not_finite_is_named(cavity: Path, tmp_path: Path) -> None:
    case = foam.copy(cavity, tmp_path / "case")
    replaced("0.5/U", r"\n\(0\.\S+ ", "\n(nan ")(case)
    with pytest.raises(FormatError, match=r"field volume/velocity is NaN or infinite at 1 of 400 places"):
        read_case(case)


@installed
def test_an_empty_last_time_is_passed_over_and_named(cavity: Path, tmp_path: Path) -> None:
    case = foam.copy(cavity, tmp_path / "case")
    (case / "0.6").mkdir()
    results = openfoam.read(case)
    assert results.extra["time"] == 0.5
    assert any("0.6: holds no fields" in warning for warning in results.warnings)
    with pytest.raises(FormatError, match=r"0.6: holds no fields"):
        openfoam.read(case, time=0.6)


@installed
def test_a_part_that_is_missing_is_named(cavity: Path, tmp_path: Path) -> None:
    case = foam.copy(cavity, tmp_path / "case")
    foam.decompose(case, 3, "-latestTime")
    shutil.rmtree(case / "0.5")
    part = case / "processor1"
    (part / "0.5/p").rename(part / "0.5/q")
    with pytest.raises(FormatError, match=r"processor1/0.5: has no p"):
        openfoam.read(case)
    shutil.rmtree(part)
    results = openfoam.read(case)  # earlier times of the whole case are there
    assert results.extra["time"] < 0.5
    assert any("processor1 is missing of 3" in warning for warning in results.warnings)
    for whole in openfoam_times.time_folders(case).values():
        shutil.rmtree(whole)
    with pytest.raises(FormatError, match=r"processor1 is missing of 3; copy all processor folders"):
        openfoam.read(case)


@installed
def test_a_bomb_is_not_unpacked(cavity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openfoam_files, "_UNPACKED", (1 << 20, 200))
    case = foam.copy(cavity, tmp_path / "case")
    (case / "0.5/p").unlink()
    head = (cavity / "0.5/p").read_bytes()[:1200]
    (case / "0.5/p.gz").write_bytes(gzip.compress(head + b"1 " * (1 << 22), 9))
    with pytest.raises(FormatError, match=r"p.gz: unpacks to over"):
        openfoam.read(case)


@installed
@pytest.mark.parametrize("form", ["ascii", "binary"])
def test_nothing_but_a_format_error_leaves_the_reader(form: str, cavity: Path, tmp_path: Path) -> None:
    source = cavity.with_name(f"cavity-{form}")
    if not source.exists():
        foam.cavity(source, writeFormat=form, writeInterval=100)
    rng = np.random.default_rng(0)
    names = [f"{MESH}/{name}" for name in ("points", "faces", "owner", "neighbour", "boundary")]
    names += ["0.5/U", "0.5/p", "system/controlDict", "constant/transportProperties"]
    case, tried, accepted, refused = foam.copy(source, tmp_path / "case"), 0, 0, 0
    for name in names:
        data = (source / name).read_bytes()
        for attempt in range(12):
            broken = bytearray(data)
            if attempt % 2:
                for place in rng.integers(0, len(data), 1 + attempt):
                    broken[place] = int(rng.integers(0, 256))
            else:
                broken = broken[: int(rng.integers(0, len(data)))]
            (case / name).write_bytes(broken)
            tried += 1
            try:
                openfoam.read(case)
                accepted += 1
            except FormatError as error:
                refused += "\n" not in str(error) and str(case) in str(error)
        (case / name).write_bytes(data)
    assert tried == accepted + refused
    assert refused > 30
    assert openfoam.read(case).meshes["volume"].n_cells == 400
