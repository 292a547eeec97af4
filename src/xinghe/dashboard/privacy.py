"""Few people are not shown in a breakdown: their number, beside others, could tell who they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from xinghe.domain.catalogue import METRICS
from xinghe.domain.metrics import AUDIENCE

PEOPLE_MIN: Final = 50
"""Below so many people a breakdown does not tell how many; a setting."""

_PEOPLE: Final = frozenset(metric.name for metric in METRICS if metric.unit == "people")
_BROKEN_DOWN: Final = frozenset(AUDIENCE) | {name for name in _PEOPLE if ":" in name}
"""By stage or by model."""


class Shown(NamedTuple):
    """The metrics that may be shown, and the names of those that are there and hidden."""

    metrics: Mapping[str, int]
    hidden: list[str]


def shown(metrics: Mapping[str, int], people_min: int, *, is_part: bool = False) -> Shown:
    """The metrics less the numbers of few people in a breakdown; all numbers of people are one where it is a part of time.

    >>> shown({"viewers": 3, "share_people": 3, "aware_people": 70, "buyers:linear": 1}, 50)
    Shown(metrics={'viewers': 3, 'aware_people': 70}, hidden=['share_people', 'buyers:linear'])
    >>> shown({"views": 3, "viewers": 3}, 50, is_part=True)
    Shown(metrics={'views': 3}, hidden=['viewers'])
    """
    broken_down = _PEOPLE if is_part else _BROKEN_DOWN
    hidden = [name for name, value in metrics.items() if name in broken_down and value < people_min]
    return Shown({name: value for name, value in metrics.items() if name not in hidden}, hidden)
