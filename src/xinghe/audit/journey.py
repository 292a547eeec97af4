"""One person's events, all at once: what they count (ARCHITECTURE.md, R2 to R8, R11, R15), and why not exactly (R14)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from xinghe.audit.audience import audience_of
from xinghe.audit.coupons import redemptions
from xinghe.audit.credit import Attribution, Credit, credits_of, taken_back
from xinghe.audit.figures import PEOPLE_SIZES, SIZES, Truth, WindowKey, window_start_ms
from xinghe.audit.models import path_of
from xinghe.audit.purchases import Purchase, purchases_of
from xinghe.audit.refunds import Refunds, refunds_of
from xinghe.audit.shop_models import PathSum, channel_path
from xinghe.audit.touches import KIND_METRIC, TOUCH_TYPES, Touch, Touches, touch_of
from xinghe.domain.events import (
    CartAdded,
    CouponClaimed,
    ItemFavorited,
    ModelChannel,
    OrderPaid,
    OrderRefunded,
    StoreVisited,
)
from xinghe.domain.windows import DAY_MS, JOURNEY_RETENTION_MS

LAG_MS: Final = {"7d": 7 * DAY_MS, "15d": 15 * DAY_MS, "30d": 30 * DAY_MS}
ORDER_RETENTION_MS: Final = 396 * DAY_MS
"""How long a journey keeps an order behind the watermark (R14)."""

CONVERSION_METRIC: Final[dict[type, str]] = {
    StoreVisited: "store_visits",
    ItemFavorited: "favorites",
    CartAdded: "cart_adds",
}
CONVERSION_PEOPLE: Final[dict[type, str]] = {StoreVisited: "store_visitors", CartAdded: "cart_users"}
REPURCHASE_PEOPLE: Final = {"repurchases": "repurchasers", "repurchases_30d": "repurchasers_30d"}


_Key = TypeVar("_Key")


class Limits(NamedTuple):
    """How the stream is set.

    How far touches reach (R4), how many events a journey keeps (R14), whether ad clicks win over later touches (R4), and what the
    paths of models are told in (R16).
    """

    touch_window_ms: int
    payment_window_ms: int
    journey_events_max: int
    click_over_view: bool = True
    model_channel: ModelChannel = "campaign"


class Journey:
    """The distinct events of one person, sorted by what they are; ``add_to`` counts them.

    ``linked_ms`` is the time of the newest link between ids of the person, ``None`` without one.
    """

    def __init__(
        self, person_id: str, events: list[Any], limits: Limits, linked_ms: int | None = None
    ) -> None:
        self._person_id = person_id
        self._linked_ms = linked_ms
        self._limits = limits
        self._distinct, self._unequal = distinct_events(events)
        self._touches = [touch_of(event) for event in self._distinct if isinstance(event, TOUCH_TYPES)]
        self._claims = [event for event in self._distinct if isinstance(event, CouponClaimed)]
        self._visits = [event for event in self._distinct if type(event) in CONVERSION_METRIC]
        self._payments = [event for event in self._distinct if isinstance(event, OrderPaid)]
        self._all_refunds = [event for event in self._distinct if isinstance(event, OrderRefunded)]
        self._orders = {order.order_id: order for order in first_payments(self._payments)}
        self._refunds = refunds_of(self._all_refunds, self._orders)
        self._known = Touches(self._touches, click_over_view=limits.click_over_view)
        self._credits = {
            order.order_id: credits_of(order, self._known, limits.payment_window_ms)
            for order in self._orders.values()
        }
        self._copies = len(events)
        self._people: set[tuple[WindowKey, str]] = set()

    def add_to(self, truth: Truth, watermark_ms: int) -> None:
        """Count everything; ``watermark_ms`` is the one of the person's partition."""
        for touch in self._touches:
            self._add_touch(truth, touch)
        for event in self._visits:
            self._add_visit(truth, event)
        purchases = purchases_of(self._orders.values())
        for order in self._orders.values():
            self._add_order(truth, order, purchases[order.order_id])
        # R7: a person is one person per window, however often they come.
        for key, name in self._people:
            _add(truth.counts, key, {name: 1})
        # R15: once per campaign, to date.
        for campaign_id, name in audience_of(self._touches, self._visits, self._payments).items():
            _add(truth.counts, (campaign_id, "total", 0), {name: 1})
        self._account(truth, watermark_ms)
        self._name_apart(truth, watermark_ms)

    def _add_touch(self, truth: Truth, touch: Touch) -> None:
        """R3: one more of its kind, in the windows of its own time."""
        truth.shops_seen.setdefault(touch.campaign_id, set()).add(touch.shop_id)
        _count(truth, touch.campaign_id, touch.note_id, touch.time_ms, {KIND_METRIC[touch.kind]: 1})
        if touch.kind == "view":
            self._add_people(touch.campaign_id, touch.time_ms, "viewers")

    def _add_visit(self, truth: Truth, event: Any) -> None:
        """R4: a visit, favourite or cart counts whole for the winner, in the windows of its own time."""
        winner = self._known.winner(event.shop_id, event.time_ms, self._limits.touch_window_ms)
        campaign_id = f"unattributed:{event.shop_id}" if winner is None else winner.campaign_id
        truth.shops_seen.setdefault(campaign_id, set()).add(event.shop_id)
        note_id = None if winner is None else winner.note_id
        _count(truth, campaign_id, note_id, event.time_ms, {CONVERSION_METRIC[type(event)]: 1})
        if type(event) in CONVERSION_PEOPLE:
            self._add_people(campaign_id, event.time_ms, CONVERSION_PEOPLE[type(event)])

    def _add_order(self, truth: Truth, order: OrderPaid, purchase: Purchase) -> None:
        refunds = self._refunds.counting.get(order.order_id, [])
        attributed: dict[str, list[Credit]] = {}
        for model, given in self._credits[order.order_id].items():
            for credit in given:
                self._add_credit(truth, order, model, credit, purchase)
            attributed[model] = self._add_refunds(truth, order, refunds, model, given)
            if purchase.first is not None:
                first = self._credits[purchase.first.order_id][model]
                self._add_repurchase(truth, order, model, purchase, first)
        self._add_coupons(truth, order)
        self._add_path(truth, order)
        if refunds:
            truth.refunds[self._person_id, order.order_id] = refunds
        truth.orders[self._person_id, order.order_id] = Attribution(
            order_id=order.order_id,
            person_id=self._person_id,
            shop_id=order.shop_id,
            time_ms=order.time_ms,
            amount_fen=order.amount_fen,
            refunded_fen=sum(refund.amount_fen for refund in refunds),
            new_customer=purchase.is_new,
            refunds=len(refunds),
            credits=attributed,
        )

    def _add_path(self, truth: Truth, order: OrderPaid) -> None:
        """R16: on the path of its channels, if a touch reaches it."""
        path = channel_path(
            path_of(self._known.reaching(order.shop_id, order.time_ms, self._limits.payment_window_ms)),
            self._limits.model_channel,
        )
        if path:
            paths = truth.paths.setdefault(order.shop_id, {})
            known = paths.get(path, PathSum(0, 0))
            paths[path] = PathSum(known.orders + 1, known.gmv_fen + order.amount_fen)

    def _add_credit(
        self, truth: Truth, order: OrderPaid, model: str, credit: Credit, purchase: Purchase
    ) -> None:
        """R4: in the windows of the order's time."""
        truth.shops_seen.setdefault(credit.campaign_id, set()).add(order.shop_id)
        amounts = _by_model(credit_amounts(order, credit), model)
        _count(truth, credit.campaign_id, credit.note_id, order.time_ms, amounts)
        self._add_people(credit.campaign_id, order.time_ms, f"buyers:{model}")
        if purchase.is_new:
            self._add_people(credit.campaign_id, order.time_ms, f"new_buyers:{model}")

    def _add_refunds(
        self, truth: Truth, order: OrderPaid, refunds: list[OrderRefunded], model: str, given: list[Credit]
    ) -> list[Credit]:
        """R5: in the windows of each refund's own time. The credits with what was taken back of them."""
        shares = taken_back(given, [refund.amount_fen for refund in refunds])
        sums_fen = [0] * len(given)
        for refund, taken_fen in zip(refunds, shares, strict=True):
            for index, (credit, share_fen) in enumerate(zip(given, taken_fen, strict=True)):
                sums_fen[index] += share_fen
                amounts = _by_model(refund_amounts(order, credit, share_fen), model)
                _count(truth, credit.campaign_id, credit.note_id, refund.time_ms, amounts)
            for campaign_id in {credit.campaign_id for credit in given}:
                _count(truth, campaign_id, None, refund.time_ms, _by_model({"refunds": 1}, model))
        return [
            msgspec.structs.replace(credit, refund_fen=sum_fen)
            for credit, sum_fen in zip(given, sums_fen, strict=True)
        ]

    def _add_repurchase(
        self, truth: Truth, order: OrderPaid, model: str, purchase: Purchase, first: list[Credit]
    ) -> None:
        """R6: for the campaigns that have a credit in the first order, in the windows of this order's time."""
        for campaign_id in {credit.campaign_id for credit in first}:
            for name in purchase.repurchases:
                _count(truth, campaign_id, None, order.time_ms, _by_model({name: 1}, model))
                self._add_people(campaign_id, order.time_ms, f"{REPURCHASE_PEOPLE[name]}:{model}")

    def _add_coupons(self, truth: Truth, order: OrderPaid) -> None:
        """R8: in the windows of the order's time."""
        for campaign_id, redeemed in redemptions(order, self._claims).items():
            amounts = {"coupon_redemptions": redeemed, "coupon_gmv_fen": order.amount_fen}
            _count(truth, campaign_id, None, order.time_ms, amounts)

    def _add_people(self, campaign_id: str, time_ms: int, name: str) -> None:
        for size in PEOPLE_SIZES:
            self._people.add(((campaign_id, size, window_start_ms(size, time_ms)), name))

    def _account(self, truth: Truth, watermark_ms: int) -> None:
        """Each record that came was counted, is a duplicate, was refused or waits."""
        counting = sum(len(refunds) for refunds in self._refunds.counting.values())
        counted = len(self._touches) + len(self._visits) + len(self._orders) + counting
        not_counted = len(self._refunds.refused) + len(self._refunds.waiting)
        truth.counted += counted
        truth.duplicates += self._copies - counted - not_counted
        truth.refused |= {(self._person_id, refund.event_id) for refund in self._refunds.refused}
        for refund in self._refunds.waiting:
            is_past = watermark_ms > refund.time_ms + JOURNEY_RETENTION_MS
            truth.waiting[self._person_id, refund.event_id] = is_past

    def _name_apart(self, truth: Truth, watermark_ms: int) -> None:
        unsure = unsure_orders(self._payments, self._all_refunds, self._refunds)
        for order_id, why in unsure.items():
            truth.apart_orders[self._person_id, order_id] = why
        truth.unsure |= {
            (self._person_id, refund.event_id) for refund in self._all_refunds if refund.order_id in unsure
        }
        reason = self._reason_apart(watermark_ms)
        if reason is not None:
            truth.apart[self._person_id] = reason
            truth.apart_shops |= {payment.shop_id for payment in self._payments}
            truth.apart_campaigns |= {touch.campaign_id for touch in self._touches}
            truth.apart_campaigns |= {
                f"unattributed:{event.shop_id}" for event in (*self._visits, *self._payments)
            }

    def _reason_apart(self, watermark_ms: int) -> str | None:
        """Why the stream may rightly show other figures for the person; ``None`` if it may not."""
        most = self._limits.journey_events_max
        if len(self._distinct) > most:
            return f"{len(self._distinct)} events, more than the {most} that a journey keeps"
        if self._unequal is not None:
            return f"records with event_id {self._unequal} differ from each other"
        oldest_ms = min(event.time_ms for event in self._distinct)
        if self._linked_ms is not None and oldest_ms < self._linked_ms - JOURNEY_RETENTION_MS:
            return "an event lies more than 31 days before a link between the person's ids"
        return came_back(self._payments, self._orders, watermark_ms) or refund_came_back(
            self._all_refunds, self._orders, self._refunds, watermark_ms
        )


def distinct_events(events: list[Any]) -> tuple[list[Any], str | None]:
    """R2: one event of each ``event_id``, and an ``event_id`` whose copies are not equal, if there is one."""
    by_id: dict[str, Any] = {}
    unequal = None
    for event in events:
        if by_id.setdefault(event.event_id, event) != event:
            unequal = event.event_id
    return list(by_id.values()), unequal


def first_payments(payments: Iterable[OrderPaid]) -> list[OrderPaid]:
    """R2: of the payments with one ``order_id`` the one with the smallest ``(time_ms, event_id)``."""
    by_order: dict[str, OrderPaid] = {}
    for payment in sorted(payments, key=lambda payment: (payment.time_ms, payment.event_id)):
        by_order.setdefault(payment.order_id, payment)
    return list(by_order.values())


def credit_amounts(order: OrderPaid, credit: Credit) -> dict[str, int]:
    """R4: what a credit adds to the windows of its campaign."""
    amounts = {"orders_micros": credit.orders_micros, "gmv_fen": credit.gmv_fen}
    if credit.touch_time_ms is None:
        return amounts
    amounts["direct_gmv_fen" if credit.direct else "halo_gmv_fen"] = credit.gmv_fen
    return amounts | {f"gmv_{lag}_fen": credit.gmv_fen for lag in _lags(order, credit)}


def refund_amounts(order: OrderPaid, credit: Credit, share_fen: int) -> dict[str, int]:
    """R5 and R19: what a refund's share of a credit adds to the windows of its campaign."""
    return {"refund_fen": share_fen} | {f"refund_{lag}_fen": share_fen for lag in _lags(order, credit)}


def _lags(order: OrderPaid, credit: Credit) -> list[str]:
    """The lags within which the order followed its touch."""
    if credit.touch_time_ms is None:
        return []
    lag_ms = order.time_ms - credit.touch_time_ms
    return [lag for lag, most_ms in LAG_MS.items() if lag_ms <= most_ms]


def came_back(
    payments: Iterable[OrderPaid], orders: Mapping[str, OrderPaid], watermark_ms: int
) -> str | None:
    """Whether an ``order_id`` was paid again after its first payment may have left the journey."""
    for payment in payments:
        first_ms = orders[payment.order_id].time_ms
        if first_ms < payment.time_ms and first_ms + ORDER_RETENTION_MS < watermark_ms:
            return f"order_id {payment.order_id} came back after the time that a journey keeps it"
    return None


def refund_came_back(
    refunds: Iterable[OrderRefunded], orders: Mapping[str, OrderPaid], sorted_out: Refunds, watermark_ms: int
) -> str | None:
    """Whether a refund came after its order, or the one whose id it repeats, may have left the journey."""
    forgotten = {
        (refund.order_id, refund.refund_id): refund.time_ms
        for refund in sorted_out.waiting
        if refund.time_ms + JOURNEY_RETENTION_MS < watermark_ms
    }
    for refund in refunds:
        order = orders.get(refund.order_id)
        if order is not None and order.time_ms + ORDER_RETENTION_MS < watermark_ms:
            # It comes at most 31 days behind the watermark, so that up to here the order is still kept.
            kept_ms = order.time_ms + ORDER_RETENTION_MS - JOURNEY_RETENTION_MS
            if refund.time_ms > kept_ms:
                return f"refund_id {refund.refund_id} came after the time that a journey keeps its order"
        if forgotten.get((refund.order_id, refund.refund_id), refund.time_ms) != refund.time_ms:
            return f"refund_id {refund.refund_id} came back after the time that a journey keeps it"
    return None


def unsure_orders(
    payments: Iterable[OrderPaid], refunds: Iterable[OrderRefunded], sorted_out: Refunds
) -> dict[str, str]:
    """Orders of which a refund may have been refused that fits now that all is known, and why.

    Where all refunds fit, equal copies of one under several ``event_id`` can have led to no refusal.
    """
    unsure: dict[str, str] = {}
    paid: dict[str, tuple[int, int]] = {}
    for payment in payments:
        amounts = (payment.time_ms, payment.amount_fen)
        if paid.setdefault(payment.order_id, amounts) != amounts:
            unsure[payment.order_id] = "its payments differ from each other"
    refused = {refund.order_id for refund in sorted_out.refused}
    refunded: dict[tuple[str, str], tuple[int, int]] = {}
    for refund in refunds:
        amounts, refund_id = (refund.time_ms, refund.amount_fen), (refund.order_id, refund.refund_id)
        if refund_id in refunded and (refunded[refund_id] != amounts or refund.order_id in refused):
            unsure[refund.order_id] = f"refund_id {refund.refund_id} came with several event_ids"
        refunded.setdefault(refund_id, amounts)
    return unsure


def _count(
    truth: Truth, campaign_id: str, note_id: str | None, time_ms: int, amounts: dict[str, int]
) -> None:
    for size in SIZES:
        _add(truth.counts, (campaign_id, size, window_start_ms(size, time_ms)), amounts)
    if note_id is not None:
        _add(truth.note_counts, (campaign_id, note_id), amounts)
        _add(truth.note_day_counts, (campaign_id, window_start_ms("1d", time_ms), note_id), amounts)


def _add(counts: dict[_Key, dict[str, int]], key: _Key, amounts: Mapping[str, int]) -> None:
    """Add what is not 0: what is there is counted."""
    for name, amount in amounts.items():
        if amount:
            into = counts.setdefault(key, {})
            into[name] = into.get(name, 0) + amount


def _by_model(amounts: Mapping[str, int], model: str) -> dict[str, int]:
    return {f"{name}:{model}": amount for name, amount in amounts.items()}
