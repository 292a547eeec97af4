"""What the money of a campaign is computed from, and its spend as known on a day (ARCHITECTURE.md, R18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_number
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.spend import Report, anchor_of, counting, known_day


class MoneyFacts(NamedTuple):
    """All that is known of a campaign's money; days are numbers of `counted.day_number`."""

    campaign_id: str
    settings: Sequence[CampaignConfigured]
    """Ascending by ``effective_ms``, each time once."""
    reports: Sequence[Report]
    """Of spend, all revisions that may count on some day, in any order."""
    cohorts: Sequence[CohortRow]
    """Of all models, in any order."""
    counted: Mapping[int, Mapping[str, int]]
    """By day the counted metrics of its ``1d`` window; a day without a window is absent."""


class SpendKnown(NamedTuple):
    """The spend of some days, and of how many of their hours it is known; 0 fen where none is."""

    spend_fen: int
    hours_reported: int
    hours: int


def spend_of(facts: MoneyFacts, first_day: int, last_day: int, known: int | None) -> SpendKnown:
    """The spend of the days from ``first_day`` to ``last_day`` by the reports known on day ``known``.

    ``None`` is for all that is known by now. Of each hour the known report with the largest ``(revision, event_id)`` counts.
    """
    by_hour: dict[int, list[Report]] = {}
    anchor_ms = anchor_of(facts.reports) if facts.reports else 0
    for report in facts.reports:
        is_known = known is None or known_day(report, anchor_ms) <= known
        if is_known and first_day <= day_number(report.hour_start_ms) <= last_day:
            by_hour.setdefault(report.hour_start_ms, []).append(report)
    spend_fen = sum(counting(reports).spend_fen for reports in by_hour.values())
    return SpendKnown(spend_fen, len(by_hour), 24 * (last_day - first_day + 1))
