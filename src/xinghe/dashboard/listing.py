"""Filtering and sorting campaigns, for the API and the table on the page alike."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from xinghe.dashboard.board import HOUR_NAMES
from xinghe.dashboard.parameters import Parameter
from xinghe.dashboard.source import Campaign
from xinghe.domain.rates import RATES, rate

COLUMNS: Final = (*HOUR_NAMES, "roi", "roi_net")
"""The figures in the table, and what campaigns can be sorted by besides their id and last change."""
_SORTS: Final = ("campaign_id", "updated_ms", *COLUMNS)
SORT: Final = Parameter(
    "sort",
    "What to sort by, the smallest first; with - before it the largest. What is unknown comes last.",
    "-gmv_fen",
    choices=tuple(sign + name for name in _SORTS for sign in ("", "-")),
)
KIND: Final = Parameter(
    "kind",
    "Campaigns, touches without one, conversions without a touch, or all of these.",
    "campaign",
    choices=("campaign", "organic", "unattributed", "all"),
)
SEARCH: Final = Parameter("q", "Only those whose id, or id of the shop, contains this.", "")
SHOP: Final = Parameter("shop_id", "Only those of this shop.")


def listed(
    campaigns: Iterable[Campaign], *, sort: str, kind: str, q: str, shop_id: str | None
) -> list[Campaign]:
    """The campaigns that fit, in order; equal ones by their id."""
    needle = q.strip().casefold()
    found = [
        campaign
        for campaign in campaigns
        if kind in {"all", campaign.kind}
        and (shop_id is None or campaign.shop_id == shop_id)
        and (needle in campaign.campaign_id.casefold() or needle in (campaign.shop_id or "").casefold())
    ]
    name, is_descending = sort.removeprefix("-"), sort.startswith("-")
    found.sort(key=lambda campaign: campaign.campaign_id, reverse=is_descending and name == "campaign_id")
    if name == "campaign_id":
        return found
    known = [(value, campaign) for campaign in found if (value := figure(campaign, name)) is not None]
    unknown = [campaign for campaign in found if figure(campaign, name) is None]
    known.sort(key=lambda pair: -pair[0] if is_descending else pair[0])
    return [campaign for _, campaign in known] + unknown


def figure(campaign: Campaign, name: str) -> Fraction | int | None:
    """A metric or rate to date, or when the campaign last changed; ``None`` where it is unknown."""
    if name == "updated_ms":
        return campaign.funnel.updated_ms
    return rate(name, campaign.funnel.metrics) if name in RATES else campaign.funnel.get(name)
