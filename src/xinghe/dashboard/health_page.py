"""The page of the stream's health, for viewers of all shops."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xinghe.dashboard import numbers, pages
from xinghe.dashboard.api import freshness, health
from xinghe.dashboard.health import DEAD_LETTERS_SECTION, Health, ReasonHealth
from xinghe.dashboard.language import TEXTS
from xinghe.dashboard.look import Look, look_of
from xinghe.dashboard.parameters import values
from xinghe.dashboard.state import state_of, viewer_of
from xinghe.serving.records import TopicLag, WorkerReport

EVERY_MS: Final = 2_000
"""The page is asked for anew as often as workers report: they change nothing that a page is told of."""
SIGNS: Final = {"well": "✓", "look": "▲", "bad": "✕"}


class LagRow(NamedTuple):
    """A topic's lag with a bar, in percent of the widest."""

    lag: TopicLag
    width: float


class ReasonRow(NamedTuple):
    """A reason of dead letters; ``meaning`` is empty for one that these pages do not know."""

    reason: ReasonHealth
    meaning: str
    share: str
    width: float


def routes() -> list[Route]:
    """The routes of this file."""
    return [Route("/health", _health, methods=["GET"])]


async def _health(request: Request) -> Response:
    viewer, state, look = viewer_of(request), state_of(request), look_of(request)
    values((), request.query_params)
    found = await health(state, viewer)
    shown = {
        **page(found, look),
        "fresh": freshness(state, await state.source.campaigns(viewer)),
        "page": "health",
        "topic": "",
        "every_ms": EVERY_MS,
    }
    return pages.rendered(request, "health.html", shown)


def page(found: Health, look: Look) -> dict[str, Any]:
    """What the template shows."""
    most = max((lag.lag_records for lag in found.lags), default=0) or 1
    return {
        "health": found,
        "signs": SIGNS,
        "lags": [LagRow(lag, round(100 * lag.lag_records / most, 2)) for lag in found.lags],
        "reasons": [_reason(each, look) for each in found.reasons],
        "dead_letters_section": DEAD_LETTERS_SECTION,
        "count": lambda value: numbers.count(value, look.language),
        "per_s": lambda value: numbers.count(None if value is None else round(value), look.language),
        "seconds": seconds,
        "ranges": ranges,
        "recovering": recovering,
    }


def _reason(reason: ReasonHealth, look: Look) -> ReasonRow:
    share = None if reason.share is None else Fraction(reason.share)
    meaning = TEXTS[look.language].get(f"reason.{reason.reason}", "")
    return ReasonRow(reason, meaning, numbers.percent(share), round(100 * (reason.share or 0), 2))


def recovering(report: WorkerReport, stage: str) -> str:
    """The partitions of a stage that read their changelog yet; empty for none. Tasks are named as ``journeys-3``."""
    return ", ".join(
        task.removeprefix(f"{stage}-") for task in report.recovering if task.startswith(f"{stage}-")
    )


def seconds(value: float | None) -> str:
    """A time below a minute or so, in ms below a second.

    >>> seconds(0.0412), seconds(1.234), seconds(None)
    ('41 ms', '1.23 s', '–')
    """
    if value is None:
        return numbers.UNKNOWN
    return f"{value * 1000:.0f} ms" if value < 0.9995 else f"{value:.2f} s"


def ranges(partitions: list[int]) -> str:
    """Partitions in short.

    >>> ranges([0, 1, 2, 5, 7, 8]), ranges([3]), ranges([])
    ('0-2, 5, 7-8', '3', '–')
    """
    found: list[list[int]] = []
    for partition in sorted(partitions):
        if found and partition == found[-1][1] + 1:
            found[-1][1] = partition
        else:
            found.append([partition, partition])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in found) or numbers.UNKNOWN
