"""The stream's sink on a real Redis: what is committed before it closes is shown, piece by piece or merged."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from streams import metric_defs
from streams import sink as sink_module
from streams.agents.campaigns import Committed
from streams.agents.changed import Changed
from streams.sink import RedisSink
from tests.waiting import PATIENCE_S, until
from xinghe.domain.funnel import (
    Row,
    Window,
    encode_counts,
    encode_window,
    note_counts,
    note_orders,
    pack_key,
    pack_note_key,
    window_metrics,
)
from xinghe.domain.metrics import COUNTED_NAMES, MODEL_COUNTED_INDEX, PEOPLE_NAMES
from xinghe.domain.orders import OrdersChange, changed_orders, encode_orders
from xinghe.domain.windows import DAY_MS
from xinghe.serving import (
    CommitWrite,
    FunnelReader,
    FunnelWriter,
    Outcome,
    ServingUnavailableError,
    keys,
)
from xinghe.serving.client import open_redis, text

TOTAL = pack_key(("c1", "total", 0))
NOTE = pack_note_key("c1", 0, "n:1")


def row(version: int, gmv_fen: int = 0) -> Row:
    """A window with everything counted ``version`` times; no orders where the GMV is 0."""
    window = Window(version, None, [version] * len(COUNTED_NAMES), [0] * len(PEOPLE_NAMES))
    return Row(encode_window(window), orders(gmv_fen, has_people=True))


def note_row(count: int, gmv_fen: int) -> Row:
    return Row(encode_counts([count] * len(COUNTED_NAMES)), orders(gmv_fen, has_people=False))


def orders(gmv_fen: int, *, has_people: bool) -> bytes | None:
    change = OrdersChange({1: gmv_fen}, {MODEL_COUNTED_INDEX[0]["gmv_fen"]: gmv_fen}, {})
    return encode_orders(changed_orders(None, change, 0, has_people=has_people)) if gmv_fen else None


def commit(version: int) -> Committed:
    return committed(Changed({TOTAL: row(version)}, {TOTAL}))


def committed(windows: Changed, notes: Changed | None = None) -> Committed:
    return Committed(windows, notes or Changed(), 0, [])


async def total_shown(redis: Redis) -> dict[str, int]:
    total = await FunnelReader(redis).total("c1")
    return {} if total is None else dict(total.metrics)


async def shown_version(redis: Redis) -> str | None:
    version = await redis.hget(keys.total("c1"), "version")
    return None if version is None else text(version)


async def test_a_commit_during_the_last_write_is_shown_before_the_sink_is_closed(redis: Redis) -> None:
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    sink.rebuild(1, commit(1))

    async def first_is_shown() -> bool:
        return await shown_version(redis) == "1"

    await until(first_is_shown, "the first commit is shown")
    sink.committed(2, commit(2))
    for _ in range(3):
        await asyncio.sleep(0)  # the writer takes the second commit
    sink.committed(3, commit(3))
    await sink.close()
    assert await shown_version(redis) == "3"


async def test_a_sink_whose_redis_is_away_closes_without_waiting_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sink_module, "CLOSE_S", 2 * PATIENCE_S)
    async with open_redis("redis://127.0.0.1:1") as nowhere:
        sink = RedisSink(nowhere, 0, 1)
        sink.opened("i1", -1, is_complete=True)
        sink.committed(1, commit(1))
        async with asyncio.timeout(PATIENCE_S):
            await sink.close()


async def test_shops_of_campaigns_are_shown_by_commits_and_by_a_rebuild(redis: Redis) -> None:
    reader, sink = FunnelReader(redis), RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    everything = commit(1)
    everything.shops = {f"c{number}": "s1" for number in range(1_200)}
    sink.rebuild(1, everything)

    async def all_are_shown() -> bool:
        return await reader.shops_of_campaigns() == everything.shops

    await until(all_are_shown, "all are shown")
    sink.committed(2, Committed(Changed(), Changed(), 0, [], shops={"c1": "s2", "c2": None}))

    async def are_corrected() -> bool:
        shops = await reader.shops_of_campaigns()
        return shops.get("c1") == "s2" and "c2" not in shops

    await until(are_corrected, "are corrected")
    await sink.close()


async def test_what_is_not_sent_again_stays_and_what_is_gone_goes(redis: Redis) -> None:
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    sink.rebuild(1, commit(1))
    steps = [
        (Changed({TOTAL: row(2, gmv_fen=7)}, {TOTAL}), 2, 7),
        (Changed({TOTAL: row(3, gmv_fen=7)}), 3, 7),
        (Changed({TOTAL: row(4)}, {TOTAL}), 4, 0),
        (Changed({TOTAL: row(5)}), 5, 0),
    ]
    for windows, version, gmv_fen in steps:
        sink.committed(version, committed(windows))

        async def is_shown(version: int = version) -> bool:
            return await shown_version(redis) == str(version)

        await until(is_shown, "is shown")
        assert await total_shown(redis) == window_metrics("total", row(version, gmv_fen))
    await sink.close()


async def test_commits_while_redis_is_away_are_shown_as_if_it_had_been_there(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away, tried, refused = asyncio.Event(), asyncio.Event(), asyncio.Event()
    write = FunnelWriter.write
    failed_before = metric_defs.REDIS_WRITES.labels("failed")._value.get()

    async def write_unless_away(writer: FunnelWriter, sequence: int, commit: CommitWrite) -> Outcome:
        if is_away.is_set():
            tried.set()
            await refused.wait()
            raise ServingUnavailableError("redis://x", "away")
        return await write(writer, sequence, commit)

    monkeypatch.setattr(FunnelWriter, "write", write_unless_away)
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    sink.rebuild(1, commit(1))

    async def is_first_shown() -> bool:
        return await shown_version(redis) == "1"

    await until(is_first_shown, "is first shown")
    is_away.set()
    # Orders change, then something else: what waits, and is merged, must still send the orders.
    sink.committed(
        2, committed(Changed({TOTAL: row(2, 7)}, {TOTAL}), Changed({NOTE: note_row(2, 7)}, {NOTE}))
    )
    await tried.wait()
    sink.committed(3, committed(Changed({TOTAL: row(3, 7)}), Changed({NOTE: note_row(3, 7)})))
    is_away.clear()
    refused.set()

    async def is_last_shown() -> bool:
        return await shown_version(redis) == "3"

    await until(is_last_shown, "is last shown")
    assert metric_defs.REDIS_WRITES.labels("failed")._value.get() == failed_before + 1
    assert not sink.needs_all()
    assert await total_shown(redis) == window_metrics("total", row(3, 7))
    (note,) = await FunnelReader(redis).notes_of_day("c1", 0)
    assert dict(note.metrics) == note_counts(note_row(3, 7)) | note_orders(note_row(3, 7))
    await sink.close()


async def test_a_window_dropped_and_made_anew_has_nothing_of_the_old(redis: Redis) -> None:
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    sink.rebuild(1, committed(Changed({TOTAL: row(1, 7)}, {TOTAL})))
    sink.committed(2, committed(Changed({TOTAL: None}, {TOTAL})))
    sink.committed(3, committed(Changed({TOTAL: row(3)}, {TOTAL})))
    sink.committed(4, committed(Changed({TOTAL: row(4)})))

    async def is_shown() -> bool:
        return await shown_version(redis) == "4"

    await until(is_shown, "is shown")
    assert await total_shown(redis) == window_metrics("total", row(4))
    await sink.close()


async def test_what_redis_let_go_by_its_age_is_asked_for_again(redis: Redis) -> None:
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    sink.rebuild(1, committed(Changed({TOTAL: row(1, 7)}, {TOTAL})))

    async def is_shown() -> bool:
        return await shown_version(redis) == "1"

    await until(is_shown, "is shown")
    await redis.delete(keys.total("c1"))
    sink.committed(2, committed(Changed({TOTAL: row(2, 7)})))

    async def asks() -> bool:
        return sink.needs_all()

    await until(asks, "asks")
    assert await total_shown(redis) == {}
    await sink.close()


async def test_the_day_of_a_note_expires_with_its_retention(redis: Redis) -> None:
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    sink.rebuild(1, committed(Changed(), Changed({NOTE: note_row(1, 0)}, {NOTE})))

    async def is_shown() -> bool:
        return bool(await redis.exists(keys.day_note("c1", 0, "n:1")))

    await until(is_shown, "is shown")
    # One day, kept for 35, and one of slack.
    assert 36.9 * DAY_MS < await redis.pttl(keys.day_note("c1", 0, "n:1")) <= 37 * DAY_MS
    await sink.close()
