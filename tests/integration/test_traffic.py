"""simulate, replay and deadletters against a real broker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2

from streams.topic_admin import create_topics
from streams.topics import PARTITIONS_DEFAULT, topic_specs
from tests.waiting import PATIENCE_S, wait_until
from xinghe.domain.events import DEAD_LETTER, SOURCE_EVENTS, CampaignConfigured, NoteViewed, OrderPaid
from xinghe.embedded import EmbeddedServices
from xinghe.simulator import sender

pytestmark = pytest.mark.integration

ROWS = b"1,20,300,pv,1511658000\n1,20,300,fav,1511658001\nnonsense\n1,20,300,cart,1511658060\n2,21,300,buy,1511661600\n"


@pytest.fixture(scope="module")
def broker(services: EmbeddedServices, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of our own: these tests count all that is in the contract's topics."""
    with EmbeddedServices(tmp_path_factory.mktemp("traffic"), lib_dir=services.lib_dir) as running:
        asyncio.run(create_topics(running.kafka_bootstrap_servers, topic_specs()))
        yield running.kafka_bootstrap_servers


def start(broker: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "xinghe", *arguments],
        env={**os.environ, "XINGHE_KAFKA_BOOTSTRAP_SERVERS": broker},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(broker: str, *arguments: str) -> tuple[int, str, str]:
    process = start(broker, *arguments)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out.decode(), err.decode()


async def read(broker: str, starts: dict[TopicPartition, int] | None = None) -> list[Any]:
    """All records of the source topics, or those from ``starts`` on."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for topic in SOURCE_EVENTS for n in range(PARTITIONS_DEFAULT)]
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, (starts or {}).get(partition, 0))
        ends = await consumer.end_offsets(partitions)
        found: list[Any] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return found
    finally:
        await consumer.stop()


async def ends(broker: str) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker)
    await consumer.start()
    try:
        found: dict[TopicPartition, int] = await consumer.end_offsets(
            [TopicPartition(topic, n) for topic in SOURCE_EVENTS for n in range(PARTITIONS_DEFAULT)]
        )
        return found
    finally:
        await consumer.stop()


def test_what_simulate_says_it_sent_is_in_kafka(broker: str, tmp_path: Path) -> None:
    before = asyncio.run(ends(broker))
    truth_file = tmp_path / "truth.json"
    code, out, err = run(
        broker, "simulate", "--rate", "2000", "--duration", "3", "--seed", "9", "--bad-share", "0.05",
        "--truth", str(truth_file), "--json",
    )  # fmt: skip
    assert code == 0, err
    truth = json.loads(truth_file.read_bytes())
    assert truth == json.loads(out)
    assert truth["complete"]
    assert truth["sent"] == 6_000
    assert f"Sending 2000 records a second to {broker} for 3 s, seed 9.\n" in err
    assert "Sent 6000 records" in err
    records = asyncio.run(read(broker, before))
    assert Counter(record.topic for record in records) == truth["sent_by_topic"]
    orders = defaultdict(set)
    for record in records:
        if record.topic == OrderPaid.topic and record.value and record.value.startswith(b'{"event_id":"e'):
            orders[record.partition].add(record.key)
    assert orders
    for record in records:
        if record.key is not None:
            assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % PARTITIONS_DEFAULT
        # The brokers' time, close to the events': the model is live.
        assert abs(record.timestamp - time.time_ns() // 1_000_000) < 120_000
    assert all(record.value is not None for record in records if record.topic == CampaignConfigured.topic)


def test_a_signal_ends_simulate_in_order(broker: str, tmp_path: Path) -> None:
    before = asyncio.run(ends(broker))
    truth_file = tmp_path / "truth.json"
    process = start(broker, "simulate", "--rate", "500", "--truth", str(truth_file))
    wait_until(lambda: asyncio.run(ends(broker)) != before, "records are sent")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    truth = json.loads(truth_file.read_bytes())
    assert truth["sent_by_topic"] == Counter(record.topic for record in asyncio.run(read(broker, before)))


def test_replay_twice_writes_the_same_events_twice(broker: str, tmp_path: Path) -> None:
    before = asyncio.run(ends(broker))
    file = tmp_path / "small.csv"
    file.write_bytes(b"user_id,item_id,category_id,behavior,timestamp\n" + ROWS)
    for _ in range(2):
        code, out, err = run(broker, "replay", str(file), "--format", "taobao-user-behavior", "--json")
        assert code == 0, err
        assert json.loads(out) == {
            "sent": 4,
            "by_behavior": {"pv": 1, "fav": 1, "cart": 1, "buy": 1},
            "malformed": 1,
            "complete": True,
        }
        assert "line 4 is left out: it has 1 columns" in err
    values = Counter(record.value for record in asyncio.run(read(broker, before)))
    assert len(values) == 4
    assert set(values.values()) == {2}


def test_replay_says_what_is_wrong_with_a_file_or_speed(broker: str, tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_bytes(b"a,b\n1,2\n")
    code, _, err = run(broker, "replay", str(file))
    assert code == 65
    assert "has no row of the format" in err
    code, _, err = run(broker, "replay", str(file), "--speed", "fast")
    assert code == 2
    assert "neither max nor a number above 0" in err


async def write_dead_letters(broker: str) -> None:
    """Two committed transactions and one that was aborted, as the stream writes them."""
    letters = [
        ("invalid", OrderPaid.topic, b"p1", b'{"amount_fen":0,"x":"\x1b[31m"}'),
        ("malformed", NoteViewed.topic, b"p2", b"\xff{"),
        ("invalid", NoteViewed.topic, b"p3", None),
        ("too_large", NoteViewed.topic, None, b"x" * 2_000_000),
    ]
    producer = AIOKafkaProducer(
        bootstrap_servers=broker, transactional_id="test-deadletters", max_request_size=16_000_000
    )
    await producer.start()
    try:
        for attempt in ("commit", "abort", "commit"):
            await producer.begin_transaction()
            for reason, topic, key, value in letters[:2] if attempt == "abort" else letters:
                headers = {"reason": reason, "detail": "why", "source_topic": topic, "source_partition": "1"}
                await producer.send_and_wait(
                    DEAD_LETTER,
                    key=key,
                    value=value,
                    partition=0,
                    headers=[(name, text.encode()) for name, text in headers.items()]
                    + [("source_offset", b"7")],
                )
            await (producer.abort_transaction() if attempt == "abort" else producer.commit_transaction())
    finally:
        await producer.stop()


def test_dead_letters_are_listed_shown_and_replayed(broker: str) -> None:
    asyncio.run(write_dead_letters(broker))
    before = asyncio.run(ends(broker))

    code, out, err = run(broker, "deadletters", "list", "--json")
    assert code == 0, err
    assert json.loads(out)["total"] == 8
    assert {"reason": "invalid", "source_topic": OrderPaid.topic, "count": 2} in json.loads(out)["counts"]

    _, out, _ = run(
        broker, "deadletters", "show", "--reason", "invalid", "--topic", OrderPaid.topic, "--limit", "1"
    )
    assert "\\x1b[31m" in out
    assert "\x1b" not in out
    _, out, _ = run(broker, "deadletters", "show", "--limit", "2", "--json")
    null, large = json.loads(out)
    assert null["value"] is None
    assert null["key"] == "p3"
    assert large["value_bytes"] == 2_000_000
    assert large["value"].endswith("(1999600 more characters)")

    code, out, err = run(broker, "deadletters", "replay", "--dry-run", "--json")
    assert json.loads(out)["would_send"] == 8
    assert asyncio.run(ends(broker)) == before
    code, out, err = run(broker, "deadletters", "replay", "--topic", NoteViewed.topic)
    assert code == 0, err
    assert "Sent 6 dead letters" in err
    again = asyncio.run(read(broker, before))
    assert Counter((record.key, record.value) for record in again) == {
        (b"p2", b"\xff{"): 2,
        (b"p3", None): 2,
        (None, b"x" * 2_000_000): 2,
    }
    assert all(
        dict(record.headers)["replayed_from"].startswith(f"{DEAD_LETTER}/0/".encode()) for record in again
    )


async def test_a_broker_that_is_gone_ends_in_an_error(
    services: EmbeddedServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "ACKNOWLEDGE_QUIET_S", 0.2)
    monkeypatch.setattr(sender, "ACKNOWLEDGE_TIMEOUT_S", 0.5)
    with EmbeddedServices(tmp_path, lib_dir=services.lib_dir) as gone:
        await create_topics(gone.kafka_bootstrap_servers, topic_specs())

        async def send() -> None:
            async with sender.BatchSender(
                gone.kafka_bootstrap_servers, [NoteViewed.topic], {}
            ) as open_sender:
                open_sender.add(NoteViewed.topic, b"p", b"{}")
                await open_sender.flush()
                gone.stop_kafka()
                open_sender.add(NoteViewed.topic, b"p", b"{}")

        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(sender.SendError, match=r"has not acknowledged records for 0\.5 s"):
                await send()
