"""The path of channels of an order: the campaigns that led to it (ARCHITECTURE.md, R16)."""

from __future__ import annotations

from itertools import groupby

from xinghe.domain.delta import Changes
from xinghe.domain.directory import Directory
from xinghe.domain.order import Order
from xinghe.domain.touch import sources_in


def count_path(order: Order, directory: Directory, changes: Changes, sign: int) -> None:
    """Count an order on its path, or with ``sign`` -1 take it off; an order without a touch has none."""
    if order.path:
        campaigns = campaigns_of(order, directory)
        shop_id = directory.sources[order.target].shop_id
        changes.add_path(shop_id, campaigns, sign, sign * order.amount_fen)


def campaigns_of(order: Order, directory: Directory) -> tuple[int, ...]:
    """The numbers of the campaigns of an order's touches, directly repeated ones once."""
    campaign_of = directory.campaign_of.__getitem__
    return tuple(campaign for campaign, _ in groupby(map(campaign_of, sources_in(order.path))))


def has_same_path(order: Order, other: Order) -> bool:
    """Whether two orders surely count the same on the same path; their touches tell, which costs less than the path."""
    return (order.path, order.target, order.amount_fen) == (other.path, other.target, other.amount_fen)
