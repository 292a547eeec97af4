"""What the models over all paths read and give: counts by path of channels, credit by channel.

A channel is whatever the paths are told in: a campaign, a kind of touch, an advertising channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias


class PathCount(NamedTuple):
    """How journeys along one path ended; all 0 or more, and no value without conversions."""

    conversions: int
    value: float = 0.0
    """Of all its conversions together, in any unit."""
    null: int = 0
    """Journeys that ended without a conversion."""


PathCounts: TypeAlias = Mapping[tuple[str, ...], PathCount]
"""By path: its channels in the order of the touches, at least one, a channel as often as it was touched."""


class Credit(NamedTuple):
    """What one channel gets of all conversions, and of their value."""

    conversions: float
    value: float


def channels_of(paths: PathCounts) -> list[str]:
    """Every channel once, in the order in which the paths first name it."""
    return list(dict.fromkeys(channel for path in paths for channel in path))


def total(counts: Iterable[PathCount]) -> PathCount:
    """All counts added up.

    >>> total([PathCount(1, 2.5, 3), PathCount(4, 0.5)])
    PathCount(conversions=5, value=3.0, null=3)
    """
    conversions, value, null = 0, 0.0, 0
    for count in counts:
        conversions += count.conversions
        value += count.value
        null += count.null
    return PathCount(conversions, value, null)
