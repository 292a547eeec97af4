"""Acknowledgements in Redis: the last of each alert, none for ever, and told to all pages."""

from __future__ import annotations

from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from xinghe.serving import (
    AlertWrite,
    CommitWrite,
    FunnelReader,
    FunnelWriter,
    ServingUnavailableError,
    keys,
    open_redis,
)
from xinghe.serving.acknowledgements import KEPT_MS, AlertsDesk
from xinghe.serving.records import Acknowledgement
from xinghe.serving.records_reader import RecordsReader

NOW_MS = 1_790_000_000_000
FIRST = Acknowledgement("c1|roi|7", "lily", NOW_MS, "链接\n坏了")


async def test_the_last_one_is_what_stands(redis: Redis) -> None:
    desk, reader = AlertsDesk(redis), RecordsReader(redis)
    assert await reader.acknowledged() == {}
    await desk.acknowledge(FIRST)
    second = Acknowledgement(FIRST.alert_id, "max", NOW_MS + 1, "")
    other = Acknowledgement("system|late|7", "max", NOW_MS + 1, "")
    for each in (second, other):
        await desk.acknowledge(each)
    assert await reader.acknowledged() == {each.alert_id: each for each in (second, other)}


async def test_old_ones_go_unless_their_alert_is_open(redis: Redis) -> None:
    desk, reader = AlertsDesk(redis), RecordsReader(redis)
    await redis.hset(keys.ALERTS_OPEN, "c2|roi|7", b"{}")
    for alert_id in ("c1|roi|7", "c2|roi|7"):
        await desk.acknowledge(Acknowledgement(alert_id, "lily", NOW_MS, ""))
    await desk.acknowledge(Acknowledgement("c3|roi|7", "lily", NOW_MS + KEPT_MS, ""))
    assert set(await reader.acknowledged()) == {"c1|roi|7", "c2|roi|7", "c3|roi|7"}
    await desk.acknowledge(Acknowledgement("c4|roi|7", "lily", NOW_MS + KEPT_MS + 1, ""))
    assert set(await reader.acknowledged()) == {"c2|roi|7", "c3|roi|7", "c4|roi|7"}


async def test_readers_are_told_of_the_campaign_whether_an_alert_turns_or_is_acknowledged(
    redis: Redis, writer: FunnelWriter, reader: FunnelReader
) -> None:
    await writer.rebuild(1, [])
    alerts = [
        AlertWrite(1, "c1|roi|7", "{}", is_open=True),
        AlertWrite(2, "system|late|7", "{}", is_open=True),
    ]
    async with aclosing(reader.changes()) as changes:
        assert await anext(changes) == []
        await writer.write(2, CommitWrite([], [], ["c2", "c1"], 9, alerts=alerts))
        assert await anext(changes) == ["c2", "c1", "system"]
        await AlertsDesk(redis).acknowledge(FIRST)
        assert await anext(changes) == ["c1"]
    assert await redis.zrange(keys.CAMPAIGNS, 0, -1) == [b"c1", b"c2"]


async def test_a_redis_that_is_away_is_one_error() -> None:
    async with open_redis("redis://127.0.0.1:1/0") as away:
        with pytest.raises(ServingUnavailableError):
            await AlertsDesk(away).acknowledge(FIRST)
