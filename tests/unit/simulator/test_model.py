"""The model is a function of its arguments, and each record is what it claims to be."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any, get_args

import msgspec
import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from xinghe.domain.events import (
    CAMPAIGN_EVENTS,
    JOURNEY_EVENTS,
    SOURCE_EVENTS,
    CouponClaimed,
    NoteType,
    NoteViewed,
    OrderPaid,
    OrderRefunded,
    PersonLinked,
    Surface,
)
from xinghe.domain.windows import DAY_MS, FUTURE_MS, JOURNEY_RETENTION_MS, watermark_ms
from xinghe.simulator.bad_records import KINDS, REASONS, REFUND_OVER_ORDER
from xinghe.simulator.model import HORIZON_MS, Model, generate
from xinghe.simulator.record import (
    DUPLICATE,
    GOOD,
    REPEATED_ORDER,
    REPEATED_REFUND,
    WAITING_REFUND,
    Record,
)
from xinghe.simulator.settings import SimulatorSettings

START_MS = 1_760_000_000_000
PARTITIONS = 4
JOURNEY_TOPICS = {event.topic for event in JOURNEY_EVENTS}  # type: ignore[attr-defined]  # every event struct names its topic
CAMPAIGN_TOPICS = {event.topic for event in CAMPAIGN_EVENTS}  # type: ignore[attr-defined]  # every event struct names its topic


def records_of(seed: int = 1, count: int = 3_000, span_ms: int = 60_000, **settings: Any) -> list[Record]:
    return list(
        generate(SimulatorSettings(**settings), seed=seed, start_ms=START_MS, span_ms=span_ms, count=count)
    )


class Judge:
    """R1 of ARCHITECTURE.md, up to acceptance, word by word, for records in the order of one partition."""

    def __init__(self) -> None:
        self._newest_ms: dict[int, int] = {}

    def reason(self, record: Record) -> str | None:  # noqa: PLR0911 - one return for each line of R1
        partition = (murmur2(record.key) & 0x7FFFFFFF) % PARTITIONS if record.key else 0
        if record.value is None:
            return "invalid"
        if len(record.value) > 65_536:
            return "too_large"
        try:
            event = json.loads(record.value.decode("utf-8"))
        except ValueError:
            return "malformed"
        try:
            msgspec.json.decode(record.value, type=SOURCE_EVENTS[record.topic])
        except msgspec.ValidationError:
            return "invalid"
        if any(mark in (event.get(field) or "") for field in ("shop_id", "campaign_id") for mark in ":|"):
            return "invalid"
        if record.key != event.get("person_id", event.get("campaign_id")).encode():
            return "key_mismatch"
        if record.topic in CAMPAIGN_TOPICS:
            return None
        # The broker takes the record no earlier than it was due.
        if event["time_ms"] > record.send_at_ms + FUTURE_MS:
            return "future"
        newest_ms = self._newest_ms.get(partition)
        if newest_ms is not None and event["time_ms"] < watermark_ms(newest_ms) - JOURNEY_RETENTION_MS:
            return "too_late"
        self._newest_ms[partition] = max(event["time_ms"], newest_ms or 0)
        return None


@given(seed=st.integers(0, 2**40), people=st.integers(2, 500), campaigns=st.integers(1, 9))
@hypothesis_settings(max_examples=15, deadline=None)
def test_the_same_seed_gives_the_same_records(seed: int, people: int, campaigns: int) -> None:
    first = records_of(seed, 300, people=people, campaigns=campaigns, bad_share=0.1)
    assert first == records_of(seed, 300, people=people, campaigns=campaigns, bad_share=0.1)
    assert len(first) == 300


@given(
    seed=st.integers(0, 2**32),
    span_ms=st.sampled_from([1_000, 60_000, 6 * 3_600_000]),
    history_days=st.integers(1, 30),
)
@hypothesis_settings(max_examples=10, deadline=None)
def test_every_record_is_judged_as_its_kind_claims(seed: int, span_ms: int, history_days: int) -> None:
    judge = Judge()
    for record in records_of(
        seed, 2_000, span_ms, bad_share=0.2, history_share=0.3, late_share=0.2, history_days=history_days
    ):
        reason = judge.reason(record)
        if record.kind == REFUND_OVER_ORDER:
            # Accepted, and refused only for its order.
            assert reason is None, record
        else:
            assert reason == REASONS.get(record.kind), record


def test_another_seed_or_start_gives_other_events() -> None:
    def event_ids(seed: int, start_ms: int) -> set[str]:
        records = generate(SimulatorSettings(), seed=seed, start_ms=start_ms, span_ms=1_000, count=500)
        # A link is the same in each run: it says who somebody is.
        return {
            record.event["event_id"]
            for record in records
            if "event_id" in record.event and record.topic != PersonLinked.topic
        }

    assert not event_ids(1, START_MS) & event_ids(2, START_MS)
    assert not event_ids(1, START_MS) & event_ids(1, START_MS + 1)


def test_records_are_sent_in_order_within_the_span_and_happened_before() -> None:
    records = records_of(skew_share=0, bad_share=0)
    times = [record.send_at_ms for record in records]
    assert times == sorted(times)
    assert times[0] >= START_MS
    assert times[-1] < START_MS + 60_000
    assert all(record.event["time_ms"] < record.send_at_ms for record in records if "time_ms" in record.event)


def test_all_topics_and_all_kinds_of_bad_records_occur() -> None:
    records = records_of(count=40_000, bad_share=0.01)
    assert {record.topic for record in records} == set(SOURCE_EVENTS)
    kinds = Counter(record.kind for record in records)
    assert set(kinds) == {GOOD, DUPLICATE, REPEATED_ORDER, REPEATED_REFUND, WAITING_REFUND, *KINDS}
    assert max(kinds[kind] for kind in KINDS) - min(kinds[kind] for kind in KINDS) <= 1


def test_bad_records_are_made_for_consumed_topics_only() -> None:
    assert {record.topic for record in records_of(bad_share=0.3) if record.kind in REASONS} <= JOURNEY_TOPICS


def test_a_too_late_record_follows_a_newer_one_of_its_topic_and_key() -> None:
    # Only within one topic and partition is the order of sending the order of reading.
    newest_ms: defaultdict[tuple[str, bytes | None], int] = defaultdict(int)
    late = 0
    for record in records_of(count=5_000, bad_share=0.2):
        if record.kind == "too_late":
            late += 1
            time_ms = json.loads(record.value or b"")["time_ms"]
            assert time_ms < watermark_ms(newest_ms[record.topic, record.key]) - JOURNEY_RETENTION_MS
        elif record.kind == GOOD and record.topic in JOURNEY_TOPICS:
            place = (record.topic, record.key)
            newest_ms[place] = max(newest_ms[place], record.event["time_ms"])
    assert late > 50


def test_shares_are_kept() -> None:
    kinds = Counter(record.kind for record in records_of(count=20_000, bad_share=0.05, duplicate_share=0.1))
    assert 0.045 < sum(kinds[kind] for kind in KINDS) / 20_000 < 0.055
    assert 0.08 < kinds[DUPLICATE] / kinds[GOOD] < 0.11


def test_a_duplicate_repeats_earlier_bytes_and_good_ids_are_unique() -> None:
    sent: dict[str, Record] = {}
    for record in records_of(duplicate_share=0.2):
        if record.kind == DUPLICATE:
            before = sent[record.event["event_id"]]
            assert (record.topic, record.key, record.value) == (before.topic, before.key, before.value)
        elif record.kind == GOOD and "event_id" in record.event:
            assert record.event["event_id"] not in sent
            sent[record.event["event_id"]] = record


@pytest.mark.parametrize(
    ("topic", "kind", "id_field"),
    [(OrderPaid.topic, REPEATED_ORDER, "order_id"), (OrderRefunded.topic, REPEATED_REFUND, "refund_id")],
)
def test_a_repeat_follows_and_differs_by_its_event_id_only(topic: str, kind: str, id_field: str) -> None:
    sent: dict[str, dict[str, Any]] = {}
    repeated = 0
    for record in records_of(count=60_000, span_ms=600_000, history_share=0.5):
        if record.topic == topic and record.kind == GOOD:
            sent[record.event[id_field]] = record.event
        elif record.kind == kind:
            repeated += 1
            first = sent[record.event[id_field]]
            assert record.event["event_id"] != first["event_id"]
            assert record.event | {"event_id": ""} == first | {"event_id": ""}
    assert repeated


def test_refunds_follow_and_fit_their_order_but_those_that_must_not() -> None:
    orders: dict[str, dict[str, Any]] = {}
    refunded_fen: Counter[str] = Counter()
    refused: list[dict[str, Any]] = []
    waiting: set[str] = set()
    for record in records_of(count=60_000, span_ms=600_000, history_share=0.5, bad_share=0.01):
        if record.topic == OrderPaid.topic and record.kind == GOOD:
            orders[record.event["order_id"]] = record.event
        elif record.kind == WAITING_REFUND:
            waiting.add(record.event["order_id"])
        elif record.topic == OrderRefunded.topic and record.kind in {GOOD, REFUND_OVER_ORDER}:
            order = orders[record.event["order_id"]]
            assert order["time_ms"] <= record.event["time_ms"]
            assert order["person_id"] == record.event["person_id"]
            if record.kind == GOOD:
                refunded_fen[record.event["order_id"]] += record.event["amount_fen"]
            else:
                refused.append(record.event)
    parts = [fen / orders[order_id]["amount_fen"] for order_id, fen in refunded_fen.items()]
    assert max(parts) == 1 > min(parts) > 0
    assert refused
    for refund in refused:
        assert refund["amount_fen"] > orders[refund["order_id"]]["amount_fen"]
        assert refund["order_id"] not in refunded_fen
    assert waiting
    assert not waiting & orders.keys()


def test_what_the_rules_of_orders_need_occurs() -> None:
    paths: defaultdict[tuple[str, str], set[tuple[str, str | None]]] = defaultdict(set)
    claims: set[tuple[str, str]] = set()
    orders: list[dict[str, Any]] = []
    for record in records_of(count=40_000):
        event = record.event
        if record.kind == GOOD and record.topic == NoteViewed.topic:
            paths[event["person_id"], event["shop_id"]].add((event["note_id"], event.get("campaign_id")))
        elif record.kind == GOOD and record.topic == CouponClaimed.topic:
            claims.add((event["person_id"], event["coupon_id"]))
        elif record.kind == GOOD and record.topic == OrderPaid.topic:
            orders.append(event)
    campaigns = [
        len({campaign for _, campaign in paths[order["person_id"], order["shop_id"]]}) for order in orders
    ]
    assert sum(count > 1 for count in campaigns) > len(orders) / 4
    coupons = [(order["person_id"], each) for order in orders for each in order.get("coupon_ids", ())]
    assert 20 < sum(coupon in claims for coupon in coupons) < len(coupons)
    assert max(Counter((order["person_id"], order["shop_id"]) for order in orders).values()) > 1
    assert {order.get("new_customer") for order in orders} == {None, True, False}


def test_views_tell_their_surface_and_a_note_has_one_type_or_none() -> None:
    surfaces: set[str] = set()
    types: defaultdict[str, set[str | None]] = defaultdict(set)
    for record in records_of(count=5_000):
        if record.kind == GOOD and "note_id" in record.event:
            types[record.event["note_id"]].add(record.event.get("note_type"))
            if record.topic == NoteViewed.topic:
                surfaces.add(record.event["surface"])
    assert surfaces == set(get_args(Surface))
    assert set(map(len, types.values())) == {1}
    assert set().union(*types.values()) == {None, *get_args(NoteType)}


def test_history_shows_every_lag_from_touch_to_order() -> None:
    touches: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    orders: list[dict[str, Any]] = []
    for record in records_of(count=20_000, people=100_000, history_share=0.2):
        if record.kind == GOOD and record.topic == OrderPaid.topic:
            orders.append(record.event)
        elif record.kind == GOOD and "note_id" in record.event:
            touches[record.event["person_id"], record.event["shop_id"]].append(record.event["time_ms"])
    lags_days = Counter(
        min(order["time_ms"] - time_ms for time_ms in times) // DAY_MS
        for order in orders
        if (times := touches[order["person_id"], order["shop_id"]])
    )
    assert max(lags_days) <= 30
    assert all(sum(lags_days[day] for day in days) > 20 for days in (range(7), range(7, 15), range(15, 30)))


def test_without_history_lags_are_those_of_the_run() -> None:
    times = [r.event["time_ms"] for r in records_of(history_share=0, skew_share=0) if "time_ms" in r.event]
    assert min(times) >= START_MS - 60_000


def test_what_waits_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xinghe.simulator.model.PENDING_MAX", 50)
    settings = SimulatorSettings(duplicate_share=0, history_share=0)
    model = Model(settings, seed=1, start_ms=START_MS)
    for _ in model.records(range(START_MS, START_MS + 5_000)):
        # The opening, one round of spend and one session may come on top.
        assert len(model._pending) < 50 + 6 * settings.campaigns + 20


def test_nothing_waits_beyond_the_horizon() -> None:
    model = Model(SimulatorSettings(late_share=0), seed=1, start_ms=START_MS)
    for record in model.records(range(START_MS, START_MS + 5_000)):
        assert all(due_ms <= record.send_at_ms + HORIZON_MS for due_ms, *_ in model._pending)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("people", 1), ("campaigns", 0), ("bad_share", -0.1), ("late_share", 1.0), ("history_days", 31)],
)
def test_a_wrong_setting_is_named(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{setting} is {value:g}; it must be from"):
        SimulatorSettings(**{setting: value})  # type: ignore[arg-type]  # the point of the test
