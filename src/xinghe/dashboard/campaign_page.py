"""What the page of one campaign shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple, cast
from urllib.parse import quote

from xinghe.dashboard import numbers
from xinghe.dashboard.access import Viewer
from xinghe.dashboard.charts import Chart, Series, series
from xinghe.dashboard.look import Figure, Look
from xinghe.dashboard.overview import CARDS, linker, steps
from xinghe.dashboard.parameters import Parameter
from xinghe.dashboard.privacy import shown
from xinghe.dashboard.records import model_records
from xinghe.dashboard.source import Campaign
from xinghe.dashboard.state import State
from xinghe.domain.metrics import AUDIENCE_NAMES, LAG_DAYS, MODELS
from xinghe.domain.outputs import GuaranteePosition
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, SIZE_MS, Size, start_ms
from xinghe.serving import Funnel

SPAN_MS: Final = {"1m": 3 * HOUR_MS, "1h": 3 * DAY_MS, "1d": 35 * DAY_MS}
"""How far back each trend goes."""
FORMS: Final = {"1m": "%H:%M", "1h": "%m-%d %H:00", "1d": "%m-%d"}
NOTES: Final = 20
TREND_NAMES: Final = tuple(name for name in CARDS if name != "roi")
SIZE: Final = Parameter("size", "The size of the windows of the trend.", "1h", choices=("1m", "1h", "1d"))
MEASURE: Final = Parameter("measure", "The figure of the trend.", "gmv_fen", choices=TREND_NAMES)
PARAMETERS: Final = (SIZE, MEASURE)
CARD_NAMES: Final = (
    *CARDS,
    "roi_net",
    "cost_per_order",
    "click_through_rate",
    "buyers",
    "new_buyers",
    "repurchase_rate",
)
NOTE_COLUMNS: Final = ("views", "engagements", "ad_clicks", "orders_micros", "gmv_fen", "net_gmv_fen")
MODEL_COLUMNS: Final = ("orders_micros", "gmv_fen", "net_gmv_fen", "repurchases", "buyers", "new_buyers")
COUPON_NAMES: Final = (
    "coupon_claims",
    "coupon_redemptions",
    "coupon_redemption_rate",
    "coupon_gmv_fen",
)


class Bar(NamedTuple):
    """A figure with a bar, in percent of the widest."""

    name: str
    figure: Figure
    width: float


async def page(
    state: State, viewer: Viewer, campaign: Campaign, given: Mapping[str, Any], look: Look
) -> dict[str, Any]:
    """All that the campaign's template shows."""
    source, id_ = state.source, campaign.campaign_id
    metrics = campaign.funnel.metrics
    position = await source.position(viewer, id_)
    size = cast(Size, given["size"])
    return {
        "campaign": campaign,
        "given": given,
        "link": linker(given, PARAMETERS, f"/campaigns/{quote(id_)}"),
        "cards": [(name, look.of(name, metrics)) for name in CARD_NAMES],
        "steps": steps(metrics, look),
        "sizes": SIZE.choices,
        "measures": TREND_NAMES,
        "trend": trend(await _windows(state, viewer, campaign, size), campaign, size, given["measure"], look),
        "notes": await source.notes(viewer, id_, NOTES),
        "note_columns": NOTE_COLUMNS,
        "models": model_records(metrics, MODELS, state.people_min),
        "model_columns": MODEL_COLUMNS,
        "lags": lags(metrics, look),
        "spend": spend(await _windows(state, viewer, campaign, "1d"), position, look),
        "position": position,
        "coupons": [(name, look.of(name, metrics)) for name in COUPON_NAMES]
        if metrics.get("coupon_claims") or metrics.get("coupon_redemptions")
        else [],
        "audience": audience(metrics, state.people_min, look),
        "people_min": state.people_min,
    }


async def _windows(state: State, viewer: Viewer, campaign: Campaign, size: Size) -> list[Funnel]:
    first_ms, last_ms = _span(campaign, size)
    return await state.source.windows(viewer, campaign.campaign_id, size, first_ms, last_ms + SIZE_MS[size])


def _span(campaign: Campaign, size: Size) -> tuple[int, int]:
    """The first and last window of the trend, up to the one of the watermark."""
    watermark_ms = campaign.funnel.watermark_ms or 0
    # One minute on: the newest events are up to so far ahead of the watermark.
    last_ms = start_ms(size, watermark_ms + MINUTE_MS)
    return max(0, last_ms - SPAN_MS[size] + SIZE_MS[size]), last_ms


def trend(
    windows: Sequence[Funnel], campaign: Campaign, size: Size, measure: str, look: Look
) -> Chart | None:
    """A figure by window; ``None`` where there is no window."""
    if not windows:
        return None
    first_ms, last_ms = windows[0].start_ms, _span(campaign, size)[1]
    found = {window.start_ms: window for window in windows}
    starts = range(first_ms, last_ms + 1, SIZE_MS[size])
    empty = None if measure == "spend_fen" else 0
    figures = [
        look.figure(measure, found[start].get(measure) if start in found else empty) for start in starts
    ]
    provisional = [index for index, start in enumerate(starts) if start in found and not found[start].final]
    return Chart(
        id="trend",
        title=f"{look.text('campaign.trend')}: {look.name(measure)}",
        kind="line",
        language=look.language,
        prefix="¥" if measure.endswith("_fen") else "",
        labels=[numbers.clock(start, FORMS[size]) for start in starts],
        series=[series(look.name(measure), "main", figures)],
        provisional_from=provisional[0] if provisional else None,
    )


def lags(metrics: Mapping[str, int], look: Look) -> list[tuple[int, Bar, Figure]]:
    """GMV and ROI by the lag; nothing while there is no GMV."""
    most = metrics.get("gmv_fen")
    if not most:
        return []
    found = []
    for days in LAG_DAYS:
        name = f"gmv_{days}d_fen"
        width = 100 * (metrics.get(name) or 0) / most
        found.append(
            (days, Bar(name, look.of(name, metrics), round(width, 2)), look.of(f"roi_{days}d", metrics))
        )
    return found


def spend(windows: Sequence[Funnel], position: GuaranteePosition | None, look: Look) -> Chart | None:
    """ROI by day with the guarantee's target, and what was spent; ``None`` while no spend is known."""
    known = [window for window in windows if window.get("spend_fen") is not None]
    if not known:
        return None
    lines: list[Series] = [
        series(look.name("roi"), "main", [look.of("roi", window.metrics) for window in known]),
        series(look.name("roi_net"), "second", [look.of("roi_net", window.metrics) for window in known]),
    ]
    if position is not None and position.target_roi_micros is not None:
        target = look.figure("roi", Fraction(position.target_roi_micros, 1_000_000))
        lines.append(series(look.text("campaign.target"), "target", [target] * len(known)))
    provisional = [index for index, window in enumerate(known) if not window.final]
    return Chart(
        id="spend",
        title=look.text("campaign.spend"),
        kind="line",
        language=look.language,
        prefix="",
        labels=[
            f"{numbers.clock(window.start_ms, '%m-%d')} · {look.of('spend_fen', window.metrics).text}"
            for window in known
        ],
        series=lines,
        provisional_from=provisional[0] if provisional else None,
    )


def audience(metrics: Mapping[str, int], people_min: int, look: Look) -> list[Bar]:
    """People by their deepest stage; few are told as few. Nothing while there is nobody."""
    if not any(metrics.get(name) for name in AUDIENCE_NAMES):
        return []
    told, hidden = shown(metrics, people_min)
    most = max((told.get(name, 0) for name in AUDIENCE_NAMES), default=0) or 1
    few = look.text("campaign.few", least=people_min)
    return [
        Bar(name, Figure(few, look.text("campaign.few_help", least=people_min), None), 0)
        if name in hidden
        else Bar(name, look.of(name, told), round(100 * told.get(name, 0) / most, 2))
        for name in AUDIENCE_NAMES
    ]


def roi_text(micros: int | None) -> str:
    """A ROI from millionths.

    >>> roi_text(2_500_000), roi_text(None)
    ('2.50', '–')
    """
    return numbers.ratio(None if micros is None else Fraction(micros, 1_000_000))
