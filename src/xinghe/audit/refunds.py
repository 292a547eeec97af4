"""Which refunds count for which order (ARCHITECTURE.md, R2 and R5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xinghe.domain.events import OrderPaid, OrderRefunded


@dataclass(frozen=True, slots=True)
class Refunds:
    """The refunds of one person.

    ``counting`` are those of each order that count, in the order in which they do; ``refused`` would take more than
    the order paid; ``waiting`` have no order. What is in none of them is a duplicate.
    """

    counting: dict[str, list[OrderRefunded]] = field(default_factory=dict)
    refused: list[OrderRefunded] = field(default_factory=list)
    waiting: list[OrderRefunded] = field(default_factory=list)


def refunds_of(refunds: Iterable[OrderRefunded], orders: Mapping[str, OrderPaid]) -> Refunds:
    """Sort the distinct refunds of one person by what becomes of them; ``orders`` are the counting ones by id."""
    sorted_out = Refunds()
    sums_fen: dict[str, int] = {}
    closed: set[str] = set()
    for refund in first_refunds(refunds):
        order = orders.get(refund.order_id)
        if order is None or refund.time_ms < order.time_ms:
            sorted_out.waiting.append(refund)
            continue
        sum_fen = sums_fen.get(order.order_id, 0) + refund.amount_fen
        if order.order_id in closed or sum_fen > order.amount_fen:
            # Neither the first that does not fit nor any after it.
            closed.add(order.order_id)
            sorted_out.refused.append(refund)
            continue
        sums_fen[order.order_id] = sum_fen
        sorted_out.counting.setdefault(order.order_id, []).append(refund)
    return sorted_out


def first_refunds(refunds: Iterable[OrderRefunded]) -> list[OrderRefunded]:
    """Of the refunds with one ``order_id`` and ``refund_id`` the one with the smallest ``(time_ms, event_id)``.

    Ascending by that.
    """
    first: dict[tuple[str, str], OrderRefunded] = {}
    for refund in sorted(refunds, key=lambda refund: (refund.time_ms, refund.event_id)):
        first.setdefault((refund.order_id, refund.refund_id), refund)
    return list(first.values())
