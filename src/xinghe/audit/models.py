"""The rule models: which touches they weigh in an order's path, and how much (ARCHITECTURE.md, R4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from xinghe.audit.touches import Touch

PATH_TOUCHES_MAX: Final = 100
HALF_LIVES_PER_WINDOW: Final = 4
DECAY_EXPONENT: Final = 40
"""The last touch weighs two to this power, so that weights of many half-lives are still whole numbers."""


def path_of(reaching: Sequence[Touch]) -> list[Touch]:
    """The path: the touches that reach the order, of more than 100 the first and the last 99."""
    if len(reaching) <= PATH_TOUCHES_MAX:
        return list(reaching)
    return [reaching[0], *reaching[-(PATH_TOUCHES_MAX - 1) :]]


def weighed(
    model: str, path: Sequence[Touch], winner: Touch, payment_window_ms: int
) -> list[tuple[Touch, int]]:
    """The touches that a model weighs, in the order of the path, each with its weight.

    ``path`` is not empty; ``winner`` may have been left out of it.
    """
    match model:
        case "last_touch":
            return [(winner, 1)]
        case "first_touch":
            return [(path[0], 1)]
        case "linear":
            return [(touch, 1) for touch in path]
        case "time_decay":
            half_life_ms = payment_window_ms // HALF_LIVES_PER_WINDOW
            return [(touch, decay_weight(path[-1].time_ms - touch.time_ms, half_life_ms)) for touch in path]
        case "position_based":
            return list(zip(path, position_weights(len(path)), strict=True))
    raise ValueError(f"{model} is no rule model")


def decay_weight(before_last_ms: int, half_life_ms: int) -> int:
    """The weight of a touch so long before the last one: half of it each half-life.

    >>> decay_weight(0, 100.0) == 2 * decay_weight(100, 100.0)
    True
    """
    return int(2.0 ** (DECAY_EXPONENT - before_last_ms / half_life_ms))


def position_weights(touches: int) -> list[int]:
    """The weights of a path of so many touches: the first and the last 40 percent each, those between share 20.

    >>> position_weights(1), position_weights(2), position_weights(3), position_weights(5)
    ([1], [1, 1], [2, 1, 2], [6, 1, 1, 1, 6])
    """
    between = touches - 2
    if between <= 0:
        return [1] * touches
    return [2 * between, *[1] * between, 2 * between]
