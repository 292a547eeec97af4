"""The index's writer and what reads it: records and offsets move together, whoever else writes or empties Redis."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from tests.outputs import attribution, credit, ledger_entry
from xinghe.domain.events import DEAD_LETTER, LEDGER_ENTRY, ORDER_ATTRIBUTED, CampaignConfigured
from xinghe.domain.windows import DAY_MS
from xinghe.serving import CommitWrite, FunnelWriter, WindowWrite, keys
from xinghe.serving.client import text
from xinghe.serving.errors import ServingDataError
from xinghe.serving.records import DeadLetterSample
from xinghe.serving.records_reader import SAMPLES, RecordsReader
from xinghe.serving.records_writer import (
    TOPICS,
    EntryWrite,
    OrderWrite,
    Place,
    RecordsWrite,
    RecordsWriter,
    Stand,
)

NOW_MS = int(time.time() * 1000)
LATER_MS = NOW_MS + DAY_MS
ORDERS = Place(ORDER_ATTRIBUTED, 0)
LETTERS = Place(DEAD_LETTER, 0)


@pytest.fixture
def records(redis: Redis) -> RecordsWriter:
    return RecordsWriter(redis)


@pytest.fixture
def reader(redis: Redis) -> RecordsReader:
    return RecordsReader(redis)


def configured(campaign_id: str, effective_ms: int) -> CampaignConfigured:
    return CampaignConfigured(campaign_id, "s1", "Autumn", effective_ms)


def letter(time_ms: int, reason: str = "invalid", offset: int = 0) -> DeadLetterSample:
    return DeadLetterSample(time_ms, reason, "$.x", "taobao.order.paid.v1", "0", str(offset), "k", "v")


def order(order_id: str, person_id: str, revision: int = 1, **more: Any) -> OrderWrite:
    json = msgspec.json.encode(
        attribution(order_id, [credit("c1", 5)], revision=revision, person_id=person_id)
    ).decode()
    return OrderWrite(order_id, person_id, json, more.pop("expire_at_ms", LATER_MS), **more)


async def names(redis: Redis) -> set[str]:
    return set(map(text, await redis.keys()))


async def write(
    records: RecordsWriter, place: Place, known: int | None, up_to: int, what: RecordsWrite
) -> bool:
    before = None if known is None else Stand(known)
    return await records.write({place: before}, {place: Stand(up_to, up_to - 1, 7)}, what)


async def test_what_is_written_is_what_the_reader_finds(
    redis: Redis, records: RecordsWriter, reader: RecordsReader
) -> None:
    settings = configured("c1", 5)
    what = RecordsWrite(
        [order("o1", "p1", 2), order("o1", "p2")],
        [
            EntryWrite("c1", number, msgspec.json.encode(ledger_entry("c1", number)).decode())
            for number in (2, 1)
        ],
        {"c1": msgspec.json.encode(settings).decode(), "c2": None},
        [letter(1), letter(2, "future")],
    )
    assert await write(records, ORDERS, None, 9, what)
    assert [(each.person_id, each.revision) for each in await reader.orders("o1")] == [("p1", 2), ("p2", 1)]
    assert [each.number for each in await reader.ledger("c1")] == [1, 2]
    assert await reader.settings() == {"c1": settings}
    letters = await reader.dead_letters()
    assert letters.counts == {"invalid": 1, "future": 1}
    assert letters.samples == {"invalid": [letter(1)], "future": [letter(2, "future")]}
    assert await records.stands() == {ORDERS: Stand(9, 8, 7)}
    assert await records.effective_ms(["c1", "c2"]) == {"c1": 5}
    assert await names(redis) == {
        *(keys.order("o1"), keys.ledger("c1"), keys.CAMPAIGN_SETTINGS, keys.INDEX, keys.DEAD_LETTERS),
        *(keys.dead_letters("invalid"), keys.dead_letters("future")),
    }


async def test_nothing_is_written_where_redis_stands_elsewhere(
    redis: Redis, records: RecordsWriter, reader: RecordsReader
) -> None:
    one = RecordsWrite(letters=[letter(1)])
    assert await write(records, LETTERS, None, 5, one)
    for known in (None, 4, 6):
        assert not await write(records, LETTERS, known, 9, one)
    assert (await reader.dead_letters()).counts == {"invalid": 1}
    # Of several partitions, one that stands elsewhere is enough.
    other = Place(DEAD_LETTER, 1)
    up_to = {LETTERS: Stand(9, 8, 7), other: Stand(9, 8, 7)}
    assert not await records.write({LETTERS: Stand(5), other: Stand(1)}, up_to, one)
    assert (await reader.dead_letters()).counts == {"invalid": 1}
    await redis.flushall()
    assert not await write(records, LETTERS, 5, 9, one)
    assert await redis.keys() == []


async def test_a_later_deletion_of_settings_is_one(records: RecordsWriter, reader: RecordsReader) -> None:
    place = Place(CampaignConfigured.topic, 0)
    there = {"c1": msgspec.json.encode(configured("c1", 5)).decode()}
    assert await write(records, place, None, 1, RecordsWrite(settings=there))
    assert await write(records, place, 1, 2, RecordsWrite(settings={"c1": None}))
    assert await reader.settings() == {}
    assert await records.effective_ms(["c1"]) == {}


async def test_a_key_of_settings_that_holds_something_else_is_named(
    redis: Redis, records: RecordsWriter
) -> None:
    await redis.hset(keys.CAMPAIGN_SETTINGS, "c1", "nothing of ours")
    with pytest.raises(ServingDataError, match="xinghe:campaigns:settings"):
        await records.effective_ms(["c1"])


async def test_an_order_moves_to_the_person_that_its_id_was_linked_to(
    records: RecordsWriter, reader: RecordsReader
) -> None:
    await write(records, ORDERS, None, 2, RecordsWrite([order("o1", "old"), order("o1", "stranger")]))
    assert sorted((await records.persons(["o1", "o2"]))[0]) == ["old", "stranger"]
    await write(records, ORDERS, 2, 3, RecordsWrite([order("o1", "new", 2, stale=["old"])]))
    assert [each.person_id for each in await reader.orders("o1")] == ["new", "stranger"]


async def test_an_order_goes_with_its_age_and_the_later_of_two_keeps_both(
    redis: Redis, records: RecordsWriter
) -> None:
    for offset, age_days, kept_days in ((0, 2, 2), (1, 3, 3), (2, 1, 3)):
        write_ = order("o1", f"p{offset}", expire_at_ms=NOW_MS + age_days * DAY_MS)
        assert await write(records, ORDERS, offset or None, offset + 1, RecordsWrite([write_]))
        assert await redis.pexpiretime(keys.order("o1")) == NOW_MS + kept_days * DAY_MS
    assert await redis.hlen(keys.order("o1")) == 3


async def test_the_last_samples_do_not_depend_on_how_letters_are_batched_even_of_one_time(
    redis: Redis, records: RecordsWriter, reader: RecordsReader
) -> None:
    letters = [letter(1_000 + number % 2, offset=number * 7 % 60) for number in range(60)]
    at_once = RecordsWrite(letters=letters)
    assert await write(records, LETTERS, None, 60, at_once)
    found = (await reader.dead_letters()).samples
    await redis.flushall()
    for first in range(0, 60, 7):
        some = RecordsWrite(letters=letters[first : first + 7])
        assert await write(records, LETTERS, first or None, first + 7, some)
    assert (await reader.dead_letters()).samples == found
    assert {sample.time_ms for sample in found["invalid"]} == {1_001}


async def test_the_last_samples_are_those_of_the_latest_times_whichever_partition_was_read_first(
    records: RecordsWriter, reader: RecordsReader
) -> None:
    late = [letter(1_000 + number, offset=number) for number in range(SAMPLES)]
    early = [letter(number, offset=number) for number in range(3 * SAMPLES)]
    assert await write(records, LETTERS, None, 20, RecordsWrite(letters=late))
    assert await write(records, Place(DEAD_LETTER, 1), None, 60, RecordsWrite(letters=early))
    assert await write(records, LETTERS, 20, 21, RecordsWrite(letters=[letter(1_005, offset=99)]))
    found = await reader.dead_letters()
    assert found.counts == {"invalid": 4 * SAMPLES + 1}
    times = [sample.time_ms for sample in found.samples["invalid"]]
    assert times == sorted([1_005, *range(1_001, 1_000 + SAMPLES)], reverse=True)


@pytest.mark.parametrize("topic", TOPICS)
async def test_a_topic_that_is_started_over_leaves_nothing_and_touches_nothing_else(
    redis: Redis, records: RecordsWriter, topic: str
) -> None:
    what = {
        ORDER_ATTRIBUTED: RecordsWrite([order(f"o{number}", "p") for number in range(1_500)]),
        LEDGER_ENTRY: RecordsWrite(entries=[EntryWrite(f"c{number}", 1, "{}") for number in range(1_500)]),
        CampaignConfigured.topic: RecordsWrite(settings={"c1": "{}"}),
        DEAD_LETTER: RecordsWrite(letters=[letter(1), letter(1, "future")]),
    }
    for each in TOPICS:
        assert await write(records, Place(each, 0), None, 5, what[each])
    kept = {"xinghe:campaign:c1:note:ledger", "xinghe:campaign:c1:note:x:ledger", keys.total("c1")}
    for name in kept:
        await redis.hset(name, "views", 1)
    before = await names(redis)

    assert await records.start_over(topic, {0: 3, 1: 0})

    theirs = {
        ORDER_ATTRIBUTED: {name for name in before if name.startswith("xinghe:order:")},
        LEDGER_ENTRY: {name for name in before if name.endswith(":ledger")} - kept,
        CampaignConfigured.topic: {keys.CAMPAIGN_SETTINGS},
        DEAD_LETTER: {name for name in before if name.startswith(keys.DEAD_LETTERS)},
    }[topic]
    assert theirs
    assert await names(redis) == before - theirs
    stands = await records.stands()
    assert (stands[Place(topic, 0)], stands[Place(topic, 1)]) == (Stand(3), Stand(0))
    assert all(stands[Place(each, 0)] == Stand(5, 4, 7) for each in TOPICS if each != topic)
    assert not await write(records, Place(topic, 0), 5, 6, what[topic])
    assert await write(records, Place(topic, 0), 3, 6, what[topic])


async def test_of_two_that_start_a_topic_over_the_last_goes_on(
    redis: Redis, records: RecordsWriter, reader: RecordsReader
) -> None:
    await write(records, LETTERS, None, 5, RecordsWrite(letters=[letter(1)]))
    first = await records.forget(DEAD_LETTER)
    # Until one of them begins nobody writes, from no offset and from the old one.
    for known in (None, 5):
        assert not await write(records, LETTERS, known, 6, RecordsWrite(letters=[letter(2)]))
    assert await records.stands() == {}
    assert await records.start_over(DEAD_LETTER, {0: 0})
    assert await write(records, LETTERS, 0, 6, RecordsWrite(letters=[letter(3)]))
    # The one that was overtaken wakes up: it removes nothing and begins nowhere.
    assert not await records._run("clear", (DEAD_LETTER, first, [keys.DEAD_LETTERS]))
    assert not await records._run("begin", (DEAD_LETTER, first, [LETTERS.field, "0"]))
    assert (await reader.dead_letters()).samples == {"invalid": [letter(3)]}
    assert await records.stands() == {LETTERS: Stand(6, 5, 7)}


async def test_a_rebuild_of_figures_leaves_the_records_even_of_a_campaign_that_it_drops(
    records: RecordsWriter, reader: RecordsReader, writer: FunnelWriter
) -> None:
    total = WindowWrite("c1", "total", 0, {"views": 1, "version": 1, "updated_ms": 1, "watermark_ms": 1})
    await writer.rebuild(1, [CommitWrite([total], [], ["c1"], 1)])
    what = RecordsWrite(
        entries=[EntryWrite("c1", 1, msgspec.json.encode(ledger_entry("c1", 1)).decode())],
        settings={"c1": msgspec.json.encode(configured("c1", 5)).decode()},
    )
    assert await write(records, Place(LEDGER_ENTRY, 0), None, 1, what)
    await writer.rebuild(2, [])
    # The books of a campaign are kept for ever, and its settings as long as their topic has them.
    assert [each.number for each in await reader.ledger("c1")] == [1]
    assert set(await reader.settings()) == {"c1"}
