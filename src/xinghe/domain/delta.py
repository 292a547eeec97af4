"""What changed: the difference that a commit of the journeys stage makes to campaigns, in signed integers."""

from __future__ import annotations

from collections import defaultdict

from msgspec import Struct

from xinghe.domain.cohorts import Amounts, CohortCell, CohortRow
from xinghe.domain.events import ModelChannel
from xinghe.domain.order import Refund
from xinghe.domain.recounts import Recount


class Delta(Struct, array_like=True, gc=False):
    """The change of one campaign by one commit of one partition of the journeys stage.

    Metrics are indexes into `metrics.COUNTED_NAMES` and `metrics.PEOPLE_NAMES`, and beyond these those of each model; people go on with
    ``metrics.AUDIENCE_NAMES``. ``counts`` holds ``(note_id,
    minutes since the epoch, metric, change)``, ``people`` holds ``(day number or 0 for total, metric, change)``,
    ``cohorts`` the changes of cohorts, ``recounts`` what of ``counts`` comes of links of ids after their day.
    ``arrived_ms`` are the broker's times of the source batches in the commit, told by one of its deltas only: a fair
    sample for the time from end to end.
    """

    partition: int
    watermark_ms: int
    arrived_ms: list[int]
    shop_id: str
    counts: list[tuple[str | None, int, int, int]]
    people: list[tuple[int, int, int]]
    cohorts: list[CohortRow]
    recounts: list[Recount]


class Watermark(Struct, array_like=True, gc=False):
    """The watermark of one partition of the journeys stage, told to every partition of the campaigns stage.

    ``settled_ms`` is an older one, up to which all deltas are before this record.
    ``taken`` is how many source records the partition's tasks have taken since the beginning, ``refused`` how many of them went to
    the dead letters.
    """

    partition: int
    watermark_ms: int
    settled_ms: int
    taken: int = 0
    refused: int = 0


class PathDelta(Struct, array_like=True, gc=False):
    """The change of the path counts of one shop by one commit of one partition of the journeys stage (R16).

    ``paths`` holds ``(channels of the path, orders, gmv_fen)``, both signed; a path may be told more than once.
    """

    paths: list[tuple[tuple[str, ...], int, int]]


class Changes:
    """What the journeys of one task changed since its last commit.

    ``counts`` by (source number, minute, counted metric), ``people`` by (campaign number, day or 0, people metric),
    ``cohorts`` by campaign number, days and model, ``recounts`` by campaign number, day, metric and day of the link.
    ``orders`` are the orders whose attribution is to be told: (person, number of the order). ``refusals`` are refunds that
    go to the dead letters: refund, reason, detail. ``paths`` are orders and their fen by (shop, channels of the path), told
    in ``model_channel``.
    ``evicted`` is how many events were dropped because a journey was
    full.
    """

    __slots__ = (
        "cohorts",
        "counts",
        "evicted",
        "model_channel",
        "orders",
        "paths",
        "people",
        "recounts",
        "refusals",
    )

    def __init__(self, model_channel: ModelChannel = "campaign") -> None:
        self.model_channel = model_channel
        self.clear()

    def clear(self) -> None:
        """Begin anew after a commit was prepared."""
        self.counts: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        self.people: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        self.cohorts: dict[CohortCell, Amounts] = {}
        self.recounts: defaultdict[tuple[int, int, int, int], int] = defaultdict(int)
        self.orders: dict[tuple[bytes, int], None] = {}
        self.refusals: list[tuple[Refund, str, str]] = []
        self.paths: dict[tuple[str, tuple[str, ...]], tuple[int, int]] = {}
        self.evicted = 0

    def add_path(self, shop_id: str, channels: tuple[str, ...], orders: int, fen: int) -> None:
        """Count orders of a path more, or less."""
        key = shop_id, channels
        known_orders, known_fen = self.paths.get(key, (0, 0))
        self.paths[key] = known_orders + orders, known_fen + fen

    def __bool__(self) -> bool:
        return bool(self.counts or self.people or self.cohorts)
