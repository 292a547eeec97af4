"""The funnel's rules as the stock Faust peer computes them: plain Python on one person's journey.

Rules R2-R4, R7 and R9 of ARCHITECTURE.md, so that the peer's figures can be compared with ours. Left out, all in the
peer's favour: models but last touch (R4), refunds, repurchases and coupons (R5, R6, R8), notes (R11), dropping of windows
and journeys that are too old (R9, R14), funnel upserts (R13).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec import Struct

from xinghe.domain.events import (
    AdClicked,
    CartAdded,
    CouponClaimed,
    ItemFavorited,
    NoteCommented,
    NoteEngaged,
    NoteLiked,
    NoteViewed,
    OrderPaid,
    StoreVisited,
)
from xinghe.domain.metrics import COUNTED_NAMES, MODEL_COUNTED_NAMES, MODEL_PEOPLE_NAMES, PEOPLE_NAMES
from xinghe.domain.windows import DAY_MS, start_ms

COUNTED: Final = (*COUNTED_NAMES, *MODEL_COUNTED_NAMES)
PEOPLE: Final = (*PEOPLE_NAMES, *MODEL_PEOPLE_NAMES)
COUNTED_INDEX: Final = {name: index for index, name in enumerate(COUNTED)}
PEOPLE_INDEX: Final = {name: index for index, name in enumerate(PEOPLE)}
MICROS: Final = 1_000_000
CLICK: Final = "ad_clicks"
COUPON: Final = "coupon"
TOUCH_METRIC: Final[dict[type[Struct], str]] = {
    NoteViewed: "views",
    NoteLiked: "likes",
    NoteCommented: "comments",
    AdClicked: CLICK,
    CouponClaimed: COUPON,
}
CONVERSION_METRIC: Final[dict[type[Struct], str]] = {
    StoreVisited: "store_visits",
    ItemFavorited: "favorites",
    CartAdded: "cart_adds",
    OrderPaid: "orders_micros",
}
PEOPLE_OF: Final = {
    "views": PEOPLE_INDEX["viewers"],
    "store_visits": PEOPLE_INDEX["store_visitors"],
    "cart_adds": PEOPLE_INDEX["cart_users"],
    "orders_micros": PEOPLE_INDEX["buyers"],
}
"""Metric to the distinct people that it counts as well."""


class Touch(NamedTuple):
    """What a person did with a note or coupon."""

    time_ms: int
    shop_id: str
    campaign_id: str
    note_id: str | None
    item_id: str | None
    metric: str


class Conversion(NamedTuple):
    """What a person did in a shop, and the touch that has its credit now."""

    time_ms: int
    shop_id: str
    item_id: str | None
    metric: str
    order_id: str | None
    amount_fen: int
    winner: str | None


class Journey(Struct, array_like=True):
    """A person's touches and conversions by event id, and what the person is counted for."""

    touches: dict[str, Touch]
    conversions: dict[str, Conversion]
    orders: dict[str, str]
    people: dict[str, int]


class Delta(Struct, array_like=True):
    """What one event changes for a campaign: metric indexes with amounts, people indexes with day and total amounts."""

    time_ms: int
    counted: list[tuple[int, int]]
    people: list[tuple[int, int, int]]


class Change(NamedTuple):
    """A delta for a campaign, and the conversion whose credit it moves to there."""

    campaign_id: str
    delta: Delta
    credited: Conversion | None = None


def apply(journey: Journey, event: Struct) -> list[Change]:
    """Put an event into the journey; what changes for the campaigns. Nothing for a duplicate."""
    event_id: str = event.event_id  # type: ignore[attr-defined]  # every person event has one
    if event_id in journey.touches or event_id in journey.conversions:
        return []
    if type(event) in CONVERSION_METRIC:
        return list(_converted(journey, event_id, event))
    return list(_touched(journey, event_id, event))


def _touched(journey: Journey, event_id: str, event: Struct) -> Iterator[Change]:
    touch = _touch(event)
    journey.touches[event_id] = touch
    if touch.metric != COUPON:
        counted = [(COUNTED_INDEX[touch.metric], 1)]
        yield Change(
            touch.campaign_id, Delta(touch.time_ms, counted, _people(journey, touch.campaign_id, touch, 1))
        )
    for conversion_id, conversion in journey.conversions.items():
        if _reaches(touch, conversion):
            yield from _credit(journey, conversion_id, conversion)


def _converted(journey: Journey, event_id: str, event: Struct) -> Iterator[Change]:
    conversion = _conversion(event)
    if conversion.order_id is not None:
        former_id = journey.orders.get(conversion.order_id)
        if former_id is not None:
            former = journey.conversions[former_id]
            if (former.time_ms, former_id) <= (conversion.time_ms, event_id):
                return
            del journey.conversions[former_id]
            yield _change(journey, former, -1)
        journey.orders[conversion.order_id] = event_id
    conversion = conversion._replace(winner=_winner(journey, conversion))
    journey.conversions[event_id] = conversion
    yield _change(journey, conversion, 1)


def _credit(journey: Journey, conversion_id: str, conversion: Conversion) -> Iterator[Change]:
    """Move the credit of a conversion to the touch that wins it now."""
    winner = _winner(journey, conversion)
    if winner == conversion.winner:
        return
    yield _change(journey, conversion, -1)
    moved = journey.conversions[conversion_id] = conversion._replace(winner=winner)
    yield _change(journey, moved, 1)


def _winner(journey: Journey, conversion: Conversion) -> str | None:
    """The last ad click that reaches the conversion, else the last touch."""
    best: tuple[bool, int, str] | None = None
    for event_id, touch in journey.touches.items():
        if _reaches(touch, conversion):
            rank = (touch.metric == CLICK, touch.time_ms, event_id)
            if best is None or rank > best:
                best = rank
    return None if best is None else best[2]


def _reaches(touch: Touch, conversion: Conversion) -> bool:
    days = 30 if conversion.order_id is not None else 15
    return touch.shop_id == conversion.shop_id and 0 <= conversion.time_ms - touch.time_ms <= days * DAY_MS


def _change(journey: Journey, conversion: Conversion, sign: int) -> Change:
    """The conversion counted (1) or no longer counted (-1) under its winner's campaign."""
    touch = None if conversion.winner is None else journey.touches[conversion.winner]
    campaign_id = f"unattributed:{conversion.shop_id}" if touch is None else touch.campaign_id
    counted = [(COUNTED_INDEX[conversion.metric], sign * (1 if conversion.order_id is None else MICROS))]
    if conversion.order_id is not None:
        amount_fen = sign * conversion.amount_fen
        counted.extend((COUNTED_INDEX[name], amount_fen) for name in _amounts(conversion, touch))
    delta = Delta(conversion.time_ms, counted, _people(journey, campaign_id, conversion, sign))
    is_order_credited = sign > 0 and conversion.order_id is not None
    return Change(campaign_id, delta, conversion if is_order_credited else None)


def _amounts(conversion: Conversion, touch: Touch | None) -> Iterator[str]:
    """The metrics that take the order's amount."""
    yield "gmv_fen"
    if touch is not None:
        is_direct = touch.item_id is not None and touch.item_id == conversion.item_id
        yield "direct_gmv_fen" if is_direct else "halo_gmv_fen"
        for days in (7, 15, 30):
            if conversion.time_ms - touch.time_ms <= days * DAY_MS:
                yield f"gmv_{days}d_fen"


def _people(
    journey: Journey, campaign_id: str, counted: Touch | Conversion, sign: int
) -> list[tuple[int, int, int]]:
    """Whether the person newly counts, or no longer counts, for the campaign on that day and to date."""
    index = PEOPLE_OF.get(counted.metric)
    if index is None:
        return []
    day = _step(journey.people, f"{campaign_id}|{index}|{start_ms('1d', counted.time_ms)}", sign)
    to_date = _step(journey.people, f"{campaign_id}|{index}", sign)
    return [(index, day, to_date)] if day or to_date else []


def _step(counts: dict[str, int], key: str, sign: int) -> int:
    """Count up or down; 1 where the count leaves 0, -1 where it comes back to it, else 0."""
    before = counts.get(key, 0)
    after = counts[key] = before + sign
    if after == 0:
        del counts[key]
    return (after > 0) - (before > 0)


def _touch(event: Struct) -> Touch:
    metric = f"{event.action}s" if isinstance(event, NoteEngaged) else TOUCH_METRIC[type(event)]
    assert isinstance(event, NoteViewed | NoteLiked | NoteCommented | NoteEngaged | AdClicked | CouponClaimed)
    campaign_id = event.campaign_id or f"organic:{event.shop_id}"
    if isinstance(event, CouponClaimed):
        return Touch(event.time_ms, event.shop_id, campaign_id, None, None, metric)
    return Touch(event.time_ms, event.shop_id, campaign_id, event.note_id, event.item_id, metric)


def _conversion(event: Struct) -> Conversion:
    assert isinstance(event, StoreVisited | ItemFavorited | CartAdded | OrderPaid)
    order_id, amount_fen = (event.order_id, event.amount_fen) if isinstance(event, OrderPaid) else (None, 0)
    metric = CONVERSION_METRIC[type(event)]
    return Conversion(event.time_ms, event.shop_id, event.item_id, metric, order_id, amount_fen, None)
