"""The figures of all campaigns in memory, brought up to date from Redis when a page needs them.

A thousand campaigns are too many to read for each page. Only those that changed are read again, at most twice a second,
for all pages together; while Redis is away the last figures stay, with when they were read.
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
"""Of a campaign that changed so many hours are read again at once; earlier ones, which late events correct, in turn."""
ROUND: Final = 120
"""After so many refreshes all hours of all campaigns have been read again: within a minute of looking."""

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
        self._round: list[str] = []

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
            if self.read_ms is not None and time.monotonic() < self._due_s:
                return
            changed = self._pending.take() if self._updates.is_connected else None
            self.version += changed is None or bool(changed)
            try:
                await self._read(changed)
            except ServingUnavailableError as error:
                self._pending.add(changed)
                self.problem = str(error)
                if self.read_ms is None:
                    raise
            else:
                self.problem = None
                self.read_ms = time.time_ns() // 1_000_000
            finally:
                self._due_s = time.monotonic() + PERIOD_S

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
        whole = self._next_of_round()
        wanted: list[tuple[str, Size, int]] = []
        for campaign_id in {*changed, *whole} & self.totals.keys():
            is_whole = campaign_id in whole or campaign_id not in self.hours
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

    def _next_of_round(self) -> set[str]:
        if not self._round:
            self._round = list(self.totals)
        share = len(self.totals) // ROUND + 1
        taken = set(islice(reversed(self._round), share))
        del self._round[-share:]
        return taken
