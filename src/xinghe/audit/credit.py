"""The credit of an order by each model (ARCHITECTURE.md, R4), and what refunds take back of it (R5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from xinghe.audit.models import path_of, weighed
from xinghe.audit.split import split
from xinghe.audit.touches import Touch, Touches
from xinghe.domain.events import OrderPaid
from xinghe.domain.metrics import MODELS

ORDER_MICROS: Final = 1_000_000


class Credit(Struct, frozen=True, gc=False):
    """A touch's share of an order, as ``xinghe.order.attributed.v1`` has it; fields of no touch are ``None``."""

    campaign_id: str
    note_id: str | None
    touch_event_id: str | None
    touch_time_ms: int | None
    kind: str | None
    orders_micros: int
    gmv_fen: int
    refund_fen: int
    direct: bool


class Attribution(Struct, frozen=True):
    """An order as ``xinghe.order.attributed.v1`` has it, without its revision (R12)."""

    order_id: str
    person_id: str
    shop_id: str
    time_ms: int
    amount_fen: int
    refunded_fen: int
    new_customer: bool
    refunds: int
    credits: dict[str, list[Credit]]

    def as_json(self) -> dict[str, Any]:
        """The value of the record."""
        value: dict[str, Any] = msgspec.to_builtins(self)
        return value


def credits_of(order: OrderPaid, touches: Touches, payment_window_ms: int) -> dict[str, list[Credit]]:
    """The credits of an order by model, in the order of the path, before any refund."""
    winner = touches.winner(order.shop_id, order.time_ms, payment_window_ms)
    if winner is None:
        return {model: [_unattributed(order)] for model in MODELS}
    path = path_of(touches.reaching(order.shop_id, order.time_ms, payment_window_ms))
    return {model: _split(order, weighed(model, path, winner, payment_window_ms)) for model in MODELS}


def _split(order: OrderPaid, weights: Sequence[tuple[Touch, int]]) -> list[Credit]:
    micros = split(ORDER_MICROS, [weight for _, weight in weights])
    fen = split(order.amount_fen, [weight for _, weight in weights])
    return [
        Credit(
            campaign_id=touch.campaign_id,
            note_id=touch.note_id,
            touch_event_id=touch.event_id,
            touch_time_ms=touch.time_ms,
            kind=touch.kind,
            orders_micros=orders_micros.amount,
            gmv_fen=gmv_fen.amount,
            refund_fen=0,
            direct=touch.item_id == order.item_id,
        )
        for (touch, _), orders_micros, gmv_fen in zip(weights, micros, fen, strict=True)
        if orders_micros.amount or gmv_fen.amount
    ]


def _unattributed(order: OrderPaid) -> Credit:
    """The whole order, where no touch reaches it."""
    return Credit(
        campaign_id=f"unattributed:{order.shop_id}",
        note_id=None,
        touch_event_id=None,
        touch_time_ms=None,
        kind=None,
        orders_micros=ORDER_MICROS,
        gmv_fen=order.amount_fen,
        refund_fen=0,
        direct=False,
    )


def taken_back(given: Sequence[Credit], amounts_fen: Sequence[int]) -> list[list[int]]:
    """What each refund, of the amounts given and one after the other, takes back of each credit.

    A refund is split in proportion to what those before it left of each credit's ``gmv_fen``; all of them together
    must not be more than there is.
    """
    left_fen = [credit.gmv_fen for credit in given]
    shares = []
    for amount_fen in amounts_fen:
        taken_fen = [share.amount for share in split(amount_fen, left_fen)]
        left_fen = [left - taken for left, taken in zip(left_fen, taken_fen, strict=True)]
        shares.append(taken_fen)
    return shares
