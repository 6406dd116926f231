"""Whatever a saved model's directory holds: it is refused by name, and the others are served."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.serving import Running, until
from helpers.spoilt_models import FITTING, MANY, OF_KRIGING, OF_NETWORKS, UNFITTING, Spoil, fit_manifest
from tramontane.errors import SurrogateError
from tramontane.surrogate import Surrogate


@pytest.fixture(scope="module")
def reference_points(kriging: Surrogate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model of reference points."""
    path = tmp_path_factory.mktemp("kriging") / "kriging"
    kriging.save(path)
    return path


@pytest.fixture(scope="module")
def spoilt(saved: Path, reference_points: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every spoilt model by the name of what was done to it, in one folder."""
    folder = tmp_path_factory.mktemp("spoilt") / "models"

    def make(name: str, spoil: Spoil, source: Path, *, fitting: bool) -> Path:
        target = folder / name.replace(" ", "-")
        shutil.copytree(source, target)
        spoil(target)
        if fitting:
            fit_manifest(target)
        return target

    return (
        {name: make(name, spoil, saved, fitting=False) for name, spoil in UNFITTING.items()}
        | {name: make(name, spoil, saved, fitting=True) for name, spoil in (FITTING | OF_NETWORKS).items()}
        | {name: make(name, spoil, reference_points, fitting=True) for name, spoil in OF_KRIGING.items()}
    )


def test_there_are_43_ways() -> None:
    assert MANY == 43


@pytest.mark.parametrize("name", [*UNFITTING, *FITTING, *OF_NETWORKS, *OF_KRIGING])
def test_a_spoilt_model_is_refused_by_name(spoilt: dict[str, Path], name: str) -> None:
    with pytest.raises(SurrogateError) as error:
        Surrogate.load(spoilt[name])
    message = str(error.value)
    assert message.startswith(str(spoilt[name]))
    assert "\n" not in message
    assert len(message) < 700
    assert "Traceback" not in message


def test_models_that_are_whole_are_not_refused(saved: Path, reference_points: Path) -> None:
    assert Surrogate.load(saved).model == "ab-upt"
    assert Surrogate.load(reference_points).model == "classical"


def test_the_server_starts_and_serves_the_good_one(spoilt: dict[str, Path], saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    shutil.copytree(next(iter(spoilt.values())).parent, folder)
    shutil.copytree(saved, folder / "good")
    with Running(folder, tmp_path / "state") as running:
        listed = running.http.get("/v1/models").json()
        assert [model["name"] for model in listed["models"]] == ["good"]
        assert set(listed["refused"]) == {path.name for path in spoilt.values()}
        for reason in listed["refused"].values():
            assert reason
            assert "\n" not in reason
            assert str(tmp_path) not in reason
        # The watcher lives on: what comes later is looked at, whatever is wrong with it.
        shutil.copytree(spoilt["contract nested"], folder / "later-spoilt")
        until(lambda: "later-spoilt" in running.http.get("/v1/models").json()["refused"])
        shutil.copytree(saved, folder / "later-good")
        until(lambda: running.http.get("/v1/models/later-good").status_code == 200)
        assert "Traceback" not in running.log.read_text()
