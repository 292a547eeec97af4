"""How many source records the stream has still to process."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import click
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from xinghe.domain.events import CAMPAIGN_DELTA, CAMPAIGN_EVENTS, JOURNEY_EVENTS

CONSUMED_TOPICS: Final = (
    *(event.topic for event in (*JOURNEY_EVENTS, *CAMPAIGN_EVENTS)),  # type: ignore[attr-defined]  # as in events.py
    CAMPAIGN_DELTA,
)
"""What the two stages read: the sources, and what the first hands to the second."""


READ_OFFSETS_MAX: Final = 1_000
"""A partition further behind than this surely has records; its offsets are counted without reading."""


class NotProcessedError(click.ClickException):
    """The stream has not processed everything in the time given."""


async def unprocessed_records(bootstrap: str, group: str, **client_options: Any) -> int:
    """Records of the consumed topics that ``group`` has not committed; 0 once all is processed.

    Markers of transactions take offsets too, without being records; near the end of a partition, where it
    decides between 0 and more, they are not counted.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **client_options,
    )
    try:
        await admin.start()
        await consumer.start()
        partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics(list(CONSUMED_TOPICS))
            for partition in topic["partitions"]
        ]
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
        starts = {
            # The broker says -1 of a partition that the group has not committed yet.
            partition: max(committed[partition].offset if partition in committed else -1, begins[partition])
            for partition in partitions
        }
        behind = {
            partition: ends[partition] for partition in partitions if starts[partition] < ends[partition]
        }
        far: int = sum(
            behind.pop(partition) - starts[partition]
            for partition in list(behind)
            if behind[partition] - starts[partition] > READ_OFFSETS_MAX
        )
        return far + await _count(consumer, behind, starts)
    finally:
        await consumer.stop()
        await admin.close()


async def wait_until_processed(bootstrap: str, group: str, timeout_s: float, **client_options: Any) -> None:
    """Return once nothing is left to process, seen twice: between the looks, stage one may feed stage two.

    Raises ``NotProcessedError`` when something is left after ``timeout_s`` seconds.
    """
    deadline_s = time.monotonic() + timeout_s
    looks_without_rest = 0
    while looks_without_rest < 2:
        left = await unprocessed_records(bootstrap, group, **client_options)
        looks_without_rest = looks_without_rest + 1 if left == 0 else 0
        if left and time.monotonic() > deadline_s:
            raise NotProcessedError(
                f"{left} records are not processed after {timeout_s:g} s; does the worker run, and is it "
                "fast enough? See its log"
            )
        await asyncio.sleep(0.5)


async def _count(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], starts: dict[TopicPartition, int]
) -> int:
    """Records of the partitions in ``ends`` from their start to their end."""
    consumer.assign(list(ends))
    for partition in ends:
        consumer.seek(partition, starts[partition])
    records = 0
    while ends:
        for partition, batch in (await consumer.getmany(timeout_ms=200)).items():
            records += sum(record.offset < ends[partition] for record in batch if partition in ends)
        for partition in list(ends):
            if await consumer.position(partition) >= ends[partition]:
                del ends[partition]
    return records
