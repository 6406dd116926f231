"""What tests share: shape types checked at run time, and a small family of cases whose fields are known exactly."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

install_import_hook("tramontane.models", "beartype.beartype")

import shutil  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402

from helpers import TESTS  # noqa: E402
from helpers.ellipsoids import TINY, write_family  # noqa: E402
from helpers.once import once  # noqa: E402
from helpers.order import rank  # noqa: E402
from helpers.skips import folded  # noqa: E402
from tramontane.dataset import Dataset  # noqa: E402
from tramontane.dataset.ingest.run import ingest  # noqa: E402
from tramontane.surrogate import Surrogate  # noqa: E402
from tramontane.surrogate.fit import fit  # noqa: E402


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command, which ends with ``code``, and gives all that it says."""
    from tramontane.cli import main

    def run(*words: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["tramontane", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        assert ended.value.code == code, output
        return output.out + output.err

    return run


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of cases on disk; tests that change it work on a copy."""
    return write_family(tmp_path_factory.mktemp("family") / "cases")


@pytest.fixture(scope="session")
def dataset(family: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The family's dataset, its contract inferred; read only."""
    made = once(tmp_path_factory, "family.dataset", lambda path: ingest(family, path, test=3, validation=2))
    return Dataset.open(shutil.copytree(made, family.with_name("store")))


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six such cases, for trainings with as many points on each geometry as users have; read only."""
    root = tmp_path_factory.mktemp("few")
    return ingest(write_family(root / "cases", 6), root / "few", test=1, validation=1)


@pytest.fixture(scope="session")
def saved(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny network that was trained for a few seconds; tests that change it work on a copy."""

    def train(path: Path) -> None:
        fit(dataset, model="ab-upt", config=TINY, steps=250, points=96, anchors=96, geometry_points=256, lr=3e-3).save(
            path
        )

    return shutil.copytree(once(tmp_path_factory, "network", train), tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="session")
def surrogate(saved: Path) -> Surrogate:
    """That network; read only."""
    return Surrogate.load(saved)


@pytest.fixture(scope="session")
def kriging(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Surrogate:
    """Kriging of the same cases, as it is chosen where nothing else is asked for; read only."""
    return Surrogate.load(once(tmp_path_factory, "kriging", lambda path: fit(dataset, budget=600.0).save(path)))


@pytest.fixture(scope="session")
def choice(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Surrogate]:
    """What stood before networks were tried on them, and what was chosen at last; read only."""

    def choose(path: Path) -> None:
        chosen: list[Surrogate] = []
        config = {"dim": 32, "depth": 1, "hidden": 32}
        chosen.append(fit(dataset, model="auto", config=config, steps=60, try_networks=True, ready=chosen.append))
        for number, each in enumerate(chosen):
            each.save(path / str(number))

    made = once(tmp_path_factory, "choice", choose)
    return [Surrogate.load(path) for path in sorted(made.iterdir())]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser, for one module's tests: while it runs, none can have an event loop of its own."""
    from helpers.browsing import chromium

    with chromium() as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first; otherwise the order stays."""
    items.sort(key=lambda item: rank(item.path.relative_to(TESTS).as_posix()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why tests were skipped, a line for each reason."""
    for line in folded(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(line)
