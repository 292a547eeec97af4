"""Recovery: read a task's changelog partition and fill its tables."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streams.engine import metrics
from streams.engine.table import MemoryStore, split_changelog_key

log = structlog.get_logger()

PROGRESS_S = 2.0


class Recovered(NamedTuple):
    """What a recovery read: the offset of the last data record (-1 where there was none) and how many there were."""

    last_offset: int
    records: int


async def recover(
    changelog: TopicPartition,
    stores: Mapping[bytes, MemoryStore[Any]],
    client_options: dict[str, Any],
    *,
    stage: str,
) -> Recovered:
    """Fill ``stores`` (by table tag) from the committed records of ``changelog``.

    The task's producer must be open already: that ended the former owner's transaction, so that the last stable
    offset read here is final. The other order loses the updates of a transaction that was still open.
    """
    started_s = time.monotonic()
    newest, recovered = await _read(changelog, client_options, stage)
    by_tag: dict[bytes, list[tuple[bytes, int, bytes]]] = {tag: [] for tag in stores}
    while newest:
        changelog_key, data = newest.popitem()
        tag, part, key = split_changelog_key(changelog_key)
        by_tag[tag].append((key, part, data))
    keys = 0
    for tag, store in stores.items():
        keys += store.restore(by_tag.pop(tag))
    seconds = time.monotonic() - started_s
    metrics.RECOVERY_SECONDS.labels(stage, str(changelog.partition)).set(seconds)
    metrics.RECOVERY_RECORDS.labels(stage).inc(recovered.records)
    log.info(
        "recovered",
        stage=stage,
        partition=changelog.partition,
        records=recovered.records,
        keys=keys,
        seconds=round(seconds, 2),
        records_per_s=round(recovered.records / seconds),
    )
    return recovered


async def _read(
    changelog: TopicPartition, client_options: dict[str, Any], stage: str
) -> tuple[dict[bytes, bytes], Recovered]:
    """The newest value of each key up to the last stable offset."""
    consumer = AIOKafkaConsumer(
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=4_000_000,
        **client_options,
    )
    newest: dict[bytes, bytes] = {}
    records_read = 0
    last_offset = -1
    started_s = reported_s = time.monotonic()
    await consumer.start()
    try:
        consumer.assign([changelog])
        await consumer.seek_to_beginning(changelog)
        # Under read_committed the end is the last stable offset. Control records take offsets too, so only the
        # position tells when it is reached.
        end = (await consumer.end_offsets([changelog]))[changelog]
        while (position := await consumer.position(changelog)) < end:
            for records in (await consumer.getmany(changelog, timeout_ms=1000, max_records=20_000)).values():
                for record in records:
                    if record.value is None:
                        newest.pop(record.key, None)
                    else:
                        newest[record.key] = record.value
                records_read += len(records)
                last_offset = records[-1].offset
            now_s = time.monotonic()
            if now_s - reported_s > PROGRESS_S:
                reported_s = now_s
                log.info(
                    "recovering",
                    stage=stage,
                    partition=changelog.partition,
                    records=records_read,
                    records_per_s=round(records_read / (now_s - started_s)),
                    remaining=end - position,
                )
    finally:
        await consumer.stop()
    return newest, Recovered(last_offset, records_read)
