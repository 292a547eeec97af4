"""Linear: every touch of the path gets the same credit.

The rule is the "Linear" model of Google Analytics (Multi-Channel Funnels) and ``linear_touch`` of the package
ChannelAttribution (``heuristic_models``). A note that was seen twice is two touches and gets two shares.

=================  =============  ===========================
path (days)        weights        an order of 100 yuan
=================  =============  ===========================
0                  1              100
0, 10              1, 1           50, 50
0, 10, 30          1, 1, 1        33.34, 33.33, 33.33
=================  =============  ===========================
"""

from __future__ import annotations

from collections.abc import Sequence


def weights(times_ms: Sequence[int]) -> list[int]:
    """A weight for each touch of a path; ``times_ms`` are their times, ascending. None for an empty path.

    >>> weights([0, 10, 30])
    [1, 1, 1]
    """
    return [1] * len(times_ms)
