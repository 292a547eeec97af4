"""What the overview shows: today against yesterday, the trend by hour, the funnel, the table of campaigns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

from xinghe.dashboard import listing, numbers, trend
from xinghe.dashboard.downloads import has_parquet
from xinghe.dashboard.look import Figure, Look
from xinghe.dashboard.parameters import Parameter, linker
from xinghe.dashboard.source import Campaign, Lines
from xinghe.dashboard.spans import NAMES
from xinghe.domain.order import ORDER_MICROS
from xinghe.domain.windows import DAY_MS, HOUR_MS, start_ms

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
ROWS: Final = Parameter("limit", "Rows of the table.", 50, bounds=(1, 1_000))
TABLE: Final = (listing.SORT, listing.KIND, listing.SEARCH, listing.SHOP, listing.COLUMNS)
"""What the table shows; its exports are asked for by the same."""
PARAMETERS: Final = (*TABLE, ROWS, trend.SIZE, trend.MEASURE, trend.MODE)


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


class Choice(NamedTuple):
    """A figure that the table can have; links that move it up and down, empty where it cannot be."""

    name: str
    is_chosen: bool
    up: str
    down: str


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


def cards(campaigns: Sequence[Campaign], day_ms: int, until_ms: int, look: Look) -> list[Card]:
    """Today's figures; what is compared are the whole hours until ``until_ms`` of today and yesterday."""

    def sums(from_ms: int, to_ms: int) -> dict[str, int | Fraction]:
        hours = range(from_ms, to_ms, HOUR_MS)
        return with_roi([campaign.hours.summed(hours) for campaign in campaigns], NAMES)

    today, so_far = sums(day_ms, day_ms + DAY_MS), sums(day_ms, until_ms)
    yesterday = sums(day_ms - DAY_MS, until_ms - DAY_MS)
    to_date = with_roi([campaign.funnel.metrics for campaign in campaigns], NAMES)
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


def page(
    campaigns: Sequence[Campaign],
    names: Mapping[str, str],
    lines: Lines,
    watermark_ms: int | None,
    given: Mapping[str, Any],
    look: Look,
) -> dict[str, Any]:
    """All that the overview's template shows."""
    counted = [campaign for campaign in campaigns if campaign.kind == "campaign"]
    found = listing.listed(
        campaigns, names, **{each: given[each] for each in ("sort", "kind", "q", "shop_id")}
    )
    link = linker("/", PARAMETERS, given)
    values: dict[str, Any] = {
        "given": given,
        "link": link,
        "export": linker("/export/campaigns", TABLE, {each.name: given[each.name] for each in TABLE}),
        "rows": found[: given["limit"]],
        "names": names,
        "count": len(found),
        "shops": sorted({campaign.shop_id for campaign in campaigns if campaign.shop_id is not None}),
        "headings": headings(given, link),
        "chooser": chooser(given["columns"], link),
        "sizes": trend.SIZE.choices,
        "modes": trend.MODE.choices,
        "measures": trend.MEASURE.choices,
        "has_parquet": has_parquet(),
        "glossary": tuple(dict.fromkeys((*CARDS, *STEPS, *given["columns"]))),
        "cards": [],
    }
    if watermark_ms is None:
        return values
    day_ms, until_ms = start_ms("1d", watermark_ms), start_ms("1h", watermark_ms)
    size, measure, mode = given["size"], given["measure"], given["mode"]
    return values | {
        "cards": cards(counted, day_ms, until_ms, look),
        "until": numbers.clock(until_ms, "%H:%M") if until_ms > day_ms else None,
        "steps": steps(summed((campaign.funnel.metrics for campaign in counted), STEPS), look),
        "chart": trend.trend(lines, size, measure, mode, watermark_ms, look),
        "is_told": trend.is_told(measure, size),
    }


def headings(given: Mapping[str, Any], link: Callable[..., str]) -> list[Heading]:
    """The columns that sort the table; a second click turns the order."""
    sort = given["sort"]
    found = []
    for name in ("name", "shop_id", *given["columns"], "updated_ms"):
        if name == "shop_id":
            found.append(Heading(name, "", ""))
            continue
        is_descending = sort == f"-{name}"
        first, second = (name, f"-{name}") if name == "name" else (f"-{name}", name)
        state = "descending" if is_descending else "ascending" if sort == name else ""
        found.append(Heading(name, link(sort=second if sort == first else first), state))
    return found


def chooser(columns: Sequence[str], link: Callable[..., str]) -> list[Choice]:
    """All figures that the table can have: those that it has in their order, with links that move them, then the others."""

    def moved(at: int, to: int) -> str:
        if not 0 <= to < len(columns):
            return ""
        order = list(columns)
        order.insert(to, order.pop(at))
        return link(columns=tuple(order)) + "#columns"

    chosen = [Choice(name, True, moved(at, at - 1), moved(at, at + 1)) for at, name in enumerate(columns)]
    return chosen + [Choice(name, False, "", "") for name in listing.FIGURES if name not in columns]
