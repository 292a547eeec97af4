"""Sending many records to Kafka cheaply: a batch per partition, compressed, acknowledged by all replicas."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

BATCH_BYTES_MAX: Final = 262_144
BUFFERED_MAX: Final = 5_000
BUFFERED_BYTES_MAX: Final = 16 * 1024 * 1024
"""Records and bytes after which it is time to flush, however little time has passed."""
REQUEST_TIMEOUT_MS: Final = 40_000
RETRY_BACKOFF_MS: Final = 500
ACKNOWLEDGE_TIMEOUT_S: Final = 30.0
"""Time for a broker to come back: aiokafka's idempotent producer by itself would try for ever."""
ACKNOWLEDGE_QUIET_S: Final = 2.0
"""Time after which a wait is worth a line."""
CLOSE_TIMEOUT_S: Final = 2.0
REQUEST_BYTES_MAX: Final = 32 * 1024 * 1024
"""Room for the largest dead letter that is replayed; the broker has its own bound."""
HASHES_MAX: Final = 1_000_000
"""Keys whose hash is kept: people and campaigns come again and again, and murmur2 is plain Python."""

log = logging.getLogger(__name__)

Headers = list[tuple[str, bytes]]


class SendError(Exception):
    """Kafka did not take the records; the message says what happened."""


class TopicsMissingError(SendError):
    """Topics do not exist on the broker."""

    def __init__(self, topics: Collection[str]) -> None:
        super().__init__(
            f"topics are missing: {', '.join(sorted(topics))}; create them with: xinghe topics create"
        )


class BatchSender:
    """Collects records per partition; ``flush`` sends them. Use it as an async context manager.

    A key goes to the partition that Java's default partitioner gives it; records of one key keep their
    order. Records without key take turns. Leaving the context without an error sends what is left.

    Raises ``TopicsMissingError`` on entering and ``SendError`` from ``flush`` and on leaving.
    """

    def __init__(
        self, bootstrap_servers: str, topics: Collection[str], client_options: dict[str, Any]
    ) -> None:
        self._topics = topics
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=REQUEST_BYTES_MAX,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=RETRY_BACKOFF_MS,
            **client_options,
        )
        self._partition_counts: dict[str, int] = {}
        self._hashes: dict[bytes, int] = {}
        self._turns = count()
        # The batches of a partition in order; only the last one may still have room.
        self._batches: defaultdict[tuple[str, int], list[Any]] = defaultdict(list)
        self._in_flight: list[asyncio.Future[Any]] = []
        self._buffered = 0
        self._buffered_bytes = 0

    async def __aenter__(self) -> Self:
        """Connect and learn the partition counts."""
        try:
            await self._producer.start()
            metadata = await self._producer.client.fetch_all_metadata()
        except KafkaError as error:
            await self._close()
            raise SendError(f"Kafka cannot be used: {error}") from error
        missing = [topic for topic in self._topics if not metadata.partitions_for_topic(topic)]
        if missing:
            await self._close()
            raise TopicsMissingError(missing)
        self._partition_counts = {topic: len(metadata.partitions_for_topic(topic)) for topic in self._topics}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is left, unless there was an error, and close the connection."""
        try:
            if error is None:
                await self.flush()
                await self._acknowledged()
        finally:
            await self._close()

    def add(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        timestamp_ms: int | None = None,
    ) -> None:
        """Put a record into its batch; it goes out with the next ``flush``.

        ``timestamp_ms`` holds in topics that do not carry the broker's own time; without it that is the present.
        """
        batches = self._batches[topic, self._partition(topic, key)]
        self._buffered += 1
        self._buffered_bytes += 0 if value is None else len(value)
        if (
            batches
            and batches[-1].append(timestamp=timestamp_ms, key=key, value=value, headers=headers or [])
            is not None
        ):
            return
        batch = self._producer.create_batch()
        # An empty batch takes a record of any size.
        batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers or [])
        batches.append(batch)

    @property
    def full(self) -> bool:
        """Whether so much was added that it is time to flush."""
        return self._buffered >= BUFFERED_MAX or self._buffered_bytes >= BUFFERED_BYTES_MAX

    async def flush(self) -> None:
        """Send what was added, once Kafka has acknowledged what the flush before has sent."""
        await self._acknowledged()
        sending, self._batches = self._batches, defaultdict(list)
        self._buffered = self._buffered_bytes = 0
        try:
            for (topic, partition), batches in sending.items():
                for batch in batches:
                    self._in_flight.append(await self._producer.send_batch(batch, topic, partition=partition))
        except KafkaError as error:
            raise SendError(f"Kafka does not take records: {error}") from error

    async def _acknowledged(self) -> None:
        in_flight, self._in_flight = self._in_flight, []
        if not in_flight:
            return
        _, waiting = await asyncio.wait(in_flight, timeout=ACKNOWLEDGE_QUIET_S)
        if waiting:
            log.error("Kafka does not acknowledge records; waiting up to %g s for it", ACKNOWLEDGE_TIMEOUT_S)
        try:
            async with asyncio.timeout(ACKNOWLEDGE_TIMEOUT_S):
                await asyncio.gather(*in_flight)
        except TimeoutError as error:
            raise SendError(f"Kafka has not acknowledged records for {ACKNOWLEDGE_TIMEOUT_S:g} s") from error
        except KafkaError as error:
            raise SendError(f"Kafka did not acknowledge records: {error}") from error

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._producer.stop()
        except TimeoutError:
            # It waits for a broker that is gone, to send what nobody counts on any more.
            await self._producer.client.close()

    def _partition(self, topic: str, key: bytes | None) -> int:
        partitions = self._partition_counts[topic]
        if key is None:
            return next(self._turns) % partitions
        hashed = self._hashes.get(key)
        if hashed is None:
            if len(self._hashes) >= HASHES_MAX:
                self._hashes.clear()
            hashed = self._hashes[key] = murmur2(key) & 0x7FFFFFFF
        return hashed % partitions
