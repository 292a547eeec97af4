"""The key of a shop's models: written with the commit, fenced, rebuilt and removed as all figures are (R16)."""

from __future__ import annotations

import msgspec
import pytest
from redis.asyncio import Redis

from streams.agents.campaigns import Committed
from streams.agents.changed import Changed
from streams.sink import RedisSink
from tests.contract.serving.conftest import NewWriter
from tests.waiting import until
from xinghe.domain.outputs import ShopModels
from xinghe.domain.shop_models import PathTally, pack_path, shop_models
from xinghe.serving import (
    CommitWrite,
    FunnelReader,
    FunnelWriter,
    ModelsWrite,
    Outcome,
    ServingDataError,
    keys,
)
from xinghe.serving.leftovers import partition_of


def models_of(shop_id: str, orders: int = 1) -> ShopModels:
    return shop_models(shop_id, 7, [(pack_path(shop_id, ["c1", "organic:店"]), PathTally(orders, 100))])


def commit(*models: ShopModels) -> CommitWrite:
    writes = [ModelsWrite(each.shop_id, msgspec.json.encode(each).decode()) for each in models]
    return CommitWrite([], [], [], 0, writes)


def gone(shop_id: str) -> CommitWrite:
    return CommitWrite([], [], [], 0, [ModelsWrite(shop_id, None)])


async def test_it_is_the_json_of_the_record_for_ever(
    redis: Redis, writer: FunnelWriter, reader: FunnelReader
) -> None:
    await writer.rebuild(1, [])
    assert await writer.write(2, commit(models_of("店"), models_of("s2"))) is Outcome.APPLIED
    assert keys.models("店") == "xinghe:shop:店:models"
    assert await redis.get(keys.models("店")) == msgspec.json.encode(models_of("店"))
    assert await redis.pttl(keys.models("店")) == -1
    assert await redis.smembers(keys.SHOPS) == {"店".encode(), b"s2"}
    assert await reader.shops() == ["s2", "店"]
    assert await reader.models("店") == models_of("店")
    assert await reader.models("none") is None
    assert set(await redis.keys()) == {
        name.encode()
        for name in (keys.models("店"), keys.models("s2"), keys.SHOPS, keys.sink("campaigns", 0))
    }


async def test_a_shop_that_is_gone_leaves_nothing(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [commit(models_of("s1"))])
    await writer.write(2, gone("s1"))
    assert await redis.keys("xinghe:shop*") == []


async def test_a_former_owner_changes_nothing(
    redis: Redis, new_writer: NewWriter, reader: FunnelReader
) -> None:
    former, owner = new_writer(), new_writer()
    await former.rebuild(1, [])
    await owner.rebuild(3, [commit(models_of("s1", orders=3))])
    assert await former.write(2, commit(models_of("s1", orders=2))) is Outcome.STALE
    assert await reader.models("s1") == models_of("s1", orders=3)


async def test_a_rebuild_removes_the_shops_of_the_partition_that_it_does_not_have(
    redis: Redis, new_writer: NewWriter, reader: FunnelReader
) -> None:
    shops = [f"s{number}" for number in range(20)]
    mine = [shop_id for shop_id in shops if partition_of(shop_id, 2) == 0]
    theirs = [shop_id for shop_id in shops if partition_of(shop_id, 2) == 1]
    for partition, shop_ids in enumerate((mine, theirs)):
        writer = new_writer(partition=partition, partitions=2)
        await writer.rebuild(1, [commit(*map(models_of, shop_ids))])
    assert await reader.shops() == sorted(shops)
    anew = new_writer("i2", partition=0, partitions=2)
    assert await anew.rebuild(1, [commit(models_of(mine[0]))]) is Outcome.APPLIED
    assert await reader.shops() == sorted([mine[0], *theirs])
    assert await redis.exists(*map(keys.models, mine)) == 1


async def test_a_foreign_value_is_named(redis: Redis, reader: FunnelReader) -> None:
    await redis.set(keys.models("s1"), "[]")
    with pytest.raises(ServingDataError, match="xinghe:shop:s1:models"):
        await reader.models("s1")


def committed(**orders: int) -> Committed:
    models = {shop_id: msgspec.json.encode(models_of(shop_id, many)) for shop_id, many in orders.items()}
    return Committed(Changed(), Changed(), 0, [], dict(models))


async def test_the_sink_shows_the_last_models_and_all_of_them_after_a_flushall(
    redis: Redis, reader: FunnelReader
) -> None:
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    sink.rebuild(1, committed(s1=1))

    async def shows(shop_id: str, orders: int) -> bool:
        shown = await reader.models(shop_id)
        return shown is not None and shown.orders == orders

    await until(lambda: shows("s1", 1), "it is shown")
    sink.committed(2, committed(s1=2))
    sink.committed(3, committed(s1=3, s2=1))
    await until(lambda: shows("s1", 3), "it is shown")
    assert await shows("s2", 1)
    await redis.flushall()

    async def asks() -> bool:
        return sink.needs_all()

    await until(asks, "the sink looks")
    sink.rebuild(3, committed(s1=3, s2=1))
    await until(lambda: shows("s2", 1), "it is shown")
    assert await shows("s1", 3)
    sink.committed(4, Committed(Changed(), Changed(), 0, [], {"s1": None}))

    async def is_gone() -> bool:
        return await reader.models("s1") is None

    await until(is_gone, "is gone")
    await sink.close()
