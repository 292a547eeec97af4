"""Both stages in memory: the real processors, stores and codecs, with Kafka's part played by lists.

What the fake leaves out is Kafka itself; `tests/integration` runs the same processors on the real one. A commit is
atomic here as there: `crash` forgets what was not committed and recovers from the changelog.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import faust
import msgspec
import orjson

from streams.agents import journeys
from streams.agents.campaign_cohorts import COHORTS
from streams.agents.campaigns import CampaignsProcessor, Committed
from streams.agents.changed import Changed
from streams.agents.journeys import JourneysProcessor
from streams.engine.batch import Batch
from streams.engine.table import BatchTable, MemoryStore, split_changelog_key
from streams.partitions import partition_of
from streams.tables import campaigns_tables, journeys_tables
from xinghe.domain import events
from xinghe.domain.alerts import AlertRule
from xinghe.domain.cohorts import CohortRow, decode_cohorts
from xinghe.domain.funnel import (
    NoteKey,
    Row,
    WindowKey,
    note_counts,
    note_orders,
    unpack_key,
    unpack_note_key,
    window_metrics,
)
from xinghe.domain.order_rules import Windows
from xinghe.domain.outputs import AlertRaised, GuaranteePosition

BROKER_MS = 1_900_000_000_000
"""The record timestamp of every event: late enough that none is from the future."""


@dataclass(frozen=True, slots=True)
class FakeRecord:
    """A record as the client's parser makes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Sent:
    """An output record."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class AtOnce(Executor):
    """Computes where it is asked to, so that a test need not wait for a thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class FakeTask:
    """One task whose commits go to lists; what is not committed is really forgotten by `crash`."""

    def __init__(
        self, partition: int, tables: Iterable[BatchTable], create: Callable[[Any], Any], log: list[Sent]
    ) -> None:
        self.partition = partition
        self._tables = list(tables)
        self._create = create
        self._log = log
        self._changelog: dict[bytes, bytes] = {}
        self._offset = 0
        self.changelog_bytes = 0
        self.committed: list[Sent] = []
        self._sent: list[Sent] = []
        self._stores: dict[str, MemoryStore[Any]] = {}
        self.processor: Any = None
        self.crash()

    def store(self, table_name: str) -> MemoryStore[Any]:
        return self._stores[table_name]

    def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Any = ()
    ) -> None:
        self._sent.append(Sent(topic, partition, key, value, list(headers)))

    def commit(self) -> None:
        self.processor.prepare()
        wrote = False
        for store in self._stores.values():
            for key, value in store.drain():
                wrote = True
                self._offset += 1
                self.changelog_bytes += len(key) + len(value or b"")
                if value is None:
                    self._changelog.pop(key, None)
                else:
                    self._changelog[key] = value
        self.committed += self._sent
        self._log += self._sent
        self._sent = []
        self.processor.committed(self._offset - 1 if wrote else None)

    def crash(self) -> None:
        """Forget all memory and recover from what was committed."""
        self._sent = []
        self._stores = {table.name: table.partition_store() for table in self._tables}
        self.processor = self._create(self)
        rows = [(*split_changelog_key(key), value) for key, value in self._changelog.items()]
        for table in self._tables:
            self._stores[table.name].restore(
                (key, part, data) for tag, part, key, data in rows if tag == table.tag
            )
        self.processor.opened(self._offset - 1)


@dataclass
class FakeSink:
    """Keeps the figures it is given, as Redis would."""

    windows: dict[bytes, Row] = field(default_factory=dict)
    notes: dict[bytes, Row] = field(default_factory=dict)
    models: dict[str, bytes | None] = field(default_factory=dict)
    alerts: dict[str, bytes] = field(default_factory=dict)
    positions: dict[str, bytes] = field(default_factory=dict)
    shops: dict[str, str | None] = field(default_factory=dict)
    lost: bool = False

    def opened(self, incarnation: str, last_offset: int, *, is_complete: bool) -> None:
        self.lost = not is_complete

    def committed(self, sequence: int, committed: Committed) -> None:
        _show(self.windows, committed.windows)
        _show(self.notes, committed.notes)
        self.models |= committed.models
        for campaign_id, position in committed.positions.items():
            self.positions.pop(campaign_id, None)
            if position is not None:
                self.positions[campaign_id] = position
        self.shops |= committed.shops
        for alert in committed.alerts:
            self.alerts.pop(alert.alert_id, None)
            if alert.is_open:
                self.alerts[alert.alert_id] = alert.record

    def needs_all(self) -> bool:
        return self.lost

    def rebuild(self, sequence: int, committed: Committed) -> None:
        self.lost = False
        self.windows.clear()
        self.notes.clear()
        self.models.clear()
        self.shops.clear()
        self.alerts.clear()
        self.positions.clear()
        self.committed(sequence, committed)

    async def close(self) -> None:
        pass


def _show(shown: dict[bytes, Row], changed: Changed) -> None:
    for packed, row in changed.rows.items():
        if row is None:
            shown.pop(packed, None)
        elif packed in changed.whole:
            shown[packed] = row
        else:
            # As Redis does: the figures of orders stay those that it has.
            shown[packed] = Row(row.value, shown[packed].orders)


class Pipeline:
    """Both stages over ``partitions`` partitions."""

    def __init__(
        self,
        partitions: int = 2,
        *,
        journey_events_max: int = 2_000,
        windows: Windows | None = None,
        model_channel: events.ModelChannel = "campaign",
        alert_rules: Sequence[AlertRule] = (),
    ) -> None:
        self.partitions = partitions
        self.model_channel = model_channel
        """A change holds for the tasks that are opened after it."""
        app = faust.App("pipeline", Table=BatchTable, store="memory://")
        self.sinks = [FakeSink() for _ in range(partitions)]
        journey_tables, campaign_tables = journeys_tables(app), campaigns_tables(app)

        def journeys_processor(task: Any) -> JourneysProcessor:
            return JourneysProcessor(
                task,
                windows=windows or Windows(),
                journey_events_max=journey_events_max,
                partitions=partitions,
                model_channel=self.model_channel,
            )

        def campaigns_processor(task: Any) -> CampaignsProcessor:
            return CampaignsProcessor(
                task,
                partitions=partitions,
                sink=self.sinks[task.partition],
                model_period_s=0,
                money_quiet_s=86_400,
                executor=AtOnce(),
                model_channel=self.model_channel,
                alert_rules=alert_rules,
            )

        self.log: list[Sent] = []
        """What all tasks have committed, in its order."""
        self.journeys = [FakeTask(p, journey_tables, journeys_processor, self.log) for p in range(partitions)]
        self.campaigns = [
            FakeTask(p, campaign_tables, campaigns_processor, self.log) for p in range(partitions)
        ]
        self._read: dict[int, int] = defaultdict(int)
        self._moved_read = [0] * partitions
        self._moved_committed = [0] * partitions
        self._offsets: dict[tuple[str, int], int] = defaultdict(int)

    def feed_records(
        self,
        topic: str,
        partition: int,
        records: Sequence[tuple[bytes | None, bytes | None]],
        timestamp_ms: int | Sequence[int] = BROKER_MS,
        headers: Sequence[Sequence[tuple[str, bytes]]] = (),
    ) -> None:
        """Have a stage process records of one topic partition as one batch; of each its own timestamp, or one of all."""
        if not records:
            return
        at = (topic, partition)
        batch = []
        times_ms = [timestamp_ms] * len(records) if isinstance(timestamp_ms, int) else timestamp_ms
        for (key, value), time_ms, theirs in zip(
            records, times_ms, headers or [()] * len(records), strict=True
        ):
            batch.append(FakeRecord(self._offsets[at], time_ms, key, value, theirs))
            self._offsets[at] += 1
        tasks = self.journeys if topic in journeys.TOPICS else self.campaigns
        tasks[partition].processor.process(Batch(topic, partition, batch, 0))

    def feed(self, batch: Sequence[Any], timestamp_ms: int | Sequence[int] = BROKER_MS) -> None:
        """Process decoded events as batches of their topics and partitions, in the order given within each."""
        by_topic: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = defaultdict(list)
        times_ms: dict[tuple[str, int], list[int]] = defaultdict(list)
        for index, event in enumerate(batch):
            key = (event.campaign_id if type(event) in events.CAMPAIGN_EVENTS else event.person_id).encode()
            value = msgspec.json.encode(event)
            at = event.topic, partition_of(key, self.partitions)
            by_topic[at].append((key, value))
            times_ms[at].append(timestamp_ms if isinstance(timestamp_ms, int) else timestamp_ms[index])
        for (topic, partition), records in by_topic.items():
            self.feed_records(topic, partition, records, times_ms[topic, partition])

    def _moved(self, partition: int) -> list[Sent]:
        return [
            sent for sent in self.log if sent.topic == events.JOURNEY_MOVED and sent.partition == partition
        ]

    def deliver_moved(self, most: int | None = None) -> None:
        """Have each task process what other ids brought and it has not read yet, at most so many records."""
        for partition in range(self.partitions):
            moved = self._moved(partition)[self._moved_read[partition] :][:most]
            records, headers = [(sent.key, sent.value) for sent in moved], [sent.headers for sent in moved]
            self.feed_records(events.JOURNEY_MOVED, partition, records, headers=headers)
            self._moved_read[partition] += len(moved)

    def commit_journeys(self) -> None:
        for task in self.journeys:
            self.commit_task(task.partition)

    def commit_task(self, partition: int) -> None:
        """Commit one task of the journeys stage."""
        self.journeys[partition].commit()
        self._moved_committed[partition] = self._moved_read[partition]

    def crash_task(self, partition: int) -> None:
        """Have one task of the journeys stage forget its memory, and read again what was moved to it since its commit."""
        self.journeys[partition].crash()
        self._moved_read[partition] = self._moved_committed[partition]

    def commit_campaigns(self, most: int | None = None) -> None:
        """Deliver the deltas that are committed, of each task of the journeys stage at most so many, and commit them."""
        for index, task in enumerate(self.journeys):
            deltas = [s for s in task.committed if s.topic in {events.CAMPAIGN_DELTA, events.PATH_DELTA}]
            unread = deltas[self._read[index] :][:most]
            for sent in unread:
                self.feed_records(sent.topic, sent.partition, [(sent.key, sent.value)])
            self._read[index] += len(unread)
        for task in self.campaigns:
            task.commit()

    def settle(self, now_ms: int = 0) -> None:
        """Let everything run its course: deltas, watermarks, upserts, alerts."""
        for task in self.journeys:
            task.processor.tick(now_ms)
        self.commit_journeys()
        while self._is_moving():
            self.deliver_moved()
            self.commit_journeys()
        self.commit_campaigns()
        for task in self.campaigns:
            task.processor.tick(now_ms)
        self.commit_campaigns()

    def _is_moving(self) -> bool:
        return any(self._moved_read[p] < len(self._moved(p)) for p in range(self.partitions))

    # Results

    def windows(self) -> dict[WindowKey, dict[str, int]]:
        """The figures in the sink."""
        return {
            key: window_metrics(key[1], row)
            for sink in self.sinks
            for key, row in ((unpack_key(packed), row) for packed, row in sink.windows.items())
        }

    def notes(self) -> dict[tuple[str, str], dict[str, int]]:
        """The figures to date of notes in the sink, by campaign and note."""
        rows = self._note_rows()
        return {
            (campaign_id, note_id): rows[campaign_id, day, note_id]
            for campaign_id, day, note_id in rows
            if day is None
        }

    def note_days(self) -> dict[tuple[str, int, str], dict[str, int]]:
        """The figures by day of notes in the sink, by campaign, start of the day and note."""
        rows = self._note_rows()
        return {
            (campaign_id, day, note_id): metrics
            for (campaign_id, day, note_id), metrics in rows.items()
            if day is not None
        }

    def _note_rows(self) -> dict[NoteKey, dict[str, int]]:
        return {
            unpack_note_key(packed): note_counts(row) | note_orders(row)
            for sink in self.sinks
            for packed, row in sink.notes.items()
        }

    def cohorts(self) -> dict[str, list[CohortRow]]:
        """The rows of the cohorts table, by campaign."""
        rows: dict[str, list[CohortRow]] = defaultdict(list)
        for task in self.campaigns:
            for packed, value in task.store(COHORTS).items():
                rows[packed.decode().rsplit("|", 1)[0]] += decode_cohorts(value)
        return {campaign_id: sorted(theirs) for campaign_id, theirs in rows.items()}

    def upserts(self) -> dict[WindowKey, dict[str, Any] | None]:
        """The last funnel upsert of each window."""
        return {
            unpack_key(sent.key or b""): None if sent.value is None else orjson.loads(sent.value)
            for task in self.campaigns
            for sent in task.committed
            if sent.topic == events.CAMPAIGN_FUNNEL
        }

    def models(self) -> dict[str, dict[str, Any]]:
        """The last record of each shop's models that was not taken back."""
        last = {
            (sent.key or b"").decode(): sent.value
            for task in self.campaigns
            for sent in task.committed
            if sent.topic == events.ATTRIBUTION_MODEL
        }
        return {shop_id: orjson.loads(value) for shop_id, value in last.items() if value is not None}

    def models_shown(self) -> dict[str, dict[str, Any]]:
        """The models of each shop in the sink."""
        return {
            shop_id: orjson.loads(value)
            for sink in self.sinks
            for shop_id, value in sink.models.items()
            if value is not None
        }

    def attributions(
        self, person_of: Mapping[str, str] = MappingProxyType({})
    ) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """All revisions by person and order, in the order of the log; ``person_of`` has the person of linked ids."""
        revisions: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for sent in self.log:
            if sent.topic == events.ORDER_ATTRIBUTED:
                value = orjson.loads(sent.value or b"")
                person_id = value["person_id"]
                revisions[person_of.get(person_id, person_id), value["order_id"]].append(value)
        return dict(revisions)

    def alerts(self) -> list[AlertRaised]:
        """What became of alerts, in the order of the log."""
        return [
            msgspec.json.decode(sent.value or b"", type=AlertRaised)
            for sent in self.log
            if sent.topic == events.ALERT_RAISED
        ]

    def ledger(self) -> dict[str, list[bytes]]:
        """The entries of each campaign as they are in the topic."""
        entries: dict[str, list[bytes]] = defaultdict(list)
        for sent in self.log:
            if sent.topic == events.LEDGER_ENTRY:
                entries[(sent.key or b"").decode()].append(sent.value or b"")
        return dict(entries)

    def told_positions(self) -> list[tuple[str, bytes | None]]:
        """Campaign and value of each record of a guarantee's position, in the order of the log."""
        return [
            ((sent.key or b"").decode(), sent.value)
            for sent in self.log
            if sent.topic == events.GUARANTEE_POSITION
        ]

    def positions(self) -> dict[str, GuaranteePosition]:
        """The positions in the sink."""
        return {
            campaign_id: msgspec.json.decode(value, type=GuaranteePosition)
            for sink in self.sinks
            for campaign_id, value in sink.positions.items()
        }

    def dead_letters(self) -> list[Sent]:
        return [
            sent
            for task in (*self.journeys, *self.campaigns)
            for sent in task.committed
            if sent.topic == events.DEAD_LETTER
        ]
