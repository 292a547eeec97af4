"""The arithmetic of an order's credits, found again from its record alone (ARCHITECTURE.md, R4, R5 and R12).

The linear model gives to each touch of the path: of at most 100 touches each has at least 10,000 of the 1,000,000
millionths, however small the amount is. So its credits are the path, and all other weights follow from their times.
Of several refunds only the sum is in the record, so what each of them took back cannot be told.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from xinghe.domain.attribution.arithmetic import ModelTold, Weighed, model_told
from xinghe.domain.attribution.order_credit import path_weights
from xinghe.domain.attribution.split import split
from xinghe.domain.metrics import MODELS
from xinghe.domain.outputs import Credit, OrderAttributed


class OrderTold(Struct, frozen=True):
    """The arithmetic of an order by those models whose credits it explains.

    ``differing`` are models whose recorded credits are not as computed from the record's touches: it was written with
    another window, or by another version. ``missing`` are models that the record does not have.
    """

    order_id: str
    person_id: str
    models: list[ModelTold]
    differing: list[str]
    missing: list[str]


def credits_by_model(order: OrderAttributed) -> dict[str, Sequence[Credit]]:
    """The recorded credits of the models that the record has."""
    found = {model: getattr(order.credits, model) for model in MODELS}
    return {model: credits_ for model, credits_ in found.items() if credits_ is not None}


def path_of(order: OrderAttributed) -> Sequence[Credit]:
    """The touches that share the order, each as its credit by the linear model; none for an unattributed order.

    Of a record without that model those touches that any other one credits.
    """
    found: dict[str, Credit] = {}
    credits_ = credits_by_model(order)
    shown = [credits_["linear"]] if "linear" in credits_ else list(credits_.values())
    for credit in (credit for each in shown for credit in each):
        if credit.touch_event_id is not None:
            found.setdefault(credit.touch_event_id, credit)
    return sorted(found.values(), key=lambda credit: credit.touch_time_ms or 0)


def told_of(order: OrderAttributed, half_life_ms: int) -> OrderTold:
    """How each model came to its credits; ``half_life_ms`` is that of the time-decay model."""
    credits_ = credits_by_model(order)
    by_model = {} if "linear" not in credits_ else _weighed(order, half_life_ms)
    models, differing = [], []
    for model, recorded in credits_.items():
        weighed = by_model.get(model)
        refund_fen = {credit.touch_event_id: credit.refund_fen or 0 for credit in recorded}
        told = None if weighed is None else model_told(model, weighed, order.amount_fen, refund_fen)
        if told is not None and _is_as_recorded(told, recorded) and _are_refunds_whole(order, recorded):
            models.append(told)
        else:
            differing.append(model)
    missing = [model for model in MODELS if model not in credits_]
    return OrderTold(order.order_id, order.person_id, models, differing, missing)


def _weighed(order: OrderAttributed, half_life_ms: int) -> dict[str, list[Weighed]]:
    winners = [_with_weight(credit, 1) for credit in order.credits.last_touch]
    path = path_of(order)
    if not path:
        return dict.fromkeys(MODELS, winners)
    weights = path_weights([credit.touch_time_ms or 0 for credit in path], half_life_ms)
    by_path = (
        [_with_weight(credit, weight) for credit, weight in zip(path, one, strict=True) if weight]
        for one in weights
    )
    return dict(zip(MODELS, (winners, *by_path), strict=True))


def _with_weight(credit: Credit, weight: int) -> Weighed:
    return Weighed(credit.touch_event_id, credit.campaign_id, credit.note_id, weight)


def _is_as_recorded(told: ModelTold, recorded: Sequence[Credit]) -> bool:
    """Whether the touches that get anything are those of the record, with what they have there."""
    computed = [
        (each.touch_event_id, each.campaign_id, each.note_id, each.micros.got, each.fen.got)
        for each in told.credits
        if each.micros.got or each.fen.got
    ]
    return computed == [
        (each.touch_event_id, each.campaign_id, each.note_id, each.orders_micros, each.gmv_fen)
        for each in recorded
    ]


def _are_refunds_whole(order: OrderAttributed, recorded: Sequence[Credit]) -> bool:
    """Whether what was taken back of the credits is what was refunded; of one refund, whether it is split by what they have."""
    taken_fen = [credit.refund_fen for credit in recorded]
    if None in taken_fen:
        return order.refunded_fen == 0
    if order.refunds == 1:
        return taken_fen == split(order.refunded_fen, [credit.gmv_fen for credit in recorded])
    return sum(fen for fen in taken_fen if fen is not None) == order.refunded_fen and all(
        fen <= credit.gmv_fen for fen, credit in zip(taken_fen, recorded, strict=True) if fen is not None
    )
