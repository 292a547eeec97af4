"""Delivering one alert to one receiver: tries with growing pauses, and an end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import aiohttp
import stamina
import structlog
from yarl import URL

from xinghe.domain.outputs import AlertRaised
from xinghe.notify import dingtalk, feishu, standard, wecom
from xinghe.notify.addresses import PrivateAddressError, connector
from xinghe.notify.receivers import Format, Receiver
from xinghe.notify.request import Refusal, Request

log = structlog.get_logger()

PAUSE_S_FIRST: Final = 1.0
PAUSE_S_MAX: Final = 60.0
CONNECT_S_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = 65_536
STATUS_AGAIN: Final = frozenset({408, 409, 425, 429})
"""Those below 500 that a later try may end well."""


class Form(NamedTuple):
    """How a format asks, and what an answer of 2xx says; ``None`` where the status says all."""

    request: Callable[[Receiver, AlertRaised, int], Request]
    refusal: Callable[[bytes], Refusal | None] | None


FORMS: Final[Mapping[Format, Form]] = {
    "standard": Form(standard.request, None),
    "dingtalk": Form(dingtalk.request, dingtalk.refusal),
    "wecom": Form(wecom.request, wecom.refusal),
    "feishu": Form(feishu.request, feishu.refusal),
}


class _RefusedError(Exception):
    """A try failed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def open_session(*, private_addresses: bool) -> aiohttp.ClientSession:
    """A client for deliveries; needs a running event loop. It keeps no cookies and takes no proxy of the environment."""
    return aiohttp.ClientSession(
        connector=connector(private_addresses=private_addresses),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"user-agent": "xinghe"},
    )


async def deliver(
    session: aiohttp.ClientSession,
    receiver: Receiver,
    alert: AlertRaised,
    *,
    tries: int,
    failed: Callable[[], None],
) -> Refusal | None:
    """Tell a receiver of an alert, in so many tries at most; ``None`` once it took it, else the last refusal.

    ``failed`` is called for each try that failed. Between tries it waits 1, 2, 4 ... up to 60 seconds and up to 1 more by chance, or, where
    the receiver names a time (Retry-After), that long, within 1 and 60 seconds.
    """
    try:
        async for attempt in stamina.retry_context(
            on=_pause,
            attempts=tries,
            timeout=None,
            wait_initial=PAUSE_S_FIRST,
            wait_max=PAUSE_S_MAX,
        ):
            with attempt:
                await _try(session, receiver, alert, attempt.num, failed)
    except _RefusedError as error:
        return error.refusal
    return None


def _pause(error: Exception) -> bool | float:
    if not isinstance(error, _RefusedError):
        return False
    refusal = error.refusal
    return refusal.again if refusal.pause_s is None else refusal.pause_s


async def _try(
    session: aiohttp.ClientSession,
    receiver: Receiver,
    alert: AlertRaised,
    number: int,
    failed: Callable[[], None],
) -> None:
    try:
        refusal = await _ask(session, receiver, alert)
    except (aiohttp.ClientError, OSError) as error:
        refusal = _refusal_of_error(error, receiver.timeout_s)
    if refusal is None:
        return
    failed()
    log.warning(
        "alert not taken",
        receiver=receiver.name,
        alert_id=alert.alert_id,
        state=alert.state,
        number=number,
        why=refusal.detail,
    )
    raise _RefusedError(refusal)


async def _ask(session: aiohttp.ClientSession, receiver: Receiver, alert: AlertRaised) -> Refusal | None:
    form = FORMS[receiver.format]
    request = form.request(receiver, alert, time.time_ns() // 1_000_000)
    async with session.post(
        URL(request.url, encoded=True),
        data=request.body,
        headers=request.headers,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(
            total=receiver.timeout_s, connect=min(CONNECT_S_MAX, receiver.timeout_s)
        ),
    ) as response:
        if not 200 <= response.status < 300:
            return _refusal_of_status(response.status, response.headers.get("retry-after"))
        return None if form.refusal is None else form.refusal(await _answer(response))


def _refusal_of_error(error: Exception, timeout_s: float) -> Refusal:
    """What went wrong, in words that never have the URL in them."""
    if isinstance(error, TimeoutError):
        return Refusal(f"no answer within {timeout_s:g} s", again=True)
    if isinstance(error, aiohttp.InvalidURL):
        return Refusal("its URL cannot be used", again=False)
    if not isinstance(error, aiohttp.ClientConnectorError):
        return Refusal(f"no answer: {type(error).__name__}", again=True)
    cause = error.os_error
    if isinstance(cause, PrivateAddressError):
        return Refusal(str(cause), again=False)
    return Refusal(f"no connection: {cause.strerror or type(cause).__name__}", again=True)


async def _answer(response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of the answer: who is told of an alert must not be able to fill the memory."""
    answer = b""
    async for chunk in response.content.iter_chunked(ANSWER_BYTES_MAX):
        answer += chunk
        if len(answer) >= ANSWER_BYTES_MAX:
            break
    return answer


def _refusal_of_status(status: int, retry_after: str | None) -> Refusal:
    again = status >= 500 or status in STATUS_AGAIN
    pause_s = None if retry_after is None or not again else retry_after_s(retry_after, time.time())
    return Refusal(f"HTTP status {status}", again, pause_s)


def retry_after_s(value: str, now_s: float) -> float | None:
    """Seconds that a header Retry-After asks to wait, within 1 and 60; ``None`` where it says nothing that can be read.

    >>> retry_after_s("7", 0), retry_after_s("86400", 0), retry_after_s("Thu, 01 Jan 1970 00:00:09 GMT", 4.0)
    (7.0, 60.0, 5.0)
    """
    try:
        seconds = (
            float(value) if value.strip().isdecimal() else parsedate_to_datetime(value).timestamp() - now_s
        )
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, PAUSE_S_FIRST), PAUSE_S_MAX)
