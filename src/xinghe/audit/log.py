"""Reading topics whole: committed records, from the beginning to the end that stood at the start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.partitioner import murmur2

RECORDS_PER_READ_MAX: Final = 20_000


class MissingTopicsError(Exception):
    """Topics that the audit reads do not exist; ``topics`` names them."""

    def __init__(self, topics: Sequence[str]) -> None:
        super().__init__(f"{len(topics)} topics do not exist: {', '.join(topics)}")
        self.topics = topics


class Log:
    """The topics of a cluster, read by one consumer without a group: one reading at a time.

    ``partitions`` holds those of every topic.
    """

    def __init__(
        self, consumer: AIOKafkaConsumer, partitions: Mapping[str, Sequence[TopicPartition]]
    ) -> None:
        self._consumer = consumer
        self.partitions = partitions

    @classmethod
    async def open(cls, topics: Collection[str], **client_options: Any) -> Self:
        """Connect; raises ``MissingTopicsError`` where one of the topics does not exist."""
        partitions = await topic_partitions(topics, **client_options)
        consumer = AIOKafkaConsumer(
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=4_000_000,
            **client_options,
        )
        await consumer.start()
        return cls(consumer, partitions)

    async def close(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    def of(self, topics: Iterable[str]) -> list[TopicPartition]:
        """All partitions of the topics."""
        return [partition for topic in topics for partition in self.partitions[topic]]

    def of_key(self, topics: Iterable[str], key: bytes) -> list[TopicPartition]:
        """The partition of each topic that holds the key, as Java's default partitioner has it."""
        return [
            TopicPartition(topic, (murmur2(key) & 0x7FFFFFFF) % len(self.partitions[topic]))
            for topic in topics
        ]

    async def begins(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset of each partition that is still there."""
        return dict(await self._consumer.beginning_offsets(list(partitions)))

    async def ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset after the last committed record or marker of each partition."""
        # Under read_committed the broker answers with the last stable offset.
        return dict(await self._consumer.end_offsets(list(partitions)))

    async def read(
        self, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> AsyncIterator[list[ConsumerRecord]]:
        """The committed records of each partition from its begin to its end, each partition's in order."""
        left = {partition for partition, end in ends.items() if begins[partition] < end}
        if not left:
            return
        self._consumer.assign(list(left))
        for partition in left:
            self._consumer.seek(partition, begins[partition])
        while left:
            found = await self._consumer.getmany(*left, timeout_ms=1_000, max_records=RECORDS_PER_READ_MAX)
            for partition, records in found.items():
                yield [record for record in records if record.offset < ends[partition]]
            # Markers of transactions take offsets too and are not handed out, so only the position
            # tells that the end is reached.
            for partition in list(left):
                if await self._consumer.position(partition) >= ends[partition]:
                    left.remove(partition)


async def topic_partitions(topics: Collection[str], **client_options: Any) -> dict[str, list[TopicPartition]]:
    """The partitions of each topic; raises ``MissingTopicsError`` where one of the topics does not exist."""
    admin = AIOKafkaAdminClient(**client_options)
    try:
        await admin.start()
        # Asked for by name, a missing topic would be created on a broker that creates topics by itself.
        existing = set(await admin.list_topics())
        missing = sorted(set(topics) - existing)
        if missing:
            raise MissingTopicsError(missing)
        described = await admin.describe_topics(list(topics))
    finally:
        await admin.close()
    return {
        topic["topic"]: sorted(
            TopicPartition(topic["topic"], each["partition"]) for each in topic["partitions"]
        )
        for topic in described
    }
