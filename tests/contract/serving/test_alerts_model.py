"""Whatever goes wrong between the stream and Redis, no turn of an alert is in the stream of alerts twice, and all open ones are shown.

As in `test_guard_model`: owners come and go, former ones send what they had in hand, Redis is emptied or put back, and the
connection breaks before or after any script call.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.contract.serving.test_guard_model import FAULTS, FaultyWriter
from xinghe.domain.alerts import BudgetNearlyUsed, Turn, record_of
from xinghe.serving import (
    AlertWrite,
    CommitWrite,
    FunnelReader,
    Outcome,
    ServingUnavailableError,
    commit,
    open_redis,
)

RULE = BudgetNearlyUsed(name="budget", percent=90)
TURNS = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=4)
"""Campaigns, and whether their alert is open after the turn."""
OPERATIONS = st.one_of(
    st.tuples(st.just("commit"), TURNS, FAULTS),
    st.tuples(st.just("takeover"), FAULTS),
    st.tuples(st.just("zombie_writes")),
    st.tuples(st.just("flush")),
    st.tuples(st.just("save")),
    st.tuples(st.just("restore")),
)


def turn_of(number: int, campaign_id: str, is_open: bool) -> AlertWrite:
    """A turn that can be told from all others by its time."""
    alert = record_of(RULE, campaign_id, None, Turn("raised" if is_open else "resolved", 0, number, None))
    return AlertWrite(number, alert.alert_id, msgspec.json.encode(alert).decode(), is_open)


@dataclass
class Owner:
    """A worker: its writer, the last turn of each campaign, and the turns that Redis did not confirm."""

    writer: FaultyWriter
    table: dict[str, AlertWrite]
    sequence: int
    number: int
    pending: list[AlertWrite] = field(default_factory=list)
    must_rebuild: bool = True

    async def flush(self) -> None:
        try:
            if not self.must_rebuild:
                outcome = await self.writer.write(
                    self.sequence, CommitWrite([], [], [], 0, [], list(self.pending))
                )
                self.must_rebuild = outcome is Outcome.REBUILD_NEEDED
            if self.must_rebuild:
                chunks = [CommitWrite([], [], [], 0, [], [alert]) for alert in sorted(self.table.values())]
                self.must_rebuild = await self.writer.rebuild(self.sequence, chunks) is Outcome.REBUILD_NEEDED
        except ServingUnavailableError:
            return
        self.pending.clear()


class Model:
    """Plays operations against a real Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.saved: dict[Any, Any] = {}
        self.zombie: Owner | None = None
        self.owner = Owner(self.new_writer(), {}, 0, 0)

    def new_writer(self) -> FaultyWriter:
        return FaultyWriter(self.redis, stage="campaigns", partition=0, partitions=1, incarnation="i1")

    async def commit(self, turns: list[tuple[str, bool]], fault: tuple[str, int] | None) -> None:
        owner = self.owner
        owner.sequence += 1
        for campaign_id, is_open in turns:
            owner.number += 1
            turn = turn_of(owner.number, campaign_id, is_open)
            owner.pending.append(turn)
            owner.table[campaign_id] = turn
        owner.writer.fault = fault
        await owner.flush()

    async def takeover(self, fault: tuple[str, int] | None) -> None:
        former = self.zombie = self.owner
        # Resolved alerts are dropped from the table some time after.
        table = {campaign_id: turn for campaign_id, turn in former.table.items() if turn.is_open}
        self.owner = Owner(self.new_writer(), table, former.sequence, former.number)
        self.owner.must_rebuild = await self.owner.writer.check() != ("i1", self.owner.sequence)
        self.owner.writer.fault = fault
        if self.owner.must_rebuild:
            await self.owner.flush()

    async def zombie_writes(self) -> None:
        if self.zombie is not None:
            self.zombie.writer.fault = None
            await self.zombie.flush()

    async def flush(self) -> None:
        await self.redis.flushall()

    async def save(self) -> None:
        self.saved = {key: await self.redis.dump(key) for key in await self.redis.keys()}

    async def restore(self) -> None:
        await self.redis.flushall()
        for key, value in self.saved.items():
            await self.redis.restore(key, 0, value)


@example(  # an answer is lost, and the same turn is sent again with the next
    operations=[("commit", [("a", True)], None), ("commit", [("b", True)], ("after", 0))]
)
@example(  # Redis does not hear of a turn, the next owner has the last of each campaign
    operations=[("commit", [("a", True)], None), ("commit", [("b", True)], ("before", 0)), ("takeover", None)]
)
@example(  # Redis comes back from an old snapshot
    operations=[("commit", [("a", True)], None), ("save",), ("commit", [("b", True)], None), ("restore",)]
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(OPERATIONS, min_size=3, max_size=16))
def test_no_turn_is_twice_and_the_open_ones_are_shown(
    shared_redis: Any, operations: list[tuple[Any, ...]]
) -> None:
    async def play() -> None:
        async with open_redis(shared_redis.url) as redis:
            await redis.flushall()
            model = Model(redis)
            await model.owner.flush()
            for name, *arguments in operations:
                await getattr(model, name)(*arguments)
            await model.commit([("z", True)], None)
            for _ in range(3):
                await model.owner.flush()
            reader = FunnelReader(redis)
            numbers = [alert.time_ms for alert in reversed(await reader.alerts(1_000))]
            assert numbers == sorted(set(numbers))
            assert numbers[-1] == model.owner.number
            shown = {alert.campaign_id: alert.time_ms for alert in await reader.alerts_open()}
            table = model.owner.table
            assert shown == {each: turn.number for each, turn in table.items() if turn.is_open}
            is_whole = not {name for name, *_ in operations} - {"commit"} and not any(
                operation[2] for operation in operations
            )
            assert not is_whole or numbers == list(range(1, model.owner.number + 1))

    with mock.patch.object(commit, "WRITES_MAX", 2):
        asyncio.run(play())
