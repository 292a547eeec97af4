"""`xinghe trace` against a real broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streams.partitions import partition_of
from streams.topics import PARTITIONS_DEFAULT
from tests.stream import Stream
from xinghe.audit.truth import truth_of
from xinghe.domain.events import DEAD_LETTER, ORDER_ATTRIBUTED, AdClicked, NoteViewed, OrderPaid

pytestmark = pytest.mark.integration

NOW_MS = 1_740_758_400_000
EVENTS: list[Any] = [
    NoteViewed("v", "p1", NOW_MS, "n1", "s1", "c1"),
    OrderPaid("P", "p1", NOW_MS + 9, "s1", "o1", "i1", 900),
    AdClicked("k", "p1", NOW_MS + 5, "n1", "s1", "c2", "i1"),
    # Of another person, in the same partition perhaps.
    NoteViewed("w", "p2", NOW_MS, "n1", "s1", "c9"),
]
TOO_LATE = NoteViewed("late", "p1", NOW_MS + 6, "n1", "s1", "c3")


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    with Stream(tmp_path_factory.mktemp("trace")) as running:
        asyncio.run(send(running.kafka))
        yield running


async def send(bootstrap: str) -> None:
    """The events, and what a worker would have said of them; one record is called too late."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()

    async def put(topic: str, key: bytes, value: bytes, headers: Any = ()) -> Any:
        partition = partition_of(key, PARTITIONS_DEFAULT)
        return await producer.send_and_wait(topic, value, key, partition, headers=list(headers))

    try:
        for event in EVENTS:
            await put(event.topic, event.person_id.encode(), msgspec.json.encode(event))
        late = await put(TOO_LATE.topic, b"p1", msgspec.json.encode(TOO_LATE))
        place = {"source_topic": late.topic, "source_partition": late.partition, "source_offset": late.offset}
        headers = [("reason", b"too_late"), *((name, str(value).encode()) for name, value in place.items())]
        await put(DEAD_LETTER, b"p1", msgspec.json.encode(TOO_LATE), headers)
        for number, events in enumerate((EVENTS[:2], EVENTS), 1):
            value = truth_of(events).orders["p1", "o1"].as_json() | {"revision": number}
            await put(ORDER_ATTRIBUTED, b"o1", orjson.dumps(value))
        await put(ORDER_ATTRIBUTED, b"o2", orjson.dumps(value | {"order_id": "o2"}))
    finally:
        await producer.stop()


def test_an_order_is_explained_from_its_persons_events(stream: Stream) -> None:
    done = stream.run("trace", "o1", "--json")
    assert done.exit_code == 0, done.err
    (told,) = json.loads(done.out)
    assert [touch["event_id"] for touch in told["touches"]] == ["v", "k"]
    assert told["differences"] == []
    assert [revision["why"] for revision in told["revisions"]] == [
        ["the order was paid"],
        ["touch k came and is credited"],
    ]


def test_for_people_it_prints_tables(stream: Stream) -> None:
    done = stream.run("trace", "o1")
    assert done.exit_code == 0, done.err
    assert "The last revision is as recomputed." in done.out
    assert "yes; wins the last touch" in done.out


def test_an_order_that_nobody_knows_ends_with_1(stream: Stream) -> None:
    done = stream.run("trace", "o9")
    assert (done.exit_code, done.out) == (1, "")
    assert "order o9 is not known" in done.err


def test_an_order_whose_payment_is_gone_says_so(stream: Stream) -> None:
    done = stream.run("trace", "o2")
    assert done.exit_code == 1
    assert "its payment is gone from the topics" in done.err
