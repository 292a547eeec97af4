"""What changed in Redis, told to every open page: one subscription for all of them, and a bounded wait for each.

A page is told at most every `PERIOD_S` and then of all that changed since, so a slow one waits for nobody and holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import aclosing, contextmanager
from typing import Final, NamedTuple

import structlog

from xinghe.serving import FunnelReader, ServingError

log = structlog.get_logger()

PERIOD_S: Final = 0.5
"""At most two updates a second for each page."""
PENDING_MAX: Final = 1_000
"""Above this many campaigns a page is told that all have changed."""
PAUSE_S_MAX: Final = 2.0
"""The longest pause between attempts while Redis is away."""


class Change(NamedTuple):
    """The campaigns that changed, ``None`` for all; whether Redis can be reached."""

    campaign_ids: frozenset[str] | None
    is_connected: bool


class Pending:
    """The campaigns that changed since they were last taken; all of them at first."""

    def __init__(self) -> None:
        self._campaign_ids: set[str] | None = None

    def add(self, campaign_ids: Iterable[str] | None) -> None:
        """Add some, or ``None`` for all."""
        if campaign_ids is None or self._campaign_ids is None:
            self._campaign_ids = None
            return
        self._campaign_ids.update(campaign_ids)
        if len(self._campaign_ids) > PENDING_MAX:
            self._campaign_ids = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing has changed."""
        return self._campaign_ids is not None and not self._campaign_ids

    def take(self) -> frozenset[str] | None:
        """What is pending, which is nothing from then on."""
        taken, self._campaign_ids = self._campaign_ids, set()
        return None if taken is None else frozenset(taken)


class Listener:
    """One open page."""

    def __init__(self, updates: Updates) -> None:
        self._updates = updates
        self._pending = Pending()
        self._news = asyncio.Event()
        self._next_s = 0.0
        self._news.set()  # what changed before it came is told at once

    def tell(self, campaign_ids: Iterable[str] | None) -> None:
        """Keep for the page what changed; never waits."""
        self._pending.add(campaign_ids)
        self._news.set()

    async def next(self) -> Change:
        """What changed since the last call, once something did and `PERIOD_S` has passed."""
        await self._news.wait()
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._next_s - loop.time()))
        self._next_s = loop.time() + PERIOD_S
        self._news.clear()
        return Change(self._pending.take(), self._updates.is_connected)


class Updates:
    """The one subscription of the process."""

    def __init__(self, reader: FunnelReader) -> None:
        self.is_connected = False
        self._reader = reader
        self._listeners: set[Listener] = set()
        self._boards: list[Pending] = []

    @contextmanager
    def listener(self) -> Iterator[Listener]:
        """A listener for as long as a page is open."""
        listener = Listener(self)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def pending(self) -> Pending:
        """Collects what changes for one who looks when it needs to."""
        pending = Pending()
        self._boards.append(pending)
        return pending

    async def run(self) -> None:
        """Listen for ever; while Redis is away with growing pauses. What was missed then is told as "all"."""
        pause_s = 0.1
        while True:
            try:
                async with aclosing(self._reader.changes()) as changes:
                    async for campaign_ids in changes:
                        if not self.is_connected:
                            pause_s, self.is_connected = 0.1, True
                            self.tell(None)
                        if campaign_ids:
                            self.tell(campaign_ids)
            except ServingError as error:
                if self.is_connected:
                    log.warning("Redis is away; the pages keep the last figures", error=str(error))
                    self.is_connected = False
                self.tell(None)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_S_MAX)

    def tell(self, campaign_ids: Iterable[str] | None) -> None:
        """Tell every page, and who looks when it needs to, that campaigns changed; ``None`` for all."""
        for pending in self._boards:
            pending.add(campaign_ids)
        for listener in self._listeners:
            listener.tell(campaign_ids)
