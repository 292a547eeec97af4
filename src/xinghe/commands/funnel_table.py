"""Campaign funnels as people and programs read them: a table of rich, a JSON object.

What is not known is a dash in the table and absent (or null) in JSON, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any, Final, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xinghe.domain.amounts import yuan
from xinghe.domain.metrics import COUNTED_NAMES, MODEL_COUNTED_NAMES, SPENT_NAMES
from xinghe.domain.rates import RATES, rate
from xinghe.domain.windows import SHANGHAI_OFFSET_MS
from xinghe.serving import Funnel

UNKNOWN: Final = "-"
SHANGHAI: Final = timezone(timedelta(milliseconds=SHANGHAI_OFFSET_MS), "Asia/Shanghai")
SUMMED_NAMES: Final = (*COUNTED_NAMES, "engagements", *MODEL_COUNTED_NAMES, "net_gmv_fen", *SPENT_NAMES)
"""The metrics that add up over campaigns; distinct people do not."""

CAMPAIGN_WIDTH_MIN: Final = 16
COLUMN_GAP: Final = 2
LEFT_OUT_FIRST: Final = (
    "CTR",
    "¥/order",
    "spend of",
    "visit rate",
    "changed",
    "watermark",
    "engaged",
    "visits",
    "carts",
    "ad clicks",
    "refunded ¥",
    "net ROI",
    "spend ¥",
    "views",
)


class Figures(NamedTuple):
    """What was read from Redis at ``read_ms``: funnels to date, in the order to show them."""

    read_ms: int
    funnels: Sequence[Funnel]


def sums(funnels: Iterable[Funnel]) -> dict[str, int]:
    """The metrics that add up, over all funnels that know them; without an entry where none does."""
    summed: dict[str, int] = {}
    for funnel in funnels:
        for name in SUMMED_NAMES:
            if (value := funnel.get(name)) is not None:
                summed[name] = summed.get(name, 0) + value
    return summed


def sums_with_spend(funnels: Iterable[Funnel]) -> dict[str, int]:
    """The sums of the campaigns whose spend is known: GMV without known spend belongs to no ROI."""
    return sums(funnel for funnel in funnels if funnel.get("spend_fen") is not None)


def rounded(name: str, metrics: Mapping[str, int]) -> float | None:
    """A rate of ``domain/rates.py`` to four places; ``None`` where there is none.

    >>> rounded("roi", {"gmv_fen": 200, "spend_fen": 300}), rounded("roi", {"gmv_fen": 200})
    (0.6667, None)
    """
    exact = rate(name, metrics)
    return None if exact is None else float(round(exact, 4))


def as_json(figures: Figures | None, problem: str | None) -> dict[str, Any]:
    """The figures for programs; with a ``problem`` they are the last that could be read, if any."""
    funnels = figures.funnels if figures else ()
    with_spend = sums_with_spend(funnels)
    return {
        "read_ms": figures.read_ms if figures else None,
        "problem": problem,
        "totals": {
            "campaigns": len(funnels),
            "metrics": sums(funnels),
            "roi": rounded("roi", with_spend),
            "roi_net": rounded("roi_net", with_spend),
        },
        "campaigns": [
            {
                "campaign_id": funnel.campaign_id,
                "updated_ms": funnel.updated_ms,
                "watermark_ms": funnel.watermark_ms,
                "version": funnel.version,
                "metrics": funnel.metrics,
                **{name: rounded(name, funnel.metrics) for name in RATES},
            }
            for funnel in funnels
        ],
    }


def as_table(
    figures: Figures | None, problem: str | None, *, now_ms: int, rows_max: int, width: int
) -> RenderableType:
    """The figures for people: what they add up to, how fresh they are, and a row for each campaign."""
    if figures is None:
        return Text(problem or "", style="bold red")
    lines: list[RenderableType] = [_sums_line(figures.funnels), _freshness_line(figures, now_ms)]
    if problem is not None:
        old = _age(now_ms - figures.read_ms)
        lines.insert(0, Text(f"{problem}. OLD FIGURES, read {old} ago:", style="bold red"))
    if not figures.funnels:
        lines.append(Text("No campaign has any figures yet: are the worker and the traffic running?"))
        return Group(*lines)
    lines.append(_campaigns_table(figures.funnels[:rows_max], now_ms, width, is_old=problem is not None))
    if (hidden := len(figures.funnels) - rows_max) > 0:
        lines.append(Text(f"and {hidden:,} more (see --limit)", style="dim"))
    return Group(*lines)


def _sums_line(funnels: Sequence[Funnel]) -> Text:
    metrics, with_spend = sums(funnels), sums_with_spend(funnels)
    return Text.assemble(
        (f"{len(funnels):,} campaigns", "bold"),
        f"   views {_count(metrics.get('views'))}",
        f"   ad clicks {_count(metrics.get('ad_clicks'))}",
        f"   orders {_orders(metrics.get('orders_micros'))}",
        f"   GMV {_yuan(metrics.get('gmv_fen'))}",
        f"   net {_yuan(metrics.get('net_gmv_fen'))}",
        f"   spend {_yuan(metrics.get('spend_fen'))}",
        f"   ROI {_ratio(rate('roi', with_spend))}",
        f"   net {_ratio(rate('roi_net', with_spend))}",
    )


def _freshness_line(figures: Figures, now_ms: int) -> Text:
    changed_ms = max((f.updated_ms for f in figures.funnels if f.updated_ms is not None), default=None)
    watermark_ms = max((f.watermark_ms for f in figures.funnels if f.watermark_ms is not None), default=None)
    complete = UNKNOWN
    if watermark_ms is not None:
        at = datetime.fromtimestamp(watermark_ms / 1000, UTC).astimezone(SHANGHAI)
        complete = f"{at:%Y-%m-%d %H:%M:%S} {SHANGHAI}, {_age(now_ms - watermark_ms)} ago"
    changed = UNKNOWN if changed_ms is None else f"{_age(now_ms - changed_ms)} ago"
    return Text(f"last change {changed}   events complete up to {complete}", style="dim")


def _campaigns_table(funnels: Sequence[Funnel], now_ms: int, width: int, *, is_old: bool) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 0, 0, 1),
        pad_edge=False,
        style="dim" if is_old else "",
        header_style="bold",
    )
    # The only column that may be cut: half a number would be a wrong number.
    table.add_column("campaign", overflow="ellipsis", min_width=CAMPAIGN_WIDTH_MIN)
    columns = _fitting(_columns(funnels, now_ms), width)
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for funnel, cells in zip(funnels, zip(*columns.values(), strict=True), strict=True):
        # As text: an id may hold what rich would take for markup.
        table.add_row(Text(funnel.campaign_id), *cells)
    return table


def _columns(funnels: Sequence[Funnel], now_ms: int) -> dict[str, list[str]]:
    """Heading to cells, one for each funnel."""
    return {
        "views": [_count(funnel.get("views")) for funnel in funnels],
        "engaged": [_count(funnel.get("engagements")) for funnel in funnels],
        "ad clicks": [_count(funnel.get("ad_clicks")) for funnel in funnels],
        "visits": [_count(funnel.get("store_visits")) for funnel in funnels],
        "visit rate": [_ratio(rate("store_visit_rate", funnel.metrics)) for funnel in funnels],
        "carts": [_count(funnel.get("cart_adds")) for funnel in funnels],
        "orders": [_orders(funnel.get("orders_micros")) for funnel in funnels],
        "GMV ¥": [_yuan(funnel.get("gmv_fen")) for funnel in funnels],
        "refunded ¥": [_yuan(funnel.get("refund_fen")) for funnel in funnels],
        "spend ¥": [_yuan(funnel.get("spend_fen")) for funnel in funnels],
        "spend of": [_hours(funnel.get("spend_hours")) for funnel in funnels],
        "ROI": [_ratio(rate("roi", funnel.metrics)) for funnel in funnels],
        "net ROI": [_ratio(rate("roi_net", funnel.metrics)) for funnel in funnels],
        "¥/order": [_cost(rate("cost_per_order", funnel.metrics)) for funnel in funnels],
        "CTR": [_percent(rate("click_through_rate", funnel.metrics)) for funnel in funnels],
        "changed": [_since(funnel.updated_ms, now_ms) for funnel in funnels],
        "watermark": [_since(funnel.watermark_ms, now_ms) for funnel in funnels],
    }


def _fitting(columns: dict[str, list[str]], width: int) -> dict[str, list[str]]:
    """The columns less those that a narrow terminal has no room for, the least missed first."""
    left = width - CAMPAIGN_WIDTH_MIN
    needed = {heading: max(map(len, (heading, *cells))) + COLUMN_GAP for heading, cells in columns.items()}
    for heading in LEFT_OUT_FIRST:
        if sum(needed.values()) <= left:
            break
        del needed[heading]
    return {heading: columns[heading] for heading in needed}


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def _orders(micros: int | None) -> str:
    """Orders, rounded to a hundredth where a split credit leaves a part of one.

    >>> _orders(3_000_000), _orders(2_400_000), _orders(37_622_385), _orders(None)
    ('3', '2.40', '37.62', '-')
    """
    if micros is None:
        return UNKNOWN
    whole, part = divmod(micros, 1_000_000)
    return f"{whole:,}" if part == 0 else f"{micros / 1_000_000:,.2f}"


def _yuan(fen: int | None) -> str:
    """Money in yuan, exact; net of refunds it may be below 0.

    >>> _yuan(123_456_789_05), _yuan(0), _yuan(-5), _yuan(None)
    ('123,456,789.05', '0.00', '-0.05', '-')
    """
    return UNKNOWN if fen is None else yuan(fen)


def _hours(hours: int | None) -> str:
    return UNKNOWN if hours is None else f"{hours:,} h"


def _cost(fen: Fraction | None) -> str:
    """A cost in yuan, rounded to whole fen.

    >>> _cost(Fraction(1400, 3)), _cost(None)
    ('4.67', '-')
    """
    return UNKNOWN if fen is None else _yuan(round(fen))


def _percent(value: Fraction | None) -> str:
    return UNKNOWN if value is None else f"{float(value):.2%}"


def _ratio(value: Fraction | None) -> str:
    return UNKNOWN if value is None else f"{float(value):,.2f}"


def _since(time_ms: int | None, now_ms: int) -> str:
    return UNKNOWN if time_ms is None else _age(now_ms - time_ms)


def _age(age_ms: int) -> str:
    """A time span in its two largest units, or one; a clock that is behind shows as 0.

    >>> _age(-5), _age(1_234), _age(62_900), _age(3_700_000), _age(90_000_000)
    ('0.0 s', '1.2 s', '63 s', '1 h 01 min', '1 d 01 h')
    """
    seconds = max(age_ms, 0) / 1000
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = int(seconds) // 60
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days:,} d {hour:02d} h"
    return f"{hours} h {minute:02d} min" if hours else f"{minute} min"
