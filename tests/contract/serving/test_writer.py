"""The guard: who may write, and when Redis must be rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from xinghe.serving import (
    CommitWrite,
    FunnelReader,
    FunnelWriter,
    NoteWrite,
    Outcome,
    ServingUnavailableError,
    WindowWrite,
    keys,
    open_redis,
)
from xinghe.serving.commit import WRITES_MAX
from xinghe.serving.leftovers import partition_of

NewWriter = Callable[..., FunnelWriter]


def views(count: int, campaign_id: str = "c1") -> CommitWrite:
    total = {"views": count, "version": count, "updated_ms": count, "watermark_ms": count}
    return CommitWrite([WindowWrite(campaign_id, "total", 0, total)], [], [campaign_id], count)


def minutes(count: int, views: int = 1) -> CommitWrite:
    windows = [
        WindowWrite("c1", "1m", i * 60_000, {"views": views, "version": 1, "final": 0}) for i in range(count)
    ]
    return CommitWrite(windows, [], ["c1"], views)


async def shown(redis: Redis) -> int | None:
    total = await FunnelReader(redis).total("c1")
    return None if total is None else total.get("views")


async def contents(redis: Redis) -> dict[Any, Any]:
    return {key: await redis.dump(key) for key in await redis.keys()}


async def test_an_empty_redis_must_be_rebuilt(redis: Redis, writer: FunnelWriter) -> None:
    assert await writer.check() is None
    assert await writer.write(5, views(1)) is Outcome.REBUILD_NEEDED
    assert await redis.dbsize() == 0
    assert await writer.rebuild(5, [views(1)]) is Outcome.APPLIED
    assert await writer.check() == ("i1", 5)
    assert await writer.write(6, views(2)) is Outcome.APPLIED
    assert await shown(redis) == 2


async def test_a_former_owner_is_stale_and_changes_nothing(redis: Redis, new_writer: NewWriter) -> None:
    former, owner = new_writer(), new_writer()
    await former.rebuild(5, [views(1)])
    assert await owner.check() == ("i1", 5)
    await owner.write(8, views(3))
    before = await contents(redis)
    assert await former.write(7, views(2)) is Outcome.STALE
    assert await former.write(8, views(2)) is Outcome.STALE
    assert await former.rebuild(7, [views(2)]) is Outcome.STALE
    assert await contents(redis) == before


async def test_a_new_owner_must_ask_before_it_writes(writer: FunnelWriter, new_writer: NewWriter) -> None:
    await writer.rebuild(5, [])
    owner = new_writer()
    assert await owner.write(6, views(1)) is Outcome.REBUILD_NEEDED
    await owner.check()
    assert await owner.write(6, views(1)) is Outcome.APPLIED


async def test_flushall_is_noticed_by_the_next_write(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(5, [views(1)])
    await redis.flushall()
    assert await writer.write(6, views(2)) is Outcome.REBUILD_NEEDED
    assert await redis.dbsize() == 0
    assert await writer.rebuild(6, [views(2)]) is Outcome.APPLIED
    assert await shown(redis) == 2


async def test_an_old_snapshot_of_redis_is_noticed(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(5, [views(1)])
    old = await contents(redis)
    await writer.write(6, views(2))
    await redis.flushall()
    for key, value in old.items():
        await redis.restore(key, 0, value)
    assert await writer.write(7, minutes(1)) is Outcome.REBUILD_NEEDED


async def test_topics_made_anew_take_over(redis: Redis, writer: FunnelWriter, new_writer: NewWriter) -> None:
    await writer.rebuild(900, [views(9), views(9, "c2")])
    anew = new_writer(incarnation="i2")
    assert await anew.check() == ("i1", 900)
    assert await anew.write(1, views(1)) is Outcome.REBUILD_NEEDED
    assert await anew.rebuild(1, [views(1)]) is Outcome.APPLIED
    assert await writer.write(901, views(10)) is Outcome.REBUILD_NEEDED
    assert [change.campaign_id for change in await FunnelReader(redis).campaigns()] == ["c1"]
    assert await redis.exists(keys.total("c2")) == 0


async def test_a_rebuild_removes_what_it_does_not_have(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [views(1), minutes(3), views(1, "gone")])
    assert await writer.rebuild(2, [views(2), minutes(2)]) is Outcome.APPLIED
    reader = FunnelReader(redis)
    assert [window.start_ms for window in await reader.windows("c1", "1m")] == [0, 60_000]
    assert await redis.exists(keys.window("c1", "1m", 120_000)) == 0
    assert [change.campaign_id for change in await reader.campaigns()] == ["c1"]
    assert await redis.keys("*gone*") == []


def noted(day_start_ms: int | None, *note_ids: str) -> CommitWrite:
    notes = [NoteWrite("c1", note_id, {"gmv_fen": 1}, day_start_ms, 60_000) for note_id in note_ids]
    return CommitWrite([], notes, ["c1"], 1)


async def test_a_rebuild_removes_notes_and_days_that_it_does_not_have(
    redis: Redis, writer: FunnelWriter
) -> None:
    before = [noted(None, "a", "b"), noted(0, "a", "b"), noted(1, "a:b"), noted(2, "a")]
    await writer.rebuild(1, [views(1), *before])
    # Redis let go of one day by its age.
    await redis.delete(keys.day_notes("c1", 2), keys.day_note("c1", 2, "a"))
    assert await writer.rebuild(2, [views(1), noted(None, "b"), noted(0, "a")]) is Outcome.APPLIED
    reader = FunnelReader(redis)
    assert [note.note_id for note in await reader.notes("c1")] == ["b"]
    assert await reader.note_days("c1") == [0]
    assert [note.note_id for note in await reader.notes_of_day("c1", 0)] == ["a"]
    assert sorted(await redis.keys("*note*")) == [
        b"xinghe:campaign:c1:note:b",
        b"xinghe:campaign:c1:noteday:0",
        b"xinghe:campaign:c1:noteday:0:a",
        b"xinghe:campaign:c1:notes",
        b"xinghe:campaign:c1:windows:noteday",
    ]


async def test_a_rebuild_leaves_other_partitions_alone(redis: Redis, new_writer: NewWriter) -> None:
    campaign_ids = {partition_of(f"c{i}", 2): f"c{i}" for i in range(9)}
    first, second = new_writer(partition=0, partitions=2), new_writer(partition=1, partitions=2)
    await first.rebuild(1, [views(1, campaign_ids[0])])
    await second.rebuild(1, [views(1, campaign_ids[1])])
    await second.rebuild(2, [])
    assert [change.campaign_id for change in await FunnelReader(redis).campaigns()] == [campaign_ids[0]]


async def test_figures_stay_visible_during_a_rebuild(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [views(1)])
    assert await writer.rebuild(2, []) is Outcome.APPLIED
    assert await shown(redis) is None
    await writer.rebuild(3, [views(3)])

    class StoppedError(Exception):
        pass

    def breaks_off() -> Iterator[CommitWrite]:
        yield minutes(2)
        raise StoppedError

    with pytest.raises(StoppedError):
        await writer.rebuild(4, breaks_off())
    assert await shown(redis) == 3


async def test_an_unfinished_rebuild_must_be_done_again(redis: Redis, new_writer: NewWriter) -> None:
    dead, owner = new_writer(), new_writer()
    await dead.rebuild(5, [views(1)])
    await owner.check()
    await redis.hset(keys.sink("campaigns", 0), "state", "rebuilding")
    assert await owner.write(6, views(2)) is Outcome.REBUILD_NEEDED
    assert await owner.check() is None
    assert await owner.rebuild(6, [views(2)]) is Outcome.APPLIED


async def test_after_a_rebuild_that_did_not_begin_nothing_is_written(
    redis: Redis, writer: FunnelWriter
) -> None:
    await writer.rebuild(5, [views(1)])

    class Away(FunnelWriter):
        async def _run(self, step: Any, sequence: int, payload: bytes) -> str:
            raise ServingUnavailableError("redis://x", "away")

    writer.__class__ = Away
    with pytest.raises(ServingUnavailableError):
        await writer.rebuild(6, [views(2)])
    writer.__class__ = FunnelWriter
    assert await writer.write(7, minutes(1)) is Outcome.REBUILD_NEEDED


async def test_a_guard_that_makes_no_sense_is_rebuilt(redis: Redis, writer: FunnelWriter) -> None:
    await redis.hset(
        keys.sink("campaigns", 0), mapping={"incarnation": "i1", "sequence": "x", "state": "ready"}
    )
    assert await writer.check() is None
    assert await writer.rebuild(6, [views(2)]) is Outcome.APPLIED
    assert await writer.check() == ("i1", 6)


async def test_a_rebuild_that_is_overtaken_stops(redis: Redis, new_writer: NewWriter) -> None:
    slow, owner = new_writer(), new_writer()

    async def overtake(sequence: int) -> None:
        assert await owner.rebuild(sequence, [views(9)]) is Outcome.APPLIED

    class Overtaken(FunnelWriter):
        async def _fill_with(self, sequence: int, chunk: CommitWrite) -> str:
            await overtake(sequence + 1)
            return await super()._fill_with(sequence, chunk)

    slow.__class__ = Overtaken
    assert await slow.rebuild(5, [views(1)]) is Outcome.STALE
    assert await shown(redis) == 9


async def test_flushall_during_a_rebuild_is_noticed(redis: Redis, writer: FunnelWriter) -> None:
    client = redis

    class Flushed(FunnelWriter):
        async def _fill_with(self, sequence: int, chunk: CommitWrite) -> str:
            await client.flushall()
            return await super()._fill_with(sequence, chunk)

    writer.__class__ = Flushed
    assert await writer.rebuild(5, [views(1)]) is Outcome.REBUILD_NEEDED
    assert await redis.dbsize() == 0


async def test_a_large_commit_cut_off_is_healed_by_a_rebuild(redis: Redis, new_writer: NewWriter) -> None:
    dead, owner = new_writer(), new_writer()
    await dead.rebuild(5, [minutes(WRITES_MAX + 1, views=1)])
    large = minutes(WRITES_MAX + 1, views=2)

    class Dies(FunnelWriter):
        async def _run(self, step: Any, sequence: int, payload: bytes) -> str:
            if step == "last":
                raise ServingUnavailableError("redis://x", "killed")
            return await super()._run(step, sequence, payload)

    dead.__class__ = Dies
    with pytest.raises(ServingUnavailableError):
        await dead.write(6, large)
    assert await owner.check() == ("i1", 5)  # not the 6 that the table stands at
    assert await owner.rebuild(6, [large]) is Outcome.APPLIED
    windows = await FunnelReader(redis).windows("c1", "1m")
    assert len(windows) == WRITES_MAX + 1
    assert {window.get("views") for window in windows} == {2}


async def test_a_commit_whose_answer_was_lost_counts_as_applied_when_sent_again(
    redis: Redis, writer: FunnelWriter
) -> None:
    await writer.rebuild(5, [])

    class AnswerLost(FunnelWriter):
        async def _run(self, step: Any, sequence: int, payload: bytes) -> str:
            await super()._run(step, sequence, payload)
            raise ServingUnavailableError("redis://x", "connection lost")

    writer.__class__ = AnswerLost
    with pytest.raises(ServingUnavailableError):
        await writer.write(6, views(2))
    writer.__class__ = FunnelWriter
    assert await writer.write(6, views(2)) is Outcome.APPLIED
    assert await writer.write(6, views(2)) is Outcome.STALE
    assert await writer.write(7, views(3)) is Outcome.APPLIED


async def test_a_newer_commit_may_take_up_what_was_not_answered(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(5, [])
    await redis.hset(keys.sink("campaigns", 0), "sequence", "6")  # 6 was written, its answer lost
    assert await writer.write(7, views(3)) is Outcome.APPLIED


async def test_a_restart_forgets_the_script_and_nothing_breaks(redis: Redis, writer: FunnelWriter) -> None:
    await writer.rebuild(1, [])
    await redis.script_flush()
    assert await writer.write(2, views(2)) is Outcome.APPLIED


async def test_redis_away_is_one_error_without_credentials(own_redis: Any) -> None:
    async with open_redis(own_redis.url.replace("://", "://default:secret@")) as client:
        writer = FunnelWriter(client, stage="campaigns", partition=0, partitions=1, incarnation="i1")
        own_redis.stop()
        for call in (writer.check(), writer.rebuild(1, [])):
            with pytest.raises(ServingUnavailableError, match="Redis at") as caught:
                await call
            assert caught.value.url == own_redis.url
            assert "secret" not in str(caught.value)


async def test_a_full_redis_refuses_and_the_commit_is_written_later(
    redis: Redis, writer: FunnelWriter
) -> None:
    await writer.rebuild(1, [views(1)])
    await redis.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(ServingUnavailableError, match="maxmemory"):
            await writer.write(2, views(2))
    finally:
        await redis.config_set("maxmemory", "0")
    assert await writer.write(2, views(2)) is Outcome.APPLIED
    assert await shown(redis) == 2
