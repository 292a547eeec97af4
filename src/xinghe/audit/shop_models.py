"""The data-driven models of a shop, recomputed plainly from the paths of all its orders (ARCHITECTURE.md, R16).

Nothing here is the stream's: Shapley and linear shares are fractions, Markov's removal effects come from solving, for each
channel that is taken out, the equations of the chances to convert.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from xinghe.audit.touches import Touch
from xinghe.domain.events import ModelChannel

ORDER_MICROS: Final = 1_000_000
CHANNELS_MAX: Final = 100
MODEL_NAMES: Final = ("markov", "shapley", "linear")

Path = tuple[str | None, ...]
"""Channels; ``None`` stands for all that are merged."""
Number = float | Fraction


class PathSum(NamedTuple):
    """The orders of a path, and their fen."""

    orders: int
    gmv_fen: int


class ExpectedModels(NamedTuple):
    """What a record must say; ``shares`` are by model and channel the exact micros and fen, before rounding."""

    orders: int
    gmv_fen: int
    paths: int
    merged_campaigns: int
    shares: dict[str, dict[str | None, tuple[Number, Number]]]


def channel_path(touches: Iterable[Touch], channel: ModelChannel) -> tuple[str, ...]:
    """The channels of touches, one that follows itself once."""
    path: list[str] = []
    for touch in touches:
        name = channel_of(touch, channel)
        if path[-1:] != [name]:
            path.append(name)
    return tuple(path)


def channel_of(touch: Touch, channel: ModelChannel) -> str:
    """The channel that a touch belongs to."""
    match channel:
        case "campaign":
            return touch.campaign_id
        case "surface":
            return touch.kind if touch.surface is None else touch.surface
        case "note_type":
            if touch.kind == "coupon_claim":
                return touch.kind
            return "unknown" if touch.note_type is None else touch.note_type


def expected_models(paths: Mapping[tuple[str, ...], PathSum]) -> ExpectedModels:
    """The models of a shop with at least one path."""
    merged = merged_channels(paths)
    sums = _merged_paths(paths, merged)
    return ExpectedModels(
        orders=sum(path_sum.orders for path_sum in paths.values()),
        gmv_fen=sum(path_sum.gmv_fen for path_sum in paths.values()),
        paths=len(paths),
        merged_campaigns=len(merged),
        shares={"markov": markov(sums), "shapley": shapley(sums), "linear": linear(sums)},
    )


def merged_channels(paths: Mapping[tuple[str, ...], PathSum]) -> set[str]:
    """The channels that are told as one: all but the 100 that are on the paths of most orders."""
    orders: Counter[str] = Counter()
    for path, path_sum in paths.items():
        orders.update(dict.fromkeys(path, path_sum.orders))
    ranked = sorted(orders, key=lambda name: (-orders[name], name))
    return set(ranked[CHANNELS_MAX:])


def _merged_paths(paths: Mapping[tuple[str, ...], PathSum], merged: set[str]) -> dict[Path, PathSum]:
    sums: dict[Path, PathSum] = {}
    for path, path_sum in paths.items():
        told: list[str | None] = []
        for name in path:
            channel = None if name in merged else name
            if not told or told[-1] != channel:
                told.append(channel)
        known = sums.get(tuple(told), PathSum(0, 0))
        sums[tuple(told)] = PathSum(known.orders + path_sum.orders, known.gmv_fen + path_sum.gmv_fen)
    return sums


def shapley(paths: Mapping[Path, PathSum]) -> dict[str | None, tuple[Number, Number]]:
    """Equal shares of each path to its distinct channels."""
    return _by_places({path: list(set(path)) for path in paths}, paths)


def linear(paths: Mapping[Path, PathSum]) -> dict[str | None, tuple[Number, Number]]:
    """Equal shares of each path to its places."""
    return _by_places({path: list(path) for path in paths}, paths)


def _by_places(
    places: Mapping[Path, list[str | None]], paths: Mapping[Path, PathSum]
) -> dict[str | None, tuple[Number, Number]]:
    micros: defaultdict[str | None, Fraction] = defaultdict(Fraction)
    fen: defaultdict[str | None, Fraction] = defaultdict(Fraction)
    for path, channels in places.items():
        for channel in channels:
            micros[channel] += Fraction(paths[path].orders * ORDER_MICROS, len(channels))
            fen[channel] += Fraction(paths[path].gmv_fen, len(channels))
    return {channel: (micros[channel], fen[channel]) for channel in micros}


def markov(paths: Mapping[Path, PathSum]) -> dict[str | None, tuple[Number, Number]]:
    """Shares in proportion to what would be lost without a channel."""
    channels = list({channel: None for path in paths for channel in path})
    orders = sum(path_sum.orders for path_sum in paths.values())
    gmv_fen = sum(path_sum.gmv_fen for path_sum in paths.values())
    left = {channel: _left_without(channel, channels, paths) for channel in channels}
    lost_orders = {channel: 1 - left[channel][0] / orders for channel in channels}
    lost_fen = {channel: 1 - left[channel][1] / gmv_fen for channel in channels}
    return {
        channel: (
            orders * ORDER_MICROS * lost_orders[channel] / sum(lost_orders.values()),
            gmv_fen * lost_fen[channel] / sum(lost_fen.values()),
        )
        for channel in channels
    }


def _left_without(
    gone: str | None, channels: Sequence[str | None], paths: Mapping[Path, PathSum]
) -> tuple[float, float]:
    """The orders and fen that walks still bring that end once they come to ``gone``."""
    number = {channel: at for at, channel in enumerate(channels)}
    size = len(channels)
    moves = [[0] * size for _ in channels]
    ends = [[0, 0] for _ in channels]
    starts = [0] * size
    for path, path_sum in paths.items():
        starts[number[path[0]]] += path_sum.orders
        for before, after in pairwise(path):
            moves[number[before]][number[after]] += path_sum.orders
        ends[number[path[-1]]][0] += path_sum.orders
        ends[number[path[-1]]][1] += path_sum.gmv_fen
    # From each channel: chance x of an order, and mean fen y, with x = end + sum of move * x of the next.
    rows = []
    for at, channel in enumerate(channels):
        times = sum(moves[at]) + ends[at][0]
        row = [float(at == to) for to in range(size)] + [0.0, 0.0]
        if channel != gone:
            row = [float(at == to) - moves[at][to] / times for to in range(size)]
            row += [ends[at][0] / times, ends[at][1] / times]
        rows.append(row)
    solved = _solved(rows)
    return (
        sum(start * solved[at][0] for at, start in enumerate(starts)),
        sum(start * solved[at][1] for at, start in enumerate(starts)),
    )


def _solved(rows: list[list[float]]) -> list[list[float]]:
    """The solutions of linear equations with two right sides, by Gauss and Jordan with pivots."""
    size = len(rows)
    for at in range(size):
        pivot = max(range(at, size), key=lambda row: abs(rows[row][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        rows[at] = [value / rows[at][at] for value in rows[at]]
        for other in range(size):
            factor = rows[other][at]
            if other != at and factor:
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[at], strict=True)]
    return [row[size:] for row in rows]
