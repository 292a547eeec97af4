"""A paid order as a journey keeps it: what came with it, the touches that reach it, its refunds, and the claims of coupons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from xinghe.domain.touch import Touch, pack_row_head, touches_in

ORDER_MICROS: Final = 1_000_000
"""One order, in the unit in which it is split."""


class Refund(Struct, array_like=True, gc=False):
    """A refund with the record it came in, for its dead letter; ``is_refused`` once that was written."""

    refund_id: str
    order_id: str
    event_id: bytes
    event_hash: int
    time_ms: int
    amount_fen: int
    partition: int
    offset: int
    value: bytes
    is_refused: bool = False


class Claim(Struct, array_like=True, gc=False):
    """A coupon that the person claimed; ``source`` is what the claim as a touch belongs to."""

    coupon_hash: int
    time_ms: int
    event_id: bytes
    source: int


class Order(Struct, array_like=True, gc=False):
    """A paid order and what follows for it from the rest of the journey.

    ``path`` and ``winner`` are packed touches (`domain/touch.py`, without the hash): those that share the order in each
    model, and the one that has it by last touch; empty where no touch reaches it. ``refunds`` are those of this order by
    ``(time_ms, event_id)``, whether they count or not. ``repurchase_days`` is 30 or 90 for a repurchase, else 0, and then
    ``first_credited`` are for each model the campaigns with credit in the first order, as numbers of their sources without a
    note; ``redeemed`` is the claim of each coupon that was redeemed. ``people`` are the cells
    (`domain/counted.py`) that the order counts its person for.
    """

    order_id: str
    event_id: bytes
    event_hash: int
    time_ms: int
    target: int
    amount_fen: int
    new_customer: bool | None = None
    coupons: tuple[int, ...] = ()
    path: bytes = b""
    winner: bytes = b""
    refunds: tuple[Refund, ...] = ()
    is_new: bool = False
    repurchase_days: int = 0
    first_credited: tuple[tuple[int, ...], ...] = ()
    redeemed: tuple[Claim, ...] = ()
    people: bytes = b""
    revision: int = 0

    @property
    def rank(self) -> tuple[int, bytes]:
        """The place among the orders of a person."""
        return self.time_ms, self.event_id


def pack_touch(touch: Touch) -> bytes:
    """A touch as it stands in ``path`` and ``winner``."""
    code = touch.kind | touch.form
    return pack_row_head(0, touch.time_ms, touch.source, code, len(touch.event_id)) + touch.event_id


def winner_of(order: Order) -> Touch | None:
    """The touch that has the order by last touch."""
    return next(touches_in(order.winner), None)


def counting_refunds(order: Order) -> Iterator[Refund]:
    """The refunds that count: up to the first that would take their sum over the order's amount."""
    refunded_fen = 0
    for refund in order.refunds:
        refunded_fen += refund.amount_fen
        if refunded_fen > order.amount_fen:
            return
        yield refund


def refunded_fen(order: Order) -> int:
    """What was paid back of the order, in fen."""
    return sum(refund.amount_fen for refund in counting_refunds(order))
