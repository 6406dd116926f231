"""A server runs as a user of its own, and models are made by others: what it may not read, and what it says of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tramontane.errors import SurrogateError, TramontaneError
from tramontane.service.database import open_database
from tramontane.service.registry import Registry
from tramontane.service.settings import Settings
from tramontane.surrogate.files import read_surrogate


@contextlib.contextmanager
def another_user() -> Iterator[None]:
    """Without the rights of root, where tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def models(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, as a path that needs no right to look into what lies above it."""
    shutil.copytree(saved, tmp_path / "models" / "bodies")
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return Path("models")


def test_whoever_may_read_one_file_may_read_all(saved: Path) -> None:
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in saved.iterdir()}
    assert len(set(modes.values())) == 1, modes
    assert modes.keys() >= {"manifest.json", "model.safetensors"}


@pytest.mark.parametrize("blocked", ["bodies", "bodies/manifest.json", "bodies/model.safetensors"])
def test_a_model_that_may_not_be_read_is_refused_until_it_may(models: Path, blocked: str) -> None:
    target = models / blocked
    mode = target.stat().st_mode
    target.chmod(0)
    registry = Registry(models)
    with another_user():
        assert registry.refresh() == []
        assert "may not be read by the user" in registry.refused["bodies"]
        assert "chmod -R a+rX" in registry.refused["bodies"]
        with pytest.raises(SurrogateError, match="may not be read by the user"):
            read_surrogate(models / "bodies")
    target.chmod(mode)  # no file's content, size or time changes by this
    assert registry.refresh() == ["bodies"]
    assert registry.refused == {}


def test_a_state_that_may_not_be_written_is_said(models: Path, tmp_path: Path) -> None:
    open_database(Settings(models=models, state=tmp_path).database_url)  # loads modules, which others may not read
    models.chmod(0o555)
    with another_user(), pytest.raises(TramontaneError, match="writable by the user"):
        open_database(Settings(models=models, state=models).database_url)
    models.chmod(0o755)
