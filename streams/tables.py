"""The tables of the application, declared through the Faust app (`faust -A streams.app tables` lists them)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.agents import (
    campaign_alerts,
    campaign_cohorts,
    campaign_money,
    campaign_notes,
    campaign_recounts,
    campaign_spend,
    campaign_windows,
    campaigns,
    identities,
    journeys,
    shop_models,
)
from streams.engine.table import BytesCodec, StructCodec
from xinghe.domain.directory import Source
from xinghe.domain.identity import Link
from xinghe.domain.journey import JourneyCodec
from xinghe.domain.recounts import Recount
from xinghe.domain.shop_models import PathTally
from xinghe.domain.spend import Report

if TYPE_CHECKING:
    from streams.engine.table import BatchTable


def journeys_tables(app: Any) -> list[BatchTable]:
    """What the journeys stage remembers, by person and for a whole partition."""
    return [
        app.Table(
            journeys.JOURNEYS,
            codec=JourneyCodec(),
            tag=b"j",
            help="Touches, conversions and orders of a person.",
        ),
        app.Table(
            journeys.DIRECTORY,
            codec=StructCodec(Source),
            tag=b"d",
            help="Numbers of shops, campaigns, notes and items in journeys.",
        ),
        app.Table(
            identities.LINKS,
            codec=StructCodec(Link),
            tag=b"l",
            help="Ids that were linked to another.",
        ),
        app.Table(
            journeys.CLOCK,
            codec=StructCodec(journeys.Clock),
            tag=b"c",
            help="Highest event time of a partition.",
        ),
    ]


def campaigns_tables(app: Any) -> list[BatchTable]:
    """What the campaigns stage remembers, by campaign and for a whole partition."""
    return [
        app.Table(
            campaign_windows.WINDOWS, codec=BytesCodec(), tag=b"w", help="Funnel of a campaign's window."
        ),
        app.Table(
            campaign_windows.WINDOW_ORDERS,
            codec=BytesCodec(),
            tag=b"o",
            help="Orders of a campaign's window by each model.",
        ),
        app.Table(
            campaign_notes.NOTES,
            codec=BytesCodec(),
            tag=b"n",
            help="Figures of a campaign's note by day, and of the days dropped.",
        ),
        app.Table(
            campaign_notes.NOTE_ORDERS,
            codec=BytesCodec(),
            tag=b"m",
            help="Orders of a campaign's note by each model, to date and by day.",
        ),
        app.Table(
            campaigns.CAMPAIGNS,
            codec=StructCodec(campaigns.Campaign),
            tag=b"s",
            help="Shop and settings of a campaign.",
        ),
        app.Table(
            campaign_spend.SPEND,
            codec=StructCodec(list[Report]),
            tag=b"p",
            help="Ad spend of a campaign's hour, as reported.",
        ),
        app.Table(
            campaign_cohorts.COHORTS,
            codec=BytesCodec(),
            tag=b"h",
            help="Credit of a campaign's orders of a day, by the days of touches and refunds.",
        ),
        app.Table(
            campaign_recounts.RECOUNTS,
            codec=StructCodec(list[Recount]),
            tag=b"r",
            help="What links of ids changed of a campaign's counts of days before them.",
        ),
        app.Table(
            shop_models.PATHS,
            codec=StructCodec(PathTally),
            tag=b"q",
            help="Orders of a shop by path of channels.",
        ),
        app.Table(
            shop_models.MODELS, codec=BytesCodec(), tag=b"a", help="Last record of a shop's models, as sent."
        ),
        app.Table(
            shop_models.DUE, codec=BytesCodec(), tag=b"u", help="Shops whose models are to be computed."
        ),
        app.Table(
            campaign_money.BOOKS,
            codec=StructCodec(campaign_money.CampaignBooks),
            tag=b"b",
            help="How far a campaign is booked, and what stands in its ledger.",
        ),
        app.Table(
            campaign_money.POSITIONS,
            codec=BytesCodec(),
            tag=b"g",
            help="Where a campaign's guarantee stands, as told last.",
        ),
        app.Table(
            campaign_alerts.ALERTS,
            codec=StructCodec(campaign_alerts.Alert),
            tag=b"x",
            help="How a campaign, or the data, stands with a rule of alerts.",
        ),
        app.Table(
            campaign_alerts.ALERTS_CLOCK,
            codec=StructCodec(campaign_alerts.AlertsClock),
            tag=b"y",
            help="Number of the last alert, and what came from the journeys stage by minute.",
        ),
        app.Table(
            campaigns.CLOCK,
            codec=StructCodec(campaigns.Clock),
            tag=b"c",
            help="Watermarks, versions and incarnation of a partition.",
        ),
    ]
