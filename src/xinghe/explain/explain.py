"""Explaining one order: the same steps as the audit's recomputation, with what each step saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from xinghe.audit.coupons import redemptions
from xinghe.audit.credit import Credit, credits_of, taken_back
from xinghe.audit.fields import differing, flat
from xinghe.audit.journey import Limits, distinct_events, first_payments
from xinghe.audit.models import path_of, weighed
from xinghe.audit.purchases import purchases_of
from xinghe.audit.refunds import Refunds, refunds_of
from xinghe.audit.touches import TOUCH_TYPES, Touch, Touches, touch_of
from xinghe.audit.truth import LIMITS, truth_of
from xinghe.domain.attribution.arithmetic import ModelTold, Weighed, model_told
from xinghe.domain.events import CouponClaimed, OrderPaid, OrderRefunded, PersonLinked
from xinghe.domain.metrics import MODELS
from xinghe.explain.explanation import (
    EarlierOrder,
    Explanation,
    PaymentTold,
    PurchaseTold,
    RefundTold,
    RefundVerdict,
    TouchPlace,
    TouchTold,
)
from xinghe.explain.revisions import Revision, revisions_told


def explain(
    order_id: str, events: Sequence[Any], revisions: Sequence[Revision], limits: Limits = LIMITS
) -> Explanation | None:
    """Why the order is credited as it is; ``None`` if it was not paid.

    ``events`` are all accepted events of its person under all ids, in any order, and the links of these, in theirs;
    ``revisions`` its values of ``xinghe.order.attributed.v1``, ascending; ``limits`` how the stream is set.
    """
    truth = truth_of(events, limits=limits)
    came = [event for event in events if not isinstance(event, PersonLinked)]
    came_under: dict[str, str] = {}
    for event in came:
        came_under.setdefault(event.event_id, event.person_id)
    theirs = [
        msgspec.structs.replace(event, person_id=truth.person_of.get(event.person_id, event.person_id))
        for event in came
    ]
    distinct, _ = distinct_events(theirs)
    payments = [event for event in distinct if isinstance(event, OrderPaid)]
    orders = {order.order_id: order for order in first_payments(payments)}
    order = orders.get(order_id)
    if order is None:
        return None
    touches = Touches(
        (touch_of(event) for event in distinct if isinstance(event, TOUCH_TYPES)),
        click_over_view=limits.click_over_view,
    )
    given = credits_of(order, touches, limits.payment_window_ms)
    of_order = [
        event for event in distinct if isinstance(event, OrderRefunded) and event.order_id == order_id
    ]
    refunds = refunds_of(of_order, orders)
    counting = refunds.counting.get(order_id, [])
    taken = {model: taken_back(given[model], [refund.amount_fen for refund in counting]) for model in MODELS}
    recomputed = truth.orders[order.person_id, order_id].as_json()
    return Explanation(
        order_id=order_id,
        person_id=order.person_id,
        linked_ids=sorted(truth.person_of.keys() - {order.person_id}),
        shop_id=order.shop_id,
        item_id=order.item_id,
        time_ms=order.time_ms,
        amount_fen=order.amount_fen,
        refunded_fen=recomputed["refunded_fen"],
        payment_window_ms=limits.payment_window_ms,
        payments=[
            PaymentTold(each.event_id, each.time_ms, each.amount_fen, counts=each is order)
            for each in sorted(payments, key=lambda each: (each.time_ms, each.event_id))
            if each.order_id == order_id
        ],
        touches=_touches_told(order, touches, limits.payment_window_ms, came_under),
        models=[
            _model_told(model, order, touches, limits.payment_window_ms, given[model], taken[model])
            for model in MODELS
        ],
        refunds=_refunds_told(order, of_order, refunds, taken),
        purchase=_purchase_told(order, orders),
        coupons=dict(redemptions(order, [each for each in distinct if isinstance(each, CouponClaimed)])),
        revisions=revisions_told(revisions),
        apart=truth.apart.get(order.person_id),
        differences=_differences(recomputed, revisions),
    )


def _touches_told(
    order: OrderPaid, touches: Touches, window_ms: int, came_under: Mapping[str, str]
) -> list[TouchTold]:
    path = path_of(touches.reaching(order.shop_id, order.time_ms, window_ms))
    winner = touches.winner(order.shop_id, order.time_ms, window_ms)
    return [
        TouchTold(
            event_id=touch.event_id,
            person_id=came_under[touch.event_id],
            time_ms=touch.time_ms,
            before_order_ms=order.time_ms - touch.time_ms,
            kind=touch.kind,
            campaign_id=touch.campaign_id,
            note_id=touch.note_id,
            item_id=touch.item_id,
            place="path" if touch in path else _place(order.time_ms - touch.time_ms, window_ms),
            wins=touch == winner,
        )
        for touch in touches.of_shop(order.shop_id)
    ]


def _place(before_order_ms: int, window_ms: int) -> TouchPlace:
    """Why a touch is not in the path."""
    if before_order_ms < 0:
        return "after_order"
    return "too_early" if before_order_ms > window_ms else "left_out"


def _model_told(
    model: str,
    order: OrderPaid,
    touches: Touches,
    window_ms: int,
    given: Sequence[Credit],
    taken: Sequence[Sequence[int]],
) -> ModelTold:
    refunded_fen = {
        credit.touch_event_id: sum(of_refund[index] for of_refund in taken)
        for index, credit in enumerate(given)
    }
    weighed = [
        Weighed(None, f"unattributed:{order.shop_id}", None, weight)
        if touch is None
        else Weighed(touch.event_id, touch.campaign_id, touch.note_id, weight)
        for touch, weight in _weights(model, order, touches, window_ms)
    ]
    return model_told(model, weighed, order.amount_fen, refunded_fen)


def _weights(
    model: str, order: OrderPaid, touches: Touches, window_ms: int
) -> list[tuple[Touch | None, int]]:
    """The touches that the model weighs; without any the whole order is nobody's."""
    winner = touches.winner(order.shop_id, order.time_ms, window_ms)
    if winner is None:
        return [(None, 1)]
    path = path_of(touches.reaching(order.shop_id, order.time_ms, window_ms))
    return [*weighed(model, path, winner, window_ms)]


def _refunds_told(
    order: OrderPaid, of_order: Sequence[OrderRefunded], refunds: Refunds, taken: dict[str, list[list[int]]]
) -> list[RefundTold]:
    counting = refunds.counting.get(order.order_id, [])
    left_fen = order.amount_fen
    told = []
    for refund in sorted(of_order, key=lambda refund: (refund.time_ms, refund.event_id)):
        verdict: RefundVerdict = "repeated"
        taken_fen: dict[str, list[int]] = {}
        left_before_fen = left_fen
        if refund in counting:
            verdict = "counts"
            taken_fen = {model: shares[counting.index(refund)] for model, shares in taken.items()}
            left_fen -= refund.amount_fen
        elif refund in refunds.refused:
            verdict = "exceeds_order"
        elif refund in refunds.waiting:
            verdict = "waits"
        ids = (refund.event_id, refund.refund_id, refund.time_ms, refund.amount_fen)
        told.append(RefundTold(*ids, verdict, left_before_fen, taken_fen))
    return told


def _purchase_told(order: OrderPaid, orders: dict[str, OrderPaid]) -> PurchaseTold:
    purchase = purchases_of(orders.values())[order.order_id]
    earlier = [
        each
        for each in orders.values()
        if each.shop_id == order.shop_id and (each.time_ms, each.event_id) < (order.time_ms, order.event_id)
    ]
    before = max(earlier, key=lambda each: (each.time_ms, each.event_id), default=None)
    return PurchaseTold(
        is_new=purchase.is_new,
        said=order.new_customer,
        before=_earlier(order, before),
        first=_earlier(order, purchase.first),
        repurchases=list(purchase.repurchases),
    )


def _earlier(order: OrderPaid, earlier: OrderPaid | None) -> EarlierOrder | None:
    return None if earlier is None else EarlierOrder(earlier.order_id, order.time_ms - earlier.time_ms)


def _differences(recomputed: dict[str, Any], revisions: Sequence[Revision]) -> list[str]:
    if not revisions:
        return ["attribution: the order has none yet"]
    last = {name: value for name, value in revisions[-1].items() if name != "revision"}
    return [
        f"{field}: recomputed {expected}, attributed {found}"
        for field, expected, found in differing(flat(recomputed), flat(last))
    ]
