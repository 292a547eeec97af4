"""Coupons: which claim an order redeems (ARCHITECTURE.md, R8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from xinghe.domain.order import Claim, Order
from xinghe.domain.windows import DAY_MS

CLAIM_WINDOW_MS: Final = 30 * DAY_MS
"""How long after its claim a coupon can be redeemed."""


def redeemed(order: Order, claims: Iterable[Claim], shop_of: Sequence[int]) -> tuple[Claim, ...]:
    """For each of an order's coupons that was claimed its last claim; ``claims`` are those of the person.

    ``shop_of`` gives the shop number of a source number. Claims that the order knows already may be gone from the journey.
    """
    shop = shop_of[order.target]
    reaching = [
        claim
        for claim in (*claims, *order.redeemed)
        if claim.coupon_hash in order.coupons
        and 0 <= order.time_ms - claim.time_ms <= CLAIM_WINDOW_MS
        and shop_of[claim.source] == shop
    ]
    reaching.sort(key=lambda claim: (claim.time_ms, claim.event_id))
    last = {claim.coupon_hash: claim for claim in reaching}
    return tuple(last[coupon] for coupon in order.coupons if coupon in last)
