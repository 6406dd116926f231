"""The table of model kinds: what is in it is asked for, named and refused by it, everywhere."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tramontane.cli import app
from tramontane.dataset import Dataset
from tramontane.errors import TramontaneError
from tramontane.model_kinds import ASKED, KINDS, title_of
from tramontane.surrogate.fit import fit
from tramontane.training.watch import Choice, Compared


def test_help_and_refusals_name_every_kind(dataset: Dataset) -> None:
    told = " ".join(CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "300"}).output.split())
    assert ", ".join(ASKED) in told
    with pytest.raises(TramontaneError, match=f"choose one of {', '.join(ASKED)}"):
        fit(dataset, model="toy")


def test_a_kind_without_steps_has_no_network_to_configure(dataset: Dataset) -> None:
    for kind in KINDS.values():
        if not kind.by_steps:
            with pytest.raises(TramontaneError, match=f"a {kind.name} model has no network to configure"):
                fit(dataset, model=kind.name, config={"dim": 8})


def test_people_read_titles() -> None:
    choice = Choice("tokens", 2, 9, [Compared(9, {"classical": 0.2, "tokens": 0.1, "a peer": 0.3})], "")
    assert all(title in str(choice) for title in (title_of("classical"), title_of("tokens"), "a peer"))
