"""A task: one partition of one stage, with its tables, its uncommitted work and its transactional producer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from aiokafka.structs import TopicPartition

from streams.engine import metrics
from streams.engine.crash import crash_point
from streams.engine.errors import FatalError
from streams.engine.pacing import pause_s
from streams.engine.recovery import recover
from streams.engine.transaction import NO_HEADERS, Buffer, OutputRecord, Transaction

if TYPE_CHECKING:
    from streams.engine.batch import Batch
    from streams.engine.engine import EngineOptions
    from streams.engine.stage import Processor, Stage
    from streams.engine.table import MemoryStore

COMMIT_S_MAX = 30.0
"""A commit that takes longer has failed: the client would try for ever, and the broker aborts it before."""
CLOSE_S_MAX = 2.0


class Task:
    """Processes batches into a buffer and commits the buffer; the next batch goes on while a commit is in flight.

    Back-pressure: `deliver` waits while the buffer holds ``buffer_records_max`` source records, and while a commit is
    in flight for longer than the commit interval: under full load a commit comes before more input, so that the
    actual commit period stays near the set one and memory stays bounded.
    """

    def __init__(self, stage: Stage, partition: int, options: EngineOptions) -> None:
        self.stage = stage
        self.partition = partition
        self._options = options
        self._changelog = TopicPartition(stage.changelog, partition)
        self._stores: dict[bytes, MemoryStore[Any]] = {t.tag: t.partition_store() for t in stage.tables}
        self._store_by_name = {t.name: self._stores[t.tag] for t in stage.tables}
        self._buffer = Buffer()
        self.positions: dict[TopicPartition, int] = {}
        self._ready = False
        self._commit_lock = asyncio.Lock()
        self._commit_started_s = 0.0
        self._commit_took_s = 0.0
        self._commit_ended = asyncio.Event()
        self._work = asyncio.Event()
        self.is_committing = False
        self._processor: Processor = stage.create(self)
        self._transaction = Transaction(
            f"{options.group_id}-{stage.name}-{partition}", options.group_id, options.client_options
        )
        self._measured = {
            topic: (metrics.EVENTS.labels(topic), metrics.BATCHES.labels(topic)) for topic in stage.topics
        }

    # What a processor uses.

    def store(self, table_name: str) -> MemoryStore[Any]:
        """The task's partition of a table of the stage."""
        return self._store_by_name[table_name]

    def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] = NO_HEADERS,
    ) -> None:
        """Add an output record to the commit that comes next."""
        self._buffer.outputs[topic, partition].append(OutputRecord(key, value, headers))
        self._work.set()

    # What the engine uses.

    async def open(self) -> None:
        """Fence the former owner, recover the tables, and be ready for batches. The order matters, see DESIGN.md 2.5."""
        await self._transaction.open()
        recovered = await recover(
            self._changelog, self._stores, self._options.client_options, stage=self.stage.name
        )
        self._processor.opened(recovered.last_offset)
        self._ready = True

    async def deliver(self, batch: Batch, is_current: Any) -> None:
        """Process a batch once there is room; drop it where it will be read again (``is_current(batch)`` is false)."""
        while is_current(batch) and not self._has_room():
            self._commit_ended.clear()
            await self._commit_ended.wait()
        if not (self._ready and is_current(batch)):
            return
        tp = TopicPartition(batch.topic, batch.partition)
        position = self.positions.get(tp, 0)
        if batch.records[0].offset < position:
            # The consumer went back to the committed offsets, and this task is ahead of them.
            batch = batch._replace(records=[r for r in batch.records if r.offset >= position])
            if not batch.records:
                return
        self._processor.process(batch)
        next_offset = batch.next_offset
        self.positions[tp] = next_offset
        self._buffer.offsets[tp] = next_offset
        self._buffer.source_records += len(batch.records)
        events, batches = self._measured[batch.topic]
        events.inc(len(batch.records))
        batches.inc()
        self._work.set()

    def _has_room(self) -> bool:
        if self._buffer.source_records >= self._options.buffer_records_max:
            return False
        overdue_s = time.monotonic() - self._commit_started_s - self._options.commit_interval_s
        return not (self.is_committing and overdue_s > 0 and self._buffer)

    def tick(self, now_ms: int) -> None:
        """Call the processor's timed work."""
        if self._ready:
            self._processor.tick(now_ms)

    async def commit_forever(self) -> None:
        """Commit whenever there is work and it is time."""
        while True:
            await self._work.wait()
            await asyncio.sleep(self._pause_s())
            await self.commit()

    def _pause_s(self) -> float:
        return pause_s(
            interval_s=self._options.commit_interval_s,
            since_s=time.monotonic() - self._commit_started_s,
            took_s=self._commit_took_s,
            follows=self.stage.follows,
            clock_s=time.time(),
        )

    async def commit(self) -> None:
        """Commit what was processed so far, after a commit that is in flight."""
        async with self._commit_lock:
            self._work.clear()
            if not self._ready:
                return
            self._processor.prepare()
            buffer, self._buffer = self._buffer, Buffer()
            for store in self._stores.values():
                buffer.changelog += store.drain()
            if not buffer:
                return
            await self._commit(buffer)

    async def _commit(self, buffer: Buffer) -> None:
        stage = self.stage.name
        started_s = time.monotonic()
        if self._commit_started_s:
            metrics.COMMIT_PERIOD_SECONDS.labels(stage).observe(started_s - self._commit_started_s)
        self._commit_started_s = started_s
        self.is_committing = True
        try:
            async with asyncio.timeout(COMMIT_S_MAX):
                last_offset = await self._transaction.commit(buffer, self._changelog)
        except TimeoutError as error:
            message = f"Kafka did not complete the transaction within {COMMIT_S_MAX:.0f} s"
            raise FatalError(message) from error
        self.is_committing = False
        self._commit_took_s = time.monotonic() - started_s
        metrics.COMMIT_SECONDS.labels(stage).observe(self._commit_took_s)
        metrics.COMMIT_RECORDS.labels(stage).observe(buffer.record_count())
        crash_point("after_commit")
        self._processor.committed(last_offset)
        self._commit_ended.set()

    async def close(self) -> None:
        """Stop for good; the engine has committed before.

        A batch that waits for room is woken and dropped; a commit that is in flight is waited for.
        """
        self._ready = False
        self._commit_ended.set()
        async with self._commit_lock:
            await self._processor.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S_MAX):
                await self._transaction.close()

    def wake(self) -> None:
        """Let a waiting `deliver` look again whether its batch is still current."""
        self._commit_ended.set()
