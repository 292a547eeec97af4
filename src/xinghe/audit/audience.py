"""Audience depth (ARCHITECTURE.md, R15): in which of the five metrics of a campaign one person counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from xinghe.audit.touches import Touch
from xinghe.domain.metrics import AUDIENCE_NAMES

INTERESTED: Final = frozenset({"like", "comment", "collect", "follow", "share"})
DEEPLY_INTERESTED: Final = frozenset({"ad_click", "coupon_claim"})


def audience_of(touches: Iterable[Touch], visits: Iterable[Any], payments: Iterable[Any]) -> dict[str, str]:
    """The metric that counts the person, by campaign.

    ``touches``, ``visits`` (with favourites and carts) and ``payments`` (duplicate orders too) are all events of the
    person.
    """
    did: dict[str, set[str]] = defaultdict(set)
    shops: dict[str, set[str]] = defaultdict(set)
    for touch in touches:
        did[touch.shop_id].add(touch.kind)
        shops[touch.campaign_id].add(touch.shop_id)
    for visit in visits:
        did[visit.shop_id].add("visit")
    for payment in payments:
        did[payment.shop_id].add("payment")
    return {
        campaign_id: AUDIENCE_NAMES[max(_depth(did[shop_id]) for shop_id in reached)]
        for campaign_id, reached in shops.items()
    }


def _depth(did: set[str]) -> int:
    """The place of the stage among ``AUDIENCE_NAMES``."""
    if "payment" in did:
        return 4 if "share" in did else 3
    if "visit" in did or did & DEEPLY_INTERESTED:
        return 2
    return 1 if did & INTERESTED else 0
