"""Time decay: the nearer a touch is to the end of the path, the more credit it gets.

The rule is the "Time Decay" model of Google Analytics (Multi-Channel Funnels): exponential decay by a half-life,
there 7 days by default, here a quarter of the payments' window, 7.5 days. Ages are counted from the last touch, not
from the order: that divides all weights by the same number and changes no share. The last touch has the weight 2^40,
so that whole weights keep about 12 digits; a touch more than 40 half-lives before it has weight 0.

=================  ==================  ===========================
path (days)        weights / 2^40      an order of 100 yuan
=================  ==================  ===========================
0                  1                   100
0, 7.5             1/2, 1              33.33, 66.67
0, 7.5, 15         1/4, 1/2, 1         14.29, 28.57, 57.14
0, 30              1/16, 1             5.88, 94.12
0, 0               1, 1                50, 50
=================  ==================  ===========================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LAST_LOG2: Final = 40
"""Base-2 logarithm of the last touch's weight."""


def weights(times_ms: Sequence[int], half_life_ms: int) -> list[int]:
    """A weight for each touch of a path; ``times_ms`` are their times, ascending. None for an empty path.

    ``half_life_ms``, above 0, is how much older a touch is that has half the weight.

    >>> weights([0, 100, 200], half_life_ms=100) == [2**38, 2**39, 2**40]
    True
    >>> weights([0, 0, 50], half_life_ms=100)
    [777472127993, 777472127993, 1099511627776]
    """
    return [int(2.0 ** (LAST_LOG2 - (times_ms[-1] - time_ms) / half_life_ms)) for time_ms in times_ms]
