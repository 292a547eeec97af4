"""The process of the index: reads four topics, writes them to Redis batch by batch, waits for what is away."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import prometheus_client
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams import metric_defs
from streams.ending import end, fatal
from streams.index.fold import Fold
from streams.index.links import Links
from streams.index.trouble import Trouble
from streams.logs import configure_logging
from streams.topic_admin import partition_counts
from xinghe.domain.events import ORDER_ATTRIBUTED, PersonLinked
from xinghe.serving.client import open_redis
from xinghe.serving.errors import ServingError
from xinghe.serving.records_writer import TOPICS, Place, RecordsWriter, Stand

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    from streams.settings import Settings

log = structlog.get_logger()

TOPICS_READ: Final = (*TOPICS, PersonLinked.topic)
RECORDS_MAX: Final = 500
BYTES_MAX: Final = 1_000_000
"""Of a script call, so that Redis serves others again after some milliseconds."""
POLL_RECORDS_MAX: Final = 5_000
"""To ask how far the links go takes as long as the fetch that is under way: it is done once for many records."""
POLL_MS: Final = 500
LOOK_S: Final = 5.0
"""How often the log's ends and the numbers of partitions are looked at."""
CHECK_S: Final = 1.0
"""How often an idle index looks whether Redis still stands where it left it."""
ANSWER_S_MAX: Final = 10.0
STAND_BY_S: Final = 2.0
"""How long another index must have written nothing before this one takes over."""


class ElsewhereError(Exception):
    """Redis does not stand where this process left it."""


class MadeAnewError(Exception):
    """The topic is another one than that which Redis has records of."""

    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self.topic = topic


class TopicsMissingError(Exception):
    """A topic does not exist."""


class Index:
    """Copies the records of `TOPICS`; one task runs it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client_options = {
            "bootstrap_servers": settings.kafka_bootstrap_servers,
            **settings.kafka_client_options(),
        }
        self._writer = RecordsWriter(open_redis(settings.redis_url))
        self._trouble = Trouble()
        self._stands: dict[TopicPartition, Stand | None] = {}
        self._unverified: set[TopicPartition] = set()
        """Partitions whose last record that Redis has is read again, to see whether it is still the same."""
        self._look_due_s = 0.0
        self._check_due_s = 0.0
        self._is_standing_by = False

    async def run(self) -> None:
        """Go on for ever: whatever is away comes back."""
        self._consumer = AIOKafkaConsumer(
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=self._settings.fetch_max_wait_ms,
            metadata_max_age_ms=int(LOOK_S * 1000),
            **self._client_options,
        )
        await self._consumer.start()
        self._links = Links(self._consumer)
        while True:
            try:
                await self._position()
                while True:
                    await self._step()
            except ElsewhereError:
                metric_defs.INDEX_WRITES.labels("elsewhere").inc()
                await self._stand_by()
            except MadeAnewError as anew:
                await self._forget(anew.topic)
            except ServingError as error:
                metric_defs.INDEX_WRITES.labels("failed").inc()
                said = "Redis cannot be written; the index waits and goes on when it is back"
                await self._trouble.wait("Redis", said, error)
            except TopicsMissingError as error:
                said = "topics are missing; the index waits for: xinghe topics create"
                await self._trouble.wait("the topics", said, error)
            except (KafkaError, OSError, TimeoutError) as error:
                said = "Kafka cannot be read; the index waits and goes on when it is back"
                await self._trouble.wait("Kafka", said, error)

    # Where to go on

    async def _position(self) -> None:
        """Read all partitions there are, from where Redis stands; topics that it has nothing of, or others of, from the beginning."""
        partitions = await self._partitions()
        indexed = [each for each in partitions if each.topic in TOPICS]
        self._consumer.assign(partitions)
        async with asyncio.timeout(ANSWER_S_MAX):
            begins = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
        stands = await self._stands_of(begins, ends)
        self._stands = {each: stands.get(Place(*each)) for each in indexed}
        self._unverified = set()
        for partition, stand in self._stands.items():
            self._consumer.seek(partition, self._start(partition, stand, begins[partition]))
        links = {each: begin for each, begin in begins.items() if each.topic == PersonLinked.topic}
        self._links.seek(links, ends)
        self._look_due_s = time.monotonic() + LOOK_S

    async def _partitions(self) -> list[TopicPartition]:
        async with asyncio.timeout(ANSWER_S_MAX):
            servers, options = self._settings.kafka_bootstrap_servers, self._settings.kafka_client_options()
            counts = await partition_counts(servers, TOPICS_READ, **options)
        missing = [topic for topic in TOPICS_READ if topic not in counts]
        if missing:
            raise TopicsMissingError(", ".join(missing))
        return [TopicPartition(topic, number) for topic in TOPICS_READ for number in range(counts[topic])]

    async def _stands_of(
        self, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> dict[Place, Stand]:
        """Where Redis stands, after starting over the topics that it cannot go on in."""
        stands = await self._writer.stands()
        to_start = [topic for topic in TOPICS if not _can_go_on(topic, stands, ends)]
        for topic in to_start:
            firsts = {each.partition: begin for each, begin in begins.items() if each.topic == topic}
            log.info("index starts a topic from its beginning", topic=topic, partitions=len(firsts))
            if not await self._writer.start_over(topic, firsts):
                raise ElsewhereError
        if not to_start:
            return stands
        # Their topic may be another one too, in which the old positions leave links out.
        self._links = Links(self._consumer)
        return await self._writer.stands()

    def _start(self, partition: TopicPartition, stand: Stand | None, begin: int) -> int:
        """The offset to read from: that of the last record that Redis has, to see that it is the same."""
        if stand is None:
            return begin
        if stand.last_offset is None or stand.last_offset < begin:
            return max(stand.offset, begin)
        self._unverified.add(partition)
        return stand.last_offset

    async def _forget(self, topic: str) -> None:
        """Let the next `_position` start the topic over."""
        log.warning("a topic was made anew; what Redis has of the old one is removed", topic=topic)
        self._stands = {}
        try:
            await self._writer.forget(topic)
        except ServingError as error:
            await self._trouble.wait("Redis", "Redis cannot be written; the index waits and goes on", error)

    async def _stand_by(self) -> None:
        """Wait while another index writes; it may be the one that was just started, or the last one of a restart."""
        try:
            before = await self._writer.stands()
            # By chance, so that two that start a topic over do not disturb each other for ever.
            await asyncio.sleep(random.uniform(0.05, 0.5))
            while before:
                await asyncio.sleep(STAND_BY_S)
                now = await self._writer.stands()
                if now == before:
                    return
                before = now
                if not self._is_standing_by:
                    self._is_standing_by = True
                    log.info("another index writes to this Redis; this one waits until it has stopped")
        except ServingError as error:
            await self._trouble.wait("Redis", "Redis cannot be read; the index waits and goes on", error)

    # Going on

    async def _step(self) -> None:
        found = await self._consumer.getmany(*self._stands, timeout_ms=POLL_MS, max_records=POLL_RECORDS_MAX)
        if any(partition.topic == ORDER_ATTRIBUTED for partition in found):
            await self._links.catch_up()
        for records in _batches(found):
            await self._write(self._not_known(records))
        await self._see_last_records()
        if time.monotonic() >= self._check_due_s:
            await self._check()
        if time.monotonic() >= self._look_due_s:
            await self._look()

    def _not_known(self, records: list[ConsumerRecord]) -> list[ConsumerRecord]:
        """The records that Redis does not have; raises `MadeAnewError` where its last one is another, or none, in the log."""
        if not self._unverified:
            return records
        new = []
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            stand = self._stands[partition]
            if partition not in self._unverified or stand is None:
                new.append(record)
            elif (record.offset, record.timestamp) == (stand.last_offset, stand.last_ms):
                self._unverified.discard(partition)
            else:
                raise MadeAnewError(record.topic)
        return new

    async def _see_last_records(self) -> None:
        """Raise `MadeAnewError` where reading has passed the offset of the last record that Redis has, and no record was there."""
        for partition in self._unverified:
            stand = self._stands[partition]
            if stand is not None and await self._consumer.position(partition) >= stand.offset:
                raise MadeAnewError(partition.topic)

    async def _write(self, records: list[ConsumerRecord]) -> None:
        if not records:
            return
        days, now_ms = self._settings.index_order_days, int(time.time() * 1000)
        fold = Fold(self._links.persons, order_days=days, now_ms=now_ms)
        up_to: dict[TopicPartition, Stand] = {}
        for record in records:
            fold.take(record)
            partition = TopicPartition(record.topic, record.partition)
            up_to[partition] = Stand(record.offset + 1, record.offset, record.timestamp)
        is_written = await self._writer.write(
            {Place(*each): self._stands[each] for each in up_to},
            {Place(*each): stand for each, stand in up_to.items()},
            await fold.changes(self._writer),
        )
        if not is_written:
            raise ElsewhereError
        self._stands |= up_to
        self._check_due_s = time.monotonic() + CHECK_S
        self._is_standing_by = False
        self._trouble.over()
        metric_defs.INDEX_WRITES.labels("applied").inc()
        for topic, count in Counter(record.topic for record in records).items():
            metric_defs.INDEX_RECORDS.labels(topic).inc(count)

    async def _check(self) -> None:
        """See that Redis was not emptied, and that no other index writes to it."""
        stands = await self._writer.stands()
        if any(stands.get(Place(*each)) != stand for each, stand in self._stands.items()):
            raise ElsewhereError
        self._check_due_s = time.monotonic() + CHECK_S

    async def _look(self) -> None:
        """Measure the lag; raises what Kafka has to say if it is away, and goes to `_position` for new partitions."""
        async with asyncio.timeout(ANSWER_S_MAX):
            ends = await self._consumer.end_offsets(list(self._stands))
        lags = dict.fromkeys(TOPICS, 0)
        for partition, log_end in ends.items():
            lags[partition.topic] += max(log_end - await self._consumer.position(partition), 0)
        for topic, lag in lags.items():
            metric_defs.INDEX_LAG_RECORDS.labels(topic).set(lag)
        if not any(lags.values()):
            self._trouble.over()
        known = {*self._stands, *self._links.partitions}
        there = {
            TopicPartition(topic, number)
            for topic in TOPICS_READ
            for number in self._consumer.partitions_for_topic(topic) or ()
        }
        if there != known:
            await self._position()
        self._look_due_s = time.monotonic() + LOOK_S


def _can_go_on(topic: str, stands: Mapping[Place, Stand], ends: Mapping[TopicPartition, int]) -> bool:
    """Whether what Redis has of a topic can be of this one: partitions may have come, none can have gone or become shorter."""
    theirs = {place: stand for place, stand in stands.items() if place.topic == topic}
    return bool(theirs) and all(
        stand.offset <= ends.get(TopicPartition(*place), -1) for place, stand in theirs.items()
    )


def _batches(found: Mapping[TopicPartition, list[ConsumerRecord]]) -> Iterator[list[ConsumerRecord]]:
    """What came, in parts that one script call takes."""
    batch: list[ConsumerRecord] = []
    size_bytes = 0
    for records in found.values():
        for record in records:
            batch.append(record)
            size_bytes += len(record.value or b"")
            if len(batch) >= RECORDS_MAX or size_bytes >= BYTES_MAX:
                yield batch
                batch, size_bytes = [], 0
    yield batch


def run_index(settings: Settings) -> int:
    """Run the index in this process until SIGTERM or SIGINT; answers the exit code."""
    configure_logging(settings)
    if settings.metrics_port:
        prometheus_client.start_http_server(settings.metrics_port, settings.metrics_host)
    log.info("index starts", instance=settings.instance, kafka=settings.kafka_bootstrap_servers)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    def stop(number: signal.Signals) -> None:
        # What Redis has and where it stands are always of one moment: there is nothing to complete.
        log.info("index ends", signal=number.name, exit_code=0)
        end(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        await Index(settings).run()
    except Exception:  # noqa: BLE001 - whatever it was, the process ends
        fatal("the index cannot go on")
