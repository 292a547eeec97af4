"""The path of channels of an order: what led to it, told in campaigns, surfaces or types of notes (ARCHITECTURE.md, R16)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final

from xinghe.domain.delta import Changes
from xinghe.domain.directory import Directory
from xinghe.domain.events import ModelChannel
from xinghe.domain.order import Order
from xinghe.domain.touch import COUPON_CLAIM, FORMS, KINDS, Touch, sources_in, touches_in

UNKNOWN: Final = "unknown"
"""The channel of notes whose type is not told."""


def count_path(order: Order, directory: Directory, changes: Changes, sign: int) -> None:
    """Count an order on its path, or with ``sign`` -1 take it off; an order without a touch has none."""
    if order.path:
        channels = channels_of(order, directory, changes.model_channel)
        shop_id = directory.sources[order.target].shop_id
        changes.add_path(shop_id, channels, sign, sign * order.amount_fen)


def channels_of(order: Order, directory: Directory, channel: ModelChannel) -> tuple[str, ...]:
    """The channels of an order's touches, directly repeated ones once."""
    names: Iterable[str]
    if channel == "campaign":
        campaigns = map(directory.campaign_of.__getitem__, sources_in(order.path))
        names = map(directory.campaigns.__getitem__, campaigns)
    else:
        names = map(_NAME[channel], touches_in(order.path))
    return tuple(name for name, _ in groupby(names))


def _surface(touch: Touch) -> str:
    """Where a note was viewed; what else the person did is a channel by its kind."""
    surface, _ = FORMS[touch.form]
    return surface or KINDS[touch.kind]


def _note_type(touch: Touch) -> str:
    """The type of the touched note; a coupon claim has no note."""
    _, note_type = FORMS[touch.form]
    return KINDS[COUPON_CLAIM] if touch.kind == COUPON_CLAIM else note_type or UNKNOWN


_NAME: Final[dict[ModelChannel, Callable[[Touch], str]]] = {"surface": _surface, "note_type": _note_type}


def has_same_path(order: Order, other: Order) -> bool:
    """Whether two orders surely count the same on the same path; their touches tell, which costs less than the path."""
    return (order.path, order.target, order.amount_fen) == (other.path, other.target, other.amount_fen)
