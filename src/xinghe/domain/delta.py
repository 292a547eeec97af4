"""What changed: the difference that a commit of the journeys stage makes to campaigns, in signed integers."""

from __future__ import annotations

from collections import defaultdict

from msgspec import Struct

from xinghe.domain.order import Refund


class Delta(Struct, array_like=True, gc=False):
    """The change of one campaign by one commit of one partition of the journeys stage.

    Metrics are indexes into `metrics.COUNTED_NAMES` and `metrics.PEOPLE_NAMES`, and beyond these those of each model; people go on with
    ``metrics.AUDIENCE_NAMES``. ``counts`` holds ``(note_id,
    minutes since the epoch, metric, change)``, ``people`` holds ``(day number or 0 for total, metric, change)``.
    ``arrived_ms`` are the broker's times of the source batches in the commit, told by one of its deltas only: a fair
    sample for the time from end to end.
    """

    partition: int
    watermark_ms: int
    arrived_ms: list[int]
    shop_id: str
    counts: list[tuple[str | None, int, int, int]]
    people: list[tuple[int, int, int]]


class Watermark(Struct, array_like=True, gc=False):
    """The watermark of one partition of the journeys stage, told to every partition of the campaigns stage."""

    partition: int
    watermark_ms: int


class Changes:
    """What the journeys of one task changed since its last commit.

    ``counts`` by (source number, minute, counted metric), ``people`` by (campaign number, day or 0, people metric).
    ``orders`` are the orders whose attribution is to be told: (person, number of the order). ``refusals`` are refunds that
    go to the dead letters: refund, reason, detail. ``evicted`` is how many events were dropped because a journey was
    full.
    """

    __slots__ = ("counts", "evicted", "orders", "people", "refusals")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew after a commit was prepared."""
        self.counts: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        self.people: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        self.orders: dict[tuple[bytes, int], None] = {}
        self.refusals: list[tuple[Refund, str, str]] = []
        self.evicted = 0

    def __bool__(self) -> bool:
        return bool(self.counts or self.people)
