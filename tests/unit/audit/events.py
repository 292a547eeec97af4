"""Events of one person of one shop, told by the time since midnight, and what is read off their truth."""

from __future__ import annotations

from typing import Any

from xinghe.audit.figures import Truth
from xinghe.domain.events import (
    AdClicked,
    CouponClaimed,
    NoteViewed,
    OrderPaid,
    OrderRefunded,
    StoreVisited,
)
from xinghe.domain.metrics import AUDIENCE_NAMES

MIDNIGHT_MS = 1_740_758_400_000
"""2025-03-01 00:00 in Shanghai."""


def view(event_id: str, at_ms: int, **fields: Any) -> NoteViewed:
    return NoteViewed(
        **who(event_id, at_ms, {"campaign_id": "c1", "note_id": "n1", "item_id": "i1", **fields})
    )


def click(event_id: str, at_ms: int, **fields: Any) -> AdClicked:
    return AdClicked(
        **who(event_id, at_ms, {"campaign_id": "c2", "note_id": "n2", "item_id": "i2", **fields})
    )


def paid(event_id: str, at_ms: int, **fields: Any) -> OrderPaid:
    order = {"order_id": "o1", "item_id": "i1", "amount_fen": 1_000}
    return OrderPaid(**who(event_id, at_ms, {**order, **fields}))


def visit(event_id: str, at_ms: int, **fields: Any) -> StoreVisited:
    return StoreVisited(**who(event_id, at_ms, fields))


def who(event_id: str, at_ms: int, fields: dict[str, Any]) -> dict[str, Any]:
    """``at_ms`` counts from midnight."""
    return {
        "event_id": event_id,
        "time_ms": MIDNIGHT_MS + at_ms,
        "person_id": "p1",
        "shop_id": "s1",
        **fields,
    }


def total(truth: Truth, campaign_id: str) -> dict[str, int]:
    """The metrics to date that are not 0, without the audience (see `test_audience.py`)."""
    metrics = truth.metrics((campaign_id, "total", 0))
    return {
        name: value
        for name, value in metrics.items()
        if value and ":" not in name and name not in AUDIENCE_NAMES
    }


def credit(truth: Truth, order_id: str = "o1", person_id: str = "p1") -> Any:
    return truth.orders[person_id, order_id].as_json()["credits"]["last_touch"][0]


def claim(event_id: str, at_ms: int, **fields: Any) -> CouponClaimed:
    coupon = {"campaign_id": "c1", "coupon_id": "q1", "platform": "xhs"}
    return CouponClaimed(**who(event_id, at_ms, {**coupon, **fields}))


def refunded(event_id: str, at_ms: int, **fields: Any) -> OrderRefunded:
    """A refund under a ``refund_id`` of its own."""
    refund = {"order_id": "o1", "refund_id": event_id, "amount_fen": 1_000}
    return OrderRefunded(**who(event_id, at_ms, {**refund, **fields}))


def of_model(
    truth: Truth, campaign_id: str, model: str, size: str = "total", start_ms: int = 0
) -> dict[str, int]:
    """The metrics of one model that are not 0, without their ``:model``."""
    metrics = truth.metrics((campaign_id, size, start_ms))
    return {
        name.partition(":")[0]: value
        for name, value in metrics.items()
        if value and name.endswith(f":{model}")
    }


def shares(truth: Truth, model: str, order_id: str = "o1") -> list[tuple[str | None, int, int]]:
    """Each credit's touch, micros and fen."""
    return [
        (credit.touch_event_id, credit.orders_micros, credit.gmv_fen)
        for credit in truth.orders["p1", order_id].credits[model]
    ]
