"""What the page of one campaign shows."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple, TypeVar, cast
from urllib.parse import quote

from xinghe.dashboard import numbers
from xinghe.dashboard.access import Viewer
from xinghe.dashboard.charts import Chart, Role, Series, series
from xinghe.dashboard.downloads import has_parquet
from xinghe.dashboard.gate_words import gate_words
from xinghe.dashboard.look import Figure, Look
from xinghe.dashboard.overview import CARDS, STEPS, steps
from xinghe.dashboard.parameters import linker
from xinghe.dashboard.privacy import shown
from xinghe.dashboard.records import model_records
from xinghe.dashboard.source import Campaign, NotVisibleError
from xinghe.dashboard.state import State
from xinghe.dashboard.trend import MEASURE, MODE, SIZE, is_told
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.metrics import AUDIENCE_NAMES, LAG_DAYS, MODELS
from xinghe.domain.outputs import GuaranteePosition, ShopModels
from xinghe.domain.terms import ROI_PLACES, XhsCost
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, SIZE_MS, Size, start_ms
from xinghe.serving import Funnel, ServingUnavailableError

SPAN_MS: Final = {"1m": 3 * HOUR_MS, "1h": 3 * DAY_MS, "1d": 35 * DAY_MS}
"""How far back each trend goes."""
FORMS: Final = {"1m": "%H:%M", "1h": "%m-%d %H:00", "1d": "%m-%d"}
NOTES: Final = 20
PARAMETERS: Final = (SIZE, MEASURE, MODE)
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


LAG_NAMES: Final = tuple(
    f"{name}_{days}d{unit}" for days in LAG_DAYS for name, unit in (("gmv", "_fen"), ("roi", ""))
)
GLOSSARY: Final = tuple(
    dict.fromkeys(
        (*CARD_NAMES, *STEPS, *NOTE_COLUMNS, *MODEL_COLUMNS, *LAG_NAMES, *COUPON_NAMES, *AUDIENCE_NAMES)
    )
)
"""All figures of the page, whose meanings stand together at its end."""
DATA_DRIVEN: Final = ("markov", "shapley")

Part = TypeVar("Part")


class Bar(NamedTuple):
    """A figure with a bar, in percent of the widest."""

    name: str
    figure: Figure
    width: float


class Credit(NamedTuple):
    """What a data-driven model gives the campaign of its shop's orders, and which part of their GMV that is."""

    model: str
    orders: Figure
    gmv: Figure
    share: str


class Reading:
    """Reads parts of a page one by one; while Redis is away one that was never read is missing and the others stay."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        """The names of the parts that could not be read."""

    async def part(self, name: str, read: Awaitable[Part]) -> Part | None:
        """The part; ``None`` where it could not be read."""
        try:
            return await read
        except ServingUnavailableError:
            self.missing.append(name)
            return None


async def page(
    state: State, viewer: Viewer, campaign: Campaign, given: Mapping[str, Any], look: Look
) -> dict[str, Any]:
    """All that the campaign's template shows."""
    source, id_ = state.source, campaign.campaign_id
    metrics = campaign.funnel.metrics
    size = cast(Size, given["size"])
    settings = (await state.records.settings_if_read(viewer)).get(id_)
    reading = Reading()
    position = await reading.part("guarantee", source.position(viewer, id_))
    windows = await reading.part("trend", _windows(state, viewer, campaign, size))
    days = await reading.part("spend", _windows(state, viewer, campaign, "1d"))
    notes = await reading.part("notes", source.notes(viewer, id_, NOTES))
    shop = await reading.part("models", _shop_models(state, viewer, campaign))
    path = f"/campaigns/{quote(id_, safe='')}"
    return {
        "campaign": campaign,
        "name": None if settings is None else settings.name,
        "settings": settings,
        "missing": reading.missing,
        "missing_names": [look.text(f"campaign.{name}") for name in reading.missing],
        "given": given,
        "link": linker(path, PARAMETERS, given),
        "export": linker(f"/export{path}/", (SIZE,), {}),
        "has_parquet": has_parquet(),
        "cards": [(name, look.of(name, metrics)) for name in CARD_NAMES],
        "steps": steps(metrics, look),
        "sizes": SIZE.choices,
        "modes": MODE.choices,
        "measures": MEASURE.choices,
        "trend": trend(windows or [], campaign, size, given["measure"], given["mode"], look),
        "is_told": is_told(given["measure"], size),
        "notes": notes or [],
        "note_columns": NOTE_COLUMNS,
        "models": model_records(metrics, MODELS, state.people_min),
        "model_columns": MODEL_COLUMNS,
        "shop_models": shop,
        "credits": [] if shop is None else credits_of(shop, id_, look),
        "lags": lags(metrics, look),
        "spend": spend(days or [], target(position, settings), look),
        "position": position,
        "gates": [] if position is None else gate_words(position, settings, look),
        "coupons": [(name, look.of(name, metrics)) for name in COUPON_NAMES]
        if metrics.get("coupon_claims") or metrics.get("coupon_redemptions")
        else [],
        "audience": audience(metrics, state.people_min, look),
        "people_min": state.people_min,
        "glossary": GLOSSARY,
    }


async def _windows(state: State, viewer: Viewer, campaign: Campaign, size: Size) -> list[Funnel]:
    first_ms, last_ms = _span(campaign, size)
    return await state.source.windows(viewer, campaign.campaign_id, size, first_ms, last_ms + SIZE_MS[size])


async def _shop_models(state: State, viewer: Viewer, campaign: Campaign) -> ShopModels | None:
    if campaign.shop_id is None:
        return None
    try:
        return await state.source.shop_models(viewer, campaign.shop_id)
    except NotVisibleError:  # no touch has reached an order of it yet
        return None


def _span(campaign: Campaign, size: Size) -> tuple[int, int]:
    """The first and last window of the trend, up to the one of the watermark."""
    watermark_ms = campaign.funnel.watermark_ms or 0
    # One minute on: the newest events are up to so far ahead of the watermark.
    last_ms = start_ms(size, watermark_ms + MINUTE_MS)
    return max(0, last_ms - SPAN_MS[size] + SIZE_MS[size]), last_ms


def trend(
    windows: Sequence[Funnel], campaign: Campaign, size: Size, measure: str, mode: str, look: Look
) -> Chart | None:
    """A figure by window, or added up from the first on; ``None`` where there is no window, or these do not have it."""
    if not windows or not is_told(measure, size):
        return None
    first_ms, last_ms = windows[0].start_ms, _span(campaign, size)[1]
    found = {window.start_ms: window for window in windows}
    starts = range(first_ms, last_ms + 1, SIZE_MS[size])
    empty = None if measure == "spend_fen" else 0
    values = [found[start].get(measure) if start in found else empty for start in starts]
    if mode == "cumulative":
        values = _cumulative(values)
    provisional = [index for index, start in enumerate(starts) if start in found and not found[start].final]
    return Chart(
        id="trend",
        title=f"{look.text('campaign.trend')}: {look.name(measure)}",
        language=look.language,
        prefix="¥" if measure.endswith("_fen") else "",
        labels=[numbers.clock(start, FORMS[size]) for start in starts],
        series=[series(look.name(measure), "main", [look.figure(measure, value) for value in values])],
        provisional_from=provisional[0] if provisional else None,
    )


def _cumulative(values: Iterable[int | None]) -> list[int | None]:
    """The sums of what is known from the first on.

    >>> _cumulative([None, 2, None, 3])
    [None, 2, 2, 5]
    """
    sums: list[int | None] = []
    for value in values:
        before = sums[-1] if sums else None
        sums.append(before if value is None else (before or 0) + value)
    return sums


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


def target(position: GuaranteePosition | None, settings: CampaignConfigured | None) -> Fraction | None:
    """The ROI that is guaranteed: by the terms that count, before there is a position by the newest settings."""
    if position is not None:
        micros = position.target_roi_micros
        return None if micros is None else Fraction(micros, 1_000_000)
    guarantee = None if settings is None else settings.guarantee
    aimed = None if guarantee is None or isinstance(guarantee, XhsCost) else guarantee.target_roi
    return None if aimed is None else Fraction(aimed).limit_denominator(ROI_PLACES)


def spend(windows: Sequence[Funnel], target_roi: Fraction | None, look: Look) -> Chart | None:
    """ROI by day with the guarantee's target, and what was spent; ``None`` while no spend is known."""
    found = {window.start_ms: window for window in windows}
    known = [window.start_ms for window in windows if window.get("spend_fen") is not None]
    if not known:
        return None
    starts = range(known[0], known[-1] + 1, DAY_MS)

    def drawn(name: str, role: Role) -> Series:
        return series(
            look.name(name), role, [look.of(name, found[at].metrics if at in found else {}) for at in starts]
        )

    lines = [drawn("spend_fen", "spend"), drawn("roi", "main"), drawn("roi_net", "second")]
    if target_roi is not None:
        lines.append(
            series(look.text("campaign.target"), "target", [look.figure("roi", target_roi)] * len(starts))
        )
    provisional = [at for at, start in enumerate(starts) if start in found and not found[start].final]
    return Chart(
        id="spend",
        title=look.text("campaign.spend"),
        language=look.language,
        prefix="",
        labels=[numbers.clock(start, "%m-%d") for start in starts],
        series=lines,
        provisional_from=provisional[0] if provisional else None,
    )


def credits_of(shop: ShopModels, campaign_id: str, look: Look) -> list[Credit]:
    """What each data-driven model gives the campaign; unknown where it is merged with others, or no order came by it."""
    found = []
    for model in DATA_DRIVEN:
        credit = next((each for each in getattr(shop.models, model) if each.campaign_id == campaign_id), None)
        gmv_fen = None if credit is None else credit.gmv_fen
        found.append(
            Credit(
                model,
                look.figure("orders_micros", None if credit is None else credit.orders_micros),
                look.figure("gmv_fen", gmv_fen),
                numbers.percent(None if gmv_fen is None else Fraction(gmv_fen, shop.gmv_fen)),
            )
        )
    return found


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
