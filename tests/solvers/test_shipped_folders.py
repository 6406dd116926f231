"""The solver folders in ``examples/solvers``, run by the real programs on coarse meshes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tramontane import solvers
from tramontane.design import Design
from tramontane.simulator import Parametric
from tramontane.solvers.case_folder.config import CONFIG

EXAMPLES = Path(__file__).parents[2] / "examples" / "solvers"


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is missing; apt-get install {package}")


def copied(name: str, to: Path, **changes: str) -> Path:
    """An example's folder with lines of its ``solver.toml`` changed."""
    folder = Path(shutil.copytree(EXAMPLES / name, to / name))
    text = (folder / CONFIG).read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / CONFIG).write_text(text)
    return folder


def test_a_command_that_reads_a_json_and_writes_a_csv() -> None:
    case = solvers.create(EXAMPLES / "command-json-csv").simulate(Design(speed="2 m/s", diameter="20 mm", bends=4))
    # Blasius: 0.3164 / Re^(1/4), Re = 39,920; bends cost 0.3 of the dynamic pressure each.
    friction = 0.3164 / 39920**0.25
    assert case.qoi["reynolds"] == pytest.approx(39920)
    assert case.qoi["pressure_drop"] == pytest.approx((friction * 10 / 0.02 + 1.2) * 998 * 2**2 / 2)


@needs("ccx", "calculix-ccx")
def test_calculix_bends_the_bracket_as_the_embedded_solver_does(tmp_path: Path) -> None:
    pytest.importorskip("ngsolve", reason="pip install 'tramontane[solve]'")
    from tramontane.solvers.bracket import CONTRACT, Bracket

    folder = copied("calculix-bracket", tmp_path, **{"low = 6, high = 6,": "low = 12, high = 12,"})
    calculix = solvers.create(folder)
    design = Design(
        base_length="90 mm", width="80 mm", height="90 mm", thickness="6 mm", upright_angle="85 deg",
        fillet_radius="8 mm", hole_radius="4 mm", rib_length="18 mm", rib_thickness="6 mm", load="500 N",
    )  # fmt: skip
    case, reference = calculix.simulate(design), Bracket(refinement=0.5).simulate(design)
    assert case.qoi["max_displacement"] == pytest.approx(reference.qoi["max_displacement"], rel=0.02)
    assert case.qoi["max_von_mises"] == pytest.approx(reference.qoi["max_von_mises"], rel=0.1)
    assert case.qoi["mass"] == pytest.approx(reference.qoi["mass"], rel=0.005)
    displacement = np.asarray(case.field_values("volume", "displacement"))
    assert displacement[np.argmax(np.linalg.norm(displacement, axis=1)), 0] < 0  # the load pulls along -x
    assert {name: spec.high for name, spec in CONTRACT.parameters.items()} == pytest.approx(
        {name: spec.high for name, spec in calculix.contract.parameters.items() if name != "mesh_size"}
    )
    assert isinstance(calculix, Parametric)
    shape = case.design.geometry
    assert shape is not None
    assert shape.is_manifold  # type: ignore[union-attr]
