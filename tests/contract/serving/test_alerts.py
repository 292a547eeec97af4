"""Alerts in Redis: the open ones absolute, what became of them in a stream in which nothing is twice (R24)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from streams.agents.campaign_alerts import ToldAlert
from streams.agents.campaigns import Committed
from streams.agents.changed import Changed
from streams.sink import RedisSink
from tests.contract.serving.conftest import NewWriter, RedisServer
from tests.contract.serving.test_guard_model import FaultyWriter
from tests.waiting import PATIENCE_S, until
from xinghe.domain.alerts import BudgetNearlyUsed, DataLate, Turn, record_of
from xinghe.domain.outputs import AlertRaised, AlertTurn
from xinghe.serving import (
    AlertWrite,
    CommitWrite,
    FunnelReader,
    FunnelWriter,
    Outcome,
    ServingDataError,
    ServingUnavailableError,
    keys,
    open_redis,
)
from xinghe.serving.leftovers import partition_of

BUDGET, LATE = BudgetNearlyUsed(name="budget", percent=90), DataLate(name="late", minutes=15)


def alert_of(campaign_id: str | None, state: AlertTurn = "raised", since_ms: int = 7) -> AlertRaised:
    rule = LATE if campaign_id is None else BUDGET
    return record_of(rule, campaign_id, None, Turn(state, since_ms, since_ms + 1, None))


def write_of(number: int, alert: AlertRaised) -> AlertWrite:
    record = msgspec.json.encode(alert).decode()
    return AlertWrite(number, alert.alert_id, record, is_open=alert.state != "resolved")


def commit(*alerts: tuple[int, AlertRaised]) -> CommitWrite:
    return CommitWrite([], [], [], 0, [], [write_of(*each) for each in alerts])


def told(*alerts: tuple[int, AlertRaised]) -> list[ToldAlert]:
    return [
        ToldAlert(number, alert.alert_id, msgspec.json.encode(alert), alert.state != "resolved")
        for number, alert in alerts
    ]


def committed(*alerts: tuple[int, AlertRaised]) -> Committed:
    return Committed(Changed(), Changed(), 0, [], {}, told(*alerts))


async def test_open_ones_are_in_a_hash_and_all_turns_in_a_stream(
    redis: Redis, writer: FunnelWriter, reader: FunnelReader
) -> None:
    raised, other = alert_of("店"), alert_of(None, since_ms=9)
    resolved = alert_of("店", "resolved")
    await writer.rebuild(1, [])
    assert await writer.write(2, commit((1, raised), (2, other))) is Outcome.APPLIED
    assert (keys.ALERTS, keys.ALERTS_OPEN) == ("xinghe:alerts", "xinghe:alerts:open")
    assert await redis.hgetall(keys.ALERTS_OPEN) == {
        alert.alert_id.encode(): msgspec.json.encode(alert) for alert in (raised, other)
    }
    assert await reader.alerts_open() == [other, raised]
    assert await writer.write(3, commit((3, resolved))) is Outcome.APPLIED
    assert await reader.alerts_open() == [other]
    entries: Any = await redis.xrange(keys.ALERTS)
    assert entries[0][1] == {b"alert_id": raised.alert_id.encode(), b"record": msgspec.json.encode(raised)}
    assert await reader.alerts(9) == [resolved, other, raised]
    assert await reader.alerts(1) == [resolved]
    assert await reader.alerts(0) == []
    names = {keys.ALERTS, keys.ALERTS_OPEN, keys.sink("campaigns", 0)}
    assert set(await redis.keys()) == {name.encode() for name in names}


async def test_a_large_commit_goes_in_parts_in_order(writer: FunnelWriter, reader: FunnelReader) -> None:
    alerts = [(number, alert_of(f"c{number}")) for number in range(1, 1_200)]
    await writer.rebuild(1, [])
    await writer.write(2, commit(*alerts))
    assert len(await reader.alerts_open()) == len(alerts)
    assert await reader.alerts(2_000) == [alert for _, alert in reversed(alerts)]


async def test_the_stream_keeps_the_last_10_000_or_so(redis: Redis, writer: FunnelWriter) -> None:
    resolved = alert_of("c1", "resolved")
    await writer.rebuild(1, [])
    await writer.write(2, commit(*((number, resolved) for number in range(1, 12_001))))
    assert 10_000 <= await redis.xlen(keys.ALERTS) <= 10_200


async def test_what_is_sent_again_is_in_the_stream_once(redis: Redis, reader: FunnelReader) -> None:
    writer = FaultyWriter(redis, stage="campaigns", partition=0, partitions=1, incarnation="i1")
    await writer.rebuild(1, [])
    raised, other = alert_of("c1"), alert_of("c2")
    writer.fault = ("after", 0)
    with pytest.raises(ServingUnavailableError):
        await writer.write(2, commit((1, raised)))
    # The sink tries again together with what came meanwhile.
    assert await writer.write(3, commit((1, raised), (2, other))) is Outcome.APPLIED
    assert await reader.alerts(9) == [other, raised]


async def test_a_rebuild_has_the_open_ones_and_tells_none_twice(
    redis: Redis, new_writer: NewWriter, reader: FunnelReader
) -> None:
    first, second, third = (alert_of(f"c{number}") for number in (1, 2, 3))
    former = new_writer()
    await former.rebuild(1, [])
    await former.write(2, commit((1, first), (2, second)))
    owner = new_writer()
    assert await owner.rebuild(3, [commit((1, first)), commit((3, third))]) is Outcome.APPLIED
    assert await reader.alerts_open() == [first, third], "the second was resolved and dropped"
    assert await reader.alerts(9) == [third, second, first]
    await redis.flushall()
    assert await owner.rebuild(3, [commit((1, first)), commit((3, third))]) is Outcome.APPLIED
    assert await reader.alerts_open() == [first, third]
    assert await reader.alerts(9) == [third, first], "the second is an old one that is gone"
    assert await former.write(4, commit((4, second))) is Outcome.APPLIED, (
        "the sequence guards, not who writes"
    )


async def test_a_former_owner_changes_nothing(new_writer: NewWriter, reader: FunnelReader) -> None:
    former, owner = new_writer(), new_writer()
    await former.rebuild(1, [])
    await owner.rebuild(3, [commit((1, alert_of("c1")))])
    assert await former.write(2, commit((2, alert_of("c2")))) is Outcome.STALE
    assert await reader.alerts(9) == await reader.alerts_open() == [alert_of("c1")]


async def test_topics_made_anew_count_from_the_beginning(new_writer: NewWriter, reader: FunnelReader) -> None:
    old = new_writer()
    await old.rebuild(1, [commit((5, alert_of("c1")))])
    new = new_writer("i2")
    await new.rebuild(1, [])
    await new.write(2, commit((1, alert_of("c2"))))
    assert await reader.alerts(9) == [alert_of("c2"), alert_of("c1")]
    assert await reader.alerts_open() == [alert_of("c2")]


async def test_a_rebuild_leaves_the_alerts_of_other_partitions(
    new_writer: NewWriter, reader: FunnelReader
) -> None:
    campaigns = [f"c{number}" for number in range(20)]
    # A campaign may have the name that stands for none in the ids of alerts.
    mine = [alert_of(each) for each in [*campaigns, "system"] if partition_of(each, 2) == 1]
    theirs = [alert_of(each) for each in [*campaigns, "system"] if partition_of(each, 2) == 0]
    theirs.append(alert_of(None))
    for partition, alerts in enumerate((theirs, mine)):
        writer = new_writer(partition=partition, partitions=2)
        await writer.rebuild(1, [commit(*enumerate(alerts, 1))])
    await new_writer("i2", partition=1, partitions=2).rebuild(1, [])
    left = {alert.alert_id for alert in await reader.alerts_open()}
    assert left == {alert.alert_id for alert in theirs}
    assert alert_of(None).alert_id in left


async def test_a_foreign_value_is_named(redis: Redis, reader: FunnelReader) -> None:
    await redis.hset(keys.ALERTS_OPEN, "a", "[]")
    with pytest.raises(ServingDataError, match="xinghe:alerts:open"):
        await reader.alerts_open()


async def test_the_sink_shows_alerts_and_the_open_ones_after_a_flushall(
    redis: Redis, reader: FunnelReader
) -> None:
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    sink.rebuild(1, committed((1, alert_of("c1"))))

    async def shows(alerts: Sequence[AlertRaised]) -> bool:
        return await reader.alerts(9) == list(alerts)

    await until(lambda: shows([alert_of("c1")]), "it is shown")
    sink.committed(2, committed((2, alert_of("c2"))))
    sink.committed(3, committed((3, alert_of("c1", "resolved"))))
    await until(lambda: shows([alert_of("c1", "resolved"), alert_of("c2"), alert_of("c1")]), "it is shown")
    await redis.flushall()

    async def asks() -> bool:
        return sink.needs_all()

    await until(asks, "the sink looks")
    sink.rebuild(3, committed((2, alert_of("c2"))))
    await until(lambda: shows([alert_of("c2")]), "it is shown")
    assert await reader.alerts_open() == [alert_of("c2")]
    await sink.close()


async def test_alerts_that_redis_did_not_take_are_shown_in_order_once_it_is_back(
    redis: Redis, reader: FunnelReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away, tried, refused = asyncio.Event(), asyncio.Event(), asyncio.Event()
    write = FunnelWriter.write

    async def write_unless_away(writer: FunnelWriter, sequence: int, writes: CommitWrite) -> Outcome:
        if is_away.is_set():
            tried.set()
            await refused.wait()
            raise ServingUnavailableError("redis://x", "away")
        return await write(writer, sequence, writes)

    monkeypatch.setattr(FunnelWriter, "write", write_unless_away)
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    sink.rebuild(1, committed((1, alert_of("c1"))))

    async def shows(number: int) -> bool:
        return len(await reader.alerts(9)) == number

    await until(lambda: shows(1), "it is shown")
    is_away.set()
    sink.committed(2, committed((2, alert_of("c1", "escalated"))))
    await tried.wait()
    sink.committed(3, committed((3, alert_of("c1", "resolved"))))
    is_away.clear()
    refused.set()
    await until(lambda: shows(3), "it is shown")
    assert [alert.state for alert in await reader.alerts(9)] == ["resolved", "escalated", "raised"]
    assert await reader.alerts_open() == []
    await sink.close()


def fill(url: str, *alerts: AlertRaised) -> None:
    async def write() -> None:
        async with open_redis(url) as redis:
            writer = FunnelWriter(redis, stage="campaigns", partition=0, partitions=1, incarnation="i1")
            await writer.rebuild(1, [commit(*enumerate(alerts, 1))])

    asyncio.run(write())


def run_command(url: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "xinghe", "alerts", "--redis-url", url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout


def test_the_command_shows_the_open_ones_and_the_last(own_redis: RedisServer) -> None:
    raised, late, resolved = alert_of("c1"), alert_of(None), alert_of("c1", "resolved")
    fill(own_redis.url, raised, late, resolved)
    shown = run_command(own_redis.url, "--limit", "2").splitlines()
    assert shown[0] == "Open: 1"
    assert shown[1] == "1970-01-01 08:00:00  warning   raised     late"
    assert shown[2].strip() == late.message
    assert shown[4] == "Last: 2"
    assert shown[5] == "1970-01-01 08:00:00  warning   resolved   budget"
    assert json.loads(run_command(own_redis.url, "--json")) == {
        "open": [msgspec.to_builtins(late)],
        "last": msgspec.to_builtins([resolved, late, raised]),
    }
