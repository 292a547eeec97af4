"""What the handlers of a request work with."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, NamedTuple, cast

from starlette.requests import HTTPConnection

from xinghe.dashboard.access import Access, Viewer
from xinghe.dashboard.records_source import RecordsSource
from xinghe.dashboard.source import Source
from xinghe.dashboard.updates import Updates

SESSION_KEY: Final = "key"
PARTS_MAX: Final = 100


class Parts:
    """The last parts of pages that were rendered, for the many who look at the same with the same rights."""

    def __init__(self) -> None:
        self._html: OrderedDict[Hashable, str] = OrderedDict()

    def get(self, key: Hashable) -> str | None:
        """The part of a key, which names all that it depends on."""
        return self._html.get(key)

    def put(self, key: Hashable, html: str) -> None:
        """Keep a part; the oldest goes."""
        self._html[key] = html
        if len(self._html) > PARTS_MAX:
            self._html.popitem(last=False)


class State(NamedTuple):
    """Made once per process."""

    access: Access
    source: Source
    updates: Updates
    people_min: int
    parts: Parts
    records: RecordsSource


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
