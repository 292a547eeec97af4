"""The index against real Kafka and Redis: what Redis has is what the topics say, whatever is emptied, killed or made anew."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from redis import Redis

from streams.topic_admin import create_topics
from streams.topics import topic_specs
from tests.stream import Stream
from tests.waiting import PATIENCE_S, wait_until
from tests.workers import Supervisor, supervised
from xinghe.audit.links import people_of
from xinghe.audit.log import Log
from xinghe.domain.events import (
    DEAD_LETTER,
    LEDGER_ENTRY,
    ORDER_ATTRIBUTED,
    CampaignConfigured,
    PersonLinked,
)
from xinghe.processes import stop_child
from xinghe.serving import keys
from xinghe.serving.dead_letters import dead_letter_of, sample_of
from xinghe.serving.records_reader import SAMPLES
from xinghe.serving.records_writer import TOPICS

pytestmark = pytest.mark.integration


class Contents(NamedTuple):
    """What the topics say, or what Redis has."""

    orders: dict[str, dict[str, str]]
    ledgers: dict[str, dict[str, str]]
    settings: dict[str, str]
    counts: dict[str, int]
    samples: dict[str, list[str]]


class IndexProcess:
    """``xinghe index``; its log goes on over restarts."""

    def __init__(self, stream: Stream, name: str = "index", *options: str) -> None:
        self._stream = stream
        self.log = stream.folder / f"{name}.log"
        self._arguments = ("index", "--instance", name, "--log-format", "json", *options)
        self.process: subprocess.Popen[bytes] = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.process = self._stream.start(*self._arguments, out=self.log, err=self.log)
        return self.process

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert stop_child(self.process, PATIENCE_S) == 0, self.log.read_text()


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    with Stream(tmp_path) as running:
        yield running


async def _records(kafka: str) -> dict[str, list[ConsumerRecord]]:
    log = await Log.open([*TOPICS, PersonLinked.topic], bootstrap_servers=kafka)
    found: dict[str, list[ConsumerRecord]] = {topic: [] for topic in log.partitions}
    try:
        partitions = log.of(found)
        async for records in log.read(await log.begins(partitions), await log.ends(partitions)):
            found[records[0].topic] += records or []
    finally:
        await log.close()
    return found


def told(stream: Stream) -> Contents:
    """What the topics say, worked out anew and otherwise than by the index."""
    found = asyncio.run(_records(stream.kafka))
    links = [json.loads(record.value or b"") for record in found[PersonLinked.topic]]
    targets: dict[str, str] = {}
    for link in links:
        targets.setdefault(link["person_id"], link["linked_person_id"])
    person_of, _ = people_of(targets)
    last: dict[tuple[str, str], Any] = {}
    for record in found[ORDER_ATTRIBUTED]:
        value = json.loads(record.value or b"")
        person_id = value["person_id"]
        last[value["order_id"], person_of.get(person_id, person_id)] = (person_id, text(record.value))
    orders: dict[str, dict[str, str]] = {}
    for (order_id, _), (person_id, value) in last.items():
        orders.setdefault(order_id, {})[person_id] = value
    ledgers: dict[str, dict[str, str]] = {}
    for record in found[LEDGER_ENTRY]:
        value = json.loads(record.value or b"")
        ledgers.setdefault(value["campaign_id"], {})[str(value["number"])] = text(record.value)
    samples = [sample_of(dead_letter_of(record)) for record in found[DEAD_LETTER]]
    counts = Counter(sample.reason for sample in samples)
    refused = {
        (sample.source_partition, sample.source_offset)
        for sample in samples
        if sample.source_topic == CampaignConfigured.topic
    }
    settings: dict[str, tuple[int, str]] = {}
    for record in found[CampaignConfigured.topic]:
        if (str(record.partition), str(record.offset)) in refused:
            continue
        if record.value is None:
            settings.pop(text(record.key), None)
            continue
        effective_ms = json.loads(record.value)["effective_ms"]
        if effective_ms >= settings.get(text(record.key), (0, ""))[0]:
            settings[text(record.key)] = effective_ms, text(record.value)
    return Contents(
        orders,
        ledgers,
        {campaign_id: value for campaign_id, (_, value) in settings.items()},
        dict(counts),
        {
            reason: [
                text(encoded)
                for _, encoded in sorted(
                    (
                        (sample.time_ms, msgspec.json.encode(sample))
                        for sample in samples
                        if sample.reason == reason
                    ),
                    reverse=True,
                )
            ][:SAMPLES]
            for reason in counts
        },
    )


def text(data: bytes | None) -> str:
    return (data or b"").decode()


def shown(redis: Redis) -> Contents:
    """What Redis has."""
    counts: Any = redis.hgetall(keys.DEAD_LETTERS)
    settings: Any = redis.hgetall(keys.CAMPAIGN_SETTINGS)
    return Contents(
        {name.removeprefix(keys.order("")): hash_of(redis, name) for name in names(redis, keys.order("*"))},
        {name.split(":")[2]: hash_of(redis, name) for name in names(redis, keys.ledger("*"))},
        settings,
        {reason: int(count) for reason, count in counts.items()},
        {reason: list_of(redis, keys.dead_letters(reason)) for reason in counts},
    )


def names(redis: Redis, pattern: str) -> list[str]:
    return list(redis.scan_iter(pattern, count=1_000))


def hash_of(redis: Redis, name: str) -> dict[str, str]:
    found: Any = redis.hgetall(name)
    return dict(found)


def list_of(redis: Redis, name: str) -> list[str]:
    found: Any = redis.lrange(name, 0, -1)
    return list(found)


def is_filled(redis: Redis) -> bool:
    entries = sum(len(hash_of(redis, name)) for name in names(redis, keys.ledger("*")))
    counts = cast("dict[str, str]", redis.hgetall(keys.DEAD_LETTERS))
    many = [count for count in counts.values() if int(count) >= SAMPLES]
    return len(names(redis, keys.order("*"))) > 50 and entries > 100 and len(counts) > 3 and bool(many)


def wait_until_equal(stream: Stream, supervisor: Supervisor | None = None) -> Contents:
    """Wait until Redis has what the topics say, and answer it."""
    watch = wait_until if supervisor is None else supervisor.watch
    with stream.redis() as redis:
        try:
            watch(lambda: shown(redis) == told(stream), "Redis has what the topics say")
        except AssertionError:
            for name, theirs, ours in zip(Contents._fields, told(stream), shown(redis), strict=True):
                assert ours == theirs, name
            raise
        return shown(redis)


def test_redis_has_what_the_topics_say_over_kills_and_an_emptied_redis(stream: Stream) -> None:
    index = IndexProcess(stream)
    with supervised(stream, "w1") as supervisor, stream.redis() as redis:
        # Days in seconds, so that there are books, and bad records.
        options = ("--days-per-second", "2", "--duration", "30", "--campaigns", "6", "--bad-share", "0.02")
        with stream.traffic(1_500, 51, *options):
            supervisor.watch(lambda: bool(names(redis, keys.order("*"))), "orders are indexed")
            index.kill()
            supervisor.run_for(2)
            index.start()
            supervisor.run_for(2)
            redis.flushall()
            for _ in range(3):
                supervisor.run_for(1)
                index.kill()
                index.start()
            supervisor.watch(lambda: is_filled(redis), "there are orders, books and bad records enough")
        supervisor.watch(lambda: stream.lag() == 0, "all is processed")
        contents = wait_until_equal(stream, supervisor)
        redis.flushall()
        wait_until_equal(stream, supervisor)
        index.stop()

    assert len(contents.orders) > 50
    assert sum(map(len, contents.ledgers.values())) > 100
    assert len(contents.settings) == 6
    assert len(contents.counts) > 3
    assert max(map(len, contents.samples.values())) == SAMPLES
    assert index.events("index ends")[-1]["exit_code"] == 0
    assert not index.events("the index cannot go on")


def test_of_two_one_writes_and_the_other_takes_over(stream: Stream) -> None:
    indexes = [IndexProcess(stream, name) for name in ("index-1", "index-2")]
    with supervised(stream, "w1") as supervisor, stream.redis() as redis:
        with stream.traffic(500, 52, "--bad-share", "0.05"):
            waits = "another index writes to this Redis; this one waits until it has stopped"
            supervisor.watch(lambda: any(index.events(waits) for index in indexes), "one waits")
            redis.flushall()
            supervisor.run_for(3)
            indexes[0].kill()
            supervisor.run_for(3)
        stream.audit(watch=supervisor.watch)
        wait_until_equal(stream, supervisor)
        indexes[0].start()
        indexes[1].kill()
        with stream.traffic(500, 53, "--bad-share", "0.05"):
            before = len(names(redis, keys.order("*")))
            supervisor.watch(lambda: len(names(redis, keys.order("*"))) > before, "orders are indexed")
        stream.audit(watch=supervisor.watch)
        wait_until_equal(stream, supervisor)
        indexes[0].stop()


def wait_for_orders(stream: Stream, supervisor: Supervisor, orders: int) -> None:
    """Let the traffic go on until so many orders are attributed, and until there are dead letters."""

    def are_there() -> bool:
        contents = told(stream)
        return len(contents.orders) >= orders and bool(contents.counts)

    supervisor.watch(are_there, f"{orders} orders")


def test_topics_made_anew_leave_nothing_of_the_old_ones(stream: Stream) -> None:
    index = IndexProcess(stream)
    with supervised(stream, "w1") as supervisor:
        with stream.traffic(500, 54, "--bad-share", "0.05"):
            wait_for_orders(stream, supervisor, 20)
        stream.audit(watch=supervisor.watch)
        before = wait_until_equal(stream, supervisor)
    asyncio.run(_make_anew(stream.kafka))
    with supervised(stream, "w1") as supervisor:
        with stream.traffic(500, 55, "--bad-share", "0.05"):
            wait_for_orders(stream, supervisor, 20)
        stream.audit(watch=supervisor.watch)
        after = wait_until_equal(stream, supervisor)

    assert before.orders
    assert not before.orders.keys() & after.orders.keys()
    index.stop()


def test_topics_made_anew_while_no_index_runs_are_told_by_their_last_record(stream: Stream) -> None:
    index = IndexProcess(stream)
    with supervised(stream, "w1") as supervisor:
        with stream.traffic(500, 56, "--bad-share", "0.05"):
            wait_for_orders(stream, supervisor, 10)
        stream.audit(watch=supervisor.watch)
        wait_until_equal(stream, supervisor)
    index.stop()
    asyncio.run(_make_anew(stream.kafka))
    with supervised(stream, "w1") as supervisor:
        # Longer than the first, so that the old offsets are there in the new topics too.
        with stream.traffic(500, 57, "--bad-share", "0.05"):
            wait_for_orders(stream, supervisor, 60)
        stream.audit(watch=supervisor.watch)
        index.start()
        wait_until_equal(stream, supervisor)
    assert index.events("a topic was made anew; what Redis has of the old one is removed")
    index.stop()


def test_a_topic_made_anew_that_has_no_record_where_the_last_one_was_is_read_from_its_beginning(
    stream: Stream,
) -> None:
    index = IndexProcess(stream)
    asyncio.run(_send_in_transactions(stream.kafka, 2))
    wait_until_equal(stream)
    # Where the last record was, there is now the marker of a transaction: with records after it, then without.
    for counts in ((1, 1), (2,)):
        index.stop()
        asyncio.run(_make_anew(stream.kafka))
        asyncio.run(_send_in_transactions(stream.kafka, *counts))
        index.start()
        wait_until_equal(stream)
    index.stop()
    assert len(index.events("a topic was made anew; what Redis has of the old one is removed")) == 2


async def _send_in_transactions(kafka: str, *counts: int) -> None:
    """Dead letters to partition 0, so many in each transaction."""
    async with AIOKafkaProducer(bootstrap_servers=kafka, transactional_id="test-index") as producer:
        for count in counts:
            async with producer.transaction():
                for number in range(count):
                    headers = [("reason", b"invalid"), ("source_offset", b"%d" % number)]
                    await producer.send(DEAD_LETTER, b"v", b"k", partition=0, headers=headers)


async def _make_anew(kafka: str) -> None:
    """Delete all topics and create them again; no worker may run."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        specs = topic_specs()
        await admin.delete_topics([spec.name for spec in specs])
        async with asyncio.timeout(PATIENCE_S):
            # The broker does not say when a topic is gone, it has to be asked.
            while {spec.name for spec in specs} & set(await admin.list_topics()):
                await asyncio.sleep(0.1)
    finally:
        await admin.close()
    await create_topics(kafka, topic_specs())


def test_new_partitions_are_read_too(stream: Stream) -> None:
    index = IndexProcess(stream)
    asyncio.run(_send_dead_letters(stream.kafka, range(4)))
    wait_until_equal(stream)
    asyncio.run(_add_partitions(stream.kafka))
    asyncio.run(_send_dead_letters(stream.kafka, range(8)))
    contents = wait_until_equal(stream)
    index.stop()

    assert contents.counts == {"invalid": 12}


async def _add_partitions(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_partitions({DEAD_LETTER: NewPartitions(8)})
        async with asyncio.timeout(PATIENCE_S):
            # Until each has a leader.
            while True:
                (topic,) = await admin.describe_topics([DEAD_LETTER])
                if [each["leader"] >= 0 for each in topic["partitions"]] == [True] * 8:
                    return
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def _send_dead_letters(kafka: str, partitions: range) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for partition in partitions:
            headers = [("reason", b"invalid"), ("source_offset", b"%d" % partition)]
            await producer.send_and_wait(DEAD_LETTER, b"v", b"k", partition=partition, headers=headers)


def test_the_index_waits_for_redis_and_kafka_and_goes_on(stream: Stream) -> None:
    asyncio.run(_send_dead_letters(stream.kafka, range(2)))
    stream.services.stop_redis()
    index = IndexProcess(stream)
    away = "Redis cannot be written; the index waits and goes on when it is back"
    wait_until(lambda: bool(index.events(away)), "it says that Redis is away")
    stream.services.start_redis()
    wait_until_equal(stream)
    assert [event["what"] for event in index.events("it is back")] == ["Redis"]

    stream.services.stop_kafka()
    away = "Kafka cannot be read; the index waits and goes on when it is back"
    wait_until(lambda: bool(index.events(away)), "it says that Kafka is away")
    stream.services.start_kafka()
    asyncio.run(_send_dead_letters(stream.kafka, range(4)))
    assert wait_until_equal(stream).counts == {"invalid": 6}
    assert len(index.events(away)) == 1
    index.stop()
    assert index.process.returncode == 0


def test_an_index_without_kafka_or_topics_says_so_and_ends(stream: Stream, tmp_path: Path) -> None:
    done = stream.run("index", "--kafka-bootstrap-servers", "127.0.0.1:9", "--wait-seconds", "0")
    assert done.exit_code == 69
    assert "Kafka at 127.0.0.1:9 is not reachable" in done.err
    asyncio.run(_delete(stream.kafka, LEDGER_ENTRY))
    done = stream.run("index")
    assert done.exit_code == 78
    assert f"topics are missing: {LEDGER_ENTRY}; create them with: xinghe topics create" in done.err


async def _delete(kafka: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.1)
    finally:
        await admin.close()


def test_it_ends_while_redis_is_away(stream: Stream) -> None:
    stream.services.stop_redis()
    index = IndexProcess(stream)
    away = "Redis cannot be written; the index waits and goes on when it is back"
    wait_until(lambda: bool(index.events(away)), "it says that Redis is away")
    index.process.send_signal(signal.SIGTERM)
    assert index.process.wait(PATIENCE_S) == 0
