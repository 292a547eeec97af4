"""The stream against the plain recomputation: whatever the order, the batches, the commits and the crashes (R1-R17)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, get_args

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from streams.agents.campaign_money import MOVING_MS
from streams.partitions import partition_of
from tests.pipeline import BROKER_MS, Pipeline
from tests.property.events import CAMPAIGNS, MIDNIGHT_MS, journey_events, linked_events, times_ms
from tests.property.models import assert_models
from xinghe.audit.cohorts import cohorts_of
from xinghe.audit.dead_letters import FoundDeadLetters, compare_dead_letters
from xinghe.audit.figures import RefundKey, Truth
from xinghe.audit.findings import Findings
from xinghe.audit.journey import Limits
from xinghe.audit.record import Place, SourceRecord
from xinghe.audit.truth import LIMITS, truth_of_records
from xinghe.domain.cohorts import CohortRow, all_known
from xinghe.domain.counted import day_start_ms
from xinghe.domain.events import (
    CAMPAIGN_EVENTS,
    AdSpent,
    CampaignConfigured,
    CouponClaimed,
    ModelChannel,
    NoteViewed,
    OrderPaid,
    OrderRefunded,
)
from xinghe.domain.funnel import decode_window, unpack_key
from xinghe.domain.metrics import COUNTED_NAMES, MODEL_COUNTED_NAMES, MODELS
from xinghe.domain.order_rules import Windows
from xinghe.domain.windows import DAY_MS, HOUR_MS, SIZE_MS, is_cohort_day_expired, start_ms

PARTITIONS: Final = 2
BOTH_PARTITIONS: Final = ("p1", "p6")
"""A person in each partition."""
ORDER_MICROS: Final = 1_000_000

# What may happen after a batch, beside nothing.
COMMIT_JOURNEYS: Final = "commit journeys"
COMMIT_CAMPAIGNS: Final = "commit campaigns"
CRASH_JOURNEYS: Final = "crash journeys"
CRASH_CAMPAIGNS: Final = "crash campaigns"
TICK: Final = "tick"
STEPS: Final = (
    *("", "", COMMIT_JOURNEYS, COMMIT_JOURNEYS, COMMIT_CAMPAIGNS, COMMIT_CAMPAIGNS),
    *(CRASH_JOURNEYS, CRASH_CAMPAIGNS, TICK),
)
# What may happen to one of the journeys tasks, where something moves between them.
COMMIT_ONE: Final = ("commit first", "commit second")
CRASH_ONE: Final = ("crash first", "crash second")
MOVE_ONE: Final = "move one"
MOVE_ALL: Final = "move all"
LINKED_STEPS: Final = (*STEPS, *COMMIT_ONE, *COMMIT_ONE, *CRASH_ONE, MOVE_ONE, MOVE_ONE, MOVE_ALL)


class Letter(NamedTuple):
    """A dead letter as the audit reads it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Run:
    """A pipeline and the log that it reads: after a crash it reads again what it had not committed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        windows = Windows(limits.touch_window_ms, limits.payment_window_ms, limits.click_over_view)
        self.pipeline = Pipeline(PARTITIONS, windows=windows, model_channel=limits.model_channel)
        self._log: dict[Place, Any] = {}
        self._recorded_ms: dict[Place, int] = {}
        self._uncommitted: dict[tuple[str, int], list[Place]] = defaultdict(list)
        self._now_ms = 0
        self._offsets: dict[tuple[str, int], int] = defaultdict(int)

    def feed(self, events: Sequence[Any], timestamps_ms: Sequence[int] | None = None) -> None:
        """Have the tasks read events, with the timestamps of their records or all with `BROKER_MS`."""
        times_ms = [BROKER_MS] * len(events) if timestamps_ms is None else timestamps_ms
        self.pipeline.feed(events, times_ms)
        for event, time_ms in zip(events, times_ms, strict=True):
            is_campaign = type(event) in CAMPAIGN_EVENTS
            partition = partition_of(key_of(event), PARTITIONS)
            place = Place(event.topic, partition, self._offsets[event.topic, partition])
            self._offsets[event.topic, partition] += 1
            self._log[place] = event
            self._recorded_ms[place] = time_ms
            self._uncommitted["campaigns" if is_campaign else "journeys", partition].append(place)

    def step(self, step: str) -> None:
        if step in COMMIT_ONE:
            self._commit_journeys([COMMIT_ONE.index(step)])
        elif step in CRASH_ONE:
            self._crash_journeys([CRASH_ONE.index(step)])
        elif step in {MOVE_ONE, MOVE_ALL}:
            self.pipeline.deliver_moved(1 if step == MOVE_ONE else None)
        else:
            self._step_of_all(step)

    def _step_of_all(self, step: str) -> None:
        if step == COMMIT_JOURNEYS:
            self._commit_journeys(range(PARTITIONS))
        elif step == COMMIT_CAMPAIGNS:
            self.pipeline.commit_campaigns()
            self._committed("campaigns", range(PARTITIONS))
        elif step == CRASH_JOURNEYS:
            self._crash_journeys(range(PARTITIONS))
        elif step == CRASH_CAMPAIGNS:
            for task in self.pipeline.campaigns:
                task.crash()
            self._read_again("campaigns", range(PARTITIONS))
        elif step == TICK:
            for task in (*self.pipeline.journeys, *self.pipeline.campaigns):
                task.processor.tick(self._now_ms)

    def settle(self) -> None:
        """Let everything run its course, and commit all of it; a moment passes, so that the next time days are booked."""
        self.pipeline.settle(self._now_ms)
        self._now_ms += MOVING_MS
        self._uncommitted.clear()

    def _committed(self, stage: str, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._uncommitted[stage, partition].clear()

    def _commit_journeys(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self.pipeline.commit_task(partition)
        self._committed("journeys", partitions)

    def _crash_journeys(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self.pipeline.crash_task(partition)
        self._read_again("journeys", partitions)

    def _read_again(self, stage: str, partitions: Iterable[int]) -> None:
        """The consumer goes back to the committed offsets."""
        places = [place for each in partitions for place in self._uncommitted.pop((stage, each), [])]
        self.feed(
            [self._log.pop(place) for place in places], [self._recorded_ms.pop(place) for place in places]
        )

    def letters(self) -> dict[Place, str]:
        """The reason of each dead letter, by the place of its record; each comes once."""
        letters = {}
        for letter in self.pipeline.dead_letters():
            headers = dict(letter.headers)
            place = Place(
                headers["source_topic"].decode(),
                int(headers["source_partition"]),
                int(headers["source_offset"]),
            )
            assert place not in letters, headers
            assert msgspec.json.decode(letter.value or b"", type=type(self._log[place])) == self._log[place]
            letters[place] = headers["reason"].decode()
        return letters

    def refund_letters(self, truth: Truth) -> dict[RefundKey, str]:
        """The reasons of the refunds that were accepted and refused; the first record of each has the letter.

        A refund may have come under several ids of a person; with a circle a copy may overtake the first.
        """
        first: dict[RefundKey, Place] = {}
        letters = self.letters()
        for place, event in self._log.items():
            if letters.get(place) != "too_late":
                first.setdefault((getattr(event, "person_id", ""), event_key(event)), place)
        found: dict[RefundKey, str] = {}
        for place, reason in letters.items():
            if reason not in {"too_late", "link_repeated", "link_circular"}:
                event = self._log[place]
                assert isinstance(event, OrderRefunded), (place, reason)
                person_id = truth.person_of.get(event.person_id, event.person_id)
                if person_id not in truth.refused_ids:
                    assert first[event.person_id, event.event_id] == place, "a later copy is a duplicate"
                found[person_id, event.event_id] = reason
        return found

    def truth(self) -> Truth:
        """That of the log; which records were too late only the stream can tell."""
        too_late = {place for place, reason in self.letters().items() if reason == "too_late"}
        return truth_of_records(self.records(), too_late, limits=self._limits, partitions=PARTITIONS)

    def records(self) -> list[SourceRecord]:
        """The log as the audit reads it."""
        return [
            SourceRecord(*place, self._recorded_ms[place], key_of(event), msgspec.json.encode(event))
            for place, event in self._log.items()
        ]


def key_of(event: Any) -> bytes:
    """The key of an event's record."""
    name: str = event.campaign_id if type(event) in CAMPAIGN_EVENTS else event.person_id
    return name.encode()


def event_key(event: Any) -> str:
    """Its ``event_id``; settings have none."""
    return getattr(event, "event_id", "")


def assert_equal_to(truth: Truth, run: Run) -> None:
    """Redis, the funnel topic, the notes, the attributions and the dead letters of refunds show the truth."""
    pipeline = run.pipeline
    windows = pipeline.windows()
    assert windows == truth.windows
    versions = {
        unpack_key(key): decode_window(row.value).version
        for sink in pipeline.sinks
        for key, row in sink.windows.items()
    }
    upserts = {key: upsert for key, upsert in pipeline.upserts().items() if upsert is not None}
    assert {key: upsert["metrics"] for key, upsert in upserts.items()} == windows
    for key, upsert in upserts.items():
        assert upsert["version"] == versions[key], key
        assert upsert["final"] == truth.is_final(key), key
        end = None if key[1] == "total" else key[2] + SIZE_MS[key[1]]
        assert (upsert["campaign_id"], upsert["size"], upsert["start_ms"], upsert["end_ms"]) == (*key, end)
        if truth.counts.get(key):
            shops = truth.shops_seen[key[0]] | truth.shops_configured.get(key[0], set())
            assert upsert["shop_id"] in shops, key
    assert pipeline.notes() == truth.notes
    assert pipeline.note_days() == truth.note_days
    assert known_at_last(pipeline.cohorts()) == kept_cohorts(truth)
    assert_attributions(truth, pipeline)
    assert_models(truth, pipeline)
    assert_refund_letters(truth, run)
    assert_accounted_for(truth, run)


def known_at_last(cohorts: Mapping[str, Sequence[CohortRow]]) -> dict[str, list[CohortRow]]:
    """The cohorts of each campaign once all links are known."""
    known = {campaign_id: list(all_known(rows)) for campaign_id, rows in cohorts.items()}
    return {campaign_id: rows for campaign_id, rows in known.items() if rows}


def kept_cohorts(truth: Truth) -> dict[str, list[CohortRow]]:
    """The cohorts of each campaign whose order day is still kept, ascending."""
    rows = {
        campaign_id: sorted(
            CohortRow(key.touch_day, key.order_day, key.day, MODELS.index(key.model), *amounts)
            for key, amounts in cohorts.items()
            if not is_cohort_day_expired(day_start_ms(key.order_day), truth.watermark_ms)
        )
        for campaign_id, cohorts in cohorts_of(truth).items()
    }
    return {campaign_id: kept for campaign_id, kept in rows.items() if kept}


def assert_accounted_for(truth: Truth, run: Run) -> None:
    """The audit finds each dead letter that must be there and no other, and what became of each event."""
    found, findings = FoundDeadLetters(), Findings()
    for offset, sent in enumerate(run.pipeline.dead_letters()):
        found.add(Letter(sent.topic, sent.partition, offset, sent.key, sent.value, sent.headers))
    compare_dead_letters(truth, found, findings)
    assert not findings.differences, findings.shown


def assert_refund_letters(truth: Truth, run: Run) -> None:
    """Rules 9 and 10: those that do not fit, those that waited too long, and what once did not fit."""
    found = run.refund_letters(truth)
    exceeding = {refund for refund, reason in found.items() if reason == "refund_exceeds_order"}
    assert truth.refused <= exceeding
    assert exceeding <= truth.refused | truth.unsure
    assert found.keys() - exceeding <= {refund for refund, is_past in truth.waiting.items() if is_past}


def assert_attributions(truth: Truth, pipeline: Pipeline) -> None:
    found = pipeline.attributions(truth.person_of)
    assert found.keys() == truth.orders.keys()
    for order, revisions in found.items():
        numbers = [value["revision"] for value in revisions]
        if order[0] in truth.person_of:
            # Before a link each id counts by itself, and where a circle ended until all of it is back.
            for person_id in truth.person_of.keys() - truth.refused_ids:
                theirs = [value["revision"] for value in revisions if value["person_id"] == person_id]
                assert theirs == sorted(set(theirs)), (order, person_id)
            assert all(number < numbers[-1] for number in numbers[:-1]), order
        else:
            assert numbers == list(range(1, len(revisions) + 1)), order
        for value in revisions:
            assert value["credits"].keys() == set(MODELS)
            for shares in value["credits"].values():
                assert sum(credit["orders_micros"] for credit in shares) == ORDER_MICROS
                assert sum(credit["gmv_fen"] for credit in shares) == value["amount_fen"]
                assert sum(credit["refund_fen"] for credit in shares) == value["refunded_fen"]
                assert all(0 <= credit["refund_fen"] <= credit["gmv_fen"] for credit in shares)
        last = {name: value for name, value in revisions[-1].items() if name != "revision"}
        assert last == truth.orders[order].as_json()


SUMMED: Final = (*COUNTED_NAMES, *MODEL_COUNTED_NAMES, "net_gmv_fen")


def assert_adds_up(truth: Truth, pipeline: Pipeline) -> None:
    """Smaller windows add up to larger ones, campaigns to the orders by each model, where nothing has expired."""
    windows = pipeline.windows()
    orders = truth.orders.values()
    totals = [metrics for key, metrics in windows.items() if key[1] == "total"]
    for model in MODELS:
        sums_to_date = [
            sum(metrics.get(f"{name}:{model}", 0) for metrics in totals)
            for name in ("orders_micros", "gmv_fen", "refund_fen")
        ]
        assert sums_to_date == [
            ORDER_MICROS * len(orders),
            sum(order.amount_fen for order in orders),
            sum(order.refunded_fen for order in orders),
        ], model
    for small, large in (("1m", "1h"), ("1h", "1d"), ("1d", "total")):
        sums: dict[tuple[str, int], dict[str, int]] = defaultdict(lambda: dict.fromkeys(SUMMED, 0))
        for (campaign_id, size, start), metrics in windows.items():
            if size == small:
                total = sums[campaign_id, start_ms(large, start)]
                for name in SUMMED:
                    total[name] += metrics[name]
        for (campaign_id, size, start), metrics in windows.items():
            if size == large and not _has_lost(truth, campaign_id, small, large, start):
                assert sums[campaign_id, start] == {name: metrics[name] for name in SUMMED}


def _has_lost(truth: Truth, campaign_id: str, small: str, large: str, start: int) -> bool:
    """Whether a small window within the large one has expired."""
    return any(
        truth.is_expired(key)
        for key in truth.counts
        if key[0] == campaign_id and key[1] == small and start_ms(large, key[2]) == start
    )


REAL_CAMPAIGNS: Final = tuple(campaign for campaign in CAMPAIGNS if campaign)

spends = st.lists(
    st.builds(
        AdSpent,
        event_id=st.uuids(version=4).map(str),
        campaign_id=st.sampled_from(REAL_CAMPAIGNS),
        hour_start_ms=st.sampled_from([MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS, MIDNIGHT_MS + 8 * HOUR_MS]),
        spend_fen=st.integers(0, 999),
        revision=st.integers(0, 2),
        impressions=st.sampled_from((None, 0, 50)),
        clicks=st.sampled_from((None, 0, 3)),
    ),
    max_size=4,
)

CHOICES: Final = (*MODELS, "markov")


def settings_told(effective_ms: st.SearchStrategy[int]) -> st.SearchStrategy[list[CampaignConfigured]]:
    """A few settings of the campaigns."""
    one = st.builds(
        CampaignConfigured,
        campaign_id=st.sampled_from(REAL_CAMPAIGNS),
        shop_id=st.sampled_from(("s1", "s2")),
        name=st.just("spring"),
        effective_ms=effective_ms,
        model=st.sampled_from(CHOICES),
    )
    return st.lists(one, max_size=4)


def settings_in_time(events: Sequence[Any]) -> st.SearchStrategy[list[CampaignConfigured]]:
    """Settings that may be told at any time: no minute after them is ever dropped (R10)."""
    newest_ms = max((event.time_ms for event in events), default=MIDNIGHT_MS)
    return settings_told(st.integers(newest_ms - 47 * HOUR_MS, newest_ms + HOUR_MS))


channels = st.sampled_from(get_args(ModelChannel))
"""What the paths of the data-driven models are told in."""
steps = st.lists(st.tuples(st.integers(1, 12), st.sampled_from(STEPS)), min_size=1, max_size=12)


def run_of(events: Sequence[Any], schedule: Sequence[tuple[int, str]], limits: Limits = LIMITS) -> Run:
    """Feed the events in batches of the sizes given, with what happens after each, over and over; then settle."""
    run = Run(limits)
    at, turn = 0, 0
    while at < len(events):
        size, step = schedule[turn % len(schedule)]
        run.feed(events[at : at + size])
        run.step(step)
        at, turn = at + size, turn + 1
    run.settle()
    return run


def over_both_partitions(events: list[Any]) -> list[Any]:
    """The same events with the second person in the second partition."""
    return [
        msgspec.structs.replace(event, person_id=BOTH_PARTITIONS[event.person_id == "p2"]) for event in events
    ]


journeys_of_both = journey_events().map(over_both_partitions)
bounded = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(data=st.data(), events=journeys_of_both, reports=spends, known=settings_told(times_ms), schedule=steps)
@bounded
def test_any_order_batching_commit_and_crash_gives_the_truth(
    data: st.DataObject,
    events: list[Any],
    reports: list[AdSpent],
    known: list[CampaignConfigured],
    schedule: list[tuple[int, str]],
) -> None:
    later = data.draw(settings_in_time(events))
    run = run_of([*known, *data.draw(st.permutations([*events, *reports, *reports[:1], *later]))], schedule)
    truth = run.truth()
    assert set(run.letters().values()) <= {"refund_exceeds_order"}
    assert not truth.apart
    assert_equal_to(truth, run)
    assert_adds_up(truth, run.pipeline)


@given(events=journeys_of_both, schedule=steps)
@bounded
def test_without_click_over_view_the_last_touch_of_any_kind_wins(
    events: list[Any], schedule: list[tuple[int, str]]
) -> None:
    run = run_of(events, schedule, LIMITS._replace(click_over_view=False))
    assert_equal_to(run.truth(), run)


linked_steps = st.lists(st.tuples(st.integers(1, 8), st.sampled_from(LINKED_STEPS)), min_size=1, max_size=16)


@given(data=st.data(), events=linked_events(), reports=spends, schedule=linked_steps, channel=channels)
@bounded
def test_linked_ids_are_one_person_whatever_the_order_the_commits_and_the_crashes(
    data: st.DataObject,
    events: list[Any],
    reports: list[AdSpent],
    schedule: list[tuple[int, str]],
    channel: ModelChannel,
) -> None:
    later = data.draw(settings_in_time(events))
    arriving = data.draw(st.permutations([*events, *reports, *later]))
    run = run_of(arriving, schedule, LIMITS._replace(model_channel=channel))
    truth = run.truth()
    assert not truth.apart
    assert set(run.letters().values()) <= {"refund_exceeds_order", "link_repeated", "link_circular"}
    assert_equal_to(truth, run)
    assert_adds_up(truth, run.pipeline)


SHIFT_DAYS: Final = (0, 0, 0, 1, 3, 20, 30, 32, 62, 64, 90, 91, 100, 365, 366, 450)
"""Beyond the retention of minutes, hours, days, conversions and touches, and around the edges of R6."""
REFUND_DAYS: Final = (0, 0, 0, 20, 32, 300, -40)
"""From an order to its refund, besides the refund's own time of the month; an order is surely kept for 365."""


@given(data=st.data(), events=journeys_of_both, known=settings_told(times_ms), schedule=steps)
@bounded
def test_over_years_what_expires_and_comes_too_late_gives_the_truth(
    data: st.DataObject,
    events: list[Any],
    known: list[CampaignConfigured],
    schedule: list[tuple[int, str]],
) -> None:
    shifted = spread(first_of_each_id(events), data)
    # One event in each partition, so that the campaigns' watermark moves.
    starts = [
        NoteViewed(
            event_id=f"start-{person}", person_id=person, time_ms=MIDNIGHT_MS, note_id="n1", shop_id="s1"
        )
        for person in BOTH_PARTITIONS
    ]
    ends = [
        msgspec.structs.replace(
            start, event_id=f"end-{start.person_id}", time_ms=start.time_ms + days * DAY_MS
        )
        for start in starts
        if (days := data.draw(st.sampled_from([0, 3, 40, 500])))
    ]
    copies = data.draw(st.lists(st.sampled_from(shifted), max_size=4)) if shifted else []
    arriving: list[Any] = data.draw(arrival(shifted + ends + copies))
    at = data.draw(st.integers(0, len(arriving)))
    later = data.draw(settings_in_time(shifted + ends))
    run = run_of([*known, *starts, *arriving[:at], *later, *arriving[at:]], schedule)
    truth = run.truth()
    # A refund_id that comes back after it waited too long is left open (R2, R14).
    assume(not truth.apart)
    assert_equal_to(truth, run)
    assert_adds_up(truth, run.pipeline)


def first_of_each_id(events: list[Any]) -> list[Any]:
    return list({event.event_id: event for event in events}.values())


def spread(events: list[Any], data: st.DataObject) -> list[Any]:
    """The events at times far away, many of them together there. A payment gets an order of its own: what becomes of an ``order_id`` that comes
    back after its order was forgotten is left open (R2, R14). A refund stays near the order that it gets.
    """
    # Few times of the year, so that what belongs together often stays together.
    days = data.draw(st.lists(st.sampled_from(SHIFT_DAYS), min_size=1, max_size=3))

    def shifted_ms(event: Any) -> int:
        return int(event.time_ms + data.draw(st.sampled_from(days)) * DAY_MS)

    orders = [
        msgspec.structs.replace(event, time_ms=shifted_ms(event), order_id=event.event_id)
        for event in events
        if isinstance(event, OrderPaid)
    ]
    refunds = []
    for refund in events:
        theirs = [order for order in orders if order.person_id == refund.person_id]
        if isinstance(refund, OrderRefunded) and theirs:
            order = data.draw(st.sampled_from(theirs))
            after_ms = refund.time_ms - MIDNIGHT_MS + data.draw(st.sampled_from(REFUND_DAYS)) * DAY_MS
            time_ms = min(order.time_ms + after_ms, BROKER_MS)
            refunds.append(msgspec.structs.replace(refund, order_id=order.order_id, time_ms=time_ms))
    others = [
        msgspec.structs.replace(event, time_ms=shifted_ms(event))
        for event in events
        if not isinstance(event, (OrderPaid, OrderRefunded))
    ]
    return [*others, *orders, *refunds, *on_the_edges(orders, data)]


EDGES_MS: Final = tuple(days * DAY_MS + more for days in (30, 90, 365) for more in (0, 1))


def on_the_edges(orders: Sequence[OrderPaid], data: st.DataObject) -> list[Any]:
    """Orders that follow others, and claims of their coupons before them, at the edges of R6 and R8."""
    if not orders:
        return []
    drawn = data.draw(
        st.lists(st.tuples(st.sampled_from(orders), st.sampled_from(EDGES_MS), st.booleans()), max_size=3)
    )
    added: list[Any] = []
    for index, (order, lag_ms, is_claim) in enumerate(drawn):
        event_id = f"{order.event_id}edge{index}"
        if is_claim:
            ids = (event_id, order.person_id, order.time_ms - lag_ms)
            coupon_id = (order.coupon_ids or ["k0"])[0]
            added.append(CouponClaimed(*ids, coupon_id, order.shop_id, "xhs", "c1"))
        else:
            time_ms = min(order.time_ms + lag_ms, BROKER_MS)
            again = {"event_id": event_id, "order_id": event_id, "time_ms": time_ms, "new_customer": None}
            added.append(msgspec.structs.replace(order, **again))
    return added


def arrival(events: list[Any]) -> st.SearchStrategy[list[Any]]:
    """In the order of time with some swapped, so that most are accepted, or in any order."""
    in_time = sorted(events, key=lambda event: event.time_ms)
    return st.one_of(
        st.just(in_time),
        st.lists(st.integers(0, max(len(events) - 2, 0)), max_size=6).map(lambda at: _swapped(in_time, at)),
        st.permutations(events),
    )


def _swapped(events: list[Any], at: list[int]) -> list[Any]:
    swapped = list(events)
    for index in at:
        swapped[index : index + 2] = reversed(swapped[index : index + 2])
    return swapped
