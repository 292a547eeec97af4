"""One Kafka transaction per commit: changelog, outputs and source offsets, all or nothing."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams.engine.crash import crash_point

BATCH_BYTES_MAX = 900_000
"""Below the default `message.max.bytes` of a broker, so that no topic setting is needed for ordinary records."""


NO_HEADERS: list[tuple[str, bytes]] = []
"""Shared by all records without headers; the client's builder wants a list."""


class OutputRecord(NamedTuple):
    """A record to be written; ``value`` ``None`` is a tombstone."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Buffer:
    """What a task has done since its last commit."""

    __slots__ = ("offsets", "outputs", "source_records")

    def __init__(self) -> None:
        self.outputs: defaultdict[tuple[str, int], list[OutputRecord]] = defaultdict(list)
        self.offsets: dict[TopicPartition, int] = {}
        self.source_records = 0

    def __bool__(self) -> bool:
        return bool(self.offsets or self.outputs)


class Transaction:
    """The transactional producer of one task.

    Opening it ends the open transaction of whoever had the same ``transactional_id`` and fences that producer: of two
    owners of a partition only the last to open can commit.
    """

    def __init__(self, transactional_id: str, group_id: str, client_options: dict[str, Any]) -> None:
        self._group_id = group_id
        self._producer = AIOKafkaProducer(
            transactional_id=transactional_id,
            compression_type="lz4",
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
        sent: list[tuple[TopicPartition, int, asyncio.Future[Any]]] = []
        for (topic, partition), records in buffer.outputs.items():
            for batch in self._batches(records):
                future = await producer.send_batch(batch, topic, partition=partition)
                sent.append((TopicPartition(topic, partition), batch.record_count(), future))
        results = await asyncio.gather(*(future for _, _, future in sent))
        if buffer.offsets:
            await producer.send_offsets_to_transaction(buffer.offsets, self._group_id)
        crash_point("between_offsets_and_commit")
        await producer.commit_transaction()
        last: int | None = None
        for (tp, count, _), metadata in zip(sent, results, strict=True):
            if tp == changelog:
                last = max(last or 0, metadata.offset + count - 1)
        return last

    def _batches(self, records: list[OutputRecord]) -> list[Any]:
        """Pack records into as few batches as fit; a record larger than a batch is alone in its own."""
        timestamp_ms = int(time.time() * 1000)
        create = self._producer.create_batch
        batch = create()
        batches = [batch]
        for key, value, headers in records:
            if batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers) is None:
                batch = create()
                batches.append(batch)
                batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers)
        return batches

    async def close(self) -> None:
        """Close the connections; an open transaction stays open until the next owner aborts it."""
        await self._producer.stop()
