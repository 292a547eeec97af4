"""The stream's sink on a real Redis: what is committed before it closes is shown."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from streams.agents.campaigns import Committed
from streams.sink import RedisSink
from xinghe.domain.funnel import Window, encode_window, pack_key
from xinghe.domain.metrics import COUNTED_NAMES, PEOPLE_NAMES
from xinghe.serving import keys
from xinghe.serving.client import open_redis, text

TOTAL = pack_key(("c1", "total", 0))


def commit(version: int) -> Committed:
    window = Window(version, None, [version] * len(COUNTED_NAMES), [0] * len(PEOPLE_NAMES))
    return Committed({TOTAL: encode_window(window)}, {}, 0, [])


async def shown_version(redis: Redis) -> str | None:
    version = await redis.hget(keys.total("c1"), "version")
    return None if version is None else text(version)


async def test_a_commit_during_the_last_write_is_shown_before_the_sink_is_closed(redis: Redis) -> None:
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    sink.rebuild(1, commit(1))
    async with asyncio.timeout(5):
        while await shown_version(redis) != "1":
            await asyncio.sleep(0.01)
    sink.committed(2, commit(2))
    for _ in range(3):
        await asyncio.sleep(0)  # the writer takes the second commit
    sink.committed(3, commit(3))
    await sink.close()
    assert await shown_version(redis) == "3"


async def test_a_sink_whose_redis_is_away_closes_at_once() -> None:
    async with open_redis("redis://127.0.0.1:1") as nowhere:
        sink = RedisSink(nowhere, 0, 1)
        sink.opened("i1", -1, is_complete=True)
        sink.committed(1, commit(1))
        async with asyncio.timeout(1):
            await sink.close()
