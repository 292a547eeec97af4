"""A figure of all campaigns by minute, hour or day, as it was in each or added up.

Only metrics that add up over windows and campaigns (`spans.NAMES`) are drawn, and so never people.
"""

from __future__ import annotations

from typing import Final

from xinghe.dashboard import numbers
from xinghe.dashboard.charts import Chart, Role, series
from xinghe.dashboard.look import Look
from xinghe.dashboard.parameters import Parameter
from xinghe.dashboard.source import Lines
from xinghe.dashboard.spans import NAMES
from xinghe.domain.catalogue import PLAIN
from xinghe.domain.windows import DAY_MS, HOUR_MS, Size, is_final, start_ms

SIZE: Final = Parameter("size", "The windows of the trend.", "1h", choices=("1m", "1h", "1d"))
MEASURE: Final = Parameter(
    "measure",
    "The figure of the trend.",
    "gmv_fen",
    choices=("gmv_fen", "net_gmv_fen", "spend_fen", *(name for name in NAMES if not name.endswith("_fen"))),
)
MODE: Final = Parameter(
    "mode",
    "As it was in each window, or added up from the first on.",
    "running",
    choices=("running", "cumulative"),
)
FORMS: Final = {"1m": "%H:%M", "1h": "%H:00", "1d": "%m-%d"}
_SIZES: Final = {metric.name: metric.sizes for metric in PLAIN}


def is_told(measure: str, size: str) -> bool:
    """Whether windows of the size have the figure: spend is reported by the hour.

    >>> is_told("spend_fen", "1m"), is_told("spend_fen", "1h"), is_told("views", "1m")
    (False, True, True)
    """
    return size in _SIZES[measure]


def trend(lines: Lines, size: Size, measure: str, mode: str, watermark_ms: int, look: Look) -> Chart | None:
    """Minutes or days up to now, or today's hours beside yesterday's; ``None`` where windows do not have the figure or were not read."""
    if not is_told(measure, size) or not lines.starts:
        return None
    starts = _today(watermark_ms) if size == "1h" else _begun(lines)
    last_ms = start_ms(size, watermark_ms)
    rows: dict[Role, list[int | None]] = {"main": _values(lines, starts, measure, mode, last_ms)}
    if size == "1h":
        before = range(starts.start - DAY_MS, starts.stop - DAY_MS, HOUR_MS)
        rows["past"] = _values(lines, before, measure, mode, last_ms)
    name = look.text("overview.today") if size == "1h" else look.name(measure)
    names: dict[Role, str] = {"main": name, "past": look.text("overview.yesterday")}
    provisional = [at for at, start in enumerate(starts) if not is_final(size, start, watermark_ms)]
    return Chart(
        id="trend",
        title=f"{look.text('overview.trend')}: {look.name(measure)}, {look.text(f'overview.span_{size}')}",
        language=look.language,
        prefix="¥" if measure.endswith("_fen") else "",
        labels=[numbers.clock(start, FORMS[size]) for start in starts],
        series=[
            series(names[role], role, [look.figure(measure, value) for value in values])
            for role, values in rows.items()
        ],
        provisional_from=provisional[0] if provisional else None,
    )


def _today(watermark_ms: int) -> range:
    day_ms = start_ms("1d", watermark_ms)
    return range(day_ms, day_ms + DAY_MS, HOUR_MS)


def _begun(lines: Lines) -> range:
    """The windows from the first in which something happened; two at least, so that there is a line."""
    first_ms = min((min(windows) for windows in lines.windows if windows), default=0)
    starts = lines.starts
    while len(starts) > 2 and starts[0] < first_ms and starts[0] in lines.known:
        starts = starts[1:]
    return starts


def _values(lines: Lines, starts: range, measure: str, mode: str, last_ms: int) -> list[int | None]:
    """The figure by window; unknown after ``last_ms``, where it was not read, and in a sum with one that was not read."""
    values: list[int | None] = []
    running: int | None = None
    is_whole = True
    for start in starts:
        is_whole = is_whole and start in lines.known
        value = _added(lines, start, measure)
        if value is not None:
            running = (running or 0) + value
        shown = value if mode == "running" else running if is_whole else None
        values.append(shown if start <= last_ms else None)
    return values


def _added(lines: Lines, start: int, measure: str) -> int | None:
    """The sum over campaigns. A window that is not there is one in which nothing happened; of spend one that was not reported."""
    if start not in lines.known:
        return None
    found = [windows[start][measure] for windows in lines.windows if measure in windows.get(start, ())]
    return sum(found) if found or measure != "spend_fen" else None
