"""A rule model over path counts: the conversions and the value of each path, shared by the model's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xinghe.domain.attribution.path_counts import Credit, PathCounts, channels_of


def by_rule(paths: PathCounts, weights: Callable[[Sequence[int]], list[int]]) -> dict[str, Credit]:
    """The credit of each channel; ``weights`` is asked with the positions in the path, from 0, as times.

    >>> from xinghe.domain.attribution import linear
    >>> from xinghe.domain.attribution.path_counts import PathCount
    >>> by_rule({("note", "ad", "note"): PathCount(3, value=30.0)}, linear.weights)
    {'note': Credit(conversions=2.0, value=20.0), 'ad': Credit(conversions=1.0, value=10.0)}
    """
    conversions = dict.fromkeys(channels_of(paths), 0.0)
    values = dict.fromkeys(conversions, 0.0)
    for path, count in paths.items():
        path_weights = weights(range(len(path)))
        weights_sum = sum(path_weights)
        for channel, weight in zip(path, path_weights, strict=True):
            conversions[channel] += count.conversions * weight / weights_sum
            values[channel] += count.value * weight / weights_sum
    return {channel: Credit(conversions[channel], values[channel]) for channel in conversions}
