"""Mesh quality from the log of checkMesh."""

from __future__ import annotations

from pathlib import Path

from tramontane.formats.openfoam.mesh_check import read_mesh_check

GOOD = """\
    Max aspect ratio = 3.8456041 OK.
    Mesh non-orthogonality Max: 44.703048 average: 8.9161588
    Non-orthogonality check OK.
    Max skewness = 1.6733015 OK.

Mesh OK.
"""
BAD = """\
 ***High aspect ratio cells found, Max aspect ratio: 1200.5, number of cells 12
    Mesh non-orthogonality Max: 88.5 average: 20
 ***Max skewness = 6.25, 3 highly skew faces detected which may impair the quality of the results

Failed 2 mesh checks.
"""


def test_the_last_check_of_a_log_counts(tmp_path: Path) -> None:
    assert read_mesh_check(tmp_path) is None
    log = tmp_path / "log.checkMesh"
    log.write_text(BAD + GOOD.replace("Mesh OK", "Mesh cut"))
    assert read_mesh_check(tmp_path) == {
        "failed_checks": 2, "max_non_orthogonality": 44.703048, "max_skewness": 1.6733015,
        "max_aspect_ratio": 3.8456041,
    }  # fmt: skip
    log.write_text(GOOD)
    assert read_mesh_check(tmp_path) == {
        "failed_checks": 0, "max_non_orthogonality": 44.703048, "max_skewness": 1.6733015,
        "max_aspect_ratio": 3.8456041,
    }  # fmt: skip
    log.write_text(BAD)
    assert read_mesh_check(tmp_path) == {
        "failed_checks": 2, "max_non_orthogonality": 88.5, "max_skewness": 6.25, "max_aspect_ratio": 1200.5,
    }  # fmt: skip
    log.write_text("Checking geometry...")
    assert read_mesh_check(tmp_path) is None
