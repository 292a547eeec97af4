"""The figures of all campaigns in memory, brought up to date from Redis when a page needs them.

A thousand campaigns are too many to read for each page. Only those that a commit changed are read again, once for all pages; while Redis is away the last figures stay, with when they were read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextvars import ContextVar
from math import inf
from typing import Final, Literal

import structlog

from xinghe.dashboard.spans import Spans, starts_to
from xinghe.dashboard.updates import PERIOD_S, Pending, Updates
from xinghe.domain.windows import DAY_MS, HOUR_MS, OUT_OF_ORDERNESS_MS, start_ms
from xinghe.serving import Funnel, FunnelReader, ServingError, ServingUnavailableError

log = structlog.get_logger()

LineSize = Literal["1m", "1d"]
MINUTES: Final = 120
DAYS: Final = 35
"""So many of the last minutes and days are kept of each campaign."""
_COUNTS: Final[dict[LineSize, int]] = {"1m": MINUTES, "1d": DAYS}

AHEAD_MS: Final = OUT_OF_ORDERNESS_MS
"""The newest events of a task are up to so far ahead of its watermark."""

asked_s: Final[ContextVar[float]] = ContextVar("asked_s", default=inf)
"""When the page that is being made was asked for: what was read since then is new enough for all of its parts."""

SHOPS_S: Final = 5.0
"""So often the shops of campaigns are looked at although no figure has changed: a change of them alone is told to nobody."""
ASKED_S: Final = 60.0
"""What late events correct is read again of windows that a page showed within so long."""
UNASKED_S: Final = 30.0
"""So often minutes and days are read that no page shows, so that the next one finds few to be missing."""
PAUSE_S: Final = 0.05
"""Between two batches of what was never read; pages are answered meanwhile."""
CORRECT_S: Final = 0.2
"""Between two batches of what late events may have corrected."""


class Board:
    """All campaigns: figures to date, shop, the hours of today and yesterday by the watermark, the last minutes and days."""

    def __init__(self, reader: FunnelReader, updates: Updates) -> None:
        self.totals: dict[str, Funnel] = {}
        self.shops: dict[str, str] = {}
        self.hours = Spans(reader, "1h")
        self.lines: dict[LineSize, Spans] = {size: Spans(reader, size) for size in _COUNTS}
        self.read_ms: int | None = None
        """When the figures were last as Redis has them; ``None`` before that."""
        self.version = 0
        """Grows whenever something was read that may be new, or could not be."""
        self.problem: str | None = None
        """Why they are old; ``None`` while they are not."""
        self._reader = reader
        self._updates = updates
        self._pending = updates.pending()
        self._line_pending: dict[LineSize, Pending] = {size: Pending() for size in _COUNTS}
        self._lock = asyncio.Lock()
        self._due_s = 0.0
        self._began_s = 0.0
        self._asked_s: dict[str, float] = {}

    @property
    def watermark_ms(self) -> int | None:
        """Up to when the events of the campaigns are complete: that of the one that changed last."""
        known = [f.watermark_ms for f in self.totals.values() if f.watermark_ms is not None]
        return max(known, default=None)

    async def refresh(self) -> None:
        """Bring the figures to date and the hours up to date, or keep the last ones while Redis is away.

        Raises ``ServingUnavailableError`` where there are no last ones.
        """
        self._asked_s["1h"] = time.monotonic()
        async with self._lock:
            await self._refresh()

    async def refresh_line(self, size: LineSize) -> None:
        """Bring the newest minutes or days up to date with the figures to date.

        Those that no page has shown for long may be unknown for some seconds.
        """
        self._asked_s[size] = time.monotonic()
        await self.refresh()
        async with self._lock:
            await self._refresh_line(size)

    async def run(self) -> None:
        """Read for ever, beside the pages, what these do not wait for."""
        looked_s = 0.0
        while True:
            await asyncio.sleep(PAUSE_S if any(span.is_due for span in self._spans()) else CORRECT_S)
            if self.read_ms is None or self.problem is not None:
                continue
            try:
                if time.monotonic() > looked_s + UNASKED_S:
                    looked_s = time.monotonic()
                    await self._look()
                for span in self._spans():
                    # One batch at a time, so that a page waits for one at most.
                    async with self._lock:
                        await self._catch_up(span)
            except ServingError as error:
                log.warning("windows could not be read; they are read again", error=str(error))
                await asyncio.sleep(SHOPS_S)

    async def _refresh(self) -> None:
        if self._is_fresh():
            return
        self._began_s = time.monotonic()
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
        if self._began_s >= asked_s.get():
            return True
        if not self._updates.is_connected or self.problem is not None:
            return time.monotonic() < self._due_s
        return self._pending.is_empty and time.monotonic() < self._due_s + SHOPS_S

    async def _read(self, changed: Collection[str] | None) -> None:
        for pending in self._line_pending.values():
            pending.add(changed)
        is_all = changed is None
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
        watermark_ms = self.watermark_ms
        if watermark_ms is None:
            return
        # One hour after the watermark's: events that are newer count in it.
        last_ms = start_ms("1h", watermark_ms) + HOUR_MS
        first_ms = start_ms("1d", watermark_ms) - DAY_MS
        self.hours.turn(range(first_ms, last_ms + 1, HOUR_MS))
        if is_all:
            self.hours.all_due()
        # Cards compare whole days, so that a page waits for all hours.
        await self.hours.read_all(self.totals.keys())
        await self.hours.read(self.totals.keys() & set(changed))

    async def _refresh_line(self, size: LineSize) -> None:
        span, pending, watermark_ms = self.lines[size], self._line_pending[size], self.watermark_ms
        if watermark_ms is None or self.problem is not None or pending.is_empty:
            return
        changed = pending.take()
        try:
            span.turn(starts_to(size, start_ms(size, watermark_ms + AHEAD_MS), _COUNTS[size]))
            if changed is None:
                span.all_due()
            await span.read(self.totals if changed is None else self.totals.keys() & changed)
        except ServingUnavailableError as error:
            pending.add(None)
            self.problem = str(error)
        except BaseException:
            pending.add(None)
            raise

    async def _look(self) -> None:
        async with self._lock:
            await self._refresh()
        for size in self.lines:
            async with self._lock:
                await self._refresh_line(size)

    async def _catch_up(self, span: Spans) -> None:
        is_asked = time.monotonic() < self._asked_s.get(span.size, -ASKED_S) + ASKED_S
        if span.is_due or (is_asked and span.is_partly):
            await span.catch_up(self.totals)
            self.version += 1

    def _spans(self) -> list[Spans]:
        return [self.hours, *self.lines.values()]

    def _forget(self, campaign_id: str) -> None:
        self.totals.pop(campaign_id, None)
        for span in self._spans():
            span.forget(campaign_id)
