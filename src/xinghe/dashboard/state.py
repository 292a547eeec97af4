"""What the handlers of a request work with."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, NamedTuple, cast

from starlette.requests import HTTPConnection

from xinghe.dashboard.access import Access, Viewer
from xinghe.dashboard.alerts_source import AlertsSource
from xinghe.dashboard.records_source import RecordsSource
from xinghe.dashboard.source import Source
from xinghe.dashboard.updates import Updates

SESSION_KEY: Final = "key"
PARTS_MAX: Final = 1_000
PART_S: Final = 0.25
"""A part is made anew at most so often; with the half second between two events a change is on the screen within one."""


class Parts:
    """Live parts of pages, each made once for all who ask for the same with the same rights until it is begun."""

    def __init__(self) -> None:
        self._next: dict[Hashable, asyncio.Task[bytes]] = {}
        self._began_s: OrderedDict[Hashable, float] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """A part that is begun after this call; ``key`` names all that it depends on besides the time."""
        making = self._next.get(key)
        if making is None:
            making = self._next[key] = asyncio.create_task(self._make(key, make))
        return await asyncio.shield(making)

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            await asyncio.sleep(self._began_s.get(key, -PART_S) + PART_S - time.monotonic())
        finally:
            # Who asks from here on wants a newer one.
            del self._next[key]
        self._began_s[key] = time.monotonic()
        self._began_s.move_to_end(key)
        if len(self._began_s) > PARTS_MAX:
            self._began_s.popitem(last=False)
        return await make()


class State(NamedTuple):
    """Made once per process."""

    access: Access
    source: Source
    updates: Updates
    people_min: int
    parts: Parts
    alerts: AlertsSource
    records: RecordsSource
    half_life_ms: int
    """The half-life of credit that the workers are set to, in the time-decay model."""


class SignInError(Exception):
    """Who asks is not known."""


def state_of(connection: HTTPConnection) -> State:
    """The state of the application that was asked."""
    return cast(State, connection.app.state.dashboard)


def viewer_of(connection: HTTPConnection) -> Viewer:
    """Who asks, by the API token if there is one, else by the session; raises `SignInError`."""
    access = state_of(connection).access
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme:
        viewer = access.by_token(token.strip()) if scheme.lower() == "bearer" else None
    else:
        viewer = access.by_key(connection.session.get(SESSION_KEY))
    if viewer is None:
        raise SignInError
    return viewer


def now_ms() -> int:
    """The clock, which only ages are told by."""
    return time.time_ns() // 1_000_000
