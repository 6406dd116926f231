"""EnSight cases as OpenFOAM's foamToEnsight (binary and text) and code_saturne write them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers.formats.damage import assert_cut_off_is_said, assert_flips_do_no_harm, assert_others_are_refused
from helpers.formats.programs import FOAM, run, run_elbow, run_saturne
from tramontane.errors import FormatError
from tramontane.formats import find_cases, read_case
from tramontane.formats.ensight.reader import read_ensight
from tramontane.formats.readers import file_reader
from tramontane.formats.results import patches_of

PATCHES = ["wall-4", "velocity-inlet-5", "velocity-inlet-6", "pressure-outlet-7", "wall-8"]
STRESS = """FoamFile { version 2.0; format ascii; class volSymmTensorField; object stress; }
dimensions [1 -1 -2 0 0 0 0];
internalField uniform (11 12 13 22 23 33);
boundaryField { ".*" { type calculated; value uniform (11 12 13 22 23 33); } }
"""


@pytest.fixture(scope="session")
def elbow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OpenFOAM's elbow with its EnSight files, ``binary`` and ``text``; tests that change them work on a copy."""
    case = run_elbow(tmp_path_factory.mktemp("foam"))
    for time in ("0", *(entry.name for entry in case.glob("0.*"))):
        (case / time / "stress").write_text(STRESS)
    for options in (["-name", "binary"], ["-ascii", "-name", "text"]):
        run(["foamToEnsight", *options], case, WM_PROJECT_DIR=str(FOAM))
    return case


@pytest.fixture
def case(elbow: Path, tmp_path: Path) -> Path:
    shutil.copytree(elbow / "binary", tmp_path / "binary")
    return tmp_path / "binary" / "elbow.case"


def foam_field(file: Path) -> np.ndarray:
    """The list of values inside of one of OpenFOAM's fields in text."""
    text = re.search(r"internalField\s+nonuniform[^(]*?(\d+)\s*\(\n(.*?)\n\)", file.read_text(), re.DOTALL)
    assert text is not None
    return np.array([line.strip("()").split() for line in text[2].split("\n")], float).squeeze()


@pytest.mark.parametrize("kind", ["binary", "text"])
def test_parts_of_cells_are_the_volume_and_parts_of_faces_the_patches(elbow: Path, kind: str) -> None:
    results = read_ensight(elbow / kind / "elbow.case")
    volume, surface = results.meshes["volume"], results.meshes["surface"]
    assert (volume.n_cells, volume.n_points) == (918, 1074)
    # The last of all steps, as OpenFOAM has them.
    last = elbow / "0.5"
    assert volume.cell_data["U"] == pytest.approx(foam_field(last / "U"), abs=1e-5)
    assert volume.cell_data["p"] == pytest.approx(foam_field(last / "p"), abs=1e-5)
    patches, names = patches_of(surface)  # type: ignore[misc]
    assert names == PATCHES
    inlet = patches == names.index("velocity-inlet-6")
    assert surface.cell_data["U"][inlet] == pytest.approx(np.tile([0, 3, 0], (4, 1)))
    assert results.extra["time"]["value"] == pytest.approx(0.5)
    assert results.extra["time"]["steps"] == results.extra["time"]["step"] >= 5
    assert results.warnings == []


def test_a_symmetric_tensor_in_the_order_of_ours(elbow: Path) -> None:
    for kind in ("binary", "text"):
        volume = read_ensight(elbow / kind / "elbow.case").meshes["volume"]
        assert np.unique(volume.cell_data["stress"], axis=0).tolist() == [[11, 22, 33, 12, 23, 13]]


def test_a_folder_with_a_case_is_a_case(case: Path) -> None:
    assert find_cases(case.parent) == [case.parent]
    read = read_case(case.parent)
    assert read.field_names("volume") == {"U": "cell", "p": "cell", "stress": "cell"}
    assert {"elbow.case", "geometry"} <= set(read.provenance.sources)


def test_damage(case: Path, tmp_path: Path) -> None:
    data = sorted((case.parent / "data").iterdir())[-1]
    assert_cut_off_is_said(read_ensight, case, case.parent / "geometry", shares=(0.3, 0.8))
    for name in ("U", "p"):
        assert_cut_off_is_said(read_ensight, case, data / name, shares=(0.02, 0.5, 0.99))
    assert_cut_off_is_said(read_ensight, case, shares=(0.1, 0.4, 0.6, 0.8))
    assert_flips_do_no_harm(read_ensight, case, case.parent / "geometry")
    assert_others_are_refused(read_ensight, tmp_path / "other.case")
    (data / "p").unlink()
    with pytest.raises(FormatError, match=r"elbow\.case: its variable p is missing \(data/0000000\d/p\)"):
        read_ensight(case)
    (case.parent / "geometry").unlink()
    with pytest.raises(FormatError, match=r"elbow\.case: its geometry is missing \(geometry\); copy that file, too"):
        read_ensight(case)


def test_a_text_that_is_cut_off(elbow: Path, tmp_path: Path) -> None:
    shutil.copytree(elbow / "text", tmp_path / "text")
    case = tmp_path / "text" / "elbow.case"
    data = sorted((case.parent / "data").iterdir())[-1]
    assert_cut_off_is_said(read_ensight, case, data / "U", shares=(0.3, 0.99))
    assert_cut_off_is_said(read_ensight, case, case.parent / "geometry", shares=(0.5,))


def test_code_saturne(tmp_path: Path) -> None:
    folder = run_saturne(tmp_path, "ensight")
    (file,) = [file for file in folder.iterdir() if file.suffix.lower() == ".case" and "error" not in file.name.lower()]
    assert file_reader(file) is read_ensight
    results = read_ensight(file)
    volume, surface = results.meshes["volume"], results.meshes["surface"]
    assert (volume.n_cells, volume.volume) == (24, pytest.approx(2))
    assert surface.area == pytest.approx(10)
    # Pressure falls along the channel; all of it flows along x.
    x = volume.cell_centers().points[:, 0]
    pressure = volume.cell_data["pressure"]
    assert pressure[x < 0.5].mean() > pressure[x > 1.5].mean()
    assert volume.cell_data["velocity"][:, 0].mean() == pytest.approx(1, rel=0.1)
    assert surface.cell_data["y_plus"].min() >= 0
    assert results.extra["time"] == {"value": pytest.approx(0.5), "step": 3, "steps": 3}


def write_gold(folder: Path, geometry: str, variable: str) -> Path:
    """A cube in text with a pressure of two steps, whose files are called so in the case file."""
    points = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    head = [
        "a",
        "b",
        "node id assign",
        "element id assign",
        "part",
        "         1",
        "my part",
        "coordinates",
        "         8",
    ]
    corners = "".join(f"{corner:10d}" for corner in (1, 2, 4, 3, 5, 6, 8, 7))
    lines = [*head, *(f"{point[axis]:12.5e}" for axis in range(3) for point in points), "hexa8", "         1", corners]
    for name, content in {
        geometry: lines,
        **{variable.replace("**", f"{step:02d}"): ["p", "part", "         1", "coordinates",
                                                   *(f"{value + 100 * step:12.5e}" for value in range(8))]
           for step in range(2)},
    }.items():  # fmt: skip
        path = folder / name.strip('"')
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("\n".join(content) + "\n")
    (folder / "c.case").write_text(
        f"FORMAT\ntype: ensight gold\nGEOMETRY\nmodel: {geometry}\nVARIABLE\nconstant per case: Re 100.0\n"
        f"scalar per node: 1 press {variable}\nTIME\ntime set: 1\nnumber of steps: 2\nfilename start number: 0\n"
        "filename increment: 1\ntime values: 0.0 0.5\n"
    )
    return folder / "c.case"


@pytest.mark.parametrize(
    ("geometry", "variable"),
    [
        ("a.geo", "p.**"),
        ('"a.geo"', '"p.**"'),
        ('"my a.geo"', '"my p.**"'),
        ("a.geo", '"my data/air pressure.**"'),
        ('"my data/a.geo"', "p.**"),
    ],
)
def test_quoted_names_with_blanks(tmp_path: Path, geometry: str, variable: str) -> None:
    results = read_ensight(write_gold(tmp_path, geometry, variable))
    assert results.meshes["volume"].point_data["press"].tolist() == [100.0 + value for value in range(8)]
    assert results.extra["time"]["value"] == 0.5
    assert results.warnings == [f"{tmp_path / 'c.case'}: constant per case Re is left out"]


def test_a_quoted_name_of_a_file_that_is_missing(tmp_path: Path) -> None:
    file = write_gold(tmp_path, '"my a.geo"', '"my p.**"')
    (tmp_path / "my a.geo").unlink()
    with pytest.raises(FormatError, match=r"c\.case: its geometry is missing \(my a\.geo\); copy that file"):
        read_ensight(file)
