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
)
from xinghe.simulator.bad_records import REASONS
from xinghe.simulator.record import DUPLICATE, REPEATED_ORDER, Record

_TOUCH_METRICS: Final = {
    NoteViewed.topic: "views",
    NoteLiked.topic: "likes",
    NoteCommented.topic: "comments",
    AdClicked.topic: "ad_clicks",
    CouponClaimed.topic: "coupon_claims",
}
_ACTION_METRICS: Final = {"collect": "collects", "share": "shares", "follow": "follows"}


class Truth:
    """Counts over sent records: by topic, duplicates, bad ones by expected reason, orders, touches, spend."""

    def __init__(self) -> None:
        self._sent: Counter[str] = Counter()
        self._duplicates: Counter[str] = Counter()
        self._bad_kinds: Counter[str] = Counter()
        self._campaigns: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._spend: dict[tuple[str, int], tuple[int, str, int]] = {}
        self._orders = 0
        self._amount_fen = 0
        self._repeated_orders = 0

    @property
    def sent(self) -> int:
        """Records sent, of every kind."""
        return self._sent.total()

    def add(self, record: Record) -> None:
        """Count a record that is on its way."""
        topic, event = record.topic, record.event
        self._sent[topic] += 1
        if record.kind in REASONS:
            self._bad_kinds[record.kind] += 1
        elif record.kind == DUPLICATE:
            self._duplicates[topic] += 1
        elif record.kind == REPEATED_ORDER:
            self._repeated_orders += 1
        elif topic == OrderPaid.topic:
            self._orders += 1
            self._amount_fen += event["amount_fen"]
        elif topic == AdSpent.topic:
            self._add_spend(event)
        elif topic == NoteEngaged.topic:
            self._campaigns[_campaign_of(event)][_ACTION_METRICS[event["action"]]] += 1
        elif topic in _TOUCH_METRICS:
            self._campaigns[_campaign_of(event)][_TOUCH_METRICS[topic]] += 1

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
            "orders": self._orders,
            "orders_amount_fen": self._amount_fen,
            "repeated_orders": self._repeated_orders,
            "settings": self._sent[CampaignConfigured.topic],
            "campaigns": {
                name: dict(sorted(metrics.items())) for name, metrics in sorted(self._campaigns.items())
            },
            "spend_fen_by_campaign": dict(sorted(spend.items())),
        }


def _campaign_of(event: dict[str, Any]) -> str:
    return event.get("campaign_id") or f"organic:{event['shop_id']}"
