"""Every answer on the page belongs to the question it was asked for, or is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.serving import part

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

from helpers.view_buffers import arrays
from tramontane.errors import TramontaneError
from tramontane.page.language.words import Words
from tramontane.page.latest import Latest, Turn
from tramontane.page.view.asking import Asking
from tramontane.page.view.buffers import Buffers
from tramontane.page.view.scene import triangles_of
from tramontane.page.view.state import View
from tramontane.service.access.caller import Caller
from tramontane.service.server import Server
from tramontane.service.settings import Settings

SMALL, LARGE = (0.6, 0.55, 0.5), (0.95, 0.9, 0.85)
CELLS = 2000


@pytest.fixture(scope="module")
def server(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(Settings(models=saved.parent, state=tmp_path_factory.mktemp("questions") / "state"))
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="module")
def parts(server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two parts of different size, by hash."""
    folder = tmp_path_factory.mktemp("parts")

    async def store(axes: tuple[float, float, float]) -> str:
        async def content() -> AsyncIterator[bytes]:
            yield part(folder, axes).read_bytes()

        stored, _ = await server.geometries.receive(content(), name="part.stl", announced=None)
        return stored.hash

    return [asyncio.run(store(axes)) for axes in (SMALL, LARGE)]


@pytest.fixture
def asking(server: Server) -> Asking:
    return Asking(server, Buffers(), Caller(None, "predict"), Words("en"))


def length(asking: Asking, payload: dict[str, Any] | None) -> float:
    """Of what is drawn, along x, m."""
    assert payload is not None
    points = arrays(asking.buffers, payload["surface"]["mesh"])["points"].reshape(-1, 3)
    assert len(arrays(asking.buffers, payload["surface"]["values"])["values"]) == len(points)
    return float(np.ptp(points[:, 0]))


@pytest.mark.parametrize("when", range(4))
def test_another_part_chosen_meanwhile_changes_no_answer_and_no_cache(
    asking: Asking, parts: list[str], when: int
) -> None:
    small, large = parts
    view = View(model="model", geometry=small, parameters={"load": 300.0 + when}, cells=CELLS)

    async def choose_twice() -> tuple[dict[str, Any] | None, str]:
        task = asyncio.create_task(asking.answer(view))
        for _ in range(when):  # before anything was asked, while it is predicted, while it is drawn
            await asyncio.sleep(0.01)
        view.geometry, view.parameters["load"] = large, 111.0
        answer = await task
        return answer.payload, answer.view.geometry

    payload, chosen = asyncio.run(choose_twice())
    assert length(asking, payload) == pytest.approx(2 * (SMALL if chosen == small else LARGE)[0], rel=0.02)
    if when:
        assert chosen == small
    for geometry, axes in ((small, SMALL), (large, LARGE)):  # somebody else, later
        other = View(model="model", geometry=geometry, parameters={"load": 300.0 + when}, cells=CELLS)
        assert length(asking, asyncio.run(asking.answer(other)).payload) == pytest.approx(2 * axes[0], rel=0.02)


def test_two_people_who_choose_at_the_same_time_see_their_own_parts(asking: Asking, parts: list[str]) -> None:
    async def person(turns: list[str]) -> list[float]:
        lengths = []
        view = View(model="model", geometry=turns[0], parameters={"load": 250.0}, cells=CELLS)
        for geometry in turns:
            view.geometry = geometry
            lengths.append(length(asking, (await asking.answer(view)).payload))
        return lengths

    async def both() -> list[list[float]]:
        return await asyncio.gather(person([*parts, *parts]), person([*parts[::-1], *parts[::-1]]))

    anna, ben = asyncio.run(both())
    assert anna == pytest.approx([2 * SMALL[0], 2 * LARGE[0]] * 2, rel=0.02)
    assert ben == pytest.approx([2 * LARGE[0], 2 * SMALL[0]] * 2, rel=0.02)


def test_values_of_another_mesh_are_not_drawn(asking: Asking, parts: list[str]) -> None:
    view = View(model="model", geometry=parts[0], parameters={"load": 300.0}, cells=CELLS)
    mesh = asyncio.run(asking.answer(view)).case.meshes["surface"]
    with pytest.raises(TramontaneError, match=f"{mesh.n_points - 1} values are not of this surface"):
        triangles_of(mesh).values(np.zeros(mesh.n_points - 1, dtype=np.float32), cell=False)


class Reader:
    """A page with one choice, whose answers come when the test lets them."""

    def __init__(self) -> None:
        self.choice, self.shown, self.began = "", [], []
        self.gates: dict[str, asyncio.Future[str]] = {}
        self.latest = Latest(lambda: self.choice, self.answer)

    async def answer(self, turn: Turn[str]) -> None:
        self.began.append(turn.question)
        gate = self.gates.setdefault(turn.question, asyncio.get_running_loop().create_future())
        try:
            self.shown.append(await turn(gate))
        except TramontaneError as error:
            self.shown.append(str(error))

    def choose(self, choice: str) -> None:
        self.choice = choice
        self.latest.ask()


def reading(steps: Any) -> Reader:
    """A reader after some steps."""

    async def run() -> Reader:
        from nicegui import core

        core.loop = asyncio.get_running_loop()
        reader = Reader()
        await steps(reader)
        return reader

    return asyncio.run(run())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_an_answer_that_was_overtaken_is_dropped_and_the_newest_question_is_answered() -> None:
    async def steps(reader: Reader) -> None:
        reader.choose("a")
        await settle()
        reader.choose("b")
        reader.choose("c")
        reader.gates["a"].set_result("A")
        await settle()
        reader.gates["c"].set_result("C")
        await settle()

    reader = reading(steps)
    assert reader.shown == ["C"]
    assert reader.began == ["a", "c"]


def test_what_went_wrong_with_an_overtaken_question_is_dropped_too() -> None:
    async def steps(reader: Reader) -> None:
        reader.choose("a")
        await settle()
        reader.choose("b")
        reader.gates["a"].set_exception(TramontaneError("a cannot be read"))
        await settle()
        reader.gates["b"].set_exception(TramontaneError("b cannot be read"))
        await settle()

    assert reading(steps).shown == ["b cannot be read"]


def test_what_changed_without_a_word_is_answered_all_the_same() -> None:
    async def steps(reader: Reader) -> None:
        reader.choose("a")
        await settle()
        reader.choice = "b"  # nobody asked
        reader.gates["a"].set_result("A")
        await settle()
        reader.gates["b"].set_result("B")
        await settle()

    assert reading(steps).shown == ["B"]


def test_pictures_on_the_way_of_a_slider_are_shown_and_those_of_another_part_are_not() -> None:
    view = View(model="m", geometry="a", parameters={"load": 1.0}, section="x", at=0.2)
    assert view.on_the_way(View(model="m", geometry="a", parameters={"load": 2.0}, section="x", at=0.9))
    for other in ({"geometry": "b"}, {"model": "n"}, {"field": "p"}, {"section": "y"}, {"unit": "mm"}, {"cells": 9}):
        assert not view.on_the_way(View(**({"model": "m", "geometry": "a", "section": "x"} | other)))
