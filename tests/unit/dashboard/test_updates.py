"""Updates are put together for each page, and nobody waits for a slow one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

import pytest

from xinghe.dashboard import updates as module
from xinghe.dashboard.updates import PENDING_MAX, Change, Pending, Updates
from xinghe.serving import FunnelReader, ServingUnavailableError


class FakeReader(FunnelReader):
    """Commits that the test makes; an error for Redis going away."""

    def __init__(self) -> None:
        self.commits: asyncio.Queue[list[str] | Exception] = asyncio.Queue()

    async def changes(self, silence_s: float = 1.0) -> AsyncGenerator[list[str]]:
        while True:
            commit = await self.commits.get()
            if isinstance(commit, Exception):
                raise commit
            yield commit


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def updates(reader: FakeReader, monkeypatch: pytest.MonkeyPatch) -> Updates:
    monkeypatch.setattr(module, "PERIOD_S", 0.05)
    return Updates(reader)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def put(reader: FakeReader, commits: Iterable[list[str] | Exception]) -> None:
    for commit in commits:
        reader.commits.put_nowait(commit)


async def test_what_changes_within_a_period_is_one_update(reader: FakeReader, updates: Updates) -> None:
    running = asyncio.create_task(updates.run())
    put(reader, [[]])
    await turns()
    with updates.listener() as listener:
        assert await listener.next() == Change(None, is_connected=True)
        began_s = asyncio.get_running_loop().time()
        put(reader, [["a"], ["b", "a"], ["c"]])
        await turns()
        assert await listener.next() == Change(frozenset("abc"), is_connected=True)
        assert asyncio.get_running_loop().time() - began_s >= 0.045
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listener.next(), 0.1)
    running.cancel()


async def test_a_page_that_takes_nothing_holds_up_no_other_and_keeps_a_bounded_list(
    reader: FakeReader, updates: Updates
) -> None:
    running = asyncio.create_task(updates.run())
    put(reader, [[]])
    await turns()
    with updates.listener() as slow, updates.listener() as quick:
        await slow.next()
        await quick.next()
        for number in range(PENDING_MAX + 1):
            put(reader, [[f"c{number}"]])
        put(reader, [["last"]])
        await asyncio.sleep(0.1)
        assert reader.commits.empty()
        for listener in (quick, slow):
            assert await listener.next() == Change(None, is_connected=True)
        put(reader, [["d"]])
        assert await quick.next() == Change(frozenset("d"), is_connected=True)
    running.cancel()


async def test_pages_are_told_that_redis_went_and_when_it_is_back_that_all_may_have_changed(
    reader: FakeReader, updates: Updates
) -> None:
    running = asyncio.create_task(updates.run())
    put(reader, [["a"]])
    await turns()
    board = updates.pending()
    assert board.take() is None
    with updates.listener() as listener:
        await listener.next()
        put(reader, [ServingUnavailableError("redis://x", "away")])
        assert await listener.next() == Change(None, is_connected=False)
        assert board.take() is None
        put(reader, [["b"]])
        assert await listener.next() == Change(None, is_connected=True)
        assert board.take() is None
        assert board.take() == frozenset()
    running.cancel()


async def test_a_page_that_is_closed_is_forgotten(updates: Updates) -> None:
    with updates.listener():
        assert len(updates._listeners) == 1
    assert not updates._listeners


def test_all_stays_all_until_it_is_taken() -> None:
    pending = Pending()
    pending.add(["a"])
    assert pending.take() is None
    pending.add(["a"])
    pending.add(["b"])
    assert pending.take() == frozenset({"a", "b"})
    pending.add(None)
    pending.add(["a"])
    assert pending.take() is None
