"""Counting what the stream has not processed, on a real broker with transactions."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.topic_admin import create_topics
from streams.topics import topic_specs
from xinghe.commands import lag
from xinghe.commands.lag import NotProcessedError, unprocessed_records, wait_until_processed
from xinghe.embedded import EmbeddedServices

pytestmark = pytest.mark.integration

TOPIC = "xinghe.campaign.delta.v1"


@pytest.fixture
async def bootstrap(services: EmbeddedServices, monkeypatch: pytest.MonkeyPatch) -> str:
    """A broker with the topics, of which only one is looked at, from what is in it now."""
    await create_topics(services.kafka_bootstrap_servers, topic_specs())
    monkeypatch.setattr(lag, "CONSUMED_TOPICS", (TOPIC,))
    return services.kafka_bootstrap_servers


async def commit(bootstrap: str, group: str, behind_end: int) -> None:
    """Commit the end of every partition for the group, but ``behind_end`` offsets before that of partition 0."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    await consumer.start()
    partitions = [TopicPartition(TOPIC, number) for number in range(4)]
    consumer.assign(partitions)
    # A transaction is committed before its markers are written everywhere.
    while (ends := await consumer.end_offsets(partitions)) != await _written_ends(bootstrap, partitions):
        await asyncio.sleep(0.1)
    ends[partitions[0]] -= behind_end
    await consumer.commit(ends)
    await consumer.stop()


async def _written_ends(bootstrap: str, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    await consumer.stop()
    return ends


async def produce_transaction(bootstrap: str, records: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="try-lag")
    await producer.start()
    async with producer.transaction():
        for _ in range(records):
            await producer.send_and_wait(TOPIC, b"x", partition=0)
    await producer.stop()


async def test_the_marker_of_a_transaction_is_no_record(bootstrap: str) -> None:
    await produce_transaction(bootstrap, 3)

    # The marker is the last offset: a reader that took every record has committed the one before it.
    await commit(bootstrap, "try-lag", behind_end=1)

    assert await unprocessed_records(bootstrap, "try-lag") == 0
    await wait_until_processed(bootstrap, "try-lag", 5)


async def test_records_before_the_marker_are_counted(bootstrap: str) -> None:
    await produce_transaction(bootstrap, 3)
    await commit(bootstrap, "try-lag", behind_end=3)

    assert await unprocessed_records(bootstrap, "try-lag") == 2
    with pytest.raises(NotProcessedError, match="2 records are not processed"):
        await wait_until_processed(bootstrap, "try-lag", 0)


async def test_far_behind_counts_offsets_without_reading(
    bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await produce_transaction(bootstrap, 3)
    await commit(bootstrap, "try-lag", behind_end=4)
    monkeypatch.setattr(lag, "READ_OFFSETS_MAX", 2)

    assert await unprocessed_records(bootstrap, "try-lag") == 4


async def test_a_group_that_never_committed_has_everything_before_it(bootstrap: str) -> None:
    await produce_transaction(bootstrap, 2)

    assert await unprocessed_records(bootstrap, "try-lag-new") >= 2


async def test_a_transaction_that_is_not_ended_counts(bootstrap: str) -> None:
    await produce_transaction(bootstrap, 1)
    await commit(bootstrap, "try-lag", behind_end=0)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="try-lag")
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(TOPIC, b"x", partition=1)

    assert await unprocessed_records(bootstrap, "try-lag") == 1

    await producer.abort_transaction()
    await producer.stop()
