"""One Kafka transaction per commit: changelog, outputs and source offsets, all or nothing."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams.engine.crash import crash_point

BATCH_BYTES_MAX = 900_000
"""Below the default `message.max.bytes` of a broker, so that no topic setting is needed for ordinary records."""


NO_HEADERS: list[tuple[str, bytes]] = []
"""Shared by all records without headers; the client's builder wants a list."""


class OutputRecord(NamedTuple):
    """A record to be written besides the changelog; ``value`` ``None`` is a tombstone."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


Row = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


class SentBatch(NamedTuple):
    """A batch on its way to the broker."""

    records: int
    written: asyncio.Future[Any]


class Buffer:
    """What a task has done since its last commit."""

    __slots__ = ("changelog", "offsets", "outputs", "source_records")

    def __init__(self) -> None:
        self.changelog: list[tuple[bytes, bytes | None]] = []
        self.outputs: defaultdict[tuple[str, int], list[OutputRecord]] = defaultdict(list)
        self.offsets: dict[TopicPartition, int] = {}
        self.source_records = 0

    def __bool__(self) -> bool:
        return bool(self.offsets or self.outputs or self.changelog)

    def record_count(self) -> int:
        """How many records the commit will write."""
        return len(self.changelog) + sum(map(len, self.outputs.values()))


class Transaction:
    """The transactional producer of one task.

    Opening it ends the open transaction of whoever had the same ``transactional_id`` and fences that producer: of two
    owners of a partition only the last to open can commit.
    """

    def __init__(self, transactional_id: str, group_id: str, client_options: dict[str, Any]) -> None:
        self._group_id = group_id
        self._producer = AIOKafkaProducer(
            transactional_id=transactional_id,
            # The client's lz4 is fixed at its highest level, which takes ten times the CPU of zstd for larger records.
            compression_type="zstd",
            max_batch_size=BATCH_BYTES_MAX,
            linger_ms=0,
            transaction_timeout_ms=15_000,
            request_timeout_ms=10_000,
            **client_options,
        )

    async def open(self) -> None:
        """Fence the former owner and wait for the end of its open transaction."""
        await self._producer.start()

    async def commit(self, buffer: Buffer, changelog: TopicPartition) -> int | None:
        """Write a buffer in one transaction; answers the last offset written to ``changelog``, if any was.

        Any error leaves the transaction open: the caller ends the process, and the next owner's `open` aborts it.
        """
        producer = self._producer
        crash_point("before_send")
        await producer.begin_transaction()
        changelog_batches = await self._send(changelog, ((k, v, NO_HEADERS) for k, v in buffer.changelog))
        sent = list(changelog_batches)
        for (topic, partition), records in buffer.outputs.items():
            sent += await self._send(TopicPartition(topic, partition), records)
        for batch in sent:
            await batch.written
        # Not beside the records: while the coordinator notes the group, the broker's check of a record's transaction fails,
        # and the client waits for 100 ms before it tries again.
        if buffer.offsets:
            await producer.send_offsets_to_transaction(buffer.offsets, self._group_id)
        crash_point("between_offsets_and_commit")
        await producer.commit_transaction()
        if not changelog_batches:
            return None
        last = changelog_batches[-1]
        return int(last.written.result().offset) + last.records - 1

    async def _send(self, to: TopicPartition, records: Iterable[Row]) -> list[SentBatch]:
        """Hand records to the client in as few batches as fit; one larger than a batch is alone in its own."""
        timestamp_ms = int(time.time() * 1000)
        batches = []
        rows = iter(records)
        row = next(rows, None)
        while row is not None:
            batch = self._producer.create_batch()
            # The builder's own append: the wrapper around it costs as much again for each record.
            append = batch._builder.append
            count = 0
            while row is not None and append(count, timestamp_ms, row[0], row[1], row[2]) is not None:
                count += 1
                row = next(rows, None)
            batch._relative_offset = count
            written = await self._producer.send_batch(batch, to.topic, partition=to.partition)
            batches.append(SentBatch(count, written))
        return batches

    async def close(self) -> None:
        """Close the connections; an open transaction stays open until the next owner aborts it."""
        await self._producer.stop()
