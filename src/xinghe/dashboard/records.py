"""What the JSON API answers. What is unknown has no entry in ``metrics`` and ``rates``, or is null: it is never 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

from xinghe.dashboard.alerts_source import Alert
from xinghe.dashboard.privacy import shown
from xinghe.dashboard.source import Campaign, Kind
from xinghe.domain.outputs import AlertRaised, GuaranteePosition
from xinghe.domain.rates import RATES, rate
from xinghe.serving import Funnel, NoteFunnel
from xinghe.serving.acknowledgements import NOTE_LENGTH_MAX
from xinghe.serving.records import Acknowledgement

Metrics = Annotated[
    Mapping[str, int],
    Meta(description="By name, as in the page of the Redis keys: counts, fen, millionths of an order."),
]
Rates = Annotated[
    Mapping[str, float], Meta(description="Quotients of the metrics to 6 places; costs are in fen.")
]
Hidden = Annotated[
    list[str], Meta(description="Metrics that are known and not told, because they are of few people.")
]


class CampaignRecord(Struct, frozen=True):
    """A campaign's figures to date."""

    campaign_id: str
    name: Annotated[str | None, Meta(description="By its settings; null where these are unknown.")]
    kind: Annotated[
        Kind, Meta(description="A campaign, touches without one, or conversions without a touch.")
    ]
    shop_id: Annotated[str | None, Meta(description="Null while it is unknown.")]
    updated_ms: Annotated[int | None, Meta(description="When the figures last changed, ms since 1970 UTC.")]
    watermark_ms: Annotated[
        int | None, Meta(description="Up to when events should be complete, event time, ms since 1970 UTC.")
    ]
    metrics: Metrics
    rates: Rates
    hidden: Hidden


class CampaignList(Struct, frozen=True):
    """Campaigns, and how many there are in all that fit the filter."""

    count: int
    campaigns: list[CampaignRecord]


class WindowRecord(Struct, frozen=True):
    """The figures of one window, half open."""

    start_ms: int
    end_ms: int | None
    final: Annotated[
        bool | None, Meta(description="False while it is provisional: late events are still expected.")
    ]
    metrics: Metrics
    rates: Rates
    hidden: Hidden


class WindowList(Struct, frozen=True):
    """Windows of one size, oldest first; those in which nothing happened are not there."""

    campaign_id: str
    size: str
    windows: list[WindowRecord]


class NoteRecord(Struct, frozen=True):
    """A note's figures to date in a campaign."""

    note_id: str
    metrics: Metrics


class NoteList(Struct, frozen=True):
    """Notes, the highest GMV first."""

    campaign_id: str
    notes: list[NoteRecord]


class ModelRecord(Struct, frozen=True):
    """What one rule model gives the campaign, to date; never add up over models."""

    model: str
    metrics: Metrics
    hidden: Hidden


class ModelList(Struct, frozen=True):
    """All rule models side by side; empty while the campaign has no order."""

    campaign_id: str
    models: list[ModelRecord]


class GuaranteeRecord(Struct, frozen=True):
    """Where a campaign's guarantee stands."""

    campaign_id: str
    position: Annotated[
        GuaranteePosition | None, Meta(description="Null where the campaign has no guarantee.")
    ]


class AlertRecord(AlertRaised, frozen=True):
    """What became of an alert, and who has seen it."""

    acknowledgement: Annotated[
        Acknowledgement | None,
        Meta(description="The last one; null while nobody has acknowledged the alert."),
    ]


class AlertList(Struct, frozen=True):
    """Alerts, the last first."""

    alerts: list[AlertRecord]


class Note(Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent with an acknowledgement."""

    note: Annotated[
        str, Meta(max_length=NOTE_LENGTH_MAX, description="For those who come after; may be empty.")
    ] = ""


class ShopList(Struct, frozen=True):
    """Shops with data-driven models, by id."""

    shops: list[str]


class Freshness(Struct, frozen=True):
    """How fresh the figures are; ages in ms by the server's clock."""

    now_ms: int
    campaigns: int
    updated_ms: int | None
    updated_age_ms: int | None
    watermark_ms: int | None
    watermark_age_ms: int | None
    read_ms: Annotated[int | None, Meta(description="When Redis was last read.")]
    problem: Annotated[str | None, Meta(description="Why the figures are old; null while they are not.")]


class Failure(Struct, frozen=True):
    """Why there is no answer, and what to do."""

    error: str
    message: str


def campaign_record(campaign: Campaign, name: str | None, people_min: int) -> CampaignRecord:
    """A campaign as the API shows it."""
    funnel = campaign.funnel
    metrics, hidden = shown(funnel.metrics, people_min)
    return CampaignRecord(
        campaign_id=campaign.campaign_id,
        name=name,
        kind=campaign.kind,
        shop_id=campaign.shop_id,
        updated_ms=funnel.updated_ms,
        watermark_ms=funnel.watermark_ms,
        metrics=metrics,
        rates=rates(metrics),
        hidden=hidden,
    )


def window_record(window: Funnel, people_min: int) -> WindowRecord:
    """A window as the API shows it."""
    metrics, hidden = shown(window.metrics, people_min, is_part=True)
    return WindowRecord(window.start_ms, window.end_ms, window.final, metrics, rates(metrics), hidden)


def alert_record(alert: Alert) -> AlertRecord:
    """An alert as the API shows it."""
    return AlertRecord(**asdict(alert.record), acknowledgement=alert.acknowledgement)


def note_record(note: NoteFunnel) -> NoteRecord:
    """A note as the API shows it."""
    return NoteRecord(note.note_id, note.metrics)


def model_records(metrics: Mapping[str, int], models: tuple[str, ...], people_min: int) -> list[ModelRecord]:
    """The figures by model, in the order of ``models``; none where there are none.

    >>> model_records({"views": 1, "gmv_fen:linear": 5, "buyers:linear": 2}, ("linear",), 50)
    [ModelRecord(model='linear', metrics={'gmv_fen': 5}, hidden=['buyers'])]
    """
    told, hidden = shown(metrics, people_min)
    records = []
    for model in models:
        suffix = f":{model}"
        own = {name.removesuffix(suffix): value for name, value in told.items() if name.endswith(suffix)}
        own_hidden = [name.removesuffix(suffix) for name in hidden if name.endswith(suffix)]
        if own or own_hidden:
            records.append(ModelRecord(model, own, own_hidden))
    return records


def rates(metrics: Mapping[str, int]) -> dict[str, float]:
    """The rates that are known.

    >>> rates({"gmv_fen": 2, "spend_fen": 3})["roi"]
    0.666667
    """
    found = ((name, rate(name, metrics)) for name in RATES)
    return {name: float(round(value, 6)) for name, value in found if value is not None}
