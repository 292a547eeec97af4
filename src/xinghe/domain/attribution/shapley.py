"""Shapley value: each channel's average contribution over all orders in which channels could have been added.

A coalition S of channels is worth the conversions of all paths whose channels are all in S: order and repetition
within a path do not count, nor do paths without conversions. This is the characteristic function of Zhao, Mahboobi
and Bagheri, "Shapley Value Methods for Attribution Modeling in Online Advertising" (2018, arXiv:1804.05327).

It is a sum of unanimity games, one for each path: the path's channels are worth its conversions together, and nothing
while one is missing. The Shapley value of such a game is equal shares (Shapley 1953), and the value of a sum is the
sum of the values. So the conversions of each path are shared equally among its distinct channels, which is that
paper's simplified formula. It is exact for any number of channels, and neither coalitions nor samples are needed.

====================  ===========  =======  =======  =======
path                  conversions  A        B        C
====================  ===========  =======  =======  =======
A                     4            4
A > B                 6            3        3
B > A > B > C         3            1        1        1
all                   13           8        4        1
====================  ===========  =======  =======  =======
"""

from __future__ import annotations

from xinghe.domain.attribution.path_counts import Credit, PathCounts, channels_of


def shapley(paths: PathCounts) -> dict[str, Credit]:
    """The credit of each channel.

    >>> from xinghe.domain.attribution.path_counts import PathCount
    >>> paths = {("A",): PathCount(4), ("A", "B"): PathCount(6), ("B", "A", "B", "C"): PathCount(3)}
    >>> [(channel, credit.conversions) for channel, credit in shapley(paths).items()]
    [('A', 8.0), ('B', 4.0), ('C', 1.0)]
    """
    conversions = dict.fromkeys(channels_of(paths), 0.0)
    values = dict.fromkeys(conversions, 0.0)
    for path, count in paths.items():
        coalition = set(path)
        for channel in coalition:
            conversions[channel] += count.conversions / len(coalition)
            values[channel] += count.value / len(coalition)
    return {channel: Credit(conversions[channel], values[channel]) for channel in conversions}
