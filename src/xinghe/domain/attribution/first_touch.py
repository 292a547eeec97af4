"""First touch: the whole credit to the touch that began the path.

The rule is the "First Interaction" model of Google Analytics (Multi-Channel Funnels) and ``first_touch`` of the package
ChannelAttribution (``heuristic_models``).

=================  =============  ===========================
path (days)        weights        an order of 100 yuan
=================  =============  ===========================
0                  1              100
0, 10              1, 0           100, 0
0, 10, 30          1, 0, 0        100, 0, 0
=================  =============  ===========================
"""

from __future__ import annotations

from collections.abc import Sequence


def weights(times_ms: Sequence[int]) -> list[int]:
    """A weight for each touch of a path; ``times_ms`` are their times, ascending. None for an empty path.

    >>> weights([0, 10, 30])
    [1, 0, 0]
    """
    return [int(index == 0) for index in range(len(times_ms))]
