"""The credit of one order by each rule model, and what refunds take back of it (ARCHITECTURE.md, R4 and R5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from xinghe.domain.attribution import first_touch, linear, position_based, time_decay
from xinghe.domain.attribution.split import split
from xinghe.domain.metrics import MODELS
from xinghe.domain.order import ORDER_MICROS, Order, counting_refunds
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


class Shares(NamedTuple):
    """What each of some touches has of an order; a touch that gets nothing stands there with 0 and 0."""

    touches: Sequence[Touch | None]
    orders_micros: Sequence[int]
    gmv_fen: Sequence[int]


def shares_of(order: Order, half_life_ms: int) -> Sequence[Shares]:
    """How each of ``MODELS`` shares an order, before refunds: among its path, but for last touch, which has the winner alone.

    For each model ``orders_micros`` add up to 1,000,000, ``gmv_fen`` to the amount of the order.
    """
    return _shares(order.path, order.winner, order.amount_fen, half_life_ms)


# An order that changes is shared for its figures, for its attribution, and to take it back when it changes again. So
# many entries are two for each order of a journey that is full of them, some 40 kB each with the longest paths.
@lru_cache(maxsize=1_024)
def _shares(path: bytes, winner: bytes, amount_fen: int, half_life_ms: int) -> Sequence[Shares]:
    touch = next(touches_in(winner), None)
    by_winner = Shares((touch,), (ORDER_MICROS,), (amount_fen,))
    touches = () if touch is None else tuple(touches_in(path))
    if len(touches) <= 1:
        return (by_winner,) * len(MODELS)
    weights = path_weights([one.time_ms for one in touches], half_life_ms)
    by_path = (Shares(touches, split(ORDER_MICROS, each), split(amount_fen, each)) for each in weights)
    return (by_winner, *by_path)


def path_weights(times_ms: Sequence[int], half_life_ms: int) -> tuple[list[int], ...]:
    """The weights of a path's touches, whose times ascend, for each of ``MODELS`` but the first, which has the winner alone."""
    return (
        first_touch.weights(times_ms),
        linear.weights(times_ms),
        time_decay.weights(times_ms, half_life_ms),
        position_based.weights(times_ms),
    )


def credits_of(order: Order, half_life_ms: int) -> list[list[Credit]]:
    """The credits of an order for each of ``MODELS``, in the order of its path; touches that get nothing are left out.

    For each model ``refund_fen`` add up to the amount of each refund; for the rest see `shares_of`.
    """
    refunds_fen = [refund.amount_fen for refund in counting_refunds(order)]
    by_winner, *by_path = shares_of(order, half_life_ms)
    credits_ = _credits(by_winner, refunds_fen)
    return [credits_, *(credits_ if one is by_winner else _credits(one, refunds_fen) for one in by_path)]


def _credits(shares: Shares, refunds_fen: Sequence[int]) -> list[Credit]:
    """The credits of one model."""
    credited = [share for share in zip(*shares, strict=True) if share[1] or share[2]]
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
