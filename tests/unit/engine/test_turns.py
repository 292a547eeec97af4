"""How often a commit in flight gets its turn while batches come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from streams.engine.batch import Batch
from streams.engine.engine import BACKLOG_RECORDS, TURNS, Engine, EngineOptions

STAGE: Any = SimpleNamespace(name="s")


async def turns_of(records: int, *, is_committing: bool) -> int:
    """The turns of the event loop that pass while two batches of one delivery are processed."""

    async def deliver(*_: Any) -> None:
        """Nothing is waited for."""

    nothing: Any = [None] * (records // 2)

    async def stream() -> AsyncIterator[list[Batch]]:
        yield [Batch("t", 0, nothing, 0)] * 2

    engine = Engine(EngineOptions("g", 0.2, 1_000, {}))
    task: Any = SimpleNamespace(deliver=deliver, is_committing=is_committing)
    engine._tasks["s", 0] = task
    running, turns = asyncio.create_task(engine.run(STAGE, stream())), 0
    while not running.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


@pytest.mark.parametrize(
    ("records", "is_committing", "each"),
    [(2, False, 1), (2, True, TURNS), (BACKLOG_RECORDS, True, 1), (BACKLOG_RECORDS, False, 1)],
)
async def test_a_commit_in_flight_gets_more_turns_unless_there_is_a_backlog(
    records: int, is_committing: bool, each: int
) -> None:
    assert await turns_of(records, is_committing=is_committing) in {2 * each, 2 * each + 1, 2 * each + 2}
