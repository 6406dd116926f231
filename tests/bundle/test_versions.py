"""Versions of a model: each beside the plain one, which is the promoted; frozen test cases decide."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from helpers.beam_tables import write_beams
from helpers.once import once
from tramontane.bundle import History, adopt, history_of, promote, promoted_version, split_name, version_path
from tramontane.bundle.versions import hash_of
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.errors import DatasetError, SurrogateError
from tramontane.evaluation.next_version import compare_reports, next_version, train_version
from tramontane.evaluation.report import FieldFigures, QoiFigures, Report
from tramontane.service.registry import Registry
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit

Run = Callable[..., str]


def join_tables(target: Path, *tables: Path, factor: float = 1.0) -> Path:
    """One table of several; of the last one, each deflection is multiplied."""
    head, *rows = tables[0].read_text().splitlines()
    for table in tables[1:]:
        for row in table.read_text().splitlines()[1:]:
            *inputs, deflection = row.split(",")
            rows.append(",".join([*inputs, f"{(factor if table is tables[-1] else 1.0) * float(deflection):.12g}"]))
    target.write_text("\n".join([head, *rows]) + "\n")
    return target


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets: few beams, these and more, and these and more of which the deflections are wrong."""

    def make(path: Path) -> None:
        path.mkdir()
        few, more = write_beams(path / "few.csv", 24), write_beams(path / "more.csv", 24, seed=1)
        ingest(few, path / "few", test=5, validation=0)
        ingest(join_tables(path / "all.csv", few, more), path / "all", test=5, validation=0, seed=3)
        wrong = join_tables(path / "wrong.csv", few, more, factor=5.0)
        ingest(wrong, path / "wrong", test=5, validation=0, seed=4)
        ingest(more, path / "others", test=5, validation=0)

    return once(tmp_path_factory, "versions", make)


@pytest.fixture(scope="module")
def told(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with three versions, the second promoted; read only."""

    def make(path: Path) -> None:
        path.mkdir()
        train_version(path / "beam", Dataset.open(data / "few"), reason="to begin with")
        train_version(path / "beam", Dataset.open(data / "all"), reason="24 more beams")
        train_version(path / "beam", Dataset.open(data / "wrong"))

    return once(tmp_path_factory, "versions of beams", make) / "beam"


@pytest.fixture
def beam(told: Path, tmp_path: Path) -> Path:
    """That model, to be changed."""
    shutil.copytree(told.parent, tmp_path / "models")
    return tmp_path / "models" / "beam"


def hashes(names: Sequence[str], store: Path) -> set[str]:
    return {Dataset.open(store).case_hash(name) for name in names}


def test_names() -> None:
    assert split_name("bracket@12") == ("bracket", 12)
    assert [split_name(name)[1] for name in ("bracket", "bracket@0", "bracket@x", "@3")] == [None] * 4
    assert version_path(Path("models/bracket"), 3) == Path("models/bracket@3")


def test_a_version_is_promoted_where_frozen_cases_say_that_it_is_not_worse(told: Path, data: Path) -> None:
    history = history_of(told)
    first, second, third = history.versions
    assert [each.number for each in history.versions] == [1, 2, 3]
    frozen = hashes(Dataset.open(data / "few").splits["test"], data / "few")
    assert [set(each.test.values()) for each in history.versions] == [frozen] * 3
    # None of them was trained on a frozen case, though the later splits had them to train on.
    assert hashes(Dataset.open(data / "all").splits["train"], data / "all") & frozen
    for each in history.versions:
        record = Surrogate.load(version_path(told, each.number)).record.data
        assert not set(record.hashes.values()) & frozen
        assert each.hash == hash_of(version_path(told, each.number))
    assert [len(each.cases) for each in history.versions] == [19, 43, 43]
    assert [each.parent for each in history.versions] == [None, 1, 2]
    assert (len(first.new), len(second.new), len(third.new)) == (0, 24, 24)
    assert [each.reason for each in history.versions] == ["to begin with", "24 more beams", ""]
    error = {each.number: next(f for f in each.figures if f.kind == "error") for each in history.versions}
    assert error[1].before is None
    assert error[2].before == error[1].value > error[2].value
    assert error[3].before == error[2].value < error[3].value
    assert {figure.kind for figure in second.figures} == {"error", "interval score", "coverage"}
    assert first.promotions[0].reason == "the first version"
    assert second.promotions[0].reason == "not worse than @1 on 5 test cases"
    assert (second.worse, third.promotions) == ([], [])
    assert "error" in {figure.kind for figure in third.worse}
    # The plain name is the promoted version, and all can be loaded.
    assert promoted_version(told, history) == 2
    assert hash_of(told) == second.hash
    assert Surrogate.load(told).record.data.fingerprint == second.fingerprint


def test_history_tells_the_story_and_a_person_may_promote(run: Run, beam: Path, tmp_path: Path) -> None:
    said = run("history", beam, "--json", tmp_path / "story.json")
    assert re.search(r"beam@2 \(promoted\) .* from @1", said)
    assert "reason: 24 more beams" in said
    assert "none" not in said  # of the first version there is nothing before
    assert re.search(r"data: 43 cases of .*all, 24 new \(", said)
    assert re.search(r"on 5 test cases: deflection: error (below )?[\d.]+ %, was (below )?[\d.]+ %", said)
    assert re.search(r"worse: deflection: error (below )?[\d.]+ %, was (below )?[\d.]+ %", said)
    assert json.loads((tmp_path / "story.json").read_text())["promoted"] == 2
    asked = ["--set", "force=0.3kN", "--set", "length=1200mm", "--set", "modulus=140GPa", "--set", "inertia=5cm^4"]
    answers = {number: run("predict", f"{beam}@{number}", *asked) for number in (1, 2, 3)}
    assert len(set(answers.values())) == 3
    assert run("predict", beam, *asked) == answers[2]
    assert "Promoted" in run("promote", f"{beam}@3", "--reason", "these beams are the new steel")
    assert run("predict", beam, *asked) == answers[3]
    said = run("history", beam)
    assert "beam@3 (promoted)" in said
    assert "these beams are the new steel" in said
    run("promote", f"{beam}@1", "--reason", "back")  # an earlier one again
    assert run("predict", beam, *asked) == answers[1]
    assert "names no version" in run("promote", beam, "--reason", "x", code=2)
    assert "has no version 7 on record; it has @1, @2, @3" in run("promote", f"{beam}@7", "--reason", "x", code=2)
    assert "names version 2; name the model" in run("history", f"{beam}@2", code=2)
    assert "has no versions" in run("history", tmp_path / "none", code=2)


def test_train_writes_the_next_version(run: Run, beam: Path, data: Path) -> None:
    said = run("train", data / "all", "--version-of", beam, "--reason", "again")
    assert f"Promoted {beam}@4: not worse than @2 on 5 test cases" in said
    assert history_of(beam).versions[-1].reason == "again"
    said = run("train", data / "wrong", "--version-of", beam)
    assert re.search(r"worse: deflection: error", said)
    assert f"`tramontane promote {beam}@5 --reason WHY`" in said
    assert promoted_version(beam, history_of(beam)) == 4
    assert not list(beam.parent.glob("*.training"))
    assert "Invalid value for --version-of" in run("train", data / "all", "--version-of", beam, "-o", beam, code=2)
    assert "Invalid value for --reason" in run("train", data / "all", "--reason", "x", code=2)


def test_a_plain_model_becomes_the_first_version(data: Path, tmp_path: Path) -> None:
    few, model = Dataset.open(data / "few"), tmp_path / "beam"
    fit(few).save(model)
    before = hash_of(model)
    assert adopt(tmp_path / "nothing") is None
    version = train_version(model, Dataset.open(data / "all"))
    assert [each.number for each in history_of(model).versions] == [1, 2]
    assert hash_of(version_path(model, 1)) == before
    assert version.parent == 1
    # What the plain model was trained on decides nothing.
    assert not set(version.test.values()) & hashes(few.splits["train"], data / "few")
    # A model that somebody trains over the plain name is recorded before another takes its place.
    fit(few, seed=1).save(model)
    standing = hash_of(model)
    assert promoted_version(model, history_of(model)) is None
    promote(model, 1, "the old one")
    assert hash_of(model) == before
    assert [each.hash for each in history_of(model).versions][2] == standing == hash_of(version_path(model, 3))


def test_frozen_cases_must_be_there(beam: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="lacks 5 of the 5 frozen test cases"):
        next_version(beam, Dataset.open(data / "others"))
    # The promoted version was trained on these.
    with pytest.raises(DatasetError, match="has 0 test cases that no version was trained on, 3 or more"):
        next_version(beam, Dataset.open(data / "others"), refreeze=True)
    new = ingest(write_beams(tmp_path / "new.csv", 24, seed=2), tmp_path / "store", test=4, validation=0)
    following = next_version(beam, new, refreeze=True)
    assert (following.number, list(following.test)) == (4, new.splits["test"])
    few = ingest(write_beams(tmp_path / "few.csv", 24), tmp_path / "two", test=2, validation=0)
    with pytest.raises(DatasetError, match="has 2 test cases that no version was trained on, 3 or more"):
        next_version(tmp_path / "new", few)


def test_a_copy_of_a_frozen_case_is_not_trained_on(beam: Path, data: Path) -> None:
    dataset = Dataset.open(data / "all")
    frozen = set(history_of(beam).versions[0].test.values())
    following = next_version(beam, dataset)
    assert {dataset.case_hash(name) for name in following.dataset.splits["test"]} == frozen
    assert not {dataset.case_hash(name) for name in following.dataset.splits["train"]} & frozen
    assert len(following.dataset.splits["train"]) == len(dataset) - 5


def test_what_is_wrong_is_named(beam: Path, tmp_path: Path) -> None:
    for file in version_path(beam, 1).iterdir():
        if file.name == "manifest.json":
            file.unlink()
            file.write_text("{}")
    with pytest.raises(SurrogateError, match="beam@1: is not there, or is not the version that was recorded"):
        promote(beam, 1, "why")
    record = beam.with_name("beam.versions.json")
    record.write_text("{")
    with pytest.raises(SurrogateError, match=r"beam.versions.json: cannot be read"):
        history_of(beam)
    record.write_text('{"format": "other"}')
    with pytest.raises(SurrogateError, match="is no history of versions"):
        History.read(record)


def test_a_server_has_the_promoted_version_and_all_others(beam: Path) -> None:
    registry = Registry(beam.parent)
    assert registry.refresh() == ["beam", "beam@1", "beam@2", "beam@3"]
    assert registry.refused == {}
    models = registry.models
    assert models["beam"].hash == models["beam@2"].hash
    assert models["beam"].surrogate is models["beam@2"].surrogate  # in memory once
    promote(beam, 3, "why")
    assert registry.refresh() == ["beam"]
    assert registry.models["beam"].hash == models["beam@3"].hash
    shutil.copytree(version_path(beam, 1), beam.with_name("beam@x"))
    registry.refresh()
    assert "its name has characters other than" in registry.refused["beam@x"]


# -- the decision ------------------------------------------------------------------------------------------------------


def report(error: float, score: float | None, held: float | None, cases: int = 10) -> Report:
    """A report of one field and one QoI, both with these figures."""
    coverage = None
    if score is not None:
        coverage = {"level": 0.9, "points": held, "lowest": 0.5, "band": None, "score_over_constant": 1.0,
                    "rank_correlation": None, "relative_score": score}  # fmt: skip
    field = FieldFigures(unit="Pa", relative_l2=error, median=error, worst=error, worst_case="0", mean_absolute=1.0,
                         baselines={}, coverage=coverage)  # fmt: skip
    qoi = QoiFigures(unit="N", how="", relative=error, mean_of_cases=error, mean_absolute=1.0, r2=None, baselines={},
                     baselines_r2={}, coverage=held, interval_score=score)  # fmt: skip
    return Report(model="m", data="d", split="test", cases=[str(k) for k in range(cases)], training_cases=9,
                  seconds_per_case=0.0, fields={"surface/p": field}, qoi={"drag": qoi})  # fmt: skip


@pytest.mark.parametrize(
    ("before", "own", "worse"),
    [
        ((0.10, 0.5, 0.9), (0.104, 0.5, 0.9), set()),
        ((0.10, 0.5, 0.9), (0.106, 0.5, 0.9), {"field error", "QoI error"}),
        ((0.10, 0.5, 0.9), (0.08, 0.53, 0.9), {"field interval score", "QoI interval score"}),
        ((0.10, 0.5, 0.9), (0.08, 0.5, 0.84), {"field coverage"}),  # of a QoI, that is within one case of ten
        ((0.10, 0.5, 0.9), (0.08, 0.5, 0.7), {"field coverage", "QoI coverage"}),
        ((0.10, 0.5, 1.0), (0.08, 0.5, 0.9), set()),  # not below what is stated
        ((0.10, 0.5, 0.6), (0.08, 0.5, 0.6), set()),  # as bad as before
        ((0.10, None, None), (0.08, 0.5, 0.2), set()),  # there was none before
        ((1e-5, 1e-5, 0.9), (4e-4, 4e-4, 0.9), set()),  # both as good as exact
    ],
)
def test_field_by_field_and_interval_by_interval(
    before: tuple[float, float | None, float | None], own: tuple[float, float, float], worse: set[str]
) -> None:
    figures = compare_reports(report(*before), report(*own), 0.05)
    kinds = {"surface/p": "field", "drag": "QoI"}
    assert {f"{kinds[figure.name]} {figure.kind}" for figure in figures if figure.is_worse} == worse


def test_an_interval_that_is_gone_is_worse() -> None:
    figures = compare_reports(report(0.1, 0.5, 0.9), report(0.05, None, None))
    assert {figure.kind for figure in figures if figure.is_worse} == {"interval score", "coverage"}
    assert not any(figure.is_worse for figure in compare_reports(None, report(0.5, 1.0, 0.1)))
