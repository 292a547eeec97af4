"""The spend reports of a partition's campaigns: their table, by campaign and hour (ARCHITECTURE.md, R10, R18 and R19)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

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

    def opened(self) -> None:
        """Index what was recovered."""
        for entry in self._store.items():
            campaign_id, hour_start_ms = entry[0].decode().rsplit("|", 1)
            self._hours.setdefault(campaign_id, set()).add(int(hour_start_ms))

    def add(self, campaign_id: str, report: Report) -> Sequence[int] | None:
        """Add a report; answers the difference that it makes to windows, ``None`` where there is none."""
        packed = _key(campaign_id, report.hour_start_ms)
        known = self._store.get(packed) or []
        reports = with_report(known, report)
        if reports is known:
            return None
        self._store.put(packed, list(reports))
        self._hours.setdefault(campaign_id, set()).add(report.hour_start_ms)
        before, after = spent_of(counting(known) if known else None), spent_of(counting(reports))
        return None if after == before else [new - old for new, old in zip(after, before, strict=True)]

    def campaigns(self) -> Iterable[str]:
        """The campaigns that have reports."""
        return self._hours

    def reports(self, campaign_id: str, from_ms: int = 0) -> list[Report]:
        """The reports of a campaign's hours from ``from_ms`` on that may count on some day; ascending by hour, then as they came.

        Without ``from_ms`` the campaign's first report is among them.
        """
        hours, get = sorted(self._hours.get(campaign_id, ())), self._store.get
        return [report for hour in hours if hour >= from_ms for report in get(_key(campaign_id, hour)) or ()]


def _key(campaign_id: str, hour_start_ms: int) -> bytes:
    return f"{campaign_id}|{hour_start_ms}".encode()
