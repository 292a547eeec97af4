"""Server-sent events: which of the campaigns that a viewer may see have changed, at most twice a second, and open alerts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from xinghe.dashboard.access import Viewer
from xinghe.dashboard.state import State, state_of, viewer_of
from xinghe.dashboard.updates import Change
from xinghe.serving import ServingError, ServingUnavailableError

HEARTBEAT_S: Final = 15
"""After so long without an event a comment is sent, so that both sides see a broken connection."""
SEND_S_MAX: Final = 10
"""A page that takes nothing for so long is let go; it connects again by itself."""
RIGHTS_S: Final = 600
"""After so long a page must connect again, which looks at its rights anew."""
RETRY_MS: Final = 1_000


async def live(request: Request) -> Response:
    """The stream of events ``change`` with ``campaigns`` (null: all) and ``connected``, and ``alerts`` with ``unacknowledged``."""
    viewer = viewer_of(request)
    return EventSourceResponse(_events(state_of(request), viewer), ping=HEARTBEAT_S, send_timeout=SEND_S_MAX)


async def _events(state: State, viewer: Viewer) -> AsyncGenerator[ServerSentEvent]:
    was_connected: bool | None = None
    told: int | None = None
    with state.updates.listener() as listener, suppress(TimeoutError):
        async with asyncio.timeout(RIGHTS_S):
            while True:
                change = await visible(state, viewer, await listener.next())
                if change.campaign_ids == frozenset() and change.is_connected == was_connected:
                    continue
                was_connected = change.is_connected
                ids = None if change.campaign_ids is None else sorted(change.campaign_ids)
                data = orjson.dumps({"campaigns": ids, "connected": change.is_connected}).decode()
                yield ServerSentEvent(data, event="change", retry=RETRY_MS)
                count = await _unacknowledged(state, viewer)
                if count is not None and count != told:
                    told = count
                    yield ServerSentEvent(orjson.dumps({"unacknowledged": count}).decode(), event="alerts")


async def _unacknowledged(state: State, viewer: Viewer) -> int | None:
    """How many open alerts nobody has acknowledged; ``None`` while that cannot be read."""
    try:
        return await state.alerts.unacknowledged(viewer)
    except ServingError:
        return None


async def visible(state: State, viewer: Viewer, change: Change) -> Change:
    """The change, less the campaigns that the viewer may not see."""
    if viewer.shops is None or change.campaign_ids is None:
        return change
    if not change.campaign_ids <= state.source.board.shops.keys():
        # A campaign that is new: its shop is looked up. Where Redis is away it is told as of no shop, to nobody.
        with suppress(ServingUnavailableError):
            await state.source.board.refresh()
    seen = frozenset(id_ for id_ in change.campaign_ids if state.source.sees(viewer, id_))
    return change._replace(campaign_ids=seen)
