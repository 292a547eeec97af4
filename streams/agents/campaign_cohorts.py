"""The cohorts of a partition's campaigns: their table, by campaign and day of the order (ARCHITECTURE.md, R18)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from xinghe.domain.cohorts import CohortRow, added_up, decode_cohorts, encode_cohorts
from xinghe.domain.counted import day_start_ms
from xinghe.domain.windows import is_cohort_day_expired

if TYPE_CHECKING:
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task

COHORTS: Final = "cohorts"


class CampaignCohorts:
    """The cohorts of one partition, of each day of orders for `windows.COHORT_RETENTION_MS`."""

    def __init__(self, task: Task) -> None:
        self._store: MemoryStore[bytes] = task.store(COHORTS)
        self._days: dict[str, set[int]] = {}
        """The days of orders of each campaign."""
        self._by_day: dict[int, set[str]] = {}
        """The campaigns of each day of orders."""
        self._changes: dict[tuple[str, int], list[CohortRow]] = {}

    def opened(self) -> None:
        """Index what was recovered."""
        for entry in self._store.items():
            campaign_id, day = entry[0].decode().rsplit("|", 1)
            self._index(campaign_id, int(day))

    def add(self, campaign_id: str, rows: Sequence[CohortRow]) -> None:
        """Add the ``cohorts`` of a delta; they count from the next `prepare` on."""
        for row in rows:
            self._changes.setdefault((campaign_id, row.order_day), []).append(row)

    def prepare(self, watermark_ms: int) -> None:
        """Bring the table up to what was added."""
        changes, self._changes = self._changes, {}
        for (campaign_id, day), rows in changes.items():
            if is_cohort_day_expired(day_start_ms(day), watermark_ms):
                continue
            packed = _key(campaign_id, day)
            known = self._store.get(packed)
            now = added_up(rows if known is None else [*decode_cohorts(known), *rows])
            if now:
                self._store.put(packed, encode_cohorts(now))
                self._index(campaign_id, day)
            elif known is not None:
                self._by_day[day].discard(campaign_id)
                self._drop(campaign_id, day)

    def drop_expired(self, watermark_ms: int) -> None:
        """Drop the days whose retention has passed."""
        for day in list(self._by_day):
            if is_cohort_day_expired(day_start_ms(day), watermark_ms):
                for campaign_id in self._by_day.pop(day):
                    self._drop(campaign_id, day)

    def rows(self, campaign_id: str, from_day: int = 0) -> list[CohortRow]:
        """The cohorts of a campaign of order days from ``from_day`` on, ascending by day of the order, then of the touch."""
        rows: list[CohortRow] = []
        for day in sorted(self._days.get(campaign_id, ())):
            if day >= from_day:
                rows += decode_cohorts(self._store.get(_key(campaign_id, day)) or b"")
        return rows

    def first_day(self, campaign_id: str) -> int | None:
        """The earliest day of orders that a campaign has."""
        return min(self._days.get(campaign_id, ()), default=None)

    def campaigns(self) -> Iterable[str]:
        """The campaigns that have cohorts."""
        return self._days

    def _drop(self, campaign_id: str, day: int) -> None:
        self._store.delete(_key(campaign_id, day))
        self._days[campaign_id].discard(day)

    def _index(self, campaign_id: str, day: int) -> None:
        self._days.setdefault(campaign_id, set()).add(day)
        self._by_day.setdefault(day, set()).add(campaign_id)


def _key(campaign_id: str, day: int) -> bytes:
    return f"{campaign_id}|{day}".encode()
