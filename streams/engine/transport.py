"""Batch delivery: a Faust transport whose messages are lists of batches, in order of broker time.

Stock Faust wraps each record in a message, an event and five task switches. Here the consumer hands on slices of
what the client's parser made: one message per task and fetch.

Slices of one task (the same partition number of all topics of a stage) are handed on in the order of their records'
times, and none goes on for longer than `SLICE_SPAN_MS` past the beginning of the next, so that a small topic does not
run hours ahead of a large one while both catch up. A topic that has more to read but nothing here yet holds back the
others for at most `ALIGN_WAIT_S`, and then no more until it delivers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from itertools import takewhile
from typing import Any

import faust
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.engine.batch import CAME_HEADER, Batch, Record
from streams.engine.errors import FatalError

SLICE_RECORDS = 500
"""Records per batch: small enough to give commits their turn, large enough to be cheap per record."""
SLICE_SPAN_MS = 100
"""By how much of the broker's time a slice may run ahead of the others of its task. In a backlog 500 records of a quiet topic
are weeks: handed on at once, they would take the watermark so far ahead that the other topics were too late, and days
booked without them."""
FETCH_RECORDS = 8_000
"""Records handed to the event loop's thread at a time, since each crossing costs as much as some ten records."""
ALIGN_WAIT_S = 5.0
"""How long a partition that lags but has delivered nothing may hold back the others of its task: more than a busy broker takes."""
LOOK_S = 0.125
"""How often it is looked at whether that has passed."""


def _raw_record(_tp: TopicPartition, record: Record) -> Record:
    """Keep the parser's own record: building a ConsumerRecord costs as much as parsing one."""
    return record


class Slices:
    """The next slice of each partition, and which of them may be handed on now. Lives in the consumer's thread."""

    def __init__(self, stage_of_topic: dict[str, str], relayed_topics: Collection[str]) -> None:
        self._stage_of_topic = stage_of_topic
        self._relayed_topics = relayed_topics
        self._heads: dict[TP, list[Record]] = {}
        self._read_to: dict[TP, int] = {}
        self._waiting_since: dict[tuple[str, int], float] = {}
        self._given_up: set[TP] = set()
        self.epoch = 0

    def clear(self) -> None:
        """Forget what was read: it will be read again from the committed offsets, in a new epoch."""
        self.epoch += 1
        self._heads.clear()
        self._read_to.clear()
        self._waiting_since.clear()
        self._given_up.clear()

    def fill(self, fetcher: Any, active: set[TP]) -> None:
        """Take a slice from each partition that has fetched data and no slice here."""
        for tp in list(fetcher._records):
            if tp not in active:
                if not fetcher._subscriptions.is_assigned(tp):
                    del fetcher._records[tp]
                continue
            if tp in self._heads:
                continue
            result = fetcher._records[tp]
            if type(result) is not FetchResult:
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
                result.check_raise()
            if result._partition_records is not None:
                result._partition_records._consumer_record = _raw_record
            records = result.getall(SLICE_RECORDS)
            if not result.has_more():
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
            if records:
                self._heads[tp] = records
                self._read_to[tp] = records[-1].offset + 1

    def take(self, consumer: Any, active: set[TP], *, now_s: float) -> list[Batch]:
        """Remove and answer the slices that are due: the oldest of each task."""
        tasks: dict[tuple[str, int], list[TP]] = defaultdict(list)
        lagging: dict[tuple[str, int], set[TP]] = defaultdict(set)
        for tp in active:
            task = (self._stage_of_topic[tp.topic], tp.partition)
            if tp in self._heads:
                tasks[task].append(tp)
                self._given_up.discard(tp)
            elif tp not in self._given_up and _is_lagging(consumer, tp):
                lagging[task].add(tp)
        due: list[Batch] = []
        for task, tps in tasks.items():
            if task in lagging:
                since = self._waiting_since.setdefault(task, now_s)
                if now_s - since < ALIGN_WAIT_S:
                    continue
                self._given_up |= lagging[task]
            self._waiting_since.pop(task, None)
            first, *others = sorted(tps, key=self._head_ms)
            due.append(Batch(first.topic, first.partition, self._cut(first, others), self.epoch))
        return due

    def _head_ms(self, tp: TP) -> int:
        """The time of the first record of a partition's slice, by which it is its turn."""
        first = self._heads[tp][0]
        return _came_ms(first) if tp.topic in self._relayed_topics else first.timestamp

    def _cut(self, first: TP, others: list[TP]) -> list[Record]:
        """Take the records of a slice that are not far ahead of ``others``, ordered by their turn; the rest stays."""
        if not others:
            return self._heads.pop(first)
        until_ms = self._head_ms(others[0]) + SLICE_SPAN_MS
        records = self._heads.pop(first)
        if first.topic in self._relayed_topics:
            # Their times may fall: they are of several tasks.
            end = sum(1 for _ in takewhile(lambda record: _came_ms(record) <= until_ms, records))
        else:
            end = bisect_right(records, until_ms, key=lambda record: record.timestamp)
        end = max(end, 1)
        if end < len(records):
            self._heads[first] = records[end:]
        return records[:end]

    def lag(self, consumer: Any, tp: TP, position: int) -> int | None:
        """How many offsets a task at ``position`` is behind; not those after the last record, which are the transactions' own.

        ``None`` before the first fetch, and in a rebalance.
        """
        if not consumer._subscription.is_assigned(tp):
            return None
        state = consumer._subscription.subscription.assignment.state_value(tp)
        if not state.has_valid_position or state.highwater is None:
            return None
        unprocessed = max(self._read_to.get(tp, 0) - position, 0)
        return unprocessed + max(int(state.highwater) - int(state.position), 0)

    def has_heads(self) -> bool:
        """Whether slices wait here."""
        return bool(self._heads)


def _came_ms(record: Record) -> int:
    """The time of a relayed record: that of what it came of."""
    return next((int(value) for name, value in record.headers if name == CAME_HEADER), record.timestamp)


def _is_lagging(consumer: Any, tp: TP) -> bool:
    """Whether the broker had more committed records than were read, as far as the last fetch knows."""
    state = consumer._subscription.subscription.assignment.state_value(tp)
    if state is None or not state.has_valid_position:
        return True
    return state.lso is None or state.position < state.lso


class BatchConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # faust's classes are untyped
    """Faust's consumer thread, reading committed records only and slicing them."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        options = transport.fetch_options
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = options["fetch_max_wait_ms"]
        consumer._fetch_min_bytes = options["fetch_min_bytes"]
        # All topics of a stage must be assigned together; Faust's own assignor does not do so.
        consumer._partition_assignment_strategy = (RangePartitionAssignor,)
        self.slices = Slices(transport.stage_of_topic, transport.relayed_topics)
        return consumer

    async def on_start(self) -> None:
        """Start the consumer."""
        await super().on_start()
        # Data that wait here for those of a lagging partition must not hold back the fetch that brings these.
        self._consumer._fetcher._prefetch_backoff = 0.0

    async def leave_group(self) -> None:
        """Give the partitions back at once.

        The client does not leave for a static member, which keeps its partitions for it while it is restarted after a
        crash; a worker that is told to end hands them over.
        """
        if self._consumer is not None:
            coordinator = self._consumer._coordinator
            with contextlib.suppress(KafkaError):
                await coordinator._send_req(LeaveGroupRequest(coordinator.group_id, coordinator.member_id))

    async def on_thread_stop(self) -> None:
        """Leave the group, then stop as Faust does."""
        await self.leave_group()
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            # A rebalance that was under way waited for a call that the stop has cancelled. Raised here, it would end
            # the thread before it says that it has stopped, and the worker would wait for that for ever.
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]  # a coroutine runs in a task
                raise

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,  # noqa: ARG002 - faust's signature
    ) -> list[Batch]:
        fetcher = consumer._fetcher
        slices = self.slices
        taken: list[Batch] = []
        deadline = time.monotonic() + (timeout or 0.0)
        with fetcher._subscriptions.fetch_context():
            while self.consumer.flow_active:
                if consumer._closed or fetcher._closed:
                    raise ConsumerStoppedError
                if fetcher._subscriptions.reassignment_in_progress:
                    await fetcher._subscriptions.wait_for_assignment()
                    continue
                # Faust changes its set in the other thread.
                active = set(active_partitions)
                try:
                    slices.fill(fetcher, active)
                except KafkaError:
                    # What was taken is past the consumer's position, so it must be handed on; the broker will say the
                    # same again if it still holds.
                    if taken:
                        break
                    raise
                now_s = time.monotonic()
                due = slices.take(consumer, active, now_s=now_s)
                taken += due
                if due and sum(len(batch.records) for batch in taken) < FETCH_RECORDS:
                    continue
                if taken or now_s >= deadline:
                    break
                pause_s = LOOK_S if slices.has_heads() else deadline - now_s
                waiter = fetcher._create_fetch_waiter()
                await asyncio.wait([waiter], timeout=pause_s)
                waiter.cancel()
        return taken


class BatchConsumer(driver.Consumer):  # type: ignore[misc]  # faust's classes are untyped
    """Faust's consumer, yielding one message per task and fetch."""

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def epoch(self) -> int:
        """How often the consumer went back to its committed offsets."""
        return int(self._thread.slices.epoch)

    def lag(self, tp: TP, position: int) -> int | None:
        """As `Slices.lag`."""
        slices: Slices = self._thread.slices
        return slices.lag(self._thread._ensure_consumer(), tp, position)

    def partition_count(self, topic: str) -> int:
        """How many partitions a subscribed topic has; raises `FatalError` where there is no such topic."""
        partitions = self._thread._ensure_consumer().partitions_for_topic(topic)
        if not partitions:
            message = f"topic {topic} does not exist; create the topics with `xinghe topics create`"
            raise FatalError(message)
        return len(partitions)

    async def leave_group(self) -> None:
        """Give the partitions back at once; after this the consumer is of no more use."""
        await self._thread.call_thread(self._thread.leave_group)

    async def perform_seek(self) -> None:
        """Go back to the committed offsets, and forget what was read past them."""
        self._thread.slices.clear()
        await super().perform_seek()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield the due slices of each task as a message whose value is a list of batches."""
        batches, _ = await self._wait_next_records(timeout)
        if batches is None or self.should_stop:
            return
        # Where the flow stopped meanwhile a rebalance is under way: it ends with going back to the committed offsets.
        by_task: dict[tuple[str, int], list[Batch]] = {}
        for batch in batches:
            task = (self.transport.stage_of_topic[batch.topic], batch.partition)
            by_task.setdefault(task, []).append(batch)
        for delivery in by_task.values():
            # What was taken is past the consumer's position: it must be handed on unless it will be read again.
            if self.flow_active and delivery[0].epoch == self.epoch:
                message = self._to_message(TP(delivery[0].topic, delivery[0].partition), delivery)
                yield message.tp, message

    def on_buffer_full(self, tp: TP) -> None:
        """Go on fetching: a full stream holds back all partitions alike, by not taking what is handed to it."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing was held back."""

    def _to_message(self, tp: TP, delivery: list[Batch]) -> ConsumerMessage:
        last = delivery[0].records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            0,
            (),
            None,
            delivery,
            None,
            None,
            None,
            tp,
            generation_id=self.app.consumer_generation_id,
        )


class BatchTransport(driver.Transport):  # type: ignore[misc]  # faust's classes are untyped
    """A Faust transport that delivers batches.

    ``stage_of_topic`` names the stage of each source topic. Those in ``relayed_topics`` are what tasks of one stage send each
    other, new while an old log is worked off: the time of their records is that of the header `CAME_HEADER`. ``fetch_options``
    holds ``fetch_max_wait_ms`` and ``fetch_min_bytes``.
    """

    Consumer = BatchConsumer

    def __init__(
        self,
        *args: Any,
        stage_of_topic: dict[str, str],
        relayed_topics: Collection[str],
        fetch_options: dict[str, int],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.stage_of_topic = stage_of_topic
        self.relayed_topics = relayed_topics
        self.fetch_options = fetch_options


class BatchTopic(faust.Topic):  # type: ignore[misc]  # faust's classes are untyped
    """A topic whose messages carry lists of batches and are not decoded."""

    def _compile_decode(self) -> Any:
        create_event = self.app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 - faust's signature
            return create_event(None, message.value, None, message)

        return decode
