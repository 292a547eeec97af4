"""Whatever goes wrong between the stream and Redis, Redis ends up with what the table holds.

The model is the table of one partition and its sequence, which is Kafka's and never goes back. Owners come
and go as in a rebalance; former ones still send what they had in hand. Redis is emptied, put back to an
old state, and the connection breaks before or after any script call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from xinghe.domain.windows import Size
from xinghe.serving import (
    CommitWrite,
    FunnelReader,
    FunnelWriter,
    Outcome,
    ServingUnavailableError,
    WindowWrite,
    commit,
    open_redis,
)

SIZES: tuple[Size, ...] = ("1m", "1h")
Window = tuple[str, Size, int]

# Few, so that operations meet on them.
WINDOWS: st.SearchStrategy[Window] = st.sampled_from(
    [("a", "1m", 0), ("a", "1m", 1), ("a", "1h", 0), ("b", "1m", 0)]
)
Figures = tuple[int, int | None]
"""Views and GMV; no field for the GMV while it is ``None``."""
FIGURES = st.tuples(st.integers(1, 9), st.none() | st.integers(1, 2))
FAULTS = st.one_of(st.none(), st.tuples(st.sampled_from(["before", "after"]), st.integers(0, 2)))
OPERATIONS = st.one_of(
    st.tuples(st.just("commit"), st.dictionaries(WINDOWS, st.none() | FIGURES, min_size=1), FAULTS),
    st.tuples(st.just("takeover"), FAULTS),
    st.tuples(st.just("zombie_writes")),
    st.tuples(st.just("zombie_rebuilds"), FAULTS),
    st.tuples(st.just("flush")),
    st.tuples(st.just("save")),
    st.tuples(st.just("restore")),
)


class FaultyWriter(FunnelWriter):
    """Loses the connection once, at the script call that ``fault`` counts down to."""

    fault: tuple[str, int] | None = None

    async def _run(self, step: Any, sequence: int, payload: bytes) -> str:
        if self.fault is None:
            return await super()._run(step, sequence, payload)
        when, calls_left = self.fault
        self.fault = (when, calls_left - 1) if calls_left else None
        if calls_left == 0 and when == "before":
            raise ServingUnavailableError("redis://model", "lost before")
        answer = await super()._run(step, sequence, payload)
        if calls_left == 0:
            raise ServingUnavailableError("redis://model", "lost after")
        return answer


@dataclass
class Owner:
    """A worker: its writer, the table as it knows it, and the changes that Redis did not confirm."""

    writer: FaultyWriter
    table: dict[Window, Figures]
    sequence: int
    pending: dict[Window, Figures | None] = field(default_factory=dict)
    whole: set[Window] = field(default_factory=set)
    must_rebuild: bool = True

    async def flush(self) -> None:
        """What the campaigns stage does after a commit, or tries again when Redis is back."""
        try:
            if not self.must_rebuild:
                commit = changes(self.pending, self.sequence, self.whole)
                outcome = await self.writer.write(self.sequence, commit)
                self.must_rebuild = outcome is Outcome.REBUILD_NEEDED
            if self.must_rebuild:
                chunks = [
                    changes({window: value}, self.sequence, {window}) for window, value in self.table.items()
                ]
                self.must_rebuild = await self.writer.rebuild(self.sequence, chunks) is Outcome.REBUILD_NEEDED
        except ServingUnavailableError:
            return
        self.pending.clear()
        self.whole.clear()


def changes(windows: Mapping[Window, Figures | None], sequence: int, whole: set[Window]) -> CommitWrite:
    """Views are sent with every change, the GMV where it changed and the whole window is sent."""
    writes = [
        WindowWrite(*window, fields(value), None, orders(value) if window in whole else None)
        for window, value in windows.items()
    ]
    totals = [
        WindowWrite(campaign_id, "total", 0, {"views": 0, "version": 1, "updated_ms": 1, "watermark_ms": 1})
        for campaign_id in sorted({campaign_id for campaign_id, _, _ in windows})
    ]
    return CommitWrite([*writes, *totals], [], [campaign_id for campaign_id, *_ in totals], sequence)


def fields(value: Figures | None) -> dict[str, int] | None:
    return None if value is None else {"views": value[0], "version": 1, "final": 0}


def orders(value: Figures | None) -> dict[str, int]:
    return {} if value is None or value[1] is None else {"gmv_fen": value[1]}


async def figures(redis: Redis) -> dict[Window, tuple[int | None, int | None]]:
    reader = FunnelReader(redis)
    return {
        (campaign_id, size, window.start_ms): (window.get("views"), window.get("gmv_fen"))
        for campaign_id in "ab"
        for size in SIZES
        for window in await reader.windows(campaign_id, size)
    }


class Model:
    """Plays operations against a real Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.saved: dict[Any, Any] = {}
        self.zombie: Owner | None = None
        self.owner = self.new_owner({}, 0)

    def new_owner(self, table: dict[Window, Figures], sequence: int) -> Owner:
        writer = FaultyWriter(self.redis, stage="campaigns", partition=0, partitions=1, incarnation="i1")
        return Owner(writer, dict(table), sequence)

    async def commit(self, windows: dict[Window, Figures | None], fault: tuple[str, int] | None) -> None:
        owner = self.owner
        owner.sequence += 1
        owner.pending |= windows
        for window, value in windows.items():
            if value is None or owner.table.get(window, (0, 0))[1] != value[1]:
                owner.whole.add(window)
            if value is None:
                owner.table.pop(window, None)
            else:
                owner.table[window] = value
        owner.writer.fault = fault
        await owner.flush()

    async def takeover(self, fault: tuple[str, int] | None) -> None:
        self.zombie = self.owner
        self.owner = self.new_owner(self.zombie.table, self.zombie.sequence)
        held = await self.owner.writer.check()
        self.owner.must_rebuild = held != ("i1", self.owner.sequence)
        self.owner.writer.fault = fault
        if self.owner.must_rebuild:
            await self.owner.flush()

    async def zombie_writes(self) -> None:
        if self.zombie is not None:
            self.zombie.writer.fault = None
            await self.zombie.flush()

    async def zombie_rebuilds(self, fault: tuple[str, int] | None) -> None:
        if self.zombie is not None:
            self.zombie.must_rebuild = True
            self.zombie.writer.fault = fault
            await self.zombie.flush()

    async def flush(self) -> None:
        await self.redis.flushall()

    async def save(self) -> None:
        self.saved = {key: await self.redis.dump(key) for key in await self.redis.keys()}

    async def restore(self) -> None:
        await self.redis.flushall()
        for key, value in self.saved.items():
            await self.redis.restore(key, 0, value)


A: Window = ("a", "1m", 0)
LAST: Window = ("b", "1h", 0)


@example(  # a commit is cut off between its parts, and the next owner dropped the window since
    operations=[
        ("commit", {A: (1, None)}, None),
        ("commit", {A: (2, 1), ("a", "1m", 1): (2, None)}, ("before", 1)),
        ("takeover", None),
        ("commit", {A: None}, None),
        ("zombie_writes",),
    ]
)
@example(  # a former owner begins a rebuild of a state that the owner has left behind
    operations=[
        ("commit", {A: (1, None)}, None),
        ("takeover", None),
        ("commit", {A: (2, None)}, None),
        ("zombie_rebuilds", None),
    ]
)
@example(  # a window is dropped, Redis does not hear of it, the next owner rebuilds
    operations=[
        ("commit", {A: (1, None)}, None),
        ("commit", {A: None}, ("before", 0)),
        ("takeover", None),
    ]
)
@example(  # Redis comes back from an old snapshot while the owner goes on
    operations=[
        ("commit", {A: (1, None)}, None),
        ("save",),
        ("commit", {A: (2, None)}, None),
        ("restore",),
    ]
)
@example(  # Redis does not hear of the GMV; the next commit, which does not change it, is heard
    operations=[
        ("commit", {A: (1, None)}, None),
        ("commit", {A: (2, 1)}, ("before", 0)),
        ("commit", {A: (3, 1)}, None),
    ]
)
@example(  # a rebuild is cut off, its owner gone
    operations=[
        ("commit", {A: (1, None)}, None),
        ("commit", {A: (2, None)}, ("before", 0)),
        ("takeover", ("after", 0)),
        ("takeover", None),
    ]
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(OPERATIONS, min_size=4, max_size=16))
def test_redis_ends_up_with_the_table(shared_redis: Any, operations: list[tuple[Any, ...]]) -> None:
    async def play() -> None:
        async with open_redis(shared_redis.url) as redis:
            await redis.flushall()
            model = Model(redis)
            for name, *arguments in operations:
                await getattr(model, name)(*arguments)
            # One more commit, and as many tries as faults can use up.
            await model.commit({LAST: (5, None)}, None)
            for _ in range(3):
                await model.owner.flush()
            assert await figures(redis) == model.owner.table
            assert await model.owner.writer.check() == ("i1", model.owner.sequence)

    # Parts of two windows, so that a commit of a few has several.
    with mock.patch.object(commit, "WRITES_MAX", 2):
        asyncio.run(play())
