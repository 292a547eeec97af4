"""The figures of all campaigns in memory, brought up to date from Redis when a page needs them.

A thousand campaigns are too many to read for each page. Only those that a commit changed are read again, once for all pages; while Redis is away the last figures stay, with when they were read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final

from xinghe.dashboard.updates import PERIOD_S, Updates
from xinghe.domain.windows import DAY_MS, HOUR_MS, Size, start_ms
from xinghe.serving import Funnel, FunnelReader, ServingUnavailableError

HOUR_NAMES: Final = (
    "views",
    "engagements",
    "ad_clicks",
    "store_visits",
    "cart_adds",
    "orders_micros",
    "gmv_fen",
    "net_gmv_fen",
    "spend_fen",
)
"""The metrics that are kept by hour: all of them add up over hours and campaigns."""
RECENT_HOURS: Final = 3
"""Of a campaign that changed so many hours are read again at once; the earlier ones, which late events correct, a little later."""
WHOLE: Final = 100
"""Every `PERIOD_S` all hours of so many campaigns are read again, of those that have changed since theirs were."""

SHOPS_S: Final = 5.0
"""So often the shops of campaigns are looked at although no figure has changed: a change of them alone is told to nobody."""

Hours = Mapping[int, Mapping[str, int]]
"""The metrics of `HOUR_NAMES` by the start of the hour; what is unknown has no entry."""


class Board:
    """All campaigns: figures to date, shop, and the hours of today and yesterday by the watermark."""

    def __init__(self, reader: FunnelReader, updates: Updates) -> None:
        self.totals: dict[str, Funnel] = {}
        self.shops: dict[str, str] = {}
        self.hours: dict[str, dict[int, Mapping[str, int]]] = {}
        self.read_ms: int | None = None
        """When the figures were last as Redis has them; ``None`` before that."""
        self.version = 0
        """Grows whenever something was read that may be new, or could not be."""
        self.problem: str | None = None
        """Why they are old; ``None`` while they are not."""
        self._reader = reader
        self._updates = updates
        self._pending = updates.pending()
        self._lock = asyncio.Lock()
        self._due_s = 0.0
        self._whole_s = 0.0
        self._partly: dict[str, None] = {}

    @property
    def watermark_ms(self) -> int | None:
        """Up to when the events of the campaigns are complete: that of the one that changed last."""
        known = [f.watermark_ms for f in self.totals.values() if f.watermark_ms is not None]
        return max(known, default=None)

    async def refresh(self) -> None:
        """Bring the figures up to date, or keep the last ones while Redis is away.

        Raises ``ServingUnavailableError`` where there are no last ones.
        """
        async with self._lock:
            if self._is_fresh():
                return
            changed = self._pending.take() if self._updates.is_connected else None
            self.version += 1
            try:
                await self._read(changed)
            except ServingUnavailableError as error:
                self._pending.add(None)
                self.problem = str(error)
                if self.read_ms is None:
                    raise
            except BaseException:  # whoever asked went away, or Redis holds what is none of ours
                self._pending.add(None)
                raise
            else:
                self.problem = None
                self.read_ms = time.time_ns() // 1_000_000
            finally:
                self._due_s = time.monotonic() + PERIOD_S

    def _is_fresh(self) -> bool:
        """Whether nothing can have changed; where that is not known, whether it is too soon to look again."""
        if self.read_ms is None:
            return False
        if not self._updates.is_connected or self.problem is not None:
            return time.monotonic() < self._due_s
        if time.monotonic() > self._due_s + SHOPS_S:
            return False
        return self._pending.is_empty and (not self._partly or time.monotonic() < self._whole_s)

    async def _read(self, changed: Collection[str] | None) -> None:
        self.shops = await self._reader.shops_of_campaigns()
        if changed is None:
            changed = [change.campaign_id for change in await self._reader.campaigns()]
            for gone in self.totals.keys() - set(changed):
                self._forget(gone)
        for campaign_id, total in zip(changed, await self._reader.totals(list(changed)), strict=True):
            if total is None:
                self._forget(campaign_id)
            else:
                self.totals[campaign_id] = total
        await self._read_hours(changed)

    def _forget(self, campaign_id: str) -> None:
        self.totals.pop(campaign_id, None)
        self.hours.pop(campaign_id, None)

    async def _read_hours(self, changed: Collection[str]) -> None:
        watermark_ms = self.watermark_ms
        if watermark_ms is None:
            return
        first_ms = start_ms("1d", watermark_ms) - DAY_MS
        # One hour after the watermark's: events that are newer count in it.
        last_ms = start_ms("1h", watermark_ms) + HOUR_MS
        recent_ms = max(first_ms, last_ms - (RECENT_HOURS - 1) * HOUR_MS)
        whole = self._next_whole()
        wanted: list[tuple[str, Size, int]] = []
        for campaign_id in {*changed, *whole} & self.totals.keys():
            is_whole = campaign_id in whole or campaign_id not in self.hours
            if not is_whole:
                self._partly[campaign_id] = None
            from_ms = first_ms if is_whole else recent_ms
            wanted += [(campaign_id, "1h", hour) for hour in range(from_ms, last_ms + 1, HOUR_MS)]
        found = await self._reader.metrics(wanted, HOUR_NAMES)
        for (campaign_id, _, hour_ms), metrics in zip(wanted, found, strict=True):
            hours = self.hours.setdefault(campaign_id, {})
            if metrics:
                hours[hour_ms] = metrics
            else:
                hours.pop(hour_ms, None)
        for hours in self.hours.values():
            for old in [hour for hour in hours if hour < first_ms]:
                del hours[old]

    def _next_whole(self) -> set[str]:
        if time.monotonic() < self._whole_s:
            return set()
        self._whole_s = time.monotonic() + PERIOD_S
        taken = set(islice(self._partly, WHOLE))
        for campaign_id in taken:
            del self._partly[campaign_id]
        return taken
