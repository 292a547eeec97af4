"""The data-driven models of a shop: credit of its channels by the paths of all its orders (ARCHITECTURE.md, R16)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Final

from msgspec import Struct

from xinghe.domain.attribution import linear
from xinghe.domain.attribution.by_rule import by_rule
from xinghe.domain.attribution.markov import markov
from xinghe.domain.attribution.path_counts import Credit, PathCount, PathCounts
from xinghe.domain.attribution.shapley import shapley
from xinghe.domain.attribution.split import split
from xinghe.domain.events import ModelChannel
from xinghe.domain.order import ORDER_MICROS
from xinghe.domain.outputs import ModelCredit, ModelCredits, ShopModels

CHANNELS_MAX: Final = 100
"""Told apart in one shop; Markov's work grows with the cube, and these take two seconds."""
MERGED: Final = ""
"""The channel of all others; no channel has an empty id."""

_SEPARATOR: Final = "|"
"""Ids of shops and campaigns have none in them (R1), and no other channel has."""
_WEIGHT_MAX: Final = 2**53
"""The whole of a share as a whole number: a double has no finer ones near it."""

MODELS: Final[Mapping[str, Callable[[PathCounts], dict[str, Credit]]]] = {
    "markov": markov,
    "shapley": shapley,
    "linear": partial(by_rule, weights=linear.weights),
}


class PathTally(Struct, frozen=True, array_like=True, gc=False):
    """The orders of one path of one shop to date, and their ``amount_fen`` together."""

    orders: int
    gmv_fen: int

    def plus(self, orders: int, fen: int) -> PathTally | None:
        """With orders added, or taken off; ``None`` where no order is left."""
        tally = PathTally(self.orders + orders, self.gmv_fen + fen)
        return tally if tally.orders or tally.gmv_fen else None


NO_ORDERS: Final = PathTally(0, 0)


def pack_path(shop_id: str, channels: Sequence[str]) -> bytes:
    """The key of a path: the names in it, so that it can be read in the changelog.

    >>> pack_path("s1", ["c1", "organic:s1"])
    b's1|c1|organic:s1'
    """
    return _SEPARATOR.join((shop_id, *channels)).encode()


def unpack_path(packed: bytes) -> tuple[str, tuple[str, ...]]:
    """The shop and the channels of a path's key."""
    shop_id, *channels = packed.decode().split(_SEPARATOR)
    return shop_id, tuple(channels)


def shop_models(
    shop_id: str,
    watermark_ms: int,
    tallies: Iterable[tuple[bytes, PathTally]],
    channel: ModelChannel = "campaign",
) -> ShopModels:
    """The models of a shop by the keys and tallies of its paths, of which there is at least one, in any order.

    ``channel`` is what the paths are told in.

    The same paths give the same record: sums of fractions depend on the order of adding up, so they are sorted.
    """
    paths = {unpack_path(packed)[1]: tally for packed, tally in sorted(tallies, key=lambda entry: entry[0])}
    orders = sum(tally.orders for tally in paths.values())
    gmv_fen = sum(tally.gmv_fen for tally in paths.values())
    merged_channels = merged(paths)
    counts = path_counts(paths, merged_channels)
    credited = {name: _credits(model(counts), orders, gmv_fen, channel) for name, model in MODELS.items()}
    return ShopModels(
        shop_id=shop_id,
        watermark_ms=watermark_ms,
        orders=orders,
        gmv_fen=gmv_fen,
        paths=len(paths),
        merged_campaigns=len(merged_channels),
        channel=channel,
        models=ModelCredits(**credited),
    )


def merged(paths: Mapping[tuple[str, ...], PathTally], most: int = CHANNELS_MAX) -> frozenset[str]:
    """The channels beyond the ``most`` with the most orders on paths with them, of equal ones the larger ids.

    >>> paths = {("a", "b"): PathTally(2, 9), ("c", "a"): PathTally(1, 5), ("d",): PathTally(1, 5)}
    >>> sorted(merged(paths, most=2))
    ['c', 'd']
    """
    orders: defaultdict[str, int] = defaultdict(int)
    for path, tally in paths.items():
        for name in set(path):
            orders[name] += tally.orders
    ranked = sorted(orders, key=lambda name: (-orders[name], name.encode()))
    return frozenset(ranked[most:])


def path_counts(
    paths: Mapping[tuple[str, ...], PathTally], merged_channels: frozenset[str]
) -> dict[tuple[str, ...], PathCount]:
    """The counts that the models read, with the merged channels as one, directly repeated once."""
    counts: dict[tuple[str, ...], PathCount] = {}
    for path, tally in paths.items():
        if not merged_channels.isdisjoint(path):
            named = (MERGED if name in merged_channels else name for name in path)
            path = tuple(name for name, _ in groupby(named))  # noqa: PLW2901 - the same path, merged
        known = counts.get(path, PathCount(0))
        counts[path] = PathCount(known.conversions + tally.orders, known.value + tally.gmv_fen)
    return counts


def _credits(
    credits_: Mapping[str, Credit], orders: int, gmv_fen: int, channel: ModelChannel
) -> list[ModelCredit]:
    """Whole credits that add up, by the id of the channel."""
    names = sorted(credits_, key=str.encode)
    micros = _split(orders * ORDER_MICROS, [credits_[name].conversions / orders for name in names])
    fen = _split(gmv_fen, [credits_[name].value / gmv_fen for name in names])
    is_campaign = channel == "campaign"
    return [
        ModelCredit(name if is_campaign and name else None, *parts, name or None)
        for name, parts in zip(names, zip(micros, fen, strict=True), strict=True)
    ]


def _split(total: int, shares: Sequence[float]) -> list[int]:
    return split(total, [round(share * _WEIGHT_MAX) for share in shares])
