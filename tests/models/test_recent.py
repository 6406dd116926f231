"""What is kept of what was computed, and what goes first."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import pyvista as pv
from scipy.spatial import cKDTree

from tramontane.models import recent
from tramontane.models.recent import Budget, Recent, size_of
from tramontane.service import cache
from tramontane.service.cache import ByteCache


def test_the_last_few_are_kept_within_their_room() -> None:
    made: list[str] = []
    kept = Recent(3, room=100)

    def ask(key: str, size: int = 30) -> str:
        def make() -> str:
            made.append(key)
            return key.upper()

        return kept.get(key, make, size=lambda _: size)

    assert [ask(key) for key in "abca"] == ["A", "B", "C", "A"]
    assert made == ["a", "b", "c"]
    ask("d")  # four are too many: b was asked for longest ago
    ask("a")
    assert made == ["a", "b", "c", "d"]
    ask("b")
    assert made[-1] == "b"
    ask("e", 90)  # no room beside it
    ask("a")
    assert made[-2:] == ["e", "a"]
    ask("f", 101)  # never kept, and drives out none
    ask("a")
    ask("f", 101)
    assert made[-2:] == ["f", "f"]


def test_all_caches_together_keep_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Budget()  # caches of other tests are not in it
    own.limit = 1000
    for module in (recent, cache):
        monkeypatch.setattr(module, "BUDGET", own)
    answers: ByteCache[str] = ByteCache(10_000)
    shapes = Recent(8)
    answers.put("a", "A", 400)
    shapes.get("s", lambda: np.zeros(50))  # 400 bytes, counted by itself
    assert (answers.bytes, shapes.bytes) == (400, 400)
    assert answers.get("a") == "A"
    answers.put("b", "B", 400)  # 1200 are too many: the shape was used longest ago, whichever cache it is in
    assert (answers.get("a"), answers.get("b"), shapes.bytes) == ("A", "B", 0)
    shapes.get("s", lambda: np.zeros(25))
    assert shapes.bytes == 200


def test_a_value_that_grew_is_measured_again() -> None:
    kept = Recent(4)
    value: dict[str, object] = kept.get("a", lambda: {"points": np.zeros(10)})
    value["more"] = [np.zeros(100), value["points"]]
    kept.grown("a")
    assert kept.bytes == 880  # what is held twice counts once
    assert pickle.loads(pickle.dumps(kept)).bytes == 0


def test_sizes_are_those_of_arrays_meshes_and_trees() -> None:
    points = np.zeros((100, 3))
    assert size_of({"one": points, "view": points[:10]}) == 2400
    assert size_of(cKDTree(np.random.default_rng(0).normal(size=(100, 3)))) == 4800
    assert size_of(pv.Sphere()) > 10_000
    assert size_of(("text", 3, None)) == 0
