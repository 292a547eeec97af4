"""The broker and Redis of the bench, and what is read from them while something runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition
from redis.asyncio import Redis

from bench.people import World
from bench.processes import REPOSITORY
from streams.topic_admin import create_topics
from streams.topics import TopicSpec, topic_specs
from xinghe.domain.events import SOURCE_EVENTS
from xinghe.embedded import EmbeddedServices
from xinghe.processes import start_child

PARTITIONS: Final = 4
GONE_TIMEOUT_S: Final = 30.0


class Cluster:
    """Kafka and Redis for the length of an ``async with`` block, empty at its start.

    Enter it with this process pinned to the services' core: the broker and Redis inherit that.
    """

    def __init__(self, data_dir: Path, lib_dir: Path) -> None:
        self.services = EmbeddedServices(data_dir, lib_dir=lib_dir, reset=True)
        self._log_dir = data_dir.absolute() / "kafka"
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._file_bytes: dict[Path, int] = {}

    @property
    def bootstrap(self) -> str:
        """Where Kafka's clients connect."""
        return self.services.kafka_bootstrap_servers

    @property
    def redis_url(self) -> str:
        """Where Redis' clients connect."""
        return self.services.redis_url

    async def __aenter__(self) -> Self:
        self.services.__enter__()
        try:
            self._admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
            await self._admin.start()
            self._consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
            await self._consumer.start()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        try:
            if self._consumer is not None:
                await self._consumer.stop()
            if self._admin is not None:
                await self._admin.close()
        finally:
            self.services.close()

    async def reset_outputs(self, keep: Iterable[str] = ()) -> None:
        """Everything that a run wrote is gone; the source topics and those of ``keep`` stay with their records."""
        kept = {*SOURCE_EVENTS, *keep}
        await self._delete([topic for topic in await self._own_topics() if topic not in kept])
        await self._after_delete()

    async def reset_all(self) -> None:
        """Every topic of the contract is there and empty, no other is."""
        await self._delete(await self._own_topics())
        await self._after_delete()

    async def create(self, names: Iterable[str]) -> None:
        """Create plain topics, as the other engines and jobs need."""
        await create_topics(self.bootstrap, [TopicSpec(name, PARTITIONS, {}) for name in names])

    async def committed(self, group_prefix: str) -> dict[TopicPartition, int]:
        """The committed offsets of all groups whose id starts with ``group_prefix``."""
        assert self._admin is not None
        offsets: dict[TopicPartition, int] = {}
        for group, _ in await self._admin.list_consumer_groups():
            if group.startswith(group_prefix):
                found = await self._admin.list_consumer_group_offsets(group)
                offsets |= {tp: committed.offset for tp, committed in found.items()}
        return offsets

    async def ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """The end of the log of every partition."""
        assert self._consumer is not None
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(partitions)
        return ends

    def changelog_bytes(self) -> int:
        """Bytes ever written to changelog topics since the last reset, as stored by the broker (compressed).

        Compaction shrinks files that are no longer written to, so the largest size seen of each file counts; call
        it often enough to see a file before it is compacted.
        """
        for file in self._log_dir.glob("*changelog-*/*.log"):
            if not file.parent.name.endswith("-delete"):
                self._see(file)
        return sum(self._file_bytes.values())

    def _see(self, file: Path) -> None:
        try:
            size = file.stat().st_size
        except FileNotFoundError:
            # Compaction replaced it between the listing and here; what was seen of it before counts.
            return
        self._file_bytes[file] = max(size, self._file_bytes.get(file, 0))

    async def figures(self) -> Counter[str]:
        """The metrics in Redis, added up over all campaigns."""
        sums: Counter[str] = Counter()
        # The client types its answers for every protocol and decoding; with this one they are strings.
        redis: Any
        async with Redis.from_url(self.redis_url, decode_responses=True) as redis:
            for campaign in await redis.zrange("xinghe:campaigns", 0, -1):
                found: dict[str, str] = await redis.hgetall(f"xinghe:campaign:{campaign}:total")
                sums.update(
                    {name: int(value) for name, value in found.items() if value.lstrip("-").isdigit()}
                )
        return sums

    async def write(self, world: World, *command: str, prefix: str = "") -> dict[str, Any]:
        """Run the writer to its end; its summary. Raises ``CalledProcessError`` when it fails."""
        process = self.start_writer(world, *command, prefix=prefix)
        try:
            output = await asyncio.to_thread(process.communicate)
        finally:
            if process.poll() is None:
                process.kill()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)
        summary: dict[str, Any] = orjson.loads(output[0])
        return summary

    def start_writer(self, world: World, *command: str, prefix: str = "") -> subprocess.Popen[bytes]:
        """Start the writer beside the broker; its summary goes to its stdout."""
        options = {
            "--bootstrap": self.bootstrap,
            "--partitions": PARTITIONS,
            "--prefix": prefix,
            "--people": world.people,
            "--campaigns": world.campaigns,
            "--notes": world.notes,
            "--seed": world.seed,
            "--id-prefix": world.id_prefix,
        }
        flags = [str(part) for option in options.items() for part in option]
        return start_child(
            [sys.executable, "-m", "bench.generate", *flags, *command], stdout=subprocess.PIPE, cwd=REPOSITORY
        )

    async def _own_topics(self) -> list[str]:
        assert self._admin is not None
        return [topic for topic in await self._admin.list_topics() if not topic.startswith("__")]

    async def _delete(self, topics: Sequence[str]) -> None:
        assert self._admin is not None
        if not topics:
            return
        await self._admin.delete_topics(list(topics))
        async with asyncio.timeout(GONE_TIMEOUT_S):
            # The broker does not say when a topic is gone, it has to be asked.
            while set(topics) & set(await self._admin.list_topics()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # the broker does not say when a topic is gone

    async def _after_delete(self) -> None:
        await create_topics(self.bootstrap, topic_specs(PARTITIONS))
        self._file_bytes.clear()
        async with Redis.from_url(self.redis_url) as redis:
            await redis.flushall()
