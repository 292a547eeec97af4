"""Reports of ad spend: which of an hour counts, and from which day on each is known (ARCHITECTURE.md, R18 and R19)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from xinghe.domain.counted import day_number
from xinghe.domain.windows import HOUR_MS

REPORTING_MS: Final = 6 * HOUR_MS
"""A report that comes at most so much later than the campaign's first did, after its hour, is known on the day of its hour."""


class Report(Struct, array_like=True, frozen=True, gc=False):
    """One report of a campaign's hour; ``reported_ms`` is when it was made: by itself, else the timestamp of its record."""

    hour_start_ms: int
    revision: int
    event_id: str
    spend_fen: int
    impressions: int | None
    clicks: int | None
    reported_ms: int

    @property
    def rank(self) -> tuple[int, str]:
        """Of the known reports of an hour the one with the largest rank counts."""
        return self.revision, self.event_id

    @property
    def place(self) -> tuple[int, str]:
        """The place among the reports of the campaign, in the order in which they came."""
        return self.reported_ms, self.event_id


def counting(reports: Iterable[Report]) -> Report:
    """The report that counts among those of one hour; raises `ValueError` where there is none."""
    return max(reports, key=lambda report: report.rank)


def with_report(reports: Sequence[Report], report: Report) -> Sequence[Report]:
    """The reports of one hour that may count on some day, or are the campaign's first, with one more.

    One that came later than another of larger rank never counts. What is kept ascends by ``rank`` and ``place`` both,
    and does not depend on the order of the calls. The same ``reports`` where the new one adds nothing.
    """
    if any(_is_beaten(report, known) for known in reports):
        return reports
    kept = [known for known in reports if not _is_beaten(known, report)]
    return sorted([*kept, report], key=lambda one: one.place)


def _is_beaten(report: Report, other: Report) -> bool:
    return other.place <= report.place and other.rank >= report.rank


def anchor_of(reports: Sequence[Report]) -> int:
    """How late the first report of a campaign was after the start of its hour, in ms, at least 0.

    Raises `ValueError` where there is none.
    """
    reported_ms = min(report.reported_ms for report in reports)
    first = min(
        (report for report in reports if report.reported_ms == reported_ms), key=lambda one: one.place
    )
    return max(first.reported_ms - first.hour_start_ms, 0)


def known_day(report: Report, anchor_ms: int) -> int:
    """The number of the day on which a report is known first; ``anchor_ms`` is `anchor_of` its campaign's reports.

    >>> [known_day(Report(0, 1, "e", 5, None, None, hours * 3_600_000), 3_600_000) for hours in (1, 22, 23)]
    [1, 1, 2]
    """
    reported_ms = report.reported_ms - REPORTING_MS - anchor_ms
    return day_number(max(report.hour_start_ms, reported_ms))


class DaySpend(NamedTuple):
    """What the spend of a day is by the reports known on ``known_day``, and how many of its hours have one."""

    known_day: int
    spend_fen: int
    hours_reported: int


def spend_by_day(reports: Sequence[Report]) -> dict[int, list[DaySpend]]:
    """The spend of each day that has a report, ascending; of a day one for each day on which more became known.

    Of each hour the known report with the largest ``rank`` counts. ``reports`` are all of a campaign, in any order.
    """
    anchor_ms = anchor_of(reports) if reports else 0
    known: dict[int, dict[int, list[Report]]] = {}
    for report in reports:
        of_day = known.setdefault(day_number(report.hour_start_ms), {})
        of_day.setdefault(known_day(report, anchor_ms), []).append(report)
    return {day: _as_known(known[day]) for day in sorted(known)}


def _as_known(reports: Mapping[int, Iterable[Report]]) -> list[DaySpend]:
    """``reports`` are those of one day, by the day on which they are known first."""
    by_hour: dict[int, Report] = {}
    days = []
    for known in sorted(reports):
        for report in reports[known]:
            other = by_hour.get(report.hour_start_ms)
            if other is None or report.rank > other.rank:
                by_hour[report.hour_start_ms] = report
        spend_fen = sum(report.spend_fen for report in by_hour.values())
        days.append(DaySpend(known, spend_fen, len(by_hour)))
    return days


def spent_of(report: Report | None) -> tuple[int, ...]:
    """What a report that counts adds to windows, ordered as `metrics.SPENT_NAMES`; nothing where there is none."""
    if report is None:
        return 0, 0, 0, 0, 0
    if report.impressions is None or report.clicks is None:
        return report.spend_fen, 1, 0, 0, 0
    return report.spend_fen, 1, report.impressions, report.clicks, 1
