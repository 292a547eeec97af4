"""The spend reports of a partition's campaigns: their table, by campaign and hour (ARCHITECTURE.md, R10, R18 and R19)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from xinghe.domain.counted import day_number
from xinghe.domain.spend import Report, counting, spent_of, with_report

if TYPE_CHECKING:
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task

SPEND: Final = "spend"


class CampaignSpend:
    """The reports of one partition: of each hour those that may count on some day."""

    def __init__(self, task: Task) -> None:
        self._store: MemoryStore[list[Report]] = task.store(SPEND)
        self._hours: dict[str, set[int]] = {}
        """The starts of each campaign's hours."""
        self._first: dict[str, Report] = {}
        """Each campaign's first report: how late it was matters to all others."""

    def opened(self) -> None:
        """Index what was recovered."""
        for entry in self._store.items():
            campaign_id, _ = entry[0].decode().rsplit("|", 1)
            for report in entry[1]:
                self._index(campaign_id, report)

    def add(self, campaign_id: str, report: Report) -> Sequence[int] | None:
        """Add a report; answers the difference that it makes to windows, ``None`` where there is none."""
        packed = _key(campaign_id, report.hour_start_ms)
        known = self._store.get(packed) or []
        reports = with_report(known, report)
        if reports is known:
            return None
        self._store.put(packed, list(reports))
        self._index(campaign_id, report)
        before, after = spent_of(counting(known) if known else None), spent_of(counting(reports))
        return None if after == before else [new - old for new, old in zip(after, before, strict=True)]

    def campaigns(self) -> Iterable[str]:
        """The campaigns that have reports."""
        return self._hours

    def reports(self, campaign_id: str, from_ms: int = 0) -> list[Report]:
        """The reports of a campaign's hours from ``from_ms`` on that may count on some day; ascending by hour, then as they came.

        Those of the hour of the campaign's first report are always among them.
        """
        first = self._first.get(campaign_id)
        if first is None:
            return []
        get, first_ms = self._store.get, first.hour_start_ms
        hours = sorted(hour for hour in self._hours[campaign_id] if hour >= from_ms or hour == first_ms)
        return [report for hour in hours for report in get(_key(campaign_id, hour)) or ()]

    def first_day(self, campaign_id: str) -> int | None:
        """The day of the earliest hour that has a report."""
        hours = self._hours.get(campaign_id)
        return day_number(min(hours)) if hours else None

    def _index(self, campaign_id: str, report: Report) -> None:
        self._hours.setdefault(campaign_id, set()).add(report.hour_start_ms)
        first = self._first.get(campaign_id)
        if first is None or report.place < first.place:
            self._first[campaign_id] = report


def _key(campaign_id: str, hour_start_ms: int) -> bytes:
    return f"{campaign_id}|{hour_start_ms}".encode()
