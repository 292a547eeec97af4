"""What the overview shows: today against yesterday, the trend by hour, the funnel, the table of campaigns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from xinghe.dashboard import listing, numbers
from xinghe.dashboard.charts import Chart, series
from xinghe.dashboard.look import Figure, Look
from xinghe.dashboard.parameters import Parameter
from xinghe.dashboard.source import Campaign
from xinghe.domain.order import ORDER_MICROS
from xinghe.domain.windows import DAY_MS, HOUR_MS, is_final, start_ms

CARDS: Final = (
    "gmv_fen",
    "net_gmv_fen",
    "roi",
    "spend_fen",
    "orders_micros",
    "views",
    "engagements",
    "ad_clicks",
    "store_visits",
    "cart_adds",
)
STEPS: Final = (
    "views",
    "engagements",
    "ad_clicks",
    "store_visits",
    "cart_adds",
    "orders_micros",
    "repurchases",
)
"""The funnel, from seeing a note to buying again."""
TREND: Final = Parameter(
    "measure", "The figure of the trend.", "gmv_fen", choices=tuple(name for name in CARDS if name != "roi")
)
MODE: Final = Parameter(
    "mode", "By hour, or added up since midnight.", "running", choices=("running", "cumulative")
)
ROWS: Final = Parameter("limit", "Rows of the table.", 50, bounds=(1, 1_000))
PARAMETERS: Final = (listing.SORT, listing.KIND, listing.SEARCH, TREND, MODE, ROWS)


class Card(NamedTuple):
    """A figure of today, how it has changed since yesterday at the same time, and to date."""

    name: str
    today: Figure
    to_date: Figure
    change: str
    direction: str


class Step(NamedTuple):
    """A step of the funnel; ``width`` is its bar in percent of the widest."""

    name: str
    figure: Figure
    rate: str
    width: float


class Heading(NamedTuple):
    """A column of the table, and where a click on it leads."""

    name: str
    href: str
    sorted: str


def summed(metrics: Iterable[Mapping[str, int]], names: Sequence[str]) -> dict[str, int]:
    """The sums of what is known; without an entry where nothing is.

    >>> summed([{"views": 1}, {"views": 2, "likes": 3}], ["views", "likes", "shares"])
    {'views': 3, 'likes': 3}
    """
    sums: dict[str, int] = {}
    for each in metrics:
        for name in names:
            if (value := each.get(name)) is not None:
                sums[name] = sums.get(name, 0) + value
    return sums


def with_roi(per_campaign: Sequence[Mapping[str, int]], names: Sequence[str]) -> dict[str, int | Fraction]:
    """The sums over campaigns, and the ROI of those whose spend is known."""
    sums: dict[str, int | Fraction] = dict(summed(per_campaign, names))
    known = summed((each for each in per_campaign if "spend_fen" in each), ("gmv_fen", "spend_fen"))
    if known.get("spend_fen") and "gmv_fen" in known:
        sums["roi"] = Fraction(known["gmv_fen"], known["spend_fen"])
    return sums


def between(campaign: Campaign, from_ms: int, to_ms: int) -> dict[str, int]:
    """What a campaign did in the hours of ``[from_ms, to_ms)``."""
    hours = (metrics for hour_ms, metrics in campaign.hours.items() if from_ms <= hour_ms < to_ms)
    return summed(hours, listing.COLUMNS)


def cards(campaigns: Sequence[Campaign], day_ms: int, until_ms: int, look: Look) -> list[Card]:
    """Today's figures; what is compared are the whole hours until ``until_ms`` of today and yesterday."""

    def sums(from_ms: int, to_ms: int) -> dict[str, int | Fraction]:
        return with_roi([between(campaign, from_ms, to_ms) for campaign in campaigns], listing.COLUMNS)

    today, so_far = sums(day_ms, day_ms + DAY_MS), sums(day_ms, until_ms)
    yesterday = sums(day_ms - DAY_MS, until_ms - DAY_MS)
    to_date = with_roi([campaign.funnel.metrics for campaign in campaigns], listing.COLUMNS)
    return [
        Card(
            name,
            look.figure(name, today.get(name)),
            look.figure(name, to_date.get(name)),
            *_changed(numbers.change(so_far.get(name), yesterday.get(name))),
        )
        for name in CARDS
    ]


def _changed(change: Fraction | None) -> tuple[str, str]:
    if change is None:
        return numbers.UNKNOWN, "unknown"
    sign = "+" if change > 0 else ""
    direction = "up" if change > 0 else "down" if change < 0 else "flat"
    return sign + numbers.percent(change), direction


def steps(metrics: Mapping[str, int], look: Look) -> list[Step]:
    """The funnel; the bars are drawn by the fourth root, since a step is often a hundredth of the one before."""
    values = {name: _times(name, metrics.get(name)) for name in STEPS}
    most = max((value for value in values.values() if value is not None), default=Fraction(0))
    found: list[Step] = []
    before: Fraction | None = None
    for name, value in values.items():
        rate = None if value is None or not before else value / before
        width = 0.0 if not value or not most else 100 * float(value / most) ** 0.25
        found.append(Step(name, look.of(name, metrics), numbers.percent(rate), round(width, 2)))
        before = value
    return found


def _times(name: str, value: int | None) -> Fraction | None:
    if value is None:
        return None
    return Fraction(value, ORDER_MICROS) if name == "orders_micros" else Fraction(value)


def trend(campaigns: Sequence[Campaign], watermark_ms: int, measure: str, mode: str, look: Look) -> Chart:
    """Today and yesterday by hour."""
    day_ms = start_ms("1d", watermark_ms)
    last_ms = start_ms("1h", watermark_ms)
    today = _by_hour(campaigns, measure, day_ms, last_ms, mode)
    yesterday = _by_hour(campaigns, measure, day_ms - DAY_MS, day_ms - HOUR_MS, mode)
    open_hours = [hour for hour in range(24) if not is_final("1h", day_ms + hour * HOUR_MS, watermark_ms)]
    return Chart(
        id="trend",
        title=f"{look.text('overview.trend')}: {look.name(measure)}",
        kind="line",
        language=look.language,
        prefix="¥" if measure.endswith("_fen") else "",
        labels=[f"{hour:02d}:00" for hour in range(24)],
        series=[
            series(look.text("overview.today"), "main", [look.figure(measure, value) for value in today]),
            series(
                look.text("overview.yesterday"),
                "past",
                [look.figure(measure, value) for value in yesterday],
            ),
        ],
        provisional_from=open_hours[0] if open_hours else None,
    )


def _by_hour(
    campaigns: Sequence[Campaign], measure: str, first_ms: int, last_ms: int, mode: str
) -> list[int | None]:
    """24 hours from ``first_ms``; after ``last_ms`` they are unknown.

    An hour without a window is one in which nothing happened; of spend it is one that was not reported.
    """
    is_spend = measure == "spend_fen"
    values: list[int | None] = []
    running: int | None = None if is_spend else 0
    for hour_ms in range(first_ms, first_ms + DAY_MS, HOUR_MS):
        found = [each.hours[hour_ms][measure] for each in campaigns if measure in each.hours.get(hour_ms, {})]
        value = sum(found) if found or not is_spend else None
        if value is not None:
            running = (running or 0) + value
        shown = running if mode == "cumulative" else value
        values.append(shown if hour_ms <= last_ms else None)
    return values


def page(
    campaigns: Sequence[Campaign], watermark_ms: int | None, given: Mapping[str, Any], look: Look
) -> dict[str, Any]:
    """All that the overview's template shows."""
    counted = [campaign for campaign in campaigns if campaign.kind == "campaign"]
    found = listing.listed(campaigns, sort=given["sort"], kind=given["kind"], q=given["q"], shop_id=None)
    values: dict[str, Any] = {
        "given": given,
        "link": linker(given),
        "rows": found[: given["limit"]],
        "count": len(found),
        "headings": headings(given),
        "columns": listing.COLUMNS,
        "measures": TREND.choices,
        "cards": [],
    }
    if watermark_ms is None:
        return values
    day_ms, until_ms = start_ms("1d", watermark_ms), start_ms("1h", watermark_ms)
    return values | {
        "cards": cards(counted, day_ms, until_ms, look),
        "until": numbers.clock(until_ms, "%H:%M") if until_ms > day_ms else None,
        "steps": steps(summed((campaign.funnel.metrics for campaign in counted), STEPS), look),
        "chart": trend(counted, watermark_ms, given["measure"], given["mode"], look),
    }


def linker(given: Mapping[str, Any], path: str = "/") -> Callable[..., str]:
    """Makes links to this page with something else chosen; what is as by default is left out of the address."""
    defaults = {parameter.name: parameter.default for parameter in PARAMETERS}

    def link(**changes: Any) -> str:
        chosen = {**given, **changes}
        query = {
            name: value for name, value in chosen.items() if value is not None and value != defaults.get(name)
        }
        return f"{path}?{urlencode(query)}" if query else path

    return link


def headings(given: Mapping[str, Any]) -> list[Heading]:
    """The columns that sort the table; a second click turns the order."""
    link, sort = linker(given), given["sort"]
    found = []
    for name in ("campaign_id", "shop_id", *listing.COLUMNS, "updated_ms"):
        if name == "shop_id":
            found.append(Heading(name, "", ""))
            continue
        is_descending = sort == f"-{name}"
        first, second = (name, f"-{name}") if name == "campaign_id" else (f"-{name}", name)
        state = "descending" if is_descending else "ascending" if sort == name else ""
        found.append(Heading(name, link(sort=second if sort == first else first), state))
    return found
