"""Everybody who asks gets a turn."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tramontane.service.turns import Turns, asker


async def ask(turns: Turns, who: str, work: object, *, long: bool = False) -> object:
    asker.set(who)
    return await turns.run(work, long=long)  # type: ignore[arg-type]


def test_who_asks_once_does_not_wait_behind_who_asks_much() -> None:
    order: list[str] = []
    begin = threading.Event()

    async def main() -> None:
        turns = Turns(1, "test")
        first = asyncio.create_task(ask(turns, "first", begin.wait))
        await asyncio.sleep(0.05)
        many = [asyncio.create_task(ask(turns, "many", lambda: order.append("many"))) for _ in range(10)]
        await asyncio.sleep(0)
        once = asyncio.create_task(ask(turns, "once", lambda: order.append("once")))
        await asyncio.sleep(0)
        assert turns.waiting == 11
        begin.set()
        await asyncio.gather(first, once, *many)
        assert turns.close(5.0)

    asyncio.run(main())
    assert order.index("once") <= 1
    assert len(order) == 11


def test_what_takes_long_leaves_a_thread_to_the_others() -> None:
    begin, reached = threading.Event(), threading.Semaphore(0)

    def long() -> None:
        reached.release()
        begin.wait()

    async def main() -> None:
        turns = Turns(2, "test")
        waiting = [asyncio.create_task(ask(turns, f"long {k}", long, long=True)) for k in range(3)]
        await asyncio.to_thread(reached.acquire)
        assert await ask(turns, "short", lambda: "answered") == "answered"
        assert turns.waiting == 2
        begin.set()
        await asyncio.gather(*waiting)

    asyncio.run(main())


def test_an_error_reaches_who_asked_and_the_next_has_its_turn() -> None:
    async def main() -> None:
        turns = Turns(1, "test")
        with pytest.raises(ZeroDivisionError):
            await ask(turns, "a", lambda: 1 / 0)
        assert await ask(turns, "a", lambda: 7) == 7

    asyncio.run(main())


def test_what_nobody_waits_for_any_more_is_not_done() -> None:
    done: list[str] = []
    begin = threading.Event()

    async def main() -> None:
        turns = Turns(1, "test")
        first = asyncio.create_task(ask(turns, "a", begin.wait))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(ask(turns, "b", lambda: done.append("gone")))
        await asyncio.sleep(0.05)
        gone.cancel()
        begin.set()
        await first
        assert await ask(turns, "c", lambda: "c") == "c"

    asyncio.run(main())
    assert done == []
