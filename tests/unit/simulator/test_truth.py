"""The truth equals a plain count over the bytes that were sent."""

from __future__ import annotations

from collections import Counter

import orjson

from xinghe.domain.events import (
    AdClicked,
    AdSpent,
    CampaignConfigured,
    CouponClaimed,
    NoteCommented,
    NoteEngaged,
    NoteLiked,
    NoteViewed,
    OrderPaid,
    OrderRefunded,
)
from xinghe.simulator.bad_records import REASONS
from xinghe.simulator.model import generate
from xinghe.simulator.record import GOOD
from xinghe.simulator.settings import SimulatorSettings
from xinghe.simulator.truth import LATE_MS, Truth

TOUCH_TOPICS = {
    NoteViewed.topic,
    NoteLiked.topic,
    NoteCommented.topic,
    NoteEngaged.topic,
    AdClicked.topic,
    CouponClaimed.topic,
}


def test_truth_is_what_the_records_say() -> None:
    settings = SimulatorSettings(bad_share=0.05, duplicate_share=0.05, history_share=0.3)
    records = list(generate(settings, seed=5, start_ms=1_760_000_000_000, span_ms=300_000, count=20_000))
    truth = Truth()
    for record in records:
        truth.add(record)
    found = truth.to_dict()

    good, seen = [], set()
    for record in records:
        if record.kind in REASONS or record.value is None:
            continue
        event = orjson.loads(record.value)
        if event.get("event_id") not in seen:
            seen.add(event.get("event_id", object()))
            good.append((record.topic, event))
    paid = {event["order_id"]: event for topic, event in good if topic == OrderPaid.topic}
    refunds = [event for topic, event in good if topic == OrderRefunded.topic]
    fitting = {event["refund_id"]: event["amount_fen"] for event in refunds if event["order_id"] in paid}
    models = Counter(event["model"] for topic, event in good if topic == CampaignConfigured.topic)
    views = Counter(
        event.get("campaign_id") or f"organic:{event['shop_id']}"
        for topic, event in good
        if topic == NoteViewed.topic
    )
    actions = Counter(event["action"] for topic, event in good if topic == NoteEngaged.topic)
    hours: dict[tuple[str, int], tuple[int, int]] = {}
    for topic, event in good:
        if topic == AdSpent.topic:
            key = (event["campaign_id"], event["hour_start_ms"])
            hours[key] = max(hours.get(key, (-1, 0)), (event["revision"], event["spend_fen"]))

    assert found["sent"] == 20_000 == sum(found["sent_by_topic"].values())
    assert (
        found["bad"]
        == sum(record.kind in REASONS for record in records)
        == sum(found["bad_by_reason"].values())
    )
    assert found["orders"] == len(paid)
    assert found["orders_amount_fen"] == sum(order["amount_fen"] for order in paid.values())
    assert found["orders_with_coupons"] == sum("coupon_ids" in order for order in paid.values()) > 0
    assert found["orders_that_say_if_new"] == sum("new_customer" in order for order in paid.values()) > 0
    buyers = {(order["person_id"], order["shop_id"]) for order in paid.values()}
    assert found["orders_of_returning_buyers"] == len(paid) - len(buyers) > 0
    assert found["refunds"] == len(fitting) > 0
    assert found["refunds_amount_fen"] == sum(fitting.values())
    assert found["waiting_refunds"] == sum(event["order_id"] not in paid for event in refunds) > 0
    assert found["repeated_refunds"] == len(refunds) - found["waiting_refunds"] - len(fitting) > 0
    touches = [r for r in records if r.kind == GOOD and r.topic in TOUCH_TOPICS]
    late = sum(touch.send_at_ms - touch.event["time_ms"] > LATE_MS for touch in touches)
    assert found["late_touches"] == late > 0
    assert found["settings"] == models.total()
    assert found["settings_by_model"] == models
    assert {name: metrics["views"] for name, metrics in found["campaigns"].items()} == views
    assert sum(metrics.get("collects", 0) for metrics in found["campaigns"].values()) == actions["collect"]
    assert sum(found["spend_fen_by_campaign"].values()) == sum(spend_fen for _, spend_fen in hours.values())
