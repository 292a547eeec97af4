"""What the simulator knows about the records that it has sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, Final

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
    PersonLinked,
)
from xinghe.simulator.bad_records import REASONS
from xinghe.simulator.record import DUPLICATE, REPEATED_ORDER, REPEATED_REFUND, WAITING_REFUND, Record
from xinghe.simulator.refunds import LATE_REFUND_SUFFIX
from xinghe.simulator.spend import LATE_REVISION
from xinghe.simulator.terms import aim_of

_TOUCH_METRICS: Final = {
    NoteViewed.topic: "views",
    NoteLiked.topic: "likes",
    NoteCommented.topic: "comments",
    AdClicked.topic: "ad_clicks",
    CouponClaimed.topic: "coupon_claims",
}
LATE_MS: Final = 60_000
"""A touch that comes longer after it happened is counted as late; its order may have been credited to another by then."""
_ACTION_METRICS: Final = {"collect": "collects", "share": "shares", "follow": "follows"}
_KIND_COUNTS: Final = {
    REPEATED_ORDER: "repeated_orders",
    REPEATED_REFUND: "repeated_refunds",
    WAITING_REFUND: "waiting_refunds",
}
_COUNTS: Final = (
    "orders",
    "orders_amount_fen",
    "orders_of_returning_buyers",
    "orders_with_coupons",
    "orders_that_say_if_new",
    "repeated_orders",
    "refunds",
    "refunds_amount_fen",
    "repeated_refunds",
    "waiting_refunds",
    "late_touches",
    "late_revisions",
    "late_refunds",
    "links",
)


class Truth:
    """Counts over sent records: by topic, duplicates, bad ones by expected reason, orders, refunds, links, touches, spend, guarantees."""

    def __init__(self) -> None:
        self._sent: Counter[str] = Counter()
        self._duplicates: Counter[str] = Counter()
        self._bad_kinds: Counter[str] = Counter()
        self._campaigns: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._spend: dict[tuple[str, int], tuple[int, str, int]] = {}
        self._guarantees: dict[str, dict[str, Any]] = {}
        self._guarantee_counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._settings_by_model: Counter[str] = Counter()
        self._counts: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        # As many as there are people and shops, however long the run.
        self._buyers: set[tuple[str, str]] = set()

    @property
    def sent(self) -> int:
        """Records sent, of every kind."""
        return self._sent.total()

    def add(self, record: Record) -> None:
        """Count a record that is on its way."""
        topic = record.topic
        self._sent[topic] += 1
        if record.kind in REASONS:
            self._bad_kinds[record.kind] += 1
        elif record.kind == DUPLICATE:
            self._duplicates[topic] += 1
        elif record.kind in _KIND_COUNTS:
            self._counts[_KIND_COUNTS[record.kind]] += 1
        else:
            self._add_event(record)

    def _add_event(self, record: Record) -> None:
        """Count a record that tells something new."""
        topic, event = record.topic, record.event
        if topic == OrderPaid.topic:
            self._add_order(event)
        elif topic == OrderRefunded.topic:
            self._counts["refunds"] += 1
            self._counts["refunds_amount_fen"] += event["amount_fen"]
            self._counts["late_refunds"] += event["refund_id"].endswith(LATE_REFUND_SUFFIX)
        elif topic == PersonLinked.topic:
            self._counts["links"] += 1
        elif topic == AdSpent.topic:
            self._add_spend(event)
            self._counts["late_revisions"] += event["revision"] >= LATE_REVISION
        elif topic == CampaignConfigured.topic:
            self._settings_by_model[event["model"]] += 1
            self._add_terms(event)
        elif topic == NoteEngaged.topic:
            self._add_touch(record, _ACTION_METRICS[event["action"]])
        elif topic in _TOUCH_METRICS:
            self._add_touch(record, _TOUCH_METRICS[topic])

    def _add_terms(self, event: dict[str, Any]) -> None:
        """Count the guarantees of a campaign that begin, and the edits of their targets."""
        campaign_id, guarantee = event["campaign_id"], event["guarantee"]
        before = self._guarantees.get(campaign_id)
        self._guarantees[campaign_id] = guarantee
        if before is None or before["start_ms"] != guarantee["start_ms"]:
            self._guarantee_counts[campaign_id]["guarantees"] += 1
        elif before != guarantee:
            self._guarantee_counts[campaign_id]["target_edits"] += 1

    def _add_touch(self, record: Record, metric: str) -> None:
        event = record.event
        self._campaigns[event.get("campaign_id") or f"organic:{event['shop_id']}"][metric] += 1
        self._counts["late_touches"] += record.send_at_ms - event["time_ms"] > LATE_MS

    def _add_order(self, order: dict[str, Any]) -> None:
        counts, buyer = self._counts, (order["person_id"], order["shop_id"])
        counts["orders"] += 1
        counts["orders_amount_fen"] += order["amount_fen"]
        counts["orders_of_returning_buyers"] += buyer in self._buyers
        counts["orders_with_coupons"] += "coupon_ids" in order
        counts["orders_that_say_if_new"] += "new_customer" in order
        self._buyers.add(buyer)

    def _add_spend(self, event: dict[str, Any]) -> None:
        key = (event["campaign_id"], event["hour_start_ms"])
        report = (event["revision"], event["event_id"], event["spend_fen"])
        self._spend[key] = max(report, self._spend.get(key, report))

    def to_dict(self) -> dict[str, Any]:
        """The truth as one JSON object; money in fen."""
        bad_reasons: Counter[str] = Counter()
        for kind, count in self._bad_kinds.items():
            bad_reasons[REASONS[kind]] += count
        spend: Counter[str] = Counter()
        for (campaign_id, _), (_, _, spend_fen) in self._spend.items():
            spend[campaign_id] += spend_fen
        return {
            "sent": self.sent,
            "sent_by_topic": dict(sorted(self._sent.items())),
            "duplicates": self._duplicates.total(),
            "duplicates_by_topic": dict(sorted(self._duplicates.items())),
            "bad": self._bad_kinds.total(),
            "bad_by_reason": dict(sorted(bad_reasons.items())),
            "bad_by_kind": dict(sorted(self._bad_kinds.items())),
            **self._counts,
            "settings": self._sent[CampaignConfigured.topic],
            "settings_by_model": dict(sorted(self._settings_by_model.items())),
            "campaigns": {
                name: dict(sorted(metrics.items())) for name, metrics in sorted(self._campaigns.items())
            },
            "guarantees_by_campaign": {
                name: {"aim": aim_of(int(name[1:])), "target_edits": 0, **self._guarantee_counts[name]}
                for name in sorted(self._guarantees)
            },
            "spend_fen_by_campaign": dict(sorted(spend.items())),
        }
