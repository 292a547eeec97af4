"""The truth equals a plain count over the bytes that were sent."""

from __future__ import annotations

from collections import Counter

import orjson

from xinghe.domain.events import AdSpent, NoteEngaged, NoteViewed, OrderPaid
from xinghe.simulator.bad_records import REASONS
from xinghe.simulator.model import generate
from xinghe.simulator.settings import SimulatorSettings
from xinghe.simulator.truth import Truth


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
    orders = {event["order_id"]: event["amount_fen"] for topic, event in good if topic == OrderPaid.topic}
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
    assert found["orders"] == len(orders)
    assert found["orders_amount_fen"] == sum(orders.values())
    assert {name: metrics["views"] for name, metrics in found["campaigns"].items()} == views
    assert sum(metrics.get("collects", 0) for metrics in found["campaigns"].values()) == actions["collect"]
    assert sum(found["spend_fen_by_campaign"].values()) == sum(spend_fen for _, spend_fen in hours.values())
