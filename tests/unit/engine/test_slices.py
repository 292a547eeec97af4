"""Slices: what is handed on when, by the fetched data of the client's own result type around small fakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.errors import TopicAuthorizationFailedError
from faust.types import TP

from streams.engine.batch import CAME_HEADER, Batch
from streams.engine.transport import ALIGN_WAIT_S, SLICE_RECORDS, SLICE_SPAN_MS, Slices
from tests.pipeline import FakeRecord

LARGE, SMALL, OTHER = TP("large", 0), TP("small", 0), TP("other", 0)
RELAYED = TP("relayed", 0)
STAGES = {"large": "a", "small": "a", "relayed": "a", "other": "b"}


class Partition:
    """A partition's position, and the end of its committed records."""

    paused = False
    has_valid_position = True

    def __init__(self) -> None:
        self.position = 0
        self.lso: int | None = 0
        self.highwater: int | None = None

    def consumed_to(self, position: int) -> None:
        self.position = position


class Parsed:
    """Records as the client's parser hands them out, one by one."""

    def __init__(self, records: list[FakeRecord], position: int) -> None:
        self._records = iter(records)
        self.next_fetch_offset = position

    def __iter__(self) -> Iterator[FakeRecord]:
        return self

    def __next__(self) -> FakeRecord:
        record = next(self._records)
        self.next_fetch_offset = record.offset + 1
        return record


class Broker:
    """The client's fetcher and subscriptions, as far as slices look at them."""

    def __init__(self, *partitions: TP) -> None:
        self.partitions = {tp: Partition() for tp in partitions}
        self.active = True
        self._records: dict[TP, Any] = {}
        self.notified = 0
        self._wait_consume_future = None
        self._subscriptions = self
        self._subscription = SimpleNamespace(
            subscription=SimpleNamespace(assignment=self), is_assigned=self.is_assigned
        )

    def is_assigned(self, tp: TP) -> bool:
        return tp in self.partitions

    def state_value(self, tp: TP) -> Partition | None:
        return self.partitions.get(tp)

    def _notify(self, _future: Any) -> None:
        self.notified += 1

    def fetched(self, tp: TP, *timestamps: int, lag: int = 0, came_ms: Sequence[int] = ()) -> None:
        """A fetch came back with records of these times; ``lag`` more are on the broker. ``came_ms`` are their headers."""
        partition = self.partitions[tp]
        first = partition.position
        headers = [[(CAME_HEADER, b"%d" % time_ms)] for time_ms in came_ms] or [[]] * len(timestamps)
        records = [
            FakeRecord(first + index, time, b"k", b"v", headers[index])
            for index, time in enumerate(timestamps)
        ]
        partition.lso = partition.highwater = first + len(records) + lag
        self._records[tp] = FetchResult(
            tp, assignment=self, partition_records=Parsed(records, first), backoff=0
        )


@pytest.fixture
def broker() -> Broker:
    return Broker(LARGE, SMALL, OTHER)


@pytest.fixture
def slices() -> Slices:
    return Slices(STAGES, {"relayed"})


def taken(slices: Slices, broker: Broker, now_s: float = 0.0, active: set[TP] | None = None) -> list[Batch]:
    active = set(broker.partitions) if active is None else active
    slices.fill(broker, active)
    return slices.take(broker, active, now_s=now_s)


def test_nothing_fetched_is_nothing_due(slices: Slices, broker: Broker) -> None:
    assert taken(slices, broker) == []
    assert not slices.has_heads()


def test_a_batch_has_its_partition_records_and_epoch(slices: Slices, broker: Broker) -> None:
    broker.fetched(LARGE, 5, 6)
    (batch,) = taken(slices, broker)
    assert (batch.topic, batch.partition, batch.epoch, batch.next_offset) == ("large", 0, 0, 2)
    assert [record.offset for record in batch.records] == [0, 1]
    assert broker.partitions[LARGE].position == 2


def test_of_one_task_the_oldest_goes_first_and_tasks_do_not_wait_for_each_other(
    slices: Slices, broker: Broker
) -> None:
    broker.fetched(LARGE, 50)
    broker.fetched(SMALL, 10)
    broker.fetched(OTHER, 99)
    assert {batch.topic for batch in taken(slices, broker)} == {"small", "other"}
    assert slices.has_heads()
    assert [batch.topic for batch in taken(slices, broker)] == ["large"]
    assert not slices.has_heads()


def test_a_lagging_partition_without_data_holds_the_others_back_for_a_while(
    slices: Slices, broker: Broker
) -> None:
    broker.partitions[SMALL].lso = 3
    broker.fetched(LARGE, 50)
    assert taken(slices, broker, now_s=100.0) == []
    assert taken(slices, broker, now_s=100.0 + ALIGN_WAIT_S * 0.9) == []
    assert [batch.topic for batch in taken(slices, broker, now_s=100.0 + ALIGN_WAIT_S)] == ["large"]
    # The next slice does not wait for it again, before it has delivered.
    broker.fetched(LARGE, 51)
    assert [batch.topic for batch in taken(slices, broker, now_s=106.0)] == ["large"]
    broker.fetched(SMALL, 40, lag=1)
    assert [batch.topic for batch in taken(slices, broker, now_s=107.0)] == ["small"]
    broker.fetched(LARGE, 52)
    assert taken(slices, broker, now_s=108.0) == []


def test_once_the_lagging_partition_delivers_the_older_goes_first(slices: Slices, broker: Broker) -> None:
    broker.partitions[SMALL].lso = 1
    broker.fetched(LARGE, 50)
    assert taken(slices, broker) == []
    broker.fetched(SMALL, 10)
    assert [batch.topic for batch in taken(slices, broker)] == ["small"]
    assert [batch.topic for batch in taken(slices, broker)] == ["large"]


@pytest.mark.parametrize("unknown", ["position", "end"])
def test_a_partition_of_which_nothing_is_known_yet_lags(slices: Slices, broker: Broker, unknown: str) -> None:
    if unknown == "position":
        broker.partitions[SMALL].has_valid_position = False
    else:
        broker.partitions[SMALL].lso = None
    broker.fetched(LARGE, 50)
    assert taken(slices, broker) == []


def test_a_large_fetch_is_cut_into_slices_in_order(slices: Slices, broker: Broker) -> None:
    broker.fetched(LARGE, *range(SLICE_RECORDS * 2 + 1))
    batches: list[Batch] = []
    while more := taken(slices, broker):
        batches += more
    assert [len(batch.records) for batch in batches] == [SLICE_RECORDS, SLICE_RECORDS, 1]
    assert [record.offset for batch in batches for record in batch.records] == list(
        range(SLICE_RECORDS * 2 + 1)
    )
    assert not broker._records
    assert broker.notified


def test_a_slice_does_not_run_far_ahead_of_the_others_of_its_task(slices: Slices, broker: Broker) -> None:
    last_ms = SLICE_SPAN_MS + 50
    broker.fetched(SMALL, 10, 50, last_ms, last_ms + 1, 10_000)
    broker.fetched(LARGE, 50, 9_000)
    broker.fetched(OTHER, 0, 99_000)
    shown = []
    while batches := taken(slices, broker):
        shown += [(batch.topic, [record.timestamp for record in batch.records]) for batch in batches]
    assert shown.pop(next(i for i, (topic, _) in enumerate(shown) if topic == "other"))[1] == [0, 99_000]
    assert shown == [
        ("small", [10, 50, last_ms]),
        ("large", [50]),
        ("small", [last_ms + 1]),
        ("large", [9_000]),
        ("small", [10_000]),
    ]


def test_what_is_relayed_has_its_turn_by_the_time_of_what_it_came_of(slices: Slices) -> None:
    broker = Broker(LARGE, SMALL, RELAYED)
    broker.fetched(LARGE, 50, 9_100)
    broker.fetched(SMALL, 10)
    # Of two tasks, one of which is ahead: what comes after its record waits as well.
    broker.fetched(RELAYED, 99_000, 99_001, 99_002, 99_003, came_ms=[5, 40, 8_950, 30])
    batches = [batch for _ in range(5) for batch in taken(slices, broker)]
    assert [(batch.topic, [record.offset for record in batch.records]) for batch in batches] == [
        ("relayed", [0, 1]),
        ("small", [0]),
        ("large", [0]),
        ("relayed", [2, 3]),
        ("large", [1]),
    ]


def test_records_whose_times_fall_are_still_handed_on_in_their_order(slices: Slices, broker: Broker) -> None:
    broker.fetched(SMALL, 10, 9_000, 11)
    broker.fetched(LARGE, 20)
    offsets = []
    while batches := taken(slices, broker):
        offsets += [record.offset for batch in batches for record in batch.records if batch.topic == "small"]
    assert offsets == [0, 1, 2]


def test_after_going_back_what_was_read_is_forgotten_and_the_epoch_is_another(
    slices: Slices, broker: Broker
) -> None:
    broker.fetched(LARGE, 50)
    slices.fill(broker, {LARGE})
    slices.clear()
    assert not slices.has_heads()
    assert slices.take(broker, {LARGE}, now_s=0.0) == []
    broker.partitions[LARGE].position = 0
    broker.fetched(LARGE, 50)
    (batch,) = taken(slices, broker)
    assert batch.epoch == 1


def test_data_of_a_partition_that_is_gone_is_dropped_and_of_a_paused_one_kept(
    slices: Slices, broker: Broker
) -> None:
    broker.fetched(LARGE, 50)
    broker.fetched(SMALL, 10)
    del broker.partitions[LARGE]
    assert taken(slices, broker, active={OTHER}) == []
    assert set(broker._records) == {SMALL}


def test_an_error_of_the_fetch_is_raised_once(slices: Slices, broker: Broker) -> None:
    broker._records[LARGE] = FetchError(error=TopicAuthorizationFailedError("large"), backoff=0)
    with pytest.raises(TopicAuthorizationFailedError):
        slices.fill(broker, {LARGE})
    slices.fill(broker, {LARGE})


def test_lag_counts_what_is_unread_and_what_is_read_and_unprocessed(slices: Slices, broker: Broker) -> None:
    assert slices.lag(broker, LARGE, 0) is None
    assert slices.lag(broker, TP("another", 0), 0) is None
    broker.fetched(LARGE, 5, 6, 7, lag=4)
    assert slices.lag(broker, LARGE, 0) == 7
    taken(slices, broker)
    assert [slices.lag(broker, LARGE, position) for position in (0, 1, 3)] == [7, 6, 4]


def test_what_transactions_add_at_the_end_is_no_lag(slices: Slices, broker: Broker) -> None:
    broker.fetched(LARGE, 5, 6, lag=1)
    taken(slices, broker)
    assert slices.lag(broker, LARGE, 2) == 1
    # The client goes past a marker when it has fetched it, and hands no record on.
    broker.partitions[LARGE].consumed_to(3)
    assert slices.lag(broker, LARGE, 2) == 0
    assert slices.lag(broker, LARGE, 1) == 1
