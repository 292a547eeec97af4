"""The key of a guarantee's position: all fields or none, rebuilt and removed as all figures are (R23)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from streams.agents.campaigns import Committed
from streams.agents.changed import Changed
from streams.sink import RedisSink
from tests.contract.serving.conftest import NewWriter
from tests.contract.serving.test_keys import TOTAL
from tests.waiting import until
from xinghe.domain.gates import Gate
from xinghe.domain.outputs import GuaranteePosition
from xinghe.serving import (
    CommitWrite,
    FunnelReader,
    FunnelWriter,
    Outcome,
    PositionWrite,
    ServingDataError,
    WindowWrite,
    keys,
)
from xinghe.serving.positions import position_fields


def position(campaign_id: str, **fields: Any) -> GuaranteePosition:
    return GuaranteePosition(
        campaign_id=campaign_id,
        shop_id="店",
        first_day="2026-11-01",
        last_observed_day="2026-11-03",
        settlement_day="2026-11-05",
        status="observing",
        days_left=3,
        measure="roi",
        conversion="orders",
        basis="gross",
        form="credit",
        hours_reported=7,
        hours=72,
        gmv_fen=2**60,
        refund_fen=0,
        conversions_micros=1,
        earned_fen=2,
        shortfall_fen=3,
        expected_payout_fen=0,
        gates=[Gate("edits", "holds", "no edit: at most 2 a day")],
        forecast="too_little_data",
        **fields,
    )


def write(*positions: GuaranteePosition) -> CommitWrite:
    writes = [
        PositionWrite(each.campaign_id, position_fields(msgspec.json.encode(each))) for each in positions
    ]
    return CommitWrite([], [], [each.campaign_id for each in positions], 5, positions=writes)


async def test_it_has_the_fields_of_the_record_and_those_of_no_other(
    redis: Redis, writer: FunnelWriter, reader: FunnelReader
) -> None:
    await writer.rebuild(1, [])
    assert await writer.write(2, write(position("c1", spend_fen=9, payout_fen=4))) is Outcome.APPLIED
    assert await reader.guarantee("c1") == position("c1", spend_fen=9, payout_fen=4)
    assert await redis.hget(keys.guarantee("c1"), "gmv_fen") == str(2**60).encode()
    assert await writer.write(3, write(position("c1"))) is Outcome.APPLIED
    assert await reader.guarantee("c1") == position("c1")
    assert not await redis.hexists(keys.guarantee("c1"), "spend_fen"), "unknown has no field"
    assert [change.campaign_id for change in await reader.campaigns()] == ["c1"]
    assert await reader.guarantee("none") is None


async def test_without_a_guarantee_there_is_no_key(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [write(position("c1"))])
    await writer.write(2, CommitWrite([], [], [], 0, positions=[PositionWrite("c1", None)]))
    assert await redis.exists(keys.guarantee("c1")) == 0


async def test_a_rebuild_removes_those_that_it_does_not_have(
    redis: Redis, new_writer: NewWriter, reader: FunnelReader
) -> None:
    first = write(position("c1"), position("c2"))
    await new_writer().rebuild(
        1,
        [
            first._replace(
                windows=[WindowWrite("c2", "total", 0, TOTAL), WindowWrite("c1", "total", 0, TOTAL)]
            )
        ],
    )
    again = write(position("c1", spend_fen=1))._replace(windows=[WindowWrite("c2", "total", 0, TOTAL)])
    assert await new_writer().rebuild(2, [again]) is Outcome.APPLIED
    assert await reader.guarantee("c1") == position("c1", spend_fen=1)
    assert await redis.exists(keys.guarantee("c2")) == 0


async def test_what_is_no_position_is_named(redis: Redis, reader: FunnelReader) -> None:
    await redis.hset(keys.guarantee("c1"), "gates", "{")
    with pytest.raises(ServingDataError, match="xinghe:campaign:c1:guarantee"):
        await reader.guarantee("c1")


async def test_the_sink_shows_the_last_and_all_after_a_flushall(redis: Redis, reader: FunnelReader) -> None:
    def committed(*positions: GuaranteePosition) -> Committed:
        records = {each.campaign_id: msgspec.json.encode(each) for each in positions}
        return Committed(Changed(), Changed(), 0, [], positions=dict(records))

    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", 0, is_complete=True)

    async def shows(*positions: GuaranteePosition) -> bool:
        return [await reader.guarantee(each.campaign_id) for each in positions] == list(positions)

    async def asks() -> bool:
        return sink.needs_all()

    await until(asks, "the sink looks")
    sink.rebuild(1, committed(position("c1")))
    sink.committed(2, committed(position("c2")))
    sink.committed(3, committed(position("c2", spend_fen=3)))
    await until(lambda: shows(position("c1"), position("c2", spend_fen=3)), "it is shown")
    await redis.flushall()
    await until(asks, "the sink looks")
    sink.rebuild(4, committed(position("c1"), position("c2", spend_fen=3)))
    await until(lambda: shows(position("c1"), position("c2", spend_fen=3)), "it is shown")
    await sink.close()
