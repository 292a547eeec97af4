"""Coupons: which claim an order redeems (ARCHITECTURE.md, R8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from xinghe.domain.directory import Directory
from xinghe.domain.order import Claim
from xinghe.domain.windows import DAY_MS

CLAIM_WINDOW_MS: Final = 30 * DAY_MS
"""How long after its claim a coupon can be redeemed."""


def redeemed(
    coupons: Sequence[int], claims: Iterable[Claim], target: int, time_ms: int, directory: Directory
) -> tuple[int, ...]:
    """For each of an order's coupons that was claimed, the campaign of its last claim, as the source without a note."""
    shop = directory.shop_of[target]
    claims = [
        claim
        for claim in claims
        if claim.coupon_hash in coupons
        and 0 <= time_ms - claim.time_ms <= CLAIM_WINDOW_MS
        and directory.shop_of[claim.source] == shop
    ]
    last = {
        claim.coupon_hash: claim
        for claim in sorted(claims, key=lambda claim: (claim.time_ms, claim.event_id))
    }
    return tuple(directory.without_note(last[coupon].source) for coupon in coupons if coupon in last)
