"""What the real stages send is what the contract of the outputs says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from tests.pipeline import BROKER_MS, Pipeline, Sent
from xinghe.contracts.json_schemas import dead_letter_headers_schema, schema_of
from xinghe.domain import events
from xinghe.domain.alerts import DataLate, SpendWithoutConversions
from xinghe.domain.catalogue import BY_MODEL, PLAIN
from xinghe.domain.outputs import AlertRaised, DeadLetterHeaders, FunnelUpsert, OrderAttributed, ShopModels

MINUTE_MS = 60_000
PAID_MS = BROKER_MS - 10 * MINUTE_MS
HOUR_START_MS = PAID_MS // 3_600_000 * 3_600_000


def touched(minutes_before: int, note_id: str, campaign_id: str | None) -> dict[str, Any]:
    return {
        "event_id": f"touch-{minutes_before}",
        "person_id": "p1",
        "time_ms": PAID_MS - minutes_before * MINUTE_MS,
        "shop_id": "s1",
        "campaign_id": campaign_id,
        "note_id": note_id,
    }


def refunded(number: int, order_id: str, amount_fen: int) -> events.OrderRefunded:
    time_ms = PAID_MS + number * MINUTE_MS
    return events.OrderRefunded(f"r{number}", "p1", time_ms, "s1", order_id, f"r{number}", amount_fen)


def paid(order_id: str, person_id: str, **optional: Any) -> events.OrderPaid:
    return events.OrderPaid(order_id, person_id, PAID_MS, "s1", order_id, "i1", 10_001, **optional)


EVENTS: list[Any] = [
    events.CampaignConfigured("c1", "s1", "a name", 0, model="linear"),
    events.AdSpent("s1", "c1", HOUR_START_MS, 700, 1),
    events.NoteViewed(**touched(9, "n1", "c1"), item_id="i1"),
    events.AdClicked(**touched(8, "n2", "c2")),
    events.NoteEngaged(**touched(7, "n1", "c1"), action="share"),
    events.NoteLiked(**touched(6, "n3", None)),
    events.CouponClaimed("claim", "p1", PAID_MS - 5 * MINUTE_MS, "k1", "s1", "xhs", "c1"),
    events.StoreVisited("visit", "p1", PAID_MS - MINUTE_MS, "s1"),
    paid("o1", "p1", coupon_ids=["k1"]),
    paid("o2", "p2"),
    refunded(1, "o1", 3_000),
    refunded(2, "o1", 9_000),
]


@pytest.fixture(scope="module")
def sent() -> dict[str, list[Sent]]:
    """The records of each output topic, with an attribution changed by a touch that comes late."""
    pipeline = Pipeline()
    pipeline.feed(EVENTS)
    pipeline.feed_records(events.NoteViewed.topic, 0, [(b"p1", b"no json"), (None, None)])
    pipeline.settle()
    pipeline.feed([events.NoteViewed(**touched(10, "n4", "c3"))])
    pipeline.settle()
    records = [record for task in (*pipeline.journeys, *pipeline.campaigns) for record in task.committed]
    topics = (
        events.ORDER_ATTRIBUTED,
        events.CAMPAIGN_FUNNEL,
        events.ATTRIBUTION_MODEL,
        events.DEAD_LETTER,
    )
    return {topic: [record for record in records if record.topic == topic] for topic in topics}


@cache
def validator(topic: str) -> Draft202012Validator:
    return Draft202012Validator(schema_of(topic))


def values(records: list[Sent]) -> Iterator[tuple[Sent, bytes]]:
    for record in records:
        if record.value is not None:
            yield record, record.value


def test_attributions_decode_and_lack_nothing(sent: dict[str, list[Sent]]) -> None:
    records = list(values(sent[events.ORDER_ATTRIBUTED]))
    assert len(records) >= 3
    for record, value in records:
        validator(record.topic).validate(json.loads(value))
        order = msgspec.json.decode(value, type=OrderAttributed)
        assert record.key == order.order_id.encode()
        # Optional for the records of older versions only: today's have every field and no other.
        assert msgspec.to_builtins(order) == json.loads(value)
        assert None not in (order.new_customer, order.refunds)
        for credits_ in msgspec.structs.asdict(order.credits).values():
            assert sum(credit.orders_micros for credit in credits_) == 1_000_000
            assert sum(credit.gmv_fen for credit in credits_) == order.amount_fen
            assert sum(credit.refund_fen for credit in credits_) == order.refunded_fen


def test_upserts_decode_and_have_the_metrics_of_their_size(sent: dict[str, list[Sent]]) -> None:
    records = list(values(sent[events.CAMPAIGN_FUNNEL]))
    sizes = set()
    with_models = 0
    for record, value in records:
        validator(record.topic).validate(json.loads(value))
        upsert = msgspec.json.decode(value, type=FunnelUpsert)
        assert record.key == f"{upsert.campaign_id}|{upsert.size}|{upsert.start_ms}".encode()
        assert msgspec.to_builtins(upsert) == json.loads(value)
        plain = {metric.name for metric in PLAIN if upsert.size in metric.sizes}
        by_model = {metric.name for metric in BY_MODEL if upsert.size in metric.sizes}
        names = upsert.metrics.keys()
        seen, spent = {"impressions", "clicks", "ctr_hours"}, {"spend_fen", "spend_hours"}
        assert names - by_model in (plain, plain - seen, plain - seen - spent)
        assert names & by_model in (set(), by_model)
        sizes.add(upsert.size)
        with_models += bool(names & by_model)
    assert sizes == {"1m", "1h", "1d", "total"}
    assert with_models > 0


def test_models_decode_and_add_up(sent: dict[str, list[Sent]]) -> None:
    records = list(values(sent[events.ATTRIBUTION_MODEL]))
    assert len(records) == 2
    for record, value in records:
        validator(record.topic).validate(json.loads(value))
        models = msgspec.json.decode(value, type=ShopModels)
        assert record.key == models.shop_id.encode()
        assert msgspec.to_builtins(models) == json.loads(value)
        for credits_ in msgspec.structs.asdict(models.models).values():
            assert sum(credit.orders_micros for credit in credits_) == models.orders * 1_000_000
            assert sum(credit.gmv_fen for credit in credits_) == models.gmv_fen


def test_alerts_decode_and_have_their_key() -> None:
    pipeline = Pipeline(
        1,
        alert_rules=[SpendWithoutConversions(name="spend", spend_fen=500), DataLate(name="late", minutes=1)],
    )
    pipeline.feed([*EVENTS, events.AdSpent("s2", "c9", HOUR_START_MS, 700, 1)])
    pipeline.settle(PAID_MS + 5 * MINUTE_MS)
    kinds = set()
    for record, value in values([record for record in pipeline.log if record.topic == events.ALERT_RAISED]):
        validator(record.topic).validate(json.loads(value))
        alert = msgspec.json.decode(value, type=AlertRaised)
        assert record.key == (alert.campaign_id or "system").encode()
        assert msgspec.to_builtins(alert) == json.loads(value)
        kinds.add(alert.kind)
    assert kinds == {"spend_without_conversions", "data_late"}


def test_dead_letters_have_the_headers(sent: dict[str, list[Sent]]) -> None:
    found = set()
    for record in sent[events.DEAD_LETTER]:
        headers = {name: value.decode() for name, value in record.headers}
        Draft202012Validator(dead_letter_headers_schema()).validate(headers)
        found.add(msgspec.convert(headers, DeadLetterHeaders).reason)
    assert found == {"malformed", "invalid", "refund_exceeds_order"}
