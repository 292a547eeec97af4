"""Filtering and sorting campaigns, for the API and the table on the page alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final

from xinghe.dashboard.parameters import Parameter
from xinghe.dashboard.source import Campaign
from xinghe.dashboard.spans import NAMES
from xinghe.domain.catalogue import PLAIN
from xinghe.domain.metrics import AUDIENCE
from xinghe.domain.rates import RATES, rate

FIGURES: Final = (*(metric.name for metric in PLAIN if metric.name not in AUDIENCE), *RATES)
"""The figures that the table can have, and what campaigns can be sorted by besides their id, name and last change.

People by their deepest stage are a breakdown that hides small numbers, which an order would tell: the campaign's page has them.
"""
COLUMNS: Final = Parameter(
    "columns",
    "The figures of the table, in their order, with commas between.",
    (*NAMES, "roi", "roi_net"),
    choices=FIGURES,
    is_list=True,
)
_SORTS: Final = ("campaign_id", "name", "updated_ms", *FIGURES)
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
SEARCH: Final = Parameter("q", "Only those whose id, name, or id of the shop contains this.", "")
SHOP: Final = Parameter("shop_id", "Only those of this shop.", "")


def listed(
    campaigns: Iterable[Campaign],
    names: Mapping[str, str],
    *,
    sort: str,
    kind: str,
    q: str,
    shop_id: str,
) -> list[Campaign]:
    """The campaigns that fit, in order; equal ones by their id. One without a name is taken to be named as its id."""
    needle = q.strip().casefold()
    found = [
        campaign
        for campaign in campaigns
        if kind in {"all", campaign.kind}
        and (not shop_id or campaign.shop_id == shop_id)
        and any(
            needle in text.casefold()
            for text in (campaign.campaign_id, campaign.shop_id or "", names.get(campaign.campaign_id, ""))
        )
    ]
    name, is_descending = sort.removeprefix("-"), sort.startswith("-")
    found.sort(key=lambda campaign: campaign.campaign_id, reverse=is_descending and name == "campaign_id")
    if name == "campaign_id":
        return found
    if name == "name":
        named = {id_: names.get(id_, id_).casefold() for id_ in (each.campaign_id for each in found)}
        return sorted(found, key=lambda campaign: named[campaign.campaign_id], reverse=is_descending)
    known = [(value, campaign) for campaign in found if (value := figure(campaign, name)) is not None]
    unknown = [campaign for campaign in found if figure(campaign, name) is None]
    known.sort(key=lambda pair: -pair[0] if is_descending else pair[0])
    return [campaign for _, campaign in known] + unknown


def figure(campaign: Campaign, name: str) -> Fraction | int | None:
    """A metric or rate to date, or when the campaign last changed; ``None`` where it is unknown."""
    if name == "updated_ms":
        return campaign.funnel.updated_ms
    return rate(name, campaign.funnel.metrics) if name in RATES else campaign.funnel.get(name)
