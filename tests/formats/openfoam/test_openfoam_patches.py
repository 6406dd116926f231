"""What stands on a patch whose values the file does not state: compared with what OpenFOAM itself makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from helpers.formats import foam_cases as foam
from tramontane.errors import FormatError
from tramontane.formats.openfoam import case as openfoam
from tramontane.formats.openfoam.fields import read_field
from tramontane.formats.openfoam.mesh import PolyMesh, find_in, read_polymesh

installed = pytest.mark.skipif(foam.missing() is not None, reason=foam.missing() or "")
HEAD = "FoamFile {{ version 2.0; format ascii; class {kind}; object {name}; }}\n"

# Conditions by field and patch; each is what OpenFOAM writes, less the value where it writes one.
SCALARS = {
    "movingWall": "type fixedGradient; gradient uniform 300;",
    "fixedWalls": "type mixed; refValue uniform 290; refGradient uniform -50; valueFraction uniform 0.25;",
}
VECTORS = {
    "movingWall": "type fixedGradient; gradient uniform (10 20 30);",
    "fixedWalls": "type partialSlip; valueFraction uniform 0.25;",
}
OTHERS = {"movingWall": "type slip;", "fixedWalls": "type fixedNormalSlip; fixedValue uniform (1 2 3);"}
CONDITIONS = {"T": SCALARS, "V": VECTORS, "W": OTHERS}


@pytest.fixture(scope="session")
def sheared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cavity whose cells are oblique, with fields that vary; ``W`` and ``V`` are vectors, ``T`` is a scalar."""
    case = foam.copy(
        foam.TUTORIALS / "incompressible/icoFoam/cavity/cavity", tmp_path_factory.mktemp("patches") / "case"
    )
    mesh = case / "system/blockMeshDict"
    mesh.write_text(re.sub(r"\(1 1 (0|0\.1)\)", r"(1.6 1.2 \1)", mesh.read_text()))
    foam.control(case)
    foam.run(case, "blockMesh")
    rng = np.random.default_rng(0)
    (case / "1").mkdir()
    for name, patches in CONDITIONS.items():
        kind = "scalar" if name == "T" else "vector"
        values = rng.normal(size=(400, 1 if kind == "scalar" else 3))
        lines = "\n".join(
            f"{300 + row[0]:.12g}" if kind == "scalar" else "({:.12g} {:.12g} {:.12g})".format(*row) for row in values
        )
        boundary = "".join(f"{patch} {{ {text} }}\n" for patch, text in patches.items())
        (case / "1" / name).write_text(
            HEAD.format(kind=f"vol{kind.capitalize()}Field", name=name)
            + f"dimensions [0 0 0 1 0 0 0];\ninternalField nonuniform List<{kind}> 400\n(\n{lines}\n);\n"
            + f"boundaryField {{ {boundary} frontAndBack {{ type empty; }} }}\n"
        )
    return case


def on_patches(case: Path, name: str) -> dict[str, np.ndarray]:
    mesh = mesh_of(case)
    return read_field([case / "1" / name], [mesh], ["movingWall", "fixedWalls"], {}, case).boundary


def mesh_of(case: Path) -> PolyMesh:
    return read_polymesh(case, find_in([case / "constant/polyMesh"]))


@installed
@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_gives_what_openfoam_makes_of_it(name: str, sheared: Path) -> None:
    """``mag`` and ``components`` write what their field is on each patch."""
    ours = on_patches(sheared, name)
    if name == "T":
        foam.run(sheared, "postProcess", "-func", "mag(T)", "-time", "1")
        theirs = on_patches(sheared, "mag(T)")
    else:
        foam.run(sheared, "postProcess", "-func", f"components({name})", "-time", "1")
        axes = [on_patches(sheared, f"{name}{axis}") for axis in "xyz"]
        theirs = {patch: np.stack([axis[patch] for axis in axes], axis=1) for patch in ours}
    for patch, values in ours.items():
        np.testing.assert_allclose(values, theirs[patch], rtol=1e-5, atol=1e-5, err_msg=f"{name} on {patch}")


@installed
def test_a_gradient_counts_by_the_distance_from_the_cell(sheared: Path) -> None:
    mesh = mesh_of(sheared)
    field = read_field([sheared / "1/T"], [mesh], ["movingWall"], {}, sheared)
    patch = next(patch for patch in mesh.patches if patch.name == "movingWall")
    rise = field.boundary["movingWall"] - field.cells[mesh.owner[patch.start : patch.start + patch.count]]
    assert (rise > 0).all()
    assert rise == pytest.approx(300 * 0.0025, rel=0.25)  # cells are some 5 mm high there
    assert field.warnings == ()


UNKNOWN = {
    "inletOutlet": "type inletOutlet; inletValue uniform 0;",
    "calculated": "type calculated;",
    "codedFixedValue": "type codedFixedValue; name ramp;",
    "a table over time": "type uniformFixedValue; uniformValue table ((0 1) (1 2));",
    "fixedFluxPressure": "type fixedFluxPressure;",
}
KNOWN = {
    "a constant": ("type uniformFixedValue; uniformValue constant 7;", 7.0),
    "a bare number": ("type uniformFixedValue; uniformValue 7;", 7.0),
    "zeroGradient, with a stale value": ("type zeroGradient; value uniform 99;", None),
    "a value as it is": ("type inletOutlet; value uniform 5;", 5.0),
}


def changed(case: Path, text: str, target: Path) -> Path:
    other = foam.copy(case, target)
    file = other / "1/T"
    file.write_text(file.read_text().replace(SCALARS["movingWall"], text))
    return other


@installed
@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_value_that_is_not_known_is_said(kind: str, sheared: Path, tmp_path: Path) -> None:
    case = changed(sheared, UNKNOWN[kind], tmp_path / "case")
    field = read_field([case / "1/T"], [mesh_of(case)], ["movingWall", "fixedWalls"], {}, case)
    assert len(field.warnings) == 1
    assert re.search(r"1/T: T has no value on patch movingWall \(\w+\); that of the cells", field.warnings[0])
    assert any("on patch movingWall" in warning for warning in openfoam.read(case).warnings)


@installed
@pytest.mark.parametrize("kind", KNOWN)
def test_a_value_that_is_known_is_taken(kind: str, sheared: Path, tmp_path: Path) -> None:
    text, value = KNOWN[kind]
    case, mesh = changed(sheared, text, tmp_path / "case"), mesh_of(sheared)
    field = read_field([case / "1/T"], [mesh], ["movingWall"], {}, case)
    patch = next(patch for patch in mesh.patches if patch.name == "movingWall")
    beside = field.cells[mesh.owner[patch.start : patch.start + patch.count]]
    np.testing.assert_array_equal(field.boundary["movingWall"], beside if value is None else value)
    assert field.warnings == ()


@installed
def test_dimensions_may_be_written_in_words_or_not_at_all(sheared: Path, tmp_path: Path) -> None:
    case = foam.copy(sheared, tmp_path / "case")
    file = case / "1/T"
    text = file.read_text()
    units = {"[]": "", "[ ]": "", "[kg m^-1 s^-2]": "Pa", "[Pa]": "Pa", "[m/s]": "m/s", "[velocity]": "m/s",
             "[kg/m^3]": "kg/m^3", "[0 1 -1 0 0]": "m/s"}  # fmt: skip
    for written, unit in units.items():
        file.write_text(text.replace("[0 0 0 1 0 0 0]", written))
        assert openfoam.read(case).units["volume/temperature"] == unit, written
    file.write_text(text.replace("[0 0 0 1 0 0 0]", "[furlong]"))
    with pytest.raises(FormatError, match=r"1/T: its dimensions are \[furlong\]"):
        openfoam.read(case)
