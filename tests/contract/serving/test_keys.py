"""The keys and their types, as DESIGN.md (section 7) promises them to dashboards."""

from __future__ import annotations

import orjson
from redis.asyncio import Redis

from xinghe.serving import CommitWrite, FunnelWriter, NoteWrite, Outcome, WindowWrite, keys

TOTAL = {
    "views": 12,
    "gmv_fen": 9007199254740991,
    "version": 4,
    "updated_ms": 1_700_000_000_123,
    "watermark_ms": 9,
}
MINUTE = {"views": 2, "version": 3, "final": 0}
START_MS = 1_699_999_980_000
FAR_START_MS = 2**53 - 1
NOTE = {"views": 2, "gmv_fen": 10**15}
DAY_START_MS = 1_699_977_600_000

COMMIT = CommitWrite(
    windows=[
        WindowWrite("c1", "total", 0, TOTAL),
        WindowWrite("c1", "1m", START_MS, MINUTE, 60_000),
        WindowWrite("c1", "1d", FAR_START_MS, {"gmv_fen": 2**70, "version": 1, "final": 1}, 60_000),
        WindowWrite("organic:店", "total", 0, {"views": 1, "version": 1, "updated_ms": 7, "watermark_ms": 8}),
    ],
    notes=[
        NoteWrite("c1", "n1", NOTE),
        NoteWrite("c1", "n:2", {"gmv_fen": 5}),
        NoteWrite("c1", "n1", {"gmv_fen": 3}, DAY_START_MS, 60_000),
        NoteWrite("c1", "n:2", {"views": 1, "gmv_fen": 4}, DAY_START_MS, 60_000),
    ],
    changed=["c1", "organic:店"],
    updated_ms=1_700_000_000_123,
    shops={"c1": "s1", "organic:店": "店"},
)


def text(fields: dict[str, int]) -> dict[bytes, bytes]:
    return {name.encode(): str(value).encode() for name, value in fields.items()}


async def test_one_commit_writes_all_keys_and_no_others(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [])
    async with redis.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.subscribe(keys.UPDATES)
        assert await writer.write(2, COMMIT) is Outcome.APPLIED
        message = await anext(subscription.listen())
    assert orjson.loads(message["data"]) == ["c1", "organic:店"]
    assert await redis.hgetall(keys.total("c1")) == text(TOTAL)
    assert await redis.hgetall(keys.window("c1", "1m", START_MS)) == text(MINUTE)
    assert await redis.hget(keys.window("c1", "1d", FAR_START_MS), "gmv_fen") == str(2**70).encode()
    assert await redis.zrange(keys.windows("c1", "1m"), 0, -1, withscores=True) == [
        (str(START_MS).encode(), START_MS)
    ]
    assert await redis.zrange(keys.windows("c1", "1d"), 0, -1) == [str(FAR_START_MS).encode()]
    assert await redis.zrange(keys.notes("c1"), 0, -1, withscores=True) == [(b"n:2", 5), (b"n1", 10**15)]
    assert await redis.hgetall(keys.note("c1", "n1")) == text(NOTE)
    assert await redis.zrange(keys.windows("c1", keys.NOTE_DAY), 0, -1, withscores=True) == [
        (str(DAY_START_MS).encode(), DAY_START_MS)
    ]
    ranking = await redis.zrange(keys.day_notes("c1", DAY_START_MS), 0, -1, withscores=True)
    assert ranking == [(b"n1", 3), (b"n:2", 4)]
    assert await redis.hgetall(keys.day_note("c1", DAY_START_MS, "n:2")) == text({"views": 1, "gmv_fen": 4})
    assert await redis.zrange(keys.CAMPAIGNS, 0, -1, withscores=True) == [
        ("organic:店".encode(), 7),
        (b"c1", 1_700_000_000_123),
    ]
    assert await redis.hgetall(keys.sink("campaigns", 0)) == {
        b"incarnation": b"i1",
        b"sequence": b"2",
        b"state": b"ready",
    }
    assert await redis.hgetall(keys.CAMPAIGN_SHOPS) == {b"c1": b"s1", "organic:店".encode(): "店".encode()}
    assert set(await redis.keys()) == {
        name.encode()
        for name in (
            keys.CAMPAIGNS,
            keys.CAMPAIGN_SHOPS,
            keys.total("c1"),
            keys.total("organic:店"),
            keys.window("c1", "1m", START_MS),
            keys.window("c1", "1d", FAR_START_MS),
            keys.windows("c1", "1m"),
            keys.windows("c1", "1d"),
            keys.notes("c1"),
            keys.note("c1", "n1"),
            keys.note("c1", "n:2"),
            keys.windows("c1", keys.NOTE_DAY),
            keys.day_notes("c1", DAY_START_MS),
            keys.day_note("c1", DAY_START_MS, "n1"),
            keys.day_note("c1", DAY_START_MS, "n:2"),
            keys.sink("campaigns", 0),
        )
    }


async def test_windows_and_days_of_notes_expire_and_totals_do_not(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [COMMIT])
    for key in (
        keys.window("c1", "1m", START_MS),
        keys.day_notes("c1", DAY_START_MS),
        keys.day_note("c1", DAY_START_MS, "n1"),
    ):
        assert 55_000 < await redis.pttl(key) <= 60_000
    for key in (keys.total("c1"), keys.notes("c1"), keys.note("c1", "n1")):
        assert await redis.pttl(key) == -1


async def test_a_dropped_window_leaves_nothing(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [COMMIT])
    drop = CommitWrite([WindowWrite("c1", "1m", START_MS, None)], [], ["c1"], 9)
    assert await writer.write(2, drop) is Outcome.APPLIED
    assert await redis.exists(keys.window("c1", "1m", START_MS), keys.windows("c1", "1m")) == 0


async def test_a_hash_has_the_last_fields_only(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [COMMIT])
    fewer = {"views": 13, "version": 5}
    await writer.write(2, CommitWrite([WindowWrite("c1", "total", 0, fewer)], [], ["c1"], 9))
    assert await redis.hgetall(keys.total("c1")) == text(fewer)


async def test_a_window_may_have_thousands_of_fields(redis: Redis, writer: FunnelWriter) -> None:
    fields = {f"gmv_fen:{i}": i for i in range(5_000)}
    await writer.rebuild(1, [CommitWrite([WindowWrite("c1", "total", 0, fields)], [], ["c1"], 9)])
    assert await redis.hgetall(keys.total("c1")) == text(fields)


async def test_fields_that_are_not_sent_again_stay(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [COMMIT])
    windows = [
        WindowWrite("c1", "total", 0, {"views": 13, "version": 5}, orders=None),
        WindowWrite("c1", "1m", START_MS, {"views": 3, "spend_fen": 1}, 30_000, orders=None),
    ]
    notes = [
        NoteWrite("c1", "n1", {"views": 3}, orders=None),
        NoteWrite("c1", "n:2", {"views": 4}, DAY_START_MS, 30_000, orders=None),
    ]
    assert await writer.write(2, CommitWrite(windows, notes, ["c1"], 9)) is Outcome.APPLIED
    assert await redis.hgetall(keys.total("c1")) == text(TOTAL | {"views": 13, "version": 5})
    assert await redis.hgetall(keys.window("c1", "1m", START_MS)) == text(
        MINUTE | {"views": 3, "spend_fen": 1}
    )
    assert await redis.hgetall(keys.note("c1", "n1")) == text(NOTE | {"views": 3})
    assert await redis.hgetall(keys.day_note("c1", DAY_START_MS, "n:2")) == text({"gmv_fen": 4, "views": 4})
    assert await redis.zrange(keys.notes("c1"), 0, -1) == [b"n:2", b"n1"]
    for key in (keys.window("c1", "1m", START_MS), keys.day_notes("c1", DAY_START_MS)):
        assert await redis.pttl(key) <= 30_000


async def test_half_a_hash_is_never_shown_and_asks_for_a_rebuild(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [COMMIT])
    key = keys.window("c1", "1m", START_MS)
    await redis.delete(key)  # by its age, while the stream stood still
    half = WindowWrite("c1", "1m", START_MS, {"views": 3, "version": 4}, 60_000, orders=None)
    assert await writer.write(2, CommitWrite([half], [], ["c1"], 9)) is Outcome.REBUILD_NEEDED
    assert await redis.exists(key) == 0
    assert await writer.check() == ("i1", 1)
    assert await writer.rebuild(2, [COMMIT]) is Outcome.APPLIED
    assert await redis.hgetall(key) == text(MINUTE)


async def test_a_days_last_note_takes_the_day_off_the_list(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [COMMIT])
    days = keys.windows("c1", keys.NOTE_DAY)
    await writer.write(2, CommitWrite([], [NoteWrite("c1", "n1", None, DAY_START_MS)], ["c1"], 9))
    assert await redis.zrange(days, 0, -1) == [str(DAY_START_MS).encode()]
    assert await redis.zrange(keys.day_notes("c1", DAY_START_MS), 0, -1) == [b"n:2"]
    await writer.write(3, CommitWrite([], [NoteWrite("c1", "n:2", None, DAY_START_MS)], ["c1"], 9))
    assert await redis.keys("*noteday*") == []
    assert await redis.exists(keys.note("c1", "n1"), keys.note("c1", "n:2")) == 2


async def test_ids_of_notes_with_colons_name_no_other_key(redis: Redis, writer: FunnelWriter) -> None:
    ids = ["1", "1:2", ":", "total", "noteday:1", f"{DAY_START_MS}:n1", "windows:1m"]
    notes = [
        NoteWrite("c1", note_id, {"gmv_fen": 1}, day) for note_id in ids for day in (None, DAY_START_MS, 1)
    ]
    await writer.rebuild(1, [CommitWrite([], notes, ["c1"], 9)])
    hashes = [key for key in await redis.keys() if await redis.type(key) == b"hash"]
    assert len(hashes) == len(notes) + 1
