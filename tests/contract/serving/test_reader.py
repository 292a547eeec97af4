"""Reading back what the writer wrote."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from tests.contract.serving.test_positions import position
from xinghe.domain.metrics import COUNTED_NAMES, shown_counts
from xinghe.domain.windows import Size
from xinghe.serving import (
    CampaignChange,
    CommitWrite,
    Funnel,
    FunnelReader,
    FunnelWriter,
    NoteWrite,
    PositionWrite,
    ServingDataError,
    ServingUnavailableError,
    WindowWrite,
    keys,
    open_redis,
)
from xinghe.serving.positions import position_fields

METRICS = shown_counts(range(len(COUNTED_NAMES)), None, None)
HOUR_MS = 3_600_000


def total(campaign_id: str, updated_ms: int, **metrics: int) -> WindowWrite:
    fields = {**metrics, "version": 2, "updated_ms": updated_ms, "watermark_ms": updated_ms - 1}
    return WindowWrite(campaign_id, "total", 0, fields)


async def test_totals_and_campaigns(redis: Redis, writer: FunnelWriter, reader: FunnelReader) -> None:
    totals = [total("old", 5, **METRICS), total("new", 9, views=1, spend_fen=0)]
    await writer.rebuild(1, [CommitWrite(totals, [], [], 0)])
    assert await reader.campaigns() == [CampaignChange("new", 9), CampaignChange("old", 5)]
    assert await reader.campaigns(limit=1) == [CampaignChange("new", 9)]
    old, new, none = await reader.totals(["old", "new", "none"])
    assert old == Funnel("old", "total", 0, None, METRICS, 2, None, 5, 4)
    assert old is not None
    assert old.get("spend_fen") is None
    assert new is not None
    assert new.get("spend_fen") == 0
    assert none is None
    assert await reader.total("none") is None


async def test_shops_of_campaigns_are_the_last_that_were_told(
    writer: FunnelWriter, reader: FunnelReader
) -> None:
    assert await reader.shops_of_campaigns() == {}
    await writer.rebuild(1, [CommitWrite([], [], [], 0, shops={"c1": "s1", "c2": "店", "c3": "s3"})])
    await writer.write(2, CommitWrite([], [], [], 0, shops={"c1": "s2", "c3": None}))
    assert await reader.shops_of_campaigns() == {"c1": "s2", "c2": "店"}


async def test_metrics_of_many_windows_are_those_asked_for(
    writer: FunnelWriter, reader: FunnelReader
) -> None:
    windows = [WindowWrite("c1", "1h", 0, {"views": 1, "likes": 2, "version": 1, "final": 0}, 1_000_000)]
    await writer.rebuild(1, [CommitWrite([*windows, total("c2", 5, likes=3)], [], [], 0)])
    asked: list[tuple[str, Size, int]] = [("c2", "total", 0), ("c1", "1h", 0), ("c1", "1h", HOUR_MS)]
    assert await reader.metrics(asked, ["views", "likes"]) == [{"likes": 3}, {"views": 1, "likes": 2}, {}]


async def test_a_position_is_read_back_as_it_was_told(
    redis: Redis, writer: FunnelWriter, reader: FunnelReader
) -> None:
    # An id that looks like a number stays an id.
    told = msgspec.structs.replace(
        position("c1", target_roi_micros=2_500_000), shop_id="007", conversions_micros=1_500_000
    )
    fields = position_fields(msgspec.json.encode(told))
    await writer.rebuild(1, [CommitWrite([], [], [], 0, positions=[PositionWrite("c1", fields)])])
    assert await reader.guarantee("c1") == told
    assert await reader.guarantee("c2") is None
    await redis.hset(keys.guarantee("c1"), "gates", "{")
    with pytest.raises(ServingDataError, match="guarantee"):
        await reader.guarantee("c1")


async def test_windows_are_half_open_and_in_order(
    redis: Redis, writer: FunnelWriter, reader: FunnelReader
) -> None:
    #  0h    1h    2h    3h
    #  [a    [b    -     [d      asked for: from 1h up to, not with, 3h
    windows = [
        WindowWrite(
            "c1", "1h", hour * HOUR_MS, {"views": hour, "version": 1, "final": int(hour == 0)}, 1_000_000
        )
        for hour in (3, 0, 1)
    ]
    await writer.rebuild(1, [CommitWrite(windows, [], ["c1"], 0)])
    (second,) = await reader.windows("c1", "1h", HOUR_MS, 3 * HOUR_MS)
    assert second == Funnel("c1", "1h", HOUR_MS, 2 * HOUR_MS, {"views": 1}, 1, False, None, None)
    found = await reader.windows("c1", "1h")
    assert [(window.start_ms, window.final) for window in found] == [
        (0, True),
        (HOUR_MS, False),
        (3 * HOUR_MS, False),
    ]
    assert await reader.windows("c1", "1m") == []


async def test_a_window_that_expired_is_left_out(
    redis: Redis, writer: FunnelWriter, reader: FunnelReader
) -> None:
    window = WindowWrite("c1", "1m", 0, {"views": 1, "version": 1, "final": 0}, 1)
    await writer.rebuild(1, [CommitWrite([window], [], ["c1"], 0)])
    await asyncio.sleep(0.01)
    assert await reader.windows("c1", "1m") == []


async def test_more_windows_than_a_page(redis: Redis, writer: FunnelWriter, reader: FunnelReader) -> None:
    windows = [
        WindowWrite("c1", "1m", i * 60_000, {"views": i, "version": 1, "final": 0}) for i in range(1_234)
    ]
    await writer.rebuild(1, [CommitWrite(windows, [], ["c1"], 0)])
    assert [window.get("views") for window in await reader.windows("c1", "1m")] == list(range(1_234))


async def test_notes_by_gmv(redis: Redis, writer: FunnelWriter, reader: FunnelReader) -> None:
    notes = [NoteWrite("c1", f"n{gmv}", {"views": 1, "gmv_fen": gmv}) for gmv in (5, 70, 9)]
    await writer.rebuild(1, [CommitWrite([], notes, ["c1"], 0)])
    top = await reader.notes("c1", limit=2)
    assert [(note.note_id, note.get("gmv_fen"), note.get("likes")) for note in top] == [
        ("n70", 70, None),
        ("n9", 9, None),
    ]


async def test_notes_of_a_day_by_its_gmv(redis: Redis, writer: FunnelWriter, reader: FunnelReader) -> None:
    by_day = {0: (5, 70, 9), 86_400_000: (8,)}
    notes = [
        NoteWrite("c1", f"n:{gmv}", {"views": 1, "gmv_fen": gmv}, day, 60_000)
        for day, gmvs in by_day.items()
        for gmv in gmvs
    ]
    await writer.rebuild(1, [CommitWrite([], notes, ["c1"], 0)])
    assert await reader.note_days("c1") == [0, 86_400_000]
    top = await reader.notes_of_day("c1", 0, limit=2)
    assert [(note.note_id, note.get("gmv_fen")) for note in top] == [("n:70", 70), ("n:9", 9)]
    assert [note.note_id for note in await reader.notes_of_day("c1", 86_400_000)] == ["n:8"]
    assert await reader.notes_of_day("c1", 1) == []
    assert await reader.notes("c1") == []


async def test_changes_tell_of_each_commit(redis: Redis, writer: FunnelWriter, reader: FunnelReader) -> None:
    await writer.rebuild(1, [])
    async with aclosing(reader.changes(silence_s=0.05)) as changes:
        # The first silence says that the subscription stands.
        assert await anext(changes) == []
        await writer.write(2, CommitWrite([], [], ["c1", "organic:店"], 0))
        await writer.write(3, CommitWrite([], [], ["c2"], 0))
        heard = [await anext(changes), await anext(changes)]
    assert heard == [["c1", "organic:店"], ["c2"]]


async def test_a_client_that_decodes_reads_the_same(
    redis: Redis, shared_redis: Any, writer: FunnelWriter, reader: FunnelReader
) -> None:
    await writer.rebuild(1, [CommitWrite([total("c1", 5, **METRICS)], [], ["c1"], 0)])
    async with Redis.from_url(shared_redis.url, decode_responses=True) as decoding:
        assert await FunnelReader(decoding).total("c1") == await reader.total("c1")
        assert await FunnelReader(decoding).campaigns() == await reader.campaigns()


async def test_a_foreign_value_is_named(redis: Redis, reader: FunnelReader) -> None:
    await redis.hset(keys.total("c1"), "views", "many")
    with pytest.raises(ServingDataError, match="xinghe:campaign:c1:total"):
        await reader.total("c1")


async def test_redis_away(own_redis: Any) -> None:
    own_redis.stop()
    async with open_redis(own_redis.url) as client:
        reader = FunnelReader(client)
        for call in (reader.campaigns(), reader.total("c1"), anext(reader.changes())):
            with pytest.raises(ServingUnavailableError):
                await call


async def test_changes_end_with_an_error_when_redis_restarts(own_redis: Any) -> None:
    # Coming back in silence would hide the updates that were missed.
    async with open_redis(own_redis.url) as client, aclosing(FunnelReader(client).changes(0.05)) as changes:
        assert await anext(changes) == []
        own_redis.stop()
        own_redis.start()
        with pytest.raises(ServingUnavailableError):
            await anext(changes)
