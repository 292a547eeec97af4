"""Refunds of an order: whole, in part, in two parts, and those of orders that never come.

| refunds | share of the orders |
|---|---|
| the whole amount | 7% |
| a part of it | 5% |
| two parts of it | 3% |
| one of an order that never comes, beside those | 0.5% |
"""

from __future__ import annotations

import random
from typing import Any, Final, NamedTuple

from xinghe.simulator import lags
from xinghe.simulator.record import GOOD, WAITING_REFUND

WHOLE_SHARE: Final = 0.07
PART_SHARE: Final = 0.05
TWO_PARTS_SHARE: Final = 0.03
WAITING_SHARE: Final = 0.005
LATE_REFUND_SUFFIX: Final = "-late"
"""Ends the ``refund_id`` of one that comes days later, in a run of days."""


class Refund(NamedTuple):
    """A refund ``lag_ms`` after the payment: its kind of record and its own fields."""

    lag_ms: int
    kind: str
    fields: dict[str, Any]


def draw_refunds(rng: random.Random, order: dict[str, Any]) -> list[Refund]:
    """The refunds that follow an order, together at most its amount; none for most orders."""
    order_id, amount_fen = order["order_id"], order["amount_fen"]
    refunds = [
        Refund(lags.REFUND.draw_ms(rng), GOOD, refund_fields(order, f"r{n}-{order_id}", part_fen))
        for n, part_fen in enumerate(_parts_fen(rng, amount_fen))
    ]
    if rng.random() < WAITING_SHARE:
        lost = {**order, "order_id": f"{order_id}-lost"}
        fields = refund_fields(lost, f"r-{lost['order_id']}", amount_fen)
        refunds.append(Refund(lags.REFUND.draw_ms(rng), WAITING_REFUND, fields))
    return refunds


def refund_fields(order: dict[str, Any], refund_id: str, amount_fen: int) -> dict[str, Any]:
    """The own fields of a refund of ``order``."""
    return {
        "shop_id": order["shop_id"],
        "order_id": order["order_id"],
        "refund_id": refund_id,
        "amount_fen": amount_fen,
    }


def _parts_fen(rng: random.Random, amount_fen: int) -> list[int]:
    """What the refunds of an order pay back; amounts are a few fen at least, so each part is above zero."""
    drawn = rng.random()
    if drawn < WHOLE_SHARE:
        return [amount_fen]
    if drawn < WHOLE_SHARE + PART_SHARE:
        return [rng.randint(1, amount_fen - 1)]
    if drawn < WHOLE_SHARE + PART_SHARE + TWO_PARTS_SHARE:
        first_fen = rng.randint(1, amount_fen - 1)
        return [first_fen, rng.randint(1, amount_fen - first_fen)]
    return []
