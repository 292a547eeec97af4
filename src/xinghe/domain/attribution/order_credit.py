"""The credit of one order by each rule model, and what refunds take back of it (ARCHITECTURE.md, R4 and R5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from xinghe.domain.attribution import first_touch, linear, position_based, time_decay
from xinghe.domain.attribution.split import split
from xinghe.domain.metrics import MODELS
from xinghe.domain.order import ORDER_MICROS, Order, counting_refunds, winner_of
from xinghe.domain.touch import Touch, touches_in

PATH_TOUCHES_MAX: Final = 100
"""An order's credit is shared by so many touches at the most, which bounds its record to some 100 kB."""


class Credit(NamedTuple):
    """What one touch has of an order; ``touch`` is ``None`` where no touch reaches it.

    ``refund_fen`` has for each refund that counts, in their order, what it takes back of ``gmv_fen``.
    """

    touch: Touch | None
    orders_micros: int
    gmv_fen: int
    refund_fen: tuple[int, ...]


def path_of(reaching: Sequence[Touch]) -> Sequence[Touch]:
    """The touches that share an order: all, ascending, that reach it, or the first and the last ones of very many."""
    if len(reaching) <= PATH_TOUCHES_MAX:
        return reaching
    return [reaching[0], *reaching[1 - PATH_TOUCHES_MAX :]]


def credits_of(order: Order, half_life_ms: int) -> list[list[Credit]]:
    """The credits of an order for each of ``MODELS``, in the order of its path.

    For each model ``orders_micros`` add up to 1,000,000, ``gmv_fen`` to the amount of the order, ``refund_fen`` to that of
    each refund. Touches that get nothing are left out.
    """
    refunds_fen = [refund.amount_fen for refund in counting_refunds(order)]
    winner = winner_of(order)
    if winner is None:
        return [_shared([None], [1], order.amount_fen, refunds_fen)] * len(MODELS)
    path = list(touches_in(order.path))
    by_winner = _shared([winner], [1], order.amount_fen, refunds_fen)
    if len(path) == 1:
        return [by_winner] * len(MODELS)
    times_ms = [touch.time_ms for touch in path]
    weights = (
        first_touch.weights(times_ms),
        linear.weights(times_ms),
        time_decay.weights(times_ms, half_life_ms),
        position_based.weights(times_ms),
    )
    return [by_winner, *(_shared(path, each, order.amount_fen, refunds_fen) for each in weights)]


def _shared(
    touches: Sequence[Touch | None], weights: Sequence[int], amount_fen: int, refunds_fen: Sequence[int]
) -> list[Credit]:
    """The credits of one model."""
    shares = zip(touches, split(ORDER_MICROS, weights), split(amount_fen, weights), strict=True)
    credited = [share for share in shares if share[1] or share[2]]
    left_fen = [gmv_fen for _, _, gmv_fen in credited]
    taken_fen = []
    for refund_fen in refunds_fen:
        taken = split(refund_fen, left_fen)
        left_fen = [left - part for left, part in zip(left_fen, taken, strict=True)]
        taken_fen.append(taken)
    return [
        Credit(touch, orders_micros, gmv_fen, tuple(taken[index] for taken in taken_fen))
        for index, (touch, orders_micros, gmv_fen) in enumerate(credited)
    ]
