"""Alerts end to end: each crossing is told once in the topic and in Redis, through kills and a loss of Redis (R24)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from redis import Redis

from streams.topics import PARTITIONS_DEFAULT
from tests.stream import Stream
from tests.workers import supervised
from xinghe.domain.events import ALERT_RAISED
from xinghe.domain.outputs import AlertRaised

pytestmark = pytest.mark.integration

RULES = """
[[rule]]
name = "any-spend"
kind = "roi_below"
window = "total"
ratio = 1000
orders_min = 0

[[rule]]
name = "no-visit"
kind = "spend_without_conversions"
conversions = "store_visits"
spend_fen = 1
"""


async def told(bootstrap: str) -> list[AlertRaised]:
    """The records of the topic that are committed."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(ALERT_RAISED, number) for number in range(PARTITIONS_DEFAULT)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[AlertRaised] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [msgspec.json.decode(record.value, type=AlertRaised) for record in records]
        return found
    finally:
        await consumer.stop()


def turns(alerts: list[AlertRaised]) -> dict[str, list[str]]:
    by_id: dict[str, list[str]] = {}
    for alert in alerts:
        by_id.setdefault(alert.alert_id, []).append(alert.state)
    return by_id


def in_stream(redis: Redis) -> list[AlertRaised]:
    entries = cast("list[tuple[str, dict[str, str]]]", redis.xrange("xinghe:alerts"))
    return [msgspec.json.decode(fields["record"], type=AlertRaised) for _, fields in entries]


def test_each_crossing_is_told_once_whoever_is_killed(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    with (
        Stream(tmp_path) as stream,
        supervised(stream, "w1", "w2", options=("--alert-rules", str(rules))) as supervisor,
        stream.redis() as redis,
    ):
        with stream.traffic(500, 31):
            for instance in ("w1", "w2", "w1", "w2"):
                supervisor.run_for(2)
                supervisor.workers[instance].kill()
            supervisor.run_for(2)
        report = stream.audit("--alert-rules", str(rules), watch=supervisor.watch)
        assert report["compared"]["alerts"] > 0
        assert report["compared"]["alert_conditions"] > 0
        supervisor.run_for(2)

        by_id = turns(asyncio.run(told(stream.kafka)))
        is_open = {alert_id for alert_id, states in by_id.items() if states == ["raised"]}
        assert {rule.split("|")[1] for rule in by_id} == {"any-spend", "no-visit"}
        assert all(states in (["raised"], ["raised", "resolved"]) for states in by_id.values())
        assert len({alert_id.rsplit("|", 1)[0] for alert_id in is_open}) == len(is_open)
        assert set(cast("list[str]", redis.hkeys("xinghe:alerts:open"))) == is_open
        shown = turns(in_stream(redis))
        assert is_open <= shown.keys()
        assert all(len(states) == len(set(states)) for states in shown.values())

        redis.flushall()
        supervisor.watch(
            lambda: set(cast("list[str]", redis.hkeys("xinghe:alerts:open"))) == is_open,
            "the open alerts are shown again",
        )
        shown = turns(in_stream(redis))
        assert is_open <= shown.keys()
        assert all(states in (["raised"], ["resolved"]) for states in shown.values())
        assert supervisor.restarts
