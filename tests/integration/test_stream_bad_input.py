"""Bad records and wrong clocks among good traffic: each has its dead letter, and nothing else stops or changes."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.partitions import partition_of
from streams.topics import PARTITIONS_DEFAULT
from tests.stream import Stream, totals
from tests.workers import Supervisor, supervised
from xinghe.domain.events import (
    DEAD_LETTER,
    AdSpent,
    CampaignConfigured,
    NoteViewed,
    OrderPaid,
    PersonLinked,
)

pytestmark = pytest.mark.integration

MINUTE_MS = 60_000
DAY_MS = 86_400_000
ENDS = ("counted", "duplicates", "dead_letters", "waiting_refunds")
"""What becomes of a record; each counts in one of them."""


class Sent(NamedTuple):
    """A record and the reason that its dead letter must have, ``None`` for a good one."""

    topic: str
    key: bytes | None
    value: bytes | None
    reason: str | None


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    with Stream(tmp_path_factory.mktemp("bad-input")) as running:
        yield running


async def send(bootstrap: str, records: Sequence[Sent]) -> dict[tuple[str, int, int], Sent]:
    """Send one after the other; answers where each stands."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=16_000_000)
    await producer.start()
    try:
        places = {}
        for record in records:
            partition = partition_of(record.key or b"", PARTITIONS_DEFAULT)
            done = await producer.send_and_wait(
                record.topic, key=record.key, value=record.value, partition=partition
            )
            places[record.topic, done.partition, done.offset] = record
        return places
    finally:
        await producer.stop()


async def dead_letters(bootstrap: str) -> dict[tuple[str, int, int], Any]:
    """All committed dead letters by the place of the record; asserts that no record has two."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4_000_000,
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(DEAD_LETTER, number) for number in range(PARTITIONS_DEFAULT)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found = {}
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    place = (
                        headers["source_topic"],
                        int(headers["source_partition"]),
                        int(headers["source_offset"]),
                    )
                    assert place not in found, f"two dead letters for {place}"
                    found[place] = (headers["reason"], headers["detail"], record.key, record.value)
        return found
    finally:
        await consumer.stop()


def view(person: str, event_id: str, time_ms: int, **fields: Any) -> dict[str, Any]:
    event = {"event_id": event_id, "person_id": person, "time_ms": time_ms, "note_id": "n1", "shop_id": "s1"}
    return {**event, "campaign_id": "hand-made", **fields}


def record(event: dict[str, Any], reason: str | None, topic: str = NoteViewed.topic) -> Sent:
    return Sent(topic, event["person_id"].encode(), json.dumps(event).encode(), reason)


def link(old_id: str, new_id: str, event_id: str, now_ms: int, reason: str | None) -> Sent:
    event = {"event_id": event_id, "person_id": old_id, "linked_person_id": new_id, "time_ms": now_ms}
    return record(event, reason, PersonLinked.topic)


def hand_made(now_ms: int) -> list[Sent]:
    """One record of each kind that the contract names, around a good one."""
    good = view("p1", "hand-1", now_ms)
    order = {
        **{name: good[name] for name in ("person_id", "time_ms", "shop_id")},
        "event_id": "hand-o",
        "order_id": "hand-o",
        "item_id": "i1",
    }
    spend = {"event_id": "hand-s", "campaign_id": "hand-made", "hour_start_ms": now_ms - now_ms % 3_600_000}
    return [
        record(good, None),
        Sent(NoteViewed.topic, b"p1", b"x" * 10_000_000, "too_large"),
        Sent(NoteViewed.topic, b"p1", None, "invalid"),
        Sent(NoteViewed.topic, b"p1", b"", "malformed"),
        Sent(NoteViewed.topic, b"p1", b'{"event_id": "hand-2", ', "malformed"),
        Sent(NoteViewed.topic, b"p1", json.dumps(good).encode() + b" {}", "malformed"),
        Sent(NoteViewed.topic, b"p1", json.dumps(good).encode().replace(b"s1", b"\xff\xfe"), "malformed"),
        Sent(NoteViewed.topic, b"p2", json.dumps(good).encode(), "key_mismatch"),
        Sent(NoteViewed.topic, None, json.dumps(good).encode(), "key_mismatch"),
        Sent(NoteViewed.topic, b"\xff", json.dumps(good).encode(), "key_mismatch"),
        record({**good, "time_ms": str(now_ms)}, "invalid"),
        record({**good, "time_ms": now_ms + 0.5}, "invalid"),
        record({**good, "time_ms": 2**70}, "invalid"),
        record({**good, "surface": "billboard"}, "invalid"),
        record({**good, "shop_id": "s:1"}, "invalid"),
        record({name: value for name, value in good.items() if name != "note_id"}, "invalid"),
        Sent(NoteViewed.topic, b"p1", b"[]", "invalid"),
        record({**order, "amount_fen": 0}, "invalid", OrderPaid.topic),
        record({**order, "amount_fen": -1}, "invalid", OrderPaid.topic),
        record({**good, "time_ms": now_ms + 12 * MINUTE_MS}, "future"),
        record({**good, "time_ms": now_ms - 32 * DAY_MS}, "too_late"),
        Sent(AdSpent.topic, b"hand-made", json.dumps({**spend, "spend_fen": -5}).encode(), "invalid"),
        Sent(AdSpent.topic, b"hand-made", b"\x00" * 70_000, "too_large"),
        Sent(AdSpent.topic, b"other", json.dumps({**spend, "revision": 1, "spend_fen": 5}).encode(), "key_mismatch"),
        Sent(CampaignConfigured.topic, b"hand-made", b"{}", "invalid"),
        link("link-a", "link-b", "l1", now_ms, "link_circular"),
        link("link-a", "link-c", "l2", now_ms, "link_repeated"),
        link("link-b", "link-a", "l3", now_ms, None),
        link("link-self", "link-self", "l4", now_ms, "link_circular"),
        link("link-d", "link-b", "l5", now_ms, None),
        link("link-d", "link-b", "l6", now_ms - 32 * DAY_MS, "too_late"),
    ]  # fmt: skip


def settle(stream: Stream, supervisor: Supervisor) -> dict[str, Any]:
    """Audit, with workers that were never started again."""
    report = stream.audit(watch=supervisor.watch)
    assert not supervisor.restarts
    return report


def test_every_bad_record_is_a_dead_letter_and_every_event_is_accounted_for(stream: Stream) -> None:
    with supervised(stream, "w1", "w2") as supervisor:
        with stream.traffic(800, 41, "--bad-share", "0.01", "--duplicate-share", "0.05") as traffic:
            supervisor.run_for(4)
            sent = asyncio.run(send(stream.kafka, hand_made(time.time_ns() // 1_000_000)))
            supervisor.run_for(4)
        report = settle(stream, supervisor)
    letters = asyncio.run(dead_letters(stream.kafka))
    truth = traffic.truth

    for place, bad in sent.items():
        if bad.reason is None:
            assert place not in letters
            continue
        reason, detail, key, value = letters.pop(place)
        assert reason == bad.reason, (bad.key, (bad.value or b"")[:80], detail)
        assert detail
        assert (key, value) == (bad.key, bad.value)
    assert Counter(reason for reason, _, _, _ in letters.values()) == truth["bad_by_reason"]
    events = report["events"]
    assert truth["bad"] > 0
    assert truth["links"] > 0
    assert events["in"] == truth["sent"] + len(sent)
    assert events["dead_letters"] == truth["bad"] + sum(bad.reason is not None for bad in sent.values())
    assert events["duplicates"] == truth["duplicates"] + truth["repeated_orders"] + truth["repeated_refunds"]
    assert events["waiting_refunds"] == truth["waiting_refunds"]
    assert events["in"] == sum(events[end] for end in ENDS)


def test_wrong_clocks_do_not_carry_the_watermark_away(stream: Stream) -> None:
    """Up to 10 minutes ahead an event counts, up to 31 days behind as well; beyond that it has no say."""
    with supervised(stream, "w1") as supervisor, stream.redis() as redis:
        with stream.traffic(500, 42, "--skew-share", "0.5", "--late-share", "0.2", "--history-share", "0.3"):
            supervisor.run_for(4)
            now_ms = time.time_ns() // 1_000_000
            before = len(asyncio.run(dead_letters(stream.kafka)))
            clocks = [
                record(view("p7", "ahead-9", now_ms + 9 * MINUTE_MS), None),
                record(view("p7", "ahead-11", now_ms + 11 * MINUTE_MS), "future"),
                record(view("p7", "years-ahead", now_ms + 4_000 * DAY_MS), "future"),
                record(view("p7", "behind-30d", now_ms - 30 * DAY_MS), None),
                record(view("p7", "behind-32d", now_ms - 32 * DAY_MS), "too_late"),
                record(view("p7", "epoch", 0), "too_late"),
            ]
            views_before = int(redis.hget("xinghe:campaign:hand-made:total", "views") or 0)
            sent = asyncio.run(send(stream.kafka, clocks))
            supervisor.run_for(2)
        report = settle(stream, supervisor)
        letters = asyncio.run(dead_letters(stream.kafka))

        found = {place: letters[place][0] if place in letters else None for place in sent}
        assert found == {place: clock.reason for place, clock in sent.items()}
        assert len(letters) >= before + 4
        assert int(redis.hget("xinghe:campaign:hand-made:total", "views") or 0) == views_before + 2
        assert report["watermark_ms"] <= now_ms + 12 * MINUTE_MS
        assert totals(redis)["views"] > 0
