"""Which coupons of an order are redeemed, and for which campaign (ARCHITECTURE.md, R8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from xinghe.audit.touches import touch_of
from xinghe.domain.events import CouponClaimed, OrderPaid
from xinghe.domain.windows import DAY_MS

CLAIM_MS: Final = 30 * DAY_MS


def redemptions(order: OrderPaid, claims: Iterable[CouponClaimed]) -> Counter[str]:
    """How many coupons the order redeems, by the campaign of the claim; ``claims`` are the person's distinct ones."""
    claims = list(claims)
    redeemed: Counter[str] = Counter()
    for coupon_id in set(order.coupon_ids or ()):
        possible = [
            claim
            for claim in claims
            if (claim.coupon_id, claim.shop_id) == (coupon_id, order.shop_id)
            and 0 <= order.time_ms - claim.time_ms <= CLAIM_MS
        ]
        if possible:
            last = max(possible, key=lambda claim: (claim.time_ms, claim.event_id))
            redeemed[touch_of(last).campaign_id] += 1
    return redeemed
