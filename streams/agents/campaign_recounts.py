"""What links of ids changed of the counts of a partition's campaigns: their table, by campaign (ARCHITECTURE.md, R18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from xinghe.domain.recounts import Recount, added_up

if TYPE_CHECKING:
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task

RECOUNTS: Final = "recounts"


class CampaignRecounts:
    """The recounts of one partition that a day that is yet to be booked has to know."""

    def __init__(self, task: Task) -> None:
        self._store: MemoryStore[list[Recount]] = task.store(RECOUNTS)
        self._changes: dict[str, list[Recount]] = {}

    def add(self, campaign_id: str, rows: Sequence[Recount]) -> None:
        """Add the ``recounts`` of a delta; they are there from the next `prepare` on, as the counts are."""
        self._changes.setdefault(campaign_id, []).extend(rows)

    def prepare(self) -> None:
        """Bring the table up to what was added."""
        changes, self._changes = self._changes, {}
        for campaign_id, rows in changes.items():
            self._put(campaign_id, [*self.rows(campaign_id), *rows])

    def rows(self, campaign_id: str) -> list[Recount]:
        """The recounts of a campaign."""
        return self._store.get(campaign_id.encode()) or []

    def booked(self, campaign_id: str, day: int) -> None:
        """Forget what a campaign knows on ``day``, up to which it is booked."""
        rows = self.rows(campaign_id)
        left = [row for row in rows if row.known_day > day]
        if len(left) < len(rows):
            self._put(campaign_id, left)

    def _put(self, campaign_id: str, rows: Sequence[Recount]) -> None:
        key, now = campaign_id.encode(), added_up(rows)
        if now:
            self._store.put(key, now)
        elif self._store.get(key) is not None:
            self._store.delete(key)
