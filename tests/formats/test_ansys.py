"""Results of ANSYS Mechanical: the example that its reader ships, which the program wrote: modes of a beam."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from tramontane.errors import FormatError
from tramontane.formats.ansys import read_ansys
from tramontane.formats.collection import open_collection
from tramontane.formats.folder import is_case, read_results
from tramontane.formats.readers import file_reader

examples = pytest.importorskip(
    "ansys.mapdl.reader.examples", reason='ansys-mapdl-reader is missing: pip install "tramontane[ansys]"'
)
EXAMPLE = Path(examples.rstfile)


@pytest.fixture(scope="module")
def beam() -> pv.UnstructuredGrid:
    return read_ansys(EXAMPLE).meshes["volume"]


def test_the_mesh_of_a_beam(beam: pv.UnstructuredGrid) -> None:
    """SOLID186 in 2 x 2 x 10: a bar of 1 x 1 x 5."""
    sizes = beam.compute_cell_sizes()["Volume"]
    assert sizes == pytest.approx(np.full(40, 5 / 40))
    assert set(beam.celltypes.tolist()) == {pv.CellType.QUADRATIC_HEXAHEDRON}
    assert beam.bounds == pytest.approx((0, 1, 0, 1, 0, 5))
    for edge in beam.get_cell(17).edges:
        assert edge.points[2] == pytest.approx(edge.points[:2].mean(axis=0))
    surface = read_ansys(EXAMPLE).meshes["surface"]
    assert surface.area == pytest.approx(22)
    assert surface.triangulate().n_open_edges == 0
    assert surface.triangulate().volume == pytest.approx(5)


def test_modes_of_a_square_beam_come_in_pairs() -> None:
    results = read_ansys(EXAMPLE)
    frequencies = [results.qoi[f"frequency_{mode}"].value for mode in range(1, 7)]
    assert results.qoi["frequency_1"].unit == "Hz"
    assert frequencies[0] == pytest.approx(frequencies[1], rel=1e-9)
    assert frequencies[3] == pytest.approx(frequencies[4], rel=1e-9)
    assert frequencies[0] == pytest.approx(7366.495, abs=1e-3)
    assert (results.solver, results.version) == ("ANSYS Mechanical", "15.0")
    assert [each["number"] for each in results.extra["results"]] == [1, 2, 3, 4, 5, 6]
    assert results.extra["result"] == 1
    assert any("holds modes" in warning for warning in results.warnings)
    assert any("states no units" in warning for warning in results.warnings)
    assert results.units == {}
    assert results.length_unit is None
    third = read_ansys(EXAMPLE, result=3)
    assert third.extra["result"] == 3
    assert not np.allclose(
        third.meshes["volume"].point_data["displacement"], results.meshes["volume"].point_data["displacement"]
    )
    with pytest.raises(FormatError, match=r"file\.rst: has no result set 9; it has 6"):
        read_ansys(EXAMPLE, result=9)


def test_stress_and_strain_obey_hooke_in_every_component(beam: pv.UnstructuredGrid) -> None:
    stress, strain = beam.point_data["stress"], beam.point_data["elastic_strain"]
    # Shear moduli from each shear, and Lame's second constant from the normal parts: all one.
    moduli = [(stress[:, k] @ strain[:, k]) / (strain[:, k] @ strain[:, k]) for k in (3, 4, 5)]
    assert moduli == pytest.approx([moduli[0]] * 3, rel=1e-6)
    for k in (3, 4, 5):
        assert stress[:, k] == pytest.approx(moduli[0] * strain[:, k], rel=1e-5, abs=1e-6 * np.abs(stress).max())
    for first, second in ((0, 1), (1, 2), (2, 0)):
        difference = stress[:, first] - stress[:, second]
        expected = 2 * moduli[0] * (strain[:, first] - strain[:, second])
        assert difference == pytest.approx(expected, rel=1e-5, abs=1e-6 * np.abs(stress).max())
    assert beam.point_data["von_mises"].min() >= 0


def test_strain_is_the_gradient_of_the_displacement(beam: pv.UnstructuredGrid) -> None:
    """Which also says that both stand at the right nodes."""
    gradient = beam.compute_derivative(scalars="displacement")["gradient"].reshape(-1, 3, 3)
    symmetric = gradient + gradient.transpose(0, 2, 1)  # shears are whole angles
    strain = beam.point_data["elastic_strain"]
    scale = np.abs(strain).max()
    for column, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))):
        mine = symmetric[:, i, j] / (2 if i == j else 1)
        assert np.abs(mine - strain[:, column]).mean() < 0.05 * scale
        if np.abs(strain[:, column]).max() > 0.2 * scale:
            assert np.corrcoef(mine, strain[:, column])[0, 1] > 0.95


def test_a_folder_of_results_and_a_readme(tmp_path: Path) -> None:
    (tmp_path / "beam").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "beam" / "beam.rst")
    (tmp_path / "beam" / "README.rst").write_text("The beam\n========\n")
    assert file_reader(tmp_path / "beam" / "README.rst") is None
    assert list(read_results(tmp_path / "beam").meshes) == ["volume", "surface"]
    assert [source.name for source in open_collection(tmp_path).sources] == ["beam"]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README.rst").write_text("No results here\n")
    assert not is_case(tmp_path / "notes")


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ansys", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FormatError, match=r'file\.rst: .* pip install "tramontane\[ansys\]"'):
        read_ansys(EXAMPLE)


def test_damage_ends_in_an_error_and_takes_nothing_down(tmp_path: Path) -> None:
    content = EXAMPLE.read_bytes()
    file = tmp_path / "bad.rst"

    def reason(spoilt: bytes) -> str:
        file.write_bytes(spoilt)
        try:
            read_ansys(file)
        except FormatError as error:
            return str(error)
        return ""

    used = 4 * int(np.frombuffer(content, "<i4", 1, 4 * 114)[0])
    for place in [0, 1, 300, 479, *np.linspace(500, used - 4, 40).astype(int).tolist()]:
        message = reason(content[:place])
        assert message.startswith(f"{file}: ")
        assert "\n" not in message
    assert "is empty" in reason(b"")
    assert "no result file of ANSYS" in reason(b"x" * 4000)
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(4):  # each a process of its own: among them are crashes and claims of any amount of memory
        spoilt = bytearray(content)
        for place in rng.integers(0, 3000, 12):
            spoilt[place] ^= 1 << int(rng.integers(8))
        messages.append(reason(bytes(spoilt)))
    assert any(messages)
    assert all(not each or each.startswith(f"{file}: ") for each in messages)
