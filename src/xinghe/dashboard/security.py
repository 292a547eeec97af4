"""What every answer and every form is held to: headers, time taken, forms from our own pages only."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_STATIC: Final = "/static/"
FORM_BYTES_MAX: Final = 16_384
_CSRF: Final = "csrf"


class FormError(Exception):
    """A form is not from a page of ours, or too large."""


class Headers:
    """Adds to each answer the security headers, the time it took, and that it is for nobody else to keep."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers["server-timing"] = f"total;dur={(time.perf_counter() - began_s) * 1000:.1f}"
                if not scope["path"].startswith(_STATIC):
                    headers["cache-control"] = "no-store"
                    headers["vary"] = "Cookie, Authorization, Accept-Encoding, Accept-Language, HX-Request"
            await send(message)

        await self._app(scope, receive, send_with_headers)


def csrf_token(request: Request) -> str:
    """What a form of this session must bring along."""
    if _CSRF not in request.session:
        request.session[_CSRF] = secrets.token_urlsafe(16)
    token: str = request.session[_CSRF]
    return token


async def limited_body(request: Request) -> bytes:
    """What was sent; raises `FormError` where it is too much."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise FormError
    return bytes(body)


async def form(request: Request) -> dict[str, str]:
    """The fields of a form of ours; raises `FormError` for any other."""
    body = await limited_body(request)
    try:
        fields = {name: values[-1] for name, values in parse_qs(body.decode(), max_num_fields=20).items()}
    except ValueError as error:
        raise FormError from error
    expected = request.session.get(_CSRF)
    given = fields.pop(_CSRF, "")
    is_ours = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
    if not is_ours or expected is None or not hmac.compare_digest(expected.encode(), given.encode()):
        raise FormError
    return fields
