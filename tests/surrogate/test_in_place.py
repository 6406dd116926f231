"""A model that is replaced: whoever looks finds the old one or the new one, whole."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from tramontane.surrogate import Surrogate, in_place
from tramontane.surrogate.files import read_surrogate
from tramontane.surrogate.in_place import put_in_place, read_whole


@pytest.mark.parametrize("exchanges", [True, False])
def test_there_is_always_one(tmp_path: Path, exchanges: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if exchanges:
        (tmp_path / "one").mkdir()
        (tmp_path / "other").mkdir()
        if not in_place.exchange(tmp_path / "one", tmp_path / "other"):
            pytest.skip("this system cannot exchange two names")
    else:
        monkeypatch.setattr(in_place, "exchange", lambda *_: False)
    target, wrong, done = tmp_path / "model", [], threading.Event()

    def staged(number: int) -> Path:
        folder = tmp_path / f"staged{number}"
        folder.mkdir()
        for name in ("a", "b"):
            (folder / name).write_text(str(number))
        return folder

    def read(folder: Path) -> tuple[str, str]:
        try:
            return (folder / "a").read_text(), (folder / "b").read_text()
        except FileNotFoundError as error:
            raise in_place.SurrogateError("not there") from error

    def look() -> None:
        while not done.is_set():
            try:
                one, other = read_whole(target, read)
            except Exception as error:
                wrong.append(repr(error))
                return
            if one != other:
                wrong.append(f"{one} with {other}")

    put_in_place(staged(0), target)
    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 60):
        put_in_place(staged(number), target)
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert read(target) == ("59", "59")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("one", "other")) == ["model"]


def test_a_surrogate_is_read_while_it_is_saved_again(saved: Path, tmp_path: Path) -> None:
    target = tmp_path / "model"
    shutil.copytree(saved, target)
    surrogate, done, wrong = Surrogate.load(target), threading.Event(), []

    def look() -> None:
        while not done.is_set():
            try:
                read_surrogate(target)
            except Exception as error:
                wrong.append(repr(error))

    reader = threading.Thread(target=look)
    reader.start()
    for licence in ("a", "b", "c", "d"):
        surrogate.save(target, licence=licence)
    done.set()
    reader.join()
    assert wrong == []
    assert read_surrogate(target)[1]["manifest"]["licence"] == "d"
