"""The table of model kinds: what is in it is asked for, named and refused by it, everywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tramontane.cli import app
from tramontane.dataset import Dataset
from tramontane.errors import TramontaneError
from tramontane.surrogate.fit import fit
from tramontane.surrogate.fit_reference import sentence_of
from tramontane.surrogate.kinds import ASKED, KINDS, title_of
from tramontane.training.watch import Choice, Compared


def test_help_and_refusals_name_every_kind(dataset: Dataset) -> None:
    text = " ".join(CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "300"}).output.split())
    assert ", ".join(ASKED) in text
    with pytest.raises(TramontaneError, match=f"choose one of {', '.join(ASKED)}"):
        fit(dataset, model="toy")


def test_a_kind_without_steps_has_no_network_to_configure(dataset: Dataset) -> None:
    for kind in KINDS.values():
        if not kind.by_steps:
            with pytest.raises(TramontaneError, match=f"a {kind.name} model has no network to configure"):
                fit(dataset, model=kind.name, config={"dim": 8})


def test_people_read_titles() -> None:
    choice = Choice("tokens", 2, 9, [Compared(9, {"classical": 0.2, "tokens": 0.1, "a peer": 0.3})], "")
    assert all(title in sentence_of(choice) for title in (title_of("classical"), title_of("tokens"), "a peer"))


_TOY = """
from tramontane.surrogate.kinds.kind import Fitted, ModelKind

def fit(task):
    from tramontane.surrogate.kinds.scalars import fit
    fitted = fit(task)
    fitted.predictor.model = "toy"
    return fitted

def restore(saved):
    from tramontane.surrogate.kinds.scalars import restore
    predictor = restore(saved)
    predictor.model = "toy"
    return predictor

KINDS = (ModelKind("toy", "a toy", fit, restore, needs_fields=False),)
"""
_RUN = """
import sys
from tramontane.surrogate import kinds
kinds.__path__.append(sys.argv[1])
kinds.KINDS.update(kinds.known_kinds())
kinds.ASKED = (kinds.AUTO, *kinds.KINDS)
from typer.testing import CliRunner
from tramontane.cli import app
told = " ".join(CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "300"}).output.split())
assert "toy" in told, told
from pathlib import Path
from tramontane.dataset import Dataset
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit
fit(Dataset.open(Path(sys.argv[2])), model="toy").save(sys.argv[1] + "/saved")
again = Surrogate.load(sys.argv[1] + "/saved")
assert again.model == "toy", again
from tramontane.service.trainings.trainings import ASKED
assert "toy" in ASKED
"""


def test_a_kind_in_a_file_of_its_own_is_named_fitted_saved_and_read_back(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "toy_kind.py").write_text(_TOY)
    run = subprocess.run([sys.executable, "-c", _RUN, str(tmp_path), str(dataset.path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
