"""The web application: routes, sessions, what an error answers, and the subscription that lives as long as it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Collection
from importlib import resources
from typing import NamedTuple

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from xinghe.dashboard import (
    alerts_page,
    api,
    exports,
    health_page,
    order_page,
    pages,
    sessions,
    settlement_page,
)
from xinghe.dashboard.access import Access
from xinghe.dashboard.alerts_source import AlertsSource
from xinghe.dashboard.board import Board
from xinghe.dashboard.live import live
from xinghe.dashboard.parameters import ParameterError
from xinghe.dashboard.privacy import PEOPLE_MIN
from xinghe.dashboard.records import Failure
from xinghe.dashboard.records_source import RecordsSource
from xinghe.dashboard.security import FormError, Headers
from xinghe.dashboard.source import NotVisibleError, Source
from xinghe.dashboard.state import Parts, SignInError, State
from xinghe.dashboard.updates import PERIOD_S, Updates
from xinghe.domain.order_rules import Windows
from xinghe.serving import FunnelReader, ServingError, open_redis
from xinghe.serving.acknowledgements import AlertsDesk
from xinghe.serving.records_reader import RecordsReader

log = structlog.get_logger()

SESSION_S = 12 * 3600


class Settings(NamedTuple):
    """What the dashboard is started with; ``secret`` signs sessions, ``payment_window_ms`` is that of the workers."""

    redis_url: str
    access: Access
    secret: str
    people_min: int = PEOPLE_MIN
    is_https: bool = False
    payment_window_ms: int = Windows().payment_ms


def create_app(settings: Settings) -> Starlette:
    """The application; nothing is connected until it starts."""
    redis = open_redis(settings.redis_url)
    reader = FunnelReader(redis)
    updates = Updates(reader)
    board = Board(reader, updates)
    source = Source(board, reader)
    reader_of_records = RecordsReader(redis)
    records = RecordsSource(source, reader_of_records)
    state = State(
        settings.access,
        source,
        updates,
        settings.people_min,
        Parts(),
        alerts=AlertsSource(source, reader_of_records, AlertsDesk(redis)),
        records=records,
        half_life_ms=Windows(payment_ms=settings.payment_window_ms).half_life_ms,
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        app.state.dashboard = state
        tasks = [
            asyncio.create_task(updates.run()),
            asyncio.create_task(board.run()),
            asyncio.create_task(_keep_ready(updates, board)),
        ]
        for task in tasks:
            task.add_done_callback(_tell_why)
        try:
            yield
        finally:
            await end(tasks)
            await redis.aclose()

    static = resources.files("xinghe.dashboard").joinpath("static")
    return Starlette(
        routes=[
            *order_page.routes(),
            *settlement_page.routes(),
            *exports.routes(),
            *pages.routes(),
            *alerts_page.routes(),
            *health_page.routes(),
            *sessions.routes(),
            *api.routes(),
            Route("/live", live),
            Mount("/static", StaticFiles(directory=str(static)), name="static"),
        ],
        middleware=[
            Middleware(Headers),
            Middleware(
                SessionMiddleware,
                secret_key=settings.secret,
                session_cookie="xinghe_session",
                max_age=SESSION_S,
                same_site="lax",
                https_only=settings.is_https,
            ),
        ],
        exception_handlers={
            SignInError: _not_signed_in,
            NotVisibleError: _not_found,
            ParameterError: _bad,
            FormError: _forbidden,
            ServingError: _away,
            HTTPException: _http,
            Exception: _failed,
        },
        lifespan=lifespan,
    )


async def end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: the Redis client can swallow a cancellation."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.2)


async def _keep_ready(updates: Updates, board: Board) -> None:
    """Read all figures each time that Redis comes, so that no page waits for that."""
    with updates.listener() as listener:
        while True:
            change = await listener.next()
            if not change.is_connected or change.campaign_ids is not None:
                continue
            is_late = False
            while updates.is_connected and not await _is_read(board):
                # Connections of before Redis went are found closed, one after another.
                is_late = True
                await asyncio.sleep(PERIOD_S)
            if is_late:
                updates.tell(None)


async def _is_read(board: Board) -> bool:
    with contextlib.suppress(ServingError):  # the next page says so
        await board.refresh()
    return board.problem is None and board.read_ms is not None


def _tell_why(listening: asyncio.Task[None]) -> None:
    if not listening.cancelled() and (error := listening.exception()) is not None:
        log.error("live updates have stopped; the pages are no longer told of changes", exc_info=error)


def _is_for_programs(request: Request) -> bool:
    return request.url.path.startswith("/api/") or request.url.path == "/live"


async def _not_signed_in(request: Request, error: Exception) -> Response:
    del error
    if _is_for_programs(request):
        failure = Failure("not_signed_in", "Send a valid token: Authorization: Bearer TOKEN")
        answer = api.json(failure, 401)
        answer.headers["www-authenticate"] = "Bearer"
        return answer
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"hx-redirect": "/login"})
    return RedirectResponse("/login", 303)


async def _not_found(request: Request, error: Exception) -> Response:
    del error
    if _is_for_programs(request):
        failure = Failure("not_found", "It is not there, or of a shop that you may not see")
        return api.json(failure, 404)
    return pages.problem(request, "not_found", 404)


async def _bad(request: Request, error: Exception) -> Response:
    if _is_for_programs(request):
        return api.json(Failure("bad_parameter", str(error)), 400)
    return pages.problem(request, "bad", 400, str(error))


async def _forbidden(request: Request, error: Exception) -> Response:
    del error
    if _is_for_programs(request):
        failure = Failure("forbidden", "Send a small body, and a token: Authorization: Bearer TOKEN")
        return api.json(failure, 403)
    return pages.problem(request, "forbidden", 403)


async def _away(request: Request, error: Exception) -> Response:
    log.warning("no figures to show", error=str(error))
    if _is_for_programs(request):
        return api.json(Failure("unavailable", "Redis cannot be read; try again"), 503)
    return pages.problem(request, "away", 503)


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return await _not_found(request, error)
    if _is_for_programs(request):
        return api.json(Failure("refused", str(error)), status)
    return pages.problem(request, "bad", status, str(error))


async def _failed(request: Request, error: Exception) -> Response:
    log.error("a request failed", path=request.url.path, exc_info=error)
    if _is_for_programs(request):
        return api.json(Failure("failed", "The server's log says why"), 500)
    return pages.problem(request, "server", 500)
