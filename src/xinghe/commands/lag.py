"""How many source records the stream has still to process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import click
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from xinghe.domain.events import CAMPAIGN_DELTA, JOURNEY_MOVED, PATH_DELTA, SOURCE_EVENTS

CONSUMED_TOPICS: Final = (
    *SOURCE_EVENTS,
    JOURNEY_MOVED,
    CAMPAIGN_DELTA,
    PATH_DELTA,
)
"""What the two stages read: the sources, what goes from one journey to another, and what the first stage hands to the second."""


READ_OFFSETS_MAX: Final = 1_000
"""A partition further behind than this surely has records; its offsets are counted without reading."""


class NotProcessedError(click.ClickException):
    """The stream has not processed everything in the time given."""


async def unprocessed_records(bootstrap: str, group: str, **client_options: Any) -> int:
    """Records of the consumed topics that ``group`` has not committed; 0 once all is processed.

    What belongs to a transaction that is not ended yet counts too. Markers of transactions take offsets
    without being records; near the end of a partition, where it decides between 0 and more, they do not
    count.
    """
    async with (
        _started(AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options)) as admin,
        _started(_reader(bootstrap, "read_committed", client_options)) as ended,
        _started(_reader(bootstrap, "read_uncommitted", client_options)) as written,
    ):
        partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics(list(CONSUMED_TOPICS))
            for partition in topic["partitions"]
        ]
        # In this order: what is committed after the ends were read only makes the rest smaller.
        ends = await ended.end_offsets(partitions)
        written_ends = await written.end_offsets(partitions)
        starts = await _starts(admin, ended, group, partitions)
        not_ended: int = sum(written_ends[partition] - ends[partition] for partition in partitions)
        behind = {
            partition: ends[partition] for partition in partitions if starts[partition] < ends[partition]
        }
        far = [partition for partition in behind if behind[partition] - starts[partition] > READ_OFFSETS_MAX]
        far_behind: int = sum(behind.pop(partition) - starts[partition] for partition in far)
        return not_ended + far_behind + await _count(ended, behind, starts)


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


@asynccontextmanager
async def _started(client: Any) -> AsyncIterator[Any]:
    """The client, started; an admin client is closed, a consumer stopped at the end."""
    try:
        await client.start()
        yield client
    finally:
        await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())


def _reader(bootstrap: str, isolation_level: str, client_options: dict[str, Any]) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level=isolation_level,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **client_options,
    )


async def _starts(
    admin: AIOKafkaAdminClient,
    reader: AIOKafkaConsumer,
    group: str,
    partitions: Sequence[TopicPartition],
) -> dict[TopicPartition, int]:
    """Where the group goes on in each partition: its committed offset, else the first there is."""
    begins = await reader.beginning_offsets(partitions)
    committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
    # The broker says -1 of a partition that the group has not committed.
    return {partition: max(committed[partition].offset, begins[partition]) for partition in partitions}


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
