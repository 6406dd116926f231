"""Collated runs, and cases of several regions, as OpenFOAM itself writes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers.formats import foam_cases as foam
from tramontane.cli import app
from tramontane.dataset.ingest.run import ingest
from tramontane.errors import FormatError
from tramontane.formats.folder import read_case, read_results
from tramontane.formats.openfoam import case as openfoam

pytestmark = pytest.mark.skipif(foam.missing() is not None, reason=foam.missing() or "")
COLLATED = ("-fileHandler", "collated")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("openfoam-parts")


@pytest.fixture(scope="session", params=["ascii", "binary"])
def collated(request: pytest.FixtureRequest, runs: Path) -> Path:
    """A cavity whose last time is in ``processors4`` alone; 0.2 is whole. Beside it, all of it whole."""
    case = foam.cavity(runs / str(request.param), writePrecision=12, writeFormat=request.param, endTime=0.3)
    whole = foam.copy(case, case.with_name(f"{case.name}-whole"))
    foam.decompose(case, 4, "-latestTime", *COLLATED)
    (case / "processors4/0.3/uniform").unlink(missing_ok=True)  # a link into the folder that goes
    shutil.rmtree(case / "0.3")
    assert whole.is_dir()
    return case


def test_the_later_time_of_a_collated_run_is_read(collated: Path) -> None:
    assert {entry.name for entry in collated.iterdir()} >= {"0.2", "processors4"}
    results = openfoam.read(collated)
    assert results.extra["time"] == 0.3
    assert results.extra["parts"] == 4
    assert collated / "processors4/0.3/U" in results.files
    assert all(file.is_file() for file in results.files)
    expected = openfoam.read(collated.with_name(f"{collated.name}-whole"))
    for domain, mesh in expected.meshes.items():
        from scipy.spatial import KDTree

        distance, order = KDTree(results.meshes[domain].cell_centers().points).query(mesh.cell_centers().points)
        assert distance.max() < 1e-9
        for name in ("velocity", "kinematic_pressure"):
            np.testing.assert_allclose(
                results.meshes[domain].cell_data[name][order], mesh.cell_data[name], atol=1e-9, err_msg=name
            )
    assert openfoam.read(collated, time=0.2).extra.get("parts") is None


def test_parts_in_files_of_several_processors_are_read(collated: Path, tmp_path: Path) -> None:
    """``processors4_0-1`` and ``processors4_2-3``, as a run with ``-ioRanks`` leaves them."""
    case = tmp_path / "case"
    shutil.copytree(collated, case, ignore=shutil.ignore_patterns("processors*", "0.*"))
    for first, last in ((0, 1), (2, 3)):
        for source in (collated / "processors4").rglob("*"):
            target = case / f"processors4_{first}-{last}" / source.relative_to(collated / "processors4")
            if source.is_dir():
                target.mkdir(parents=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            data = source.read_bytes()
            if b"decomposedBlockData" in data[:2000]:
                header, *blocks = data.split(b"\n// Processor")
                assert len(blocks) == 4
                if first:  # the first block of a file has the header of all
                    head = blocks[0][blocks[0].index(b"(") + 1 :]
                    head = head[: head.index(b"}", head.index(b"FoamFile")) + 1]
                    start = blocks[first].index(b"(") + 1
                    size = int(blocks[first][:start].split()[1].rstrip(b"("))
                    body = head + blocks[first][start : start + size]
                    blocks[first] = b"2\n\n%d\n(%b)\n" % (len(body), body)
                data = b"\n// Processor".join([header, *blocks[first : last + 1]])
            target.write_bytes(data)
    results, expected = openfoam.read(case), openfoam.read(collated)
    assert results.extra["time"] == 0.3
    for domain, mesh in expected.meshes.items():
        np.testing.assert_array_equal(results.meshes[domain].points, mesh.points)
        np.testing.assert_array_equal(results.meshes[domain].cell_data["velocity"], mesh.cell_data["velocity"])
    shutil.rmtree(case / "processors4_2-3")
    with pytest.raises(FormatError, match=r"processor2 is missing of 4; copy all processor folders"):
        openfoam.read(case)


@pytest.mark.parametrize("keep", [0.99, 0.7, 0.4, 0.1])
def test_a_collated_file_that_is_cut_off_is_named(keep: float, collated: Path, tmp_path: Path) -> None:
    case = foam.copy(collated, tmp_path / "case")
    file = case / "processors4/0.3/U"
    file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    with pytest.raises(FormatError, match=r"processors4#\d/0.3/U: is cut off") as caught:
        openfoam.read(case)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="session")
def heater(runs: Path) -> Path:
    """Two fluids and three solids, a few steps of chtMultiRegionFoam on a coarse mesh."""
    return foam.heater(runs / "heater")


REGIONS = ["bottomWater", "heater", "leftSolid", "rightSolid", "topAir"]


def test_several_regions_are_listed(heater: Path) -> None:
    assert openfoam.is_case(heater)
    with pytest.raises(FormatError, match=r"has 5 regions \(bottomWater, heater, leftSolid, rightSolid, topAir\)"):
        openfoam.read(heater)
    result = CliRunner().invoke(app, ["inspect", str(heater)])
    assert isinstance(result.exception, FormatError)  # one line and exit code 2, from `tramontane`
    assert "choose one with --region" in str(result.exception)


def test_a_region_is_read(heater: Path) -> None:
    sizes = {}
    for name in REGIONS:
        results = openfoam.read(heater, region=name)
        sizes[name] = results.meshes["volume"].volume
        assert results.extra["region"] == name
        assert results.extra["time"] == 0.01
        assert results.units["volume/temperature"] == "K"
        assert ("velocity" in results.meshes["volume"].cell_data) == (name in ("bottomWater", "topAir"))
        assert f"{name}_to" in str(results.extra["patches"])
        assert not any("is left out (a folder" in warning for warning in results.warnings)
    assert sum(sizes.values()) == pytest.approx(0.2 * 0.08 * 0.1, rel=1e-3)  # all of the block
    with pytest.raises(FormatError, match=r"has no region pump; its regions are bottomWater, heater"):
        openfoam.read(heater, region="pump")


def test_the_case_or_the_command_says_which_region(heater: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    for number in range(3):
        case = foam.copy(heater, cases / f"run{number}")
        (case / "case.json").write_text(f'{{"parameters": {{"load": {number + 1}}}, "region": "topAir"}}')
    assert read_case(cases / "run0").meshes["volume"].n_cells == openfoam.read(
        heater, region="topAir").meshes["volume"].n_cells  # fmt: skip
    assert read_results(cases / "run0", region="heater").extra["region"] == "heater"
    result = CliRunner().invoke(app, ["inspect", str(cases / "run0"), "--region", "heater"])
    assert result.exit_code == 0, result.output
    assert "volume/velocity" not in result.output
    dataset = ingest(cases, tmp_path / "dataset", region="heater", test=1, validation=0)
    assert "temperature" in dataset.contract.fields["volume"]
    assert "velocity" not in dataset.contract.fields["volume"]
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/a.csv").write_text("speed [m/s],drag [N]\n1,2\n2,3\n")
    with pytest.raises(FormatError, match="holds no case of OpenFOAM, which alone has regions"):
        ingest(tmp_path / "tables", tmp_path / "other", region="heater")


def test_regions_beside_a_mesh_that_was_run_are_said(heater: Path, tmp_path: Path) -> None:
    case = foam.cavity(tmp_path / "case", endTime=0.1)
    shutil.copytree(heater / "constant/heater", case / "constant/heater")
    shutil.copytree(heater / "0.01/heater", case / "0.1/heater")
    results = openfoam.read(case)
    assert results.meshes["volume"].n_cells == 400
    assert [warning for warning in results.warnings if "has the regions heater, too, which are left out" in warning]
    assert openfoam.read(case, region="region0").meshes["volume"].n_cells == 400
    assert openfoam.read(case, region="heater").extra["region"] == "heater"


def test_one_region_alone_needs_no_name(heater: Path, tmp_path: Path) -> None:
    case = foam.copy(heater, tmp_path / "case")
    for name in REGIONS[1:]:
        shutil.rmtree(case / "constant" / name)
    assert openfoam.read(case).extra["region"] == "bottomWater"


def test_a_region_in_parts_is_read(heater: Path, tmp_path: Path) -> None:
    case = foam.copy(heater, tmp_path / "case")
    whole = openfoam.read(case, region="topAir")
    foam.decompose(case, 2, "-region", "topAir", "-latestTime", region="topAir")
    shutil.rmtree(case / "0.01/topAir")
    parts = openfoam.read(case, region="topAir")
    assert parts.extra["parts"] == 2
    assert parts.meshes["volume"].n_cells == whole.meshes["volume"].n_cells
    assert parts.meshes["volume"].volume == pytest.approx(whole.meshes["volume"].volume)
