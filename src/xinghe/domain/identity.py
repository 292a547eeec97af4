"""Identity links: who is whom, and a journey on its way to another person's (ARCHITECTURE.md, R17).

Numbers of sources belong to one partition, so a journey travels with the names of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from xinghe.domain.directory import Source
from xinghe.domain.journey import Conversion
from xinghe.domain.order import Order, Refund


class Link(Struct, array_like=True, gc=False):
    """The first link of an id, with the record it came in; ``is_circular`` once it was refused, so that the id stays itself."""

    target: str
    event_id: str
    offset: int
    value: bytes
    is_circular: bool = False


class MovedTouch(Struct, array_like=True, gc=False):
    """A touch on its way; ``coupon_hash`` is that of a coupon claim."""

    event_hash: int
    time_ms: int
    event_id: bytes
    source: int
    kind: int
    coupon_hash: int | None = None
    form: int = 0


class MovedJourney(Struct, array_like=True, gc=False):
    """Everything that is kept of a person, with sources numbered by their place in ``sources``.

    Refunds, also those of orders, are in ``refunds``; ``kept`` are the cells (source, metric, day) of dropped rows,
    ``audience`` the rows (source, facts) of `domain/audience.py`, whose facts are ``None`` for an audience.
    """

    sources: list[Source]
    touches: list[MovedTouch]
    conversions: list[Conversion]
    orders: list[Order]
    refunds: list[Refund]
    kept: list[tuple[int, int, int]]
    audience: list[tuple[int, int | None]]


class Forwarded(Struct, array_like=True, gc=False):
    """The record of an event that came under an old id, as it came."""

    topic: str
    partition: int
    offset: int
    value: bytes


class Moved(Struct, array_like=True, gc=False):
    """What goes to the person that an id was linked to: a journey, or an event that came under the old id since.

    ``lineage`` are the ids it has come by, the oldest first. ``linked_day`` is the day of the link that moves a journey.
    """

    lineage: list[str]
    linked_day: int
    journey: MovedJourney | None = None
    event: Forwarded | None = None


def circle(lineage: Sequence[str], here: str, target: str) -> Sequence[str]:
    """The ids of the circle that going on from ``here`` to ``target`` closes; empty for none.

    >>> circle(["x", "a"], "b", "a"), circle(["x", "a"], "b", "c")
    (['a', 'b'], [])
    """
    trail = [*lineage, here]
    if target not in trail:
        return []
    return trail[len(trail) - 1 - trail[::-1].index(target) :]


def stays(ids: Sequence[str]) -> str:
    """The id of a circle that the others are linked to: the smallest by its bytes of UTF-8."""
    return min(ids, key=str.encode)
