"""Signing in and out, and how a viewer likes the pages shown; kept in a signed cookie."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from xinghe.dashboard import pages
from xinghe.dashboard.look import CHOICES
from xinghe.dashboard.security import form
from xinghe.dashboard.state import SESSION_KEY, state_of

SEE_OTHER: Final = 303


def routes() -> list[Route]:
    """The routes of this file."""
    return [
        Route("/login", _login_page, methods=["GET"]),
        Route("/login", _login, methods=["POST"]),
        Route("/logout", _logout, methods=["POST"]),
        Route("/look", _look, methods=["POST"]),
    ]


async def _login_page(request: Request) -> Response:
    return pages.rendered(request, "login.html", {"is_wrong": False})


async def _login(request: Request) -> Response:
    fields = await form(request)
    viewer = state_of(request).access.by_token(fields.get("token", "").strip())
    if viewer is None:
        return pages.rendered(request, "login.html", {"is_wrong": True}, status=401)
    # A new session: what was known of the old one before must not be worth anything in this.
    look = {name: request.session[name] for name in CHOICES if name in request.session}
    request.session.clear()
    request.session.update(look)
    request.session[SESSION_KEY] = viewer.key
    return RedirectResponse("/", SEE_OTHER)


async def _logout(request: Request) -> Response:
    await form(request)
    request.session.clear()
    return RedirectResponse("/login", SEE_OTHER)


async def _look(request: Request) -> Response:
    fields = await form(request)
    for name, choices in CHOICES.items():
        if fields.get(name) in choices:
            request.session[name] = fields[name]
    return RedirectResponse(_page_before(request), SEE_OTHER)


def _page_before(request: Request) -> str:
    """The page that the form is on; of ours, whatever is said."""
    before = urlsplit(request.headers.get("referer", ""))
    if before.netloc != request.url.netloc or not before.path.startswith("/"):
        return "/"
    path = "/" + before.path.lstrip("/")
    return f"{path}?{before.query}" if before.query else path
