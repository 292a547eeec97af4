"""Trying again, and not: against a server of the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import stamina
from aiohttp import web

from tests.unit.notify.alerts import ALERT, receiver
from xinghe.notify.delivery import ANSWER_BYTES_MAX, deliver, open_session, retry_after_s
from xinghe.notify.receivers import Format
from xinghe.notify.request import Refusal

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The pauses that were made, none of which is waited for."""
    made: list[float] = []

    async def no_sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr("stamina._core._smart_sleep", no_sleep)
    yield made
    assert stamina.is_active()


@dataclass(frozen=True)
class Server:
    port: int
    asked: list[str]
    answers: list[Answer]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=t0ken"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Gives the answers one after the other, the last for ever."""
    asked: list[str] = []
    answers: list[Answer] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return await (answers.pop(0) if len(answers) > 1 else answers[0])(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Server(runner.addresses[0][1], asked, answers)
    await runner.cleanup()


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, body=body, headers=named)

    return answer


async def tell(
    url: str, form: Format = "standard", *, private: bool = True, tries: int = 4, **fields: Any
) -> tuple[Refusal | None, int]:
    """The refusal, and how many tries failed."""
    failures: list[None] = []
    async with open_session(private_addresses=private) as session:
        refusal = await deliver(
            session,
            receiver(form, url=url, **fields),
            ALERT,
            tries=tries,
            failed=lambda: failures.append(None),
        )
    return refusal, len(failures)


@pytest.mark.parametrize("code", [200, 201, 204, 299])
async def test_2xx_is_taken(server: Server, code: int) -> None:
    server.answers.append(status(code))

    assert await tell(server.url) == (None, 0)
    assert server.asked == ["/hook"]


@pytest.mark.parametrize("code", [300, 301, 302, 307, 308, 400, 401, 403, 404, 405, 410, 413, 422])
async def test_what_will_not_change_is_asked_once(server: Server, code: int) -> None:
    server.answers.append(status(code, location="/other"))

    assert await tell(server.url) == (Refusal(f"HTTP status {code}", again=False), 1)
    assert server.asked == ["/hook"]


@pytest.mark.parametrize("code", [408, 409, 425, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_asked_again(server: Server, code: int, pauses: list[float]) -> None:
    server.answers[:] = [status(code), status(code), status(200)]

    assert await tell(server.url) == (None, 2)
    assert 1 <= pauses[0] <= 2 <= pauses[1] <= 3


async def test_after_the_last_try_it_is_given_up(server: Server, pauses: list[float]) -> None:
    server.answers.append(status(500))

    assert await tell(server.url, tries=9) == (Refusal("HTTP status 500", again=True), 9)
    assert len(server.asked) == 9
    assert len(pauses) == 8
    assert max(pauses) <= 60


async def test_it_waits_as_long_as_it_is_asked_to(server: Server, pauses: list[float]) -> None:
    server.answers[:] = [
        *(status(429, retry_after="7"), status(503, retry_after="86400"), status(503, retry_after="soon")),
        status(200),
    ]

    assert await tell(server.url) == (None, 3)
    assert pauses[:2] == [7, 60]
    assert 4 <= pauses[2] <= 5


async def test_a_receiver_that_hangs_is_asked_again(server: Server) -> None:
    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    server.answers.append(hang)

    refusal, failures = await tell(server.url, tries=2, timeout_s=0.1)

    assert (refusal, failures) == (Refusal("no answer within 0.1 s", again=True), 2)


async def test_an_answer_that_never_ends_is_cut(server: Server) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * ANSWER_BYTES_MAX)

    server.answers.append(drip)

    refusal, _ = await tell(server.url, "wecom", key=None, tries=1)

    assert refusal == Refusal("the answer is not a JSON object", again=False)


async def test_a_connection_that_is_refused_or_breaks_is_asked_again(server: Server) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server.answers.append(hang_up)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/hook?key=t0ken"
        for url in (server.url, nobody):
            refusal, failures = await tell(url, tries=2)
            assert refusal is not None
            assert refusal.again
            assert failures == 2
            assert "t0ken" not in refusal.detail


async def test_a_robot_that_is_busy_is_asked_again_and_one_that_says_no_is_not(server: Server) -> None:
    server.answers[:] = [
        status(200, b'{"errcode":130101,"errmsg":"too fast"}'),
        status(200, b'{"errcode":0}'),
    ]
    assert await tell(server.url, "dingtalk") == (None, 1)

    server.answers[:] = [status(200, b'{"errcode":310000,"errmsg":"sign not match"}')]
    assert await tell(server.url, "dingtalk") == (Refusal("code 310000: sign not match", again=False), 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_ones_own_network_is_not_asked(server: Server, host: str) -> None:
    server.answers.append(status(200))

    refusal, failures = await tell(f"http://{host}:{server.port}/hook", private=False)

    assert refusal is not None
    assert "not public" in refusal.detail
    assert (refusal.again, failures, server.asked) == (False, 1, [])


async def test_a_host_that_is_a_number_is_not_asked(server: Server) -> None:
    server.answers.append(status(200))

    refusal, failures = await tell(f"http://2130706433:{server.port}/hook", private=False)

    assert refusal == Refusal("its URL cannot be used", again=False)
    assert (failures, server.asked) == (1, [])


async def test_a_name_is_checked_by_what_it_stands_for_at_that_moment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that stood for a public address when somebody looked, and leads inside when it is asked."""
    server.answers.append(status(200))
    loop = asyncio.get_running_loop()

    async def rebound(host: str, port: int, **options: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

    monkeypatch.setattr(loop, "getaddrinfo", rebound)

    refusal, _ = await tell("http://public.example.com/hook", private=False)

    assert refusal is not None
    assert "not public" in refusal.detail
    assert server.asked == []


async def test_no_proxy_of_the_environment_is_taken(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers.append(status(200))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")

    assert await tell(server.url) == (None, 0)


@pytest.mark.parametrize("value", ["", "soon", "-1", "1e400", "Thu, 99 Jan 1970", "9" * 400])
def test_a_time_to_wait_that_is_odd_is_none_or_within_bounds(value: str) -> None:
    pause_s = retry_after_s(value, 0)

    assert pause_s is None or 1 <= pause_s <= 60
