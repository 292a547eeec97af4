"""The pages overview and campaign, and how all pages are rendered. Each is rendered whole, or only what changes when it is asked for by htmx."""

from __future__ import annotations

import gzip
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from xinghe.dashboard import campaign_page, numbers, overview
from xinghe.dashboard.api import freshness
from xinghe.dashboard.board import asked_s
from xinghe.dashboard.look import CHOICES, look_of
from xinghe.dashboard.parameters import values
from xinghe.dashboard.security import csrf_token
from xinghe.dashboard.state import SignInError, now_ms, state_of, viewer_of
from xinghe.domain.dates import period_dates

COMPRESSION: Final = 5
"""Of live parts, a tenth of their size then. They hold no secret that the size could tell."""
_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("xinghe.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals.update(
    clock=numbers.clock,
    exact=partial(numbers.exact, unit="fen"),
    roi_text=campaign_page.roi_text,
    choices=CHOICES,
    UNKNOWN=numbers.UNKNOWN,
)
_ENVIRONMENT.filters["path"] = lambda text: quote(text, safe="")
_ENVIRONMENT.filters["period_dates"] = period_dates


def routes() -> list[Route]:
    """The routes of this file."""
    return [
        Route("/", _overview, methods=["GET"]),
        Route("/campaigns/{campaign_id:path}", _campaign, methods=["GET"]),
    ]


async def _overview(request: Request) -> Response:
    given = values(overview.PARAMETERS, request.query_params)
    viewer, state, look = viewer_of(request), state_of(request), look_of(request)

    async def page() -> Response:
        campaigns = await state.source.campaigns(viewer)
        lines = await state.source.lines(viewer, given["size"])
        fresh = freshness(state, campaigns)
        names = await state.records.names(viewer)
        shown = overview.page(campaigns, names, lines, fresh.watermark_ms, given, look)
        return rendered(request, "overview.html", {**shown, "fresh": fresh, "page": "overview", "topic": ""})

    return await _shared(request, page)


async def _campaign(request: Request) -> Response:
    given = values(campaign_page.PARAMETERS, request.query_params)
    viewer, state, look = viewer_of(request), state_of(request), look_of(request)

    async def page() -> Response:
        campaign = await state.source.campaign(viewer, request.path_params["campaign_id"])
        shown = await campaign_page.page(state, viewer, campaign, given, look)
        fresh = freshness(state, [campaign])
        more = {"fresh": fresh, "page": "campaign", "topic": campaign.campaign_id}
        return rendered(request, "campaign.html", {**shown, **more})

    return await _shared(request, page)


async def _shared(request: Request, page: Callable[[], Awaitable[Response]]) -> Response:
    """The page; its live part, which has nothing of the session, is made once for all who see the same."""
    is_small = "gzip" in request.headers.get("accept-encoding", "")

    async def part() -> bytes:
        asked_s.set(time.monotonic())
        html = bytes((await page()).body)
        return gzip.compress(html, COMPRESSION) if is_small else html

    if "hx-request" not in request.headers:
        asked_s.set(time.monotonic())
        return await page()
    key = (viewer_of(request).shops, look_of(request), str(request.url), is_small)
    body = await state_of(request).parts.get(key, part)
    return HTMLResponse(body, headers={"content-encoding": "gzip"} if is_small else None)


def rendered(request: Request, template: str, shown: Mapping[str, Any], status: int = 200) -> Response:
    """A page; for htmx only its live part."""
    look = look_of(request)
    try:
        viewer = viewer_of(request)
    except SignInError:
        viewer = None
    is_part = "hx-request" in request.headers
    html = _ENVIRONMENT.get_template(template).render(
        look=look,
        t=look.text,
        viewer=viewer,
        csrf=csrf_token(request),
        layout="part.html" if is_part else "page.html",
        now_ms=now_ms(),
        url=quote(request.scope["path"]) + (f"?{request.url.query}" if request.url.query else ""),
        **shown,
    )
    return HTMLResponse(html, status)


def problem(request: Request, name: str, status: int, detail: str = "") -> Response:
    """A page that says what is wrong."""
    return rendered(request, "problem.html", {"problem": name, "detail": detail}, status)
