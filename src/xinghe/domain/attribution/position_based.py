"""Position based: 40 percent each to the first and the last touch, 20 percent to all between them together.

The rule is the "Position Based" model of Google Analytics (Multi-Channel Funnels) with its default of 40, 20 and 40
percent, also called U-shaped. Where nothing lies between, the two ends share the credit.

=================  =============  ===========================
path (days)        weights        an order of 100 yuan
=================  =============  ===========================
0                  1              100
0, 10              1, 1           50, 50
0, 10, 30          2, 1, 2        40, 20, 40
0, 10, 20, 30      4, 1, 1, 4     40, 10, 10, 40
=================  =============  ===========================
"""

from __future__ import annotations

from collections.abc import Sequence


def weights(times_ms: Sequence[int]) -> list[int]:
    """A weight for each touch of a path; ``times_ms`` are their times, ascending. None for an empty path.

    >>> weights([0, 10, 30]), weights([0, 10, 20, 30])
    ([2, 1, 2], [4, 1, 1, 4])
    """
    touches = len(times_ms)
    if touches <= 2:
        return [1] * touches
    between = touches - 2
    end = 2 * between  # 40 percent, where all between have 20 together
    return [end, *[1] * between, end]
