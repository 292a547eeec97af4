"""What links of ids change of counts of days before them (ARCHITECTURE.md, R18): to tell what was known on a day before the link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from xinghe.domain.metrics import COUNTED_NAMES

KEPT_DAYS: Final = 90
"""How long before a campaign's newest link others are kept: for longer its books are not behind, if it has any."""

Counted = Mapping[int, Mapping[str, int]]
"""Counted metrics by day."""


class Recount(NamedTuple):
    """A signed change of a counted metric, an index into `metrics.COUNTED_NAMES`, of a day by a link of the later ``known_day``.

    Days are numbers of `counted.day_number`.
    """

    day: int
    metric: int
    known_day: int
    change: int


def added_up(rows: Iterable[Recount]) -> list[Recount]:
    """The rows, those of the same days and metric as one, ascending.

    Left out is what comes to 0, and links of over `KEPT_DAYS` before the newest.

    >>> added_up([Recount(3, 0, 9, 1), Recount(2, 0, 9, 1), Recount(3, 0, 9, 2), Recount(2, 0, 9, -1)])
    [Recount(day=3, metric=0, known_day=9, change=3)]
    """
    sums: dict[tuple[int, int, int], int] = {}
    for day, metric, known_day, change in rows:
        sums[day, metric, known_day] = sums.get((day, metric, known_day), 0) + change
    oldest_day = max((key[2] for key in sums), default=0) - KEPT_DAYS
    return [Recount(*key, sums[key]) for key in sorted(sums) if sums[key] and key[2] >= oldest_day]


def counted_on(known_day: int, counted: Counted, recounts: Sequence[Recount]) -> Counted:
    """The counts without what links after ``known_day`` have changed.

    >>> counted_on(8, {3: {"views": 5}}, [Recount(3, 0, 9, 1), Recount(3, 0, 8, 1), Recount(2, 0, 9, -1)])
    {3: {'views': 4}, 2: {'views': 1}}
    """
    known = {day: dict(metrics) for day, metrics in counted.items()}
    for day, metric, from_day, change in recounts:
        if from_day > known_day:
            name, metrics = COUNTED_NAMES[metric], known.setdefault(day, {})
            metrics[name] = metrics.get(name, 0) - change
    return known
