"""The notifier end to end: each alert reaches each receiver, in order, through failures and kills; else a dead letter (R25)."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer

from streams.notifier import COMMIT_S
from tests.stream import Stream
from tests.waiting import PATIENCE_S, until
from xinghe.commands.deadletters import read_dead_letters
from xinghe.domain.events import ALERT_RAISED
from xinghe.domain.outputs import AlertRaised
from xinghe.notify.standard import signature, webhook_id_of
from xinghe.processes import stop_child
from xinghe.serving.dead_letters import DeadLetter

pytestmark = pytest.mark.integration

KEY = b"k" * 32
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
DAY_MS = 86_400_000


class Taken(NamedTuple):
    """A request that the receiver answered well."""

    webhook_id: str
    body: bytes


Answer = Callable[[web.Request], Awaitable[web.Response]]


class Hook:
    """A receiver: the answers that it is to give first, then all is well. Only those that were taken are kept."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.always: Answer | None = None
        self.asked: list[str] = []
        self.taken: list[Taken] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        webhook_id = request.headers["webhook-id"]
        timestamp = int(request.headers["webhook-timestamp"])
        assert request.headers["webhook-signature"] == signature(KEY, webhook_id, timestamp, body)
        assert abs(time.time() - timestamp) < PATIENCE_S
        self.asked.append(webhook_id)
        answer = self.answers.pop(0) if self.answers else self.always
        if answer is not None:
            return await answer(request)
        self.taken.append(Taken(webhook_id, body))
        return web.Response()


def status(code: int, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(
            status=code, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    return answer


async def hang(request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def hooks(*names: str) -> AsyncIterator[tuple[dict[str, Hook], int]]:
    """Receivers under their names as paths, and the port."""
    found = {name: Hook() for name in names}
    app = web.Application()
    for name, hook in found.items():
        app.router.add_post(f"/{name}", hook.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield found, runner.addresses[0][1]
    finally:
        await runner.cleanup()


class Notify:
    """``xinghe notify`` as a process."""

    def __init__(self, stream: Stream, receivers: str, *, group: str, private: bool = True) -> None:
        self._stream = stream
        file = stream.folder / f"{group}.toml"
        file.write_text(receivers)
        self.log = stream.folder / f"{group}.log"
        self._arguments = (
            *("notify", "--notify-receivers", str(file), "--application-id", group, "--instance", "n1"),
            *("--notify-private-addresses", str(private).lower(), "--log-format", "json"),
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self._stream.start(*self._arguments, out=self.log, err=self.log, HOOK_SECRET=SECRET)

    def said(self) -> str:
        return self.log.read_text()[-4_000:]

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        return stop_child(self.process, PATIENCE_S)


@asynccontextmanager
async def running(notify: Notify) -> AsyncIterator[Notify]:
    notify.start()
    try:
        yield notify
    finally:
        exit_code = notify.stop()
    assert exit_code == 0, notify.said()
    assert "whsec_" not in notify.log.read_text()


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    with Stream(tmp_path_factory.mktemp("notify")) as running_stream:
        yield running_stream


def receiver(name: str, port: int, **fields: Any) -> str:
    values = {"url": f"http://127.0.0.1:{port}/{name}", "tries": 20, **fields}
    return "\n".join(
        [
            "[[receiver]]",
            f'name = "{name}"',
            'secret_env = "HOOK_SECRET"',
            *(f"{key} = {msgspec.json.encode(value).decode()}" for key, value in values.items()),
            "",
        ]
    )


def alert(campaign_id: str, number: int, severity: str = "warning") -> AlertRaised:
    return msgspec.convert(
        {
            "alert_id": f"{campaign_id}|roi-below-1|{number}",
            "campaign_id": campaign_id,
            "shop_id": None,
            "rule": "roi-below-1",
            "kind": "roi_below",
            "severity": severity,
            "state": "raised",
            "since_ms": number,
            "time_ms": number,
            "unit": "ratio",
            "value": 0.5,
            "threshold": 1.0,
            "value_text": "0.5",
            "threshold_text": "1",
            "message": f"Campaign {campaign_id}: the ROI is low.",
        },
        AlertRaised,
    )


async def send(
    stream: Stream, alerts: list[AlertRaised], *, commit: bool = True, time_ms: int | None = None
) -> None:
    """Write alerts as the stream does, in a transaction."""
    producer = AIOKafkaProducer(bootstrap_servers=stream.kafka, transactional_id="test-alerts")
    await producer.start()
    try:
        await producer.begin_transaction()
        for one in alerts:
            assert one.campaign_id is not None
            await producer.send_and_wait(
                ALERT_RAISED,
                key=one.campaign_id.encode(),
                value=msgspec.json.encode(one),
                timestamp_ms=time_ms,
            )
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def dead_letters(stream: Stream) -> list[DeadLetter]:
    return [letter async for letter in read_dead_letters(stream.kafka)]


async def test_every_alert_comes_in_order_through_failures_and_kills(stream: Stream) -> None:
    async with hooks("steady", "shaky") as (found, port):
        shaky = found["shaky"]
        shaky.answers = [hang, status(500), status(503, retry_after="1"), hang_up, status(429)] * 2
        notify = Notify(
            stream, receiver("steady", port) + receiver("shaky", port, timeout_s=0.5), group="kills"
        )
        alerts = {f"c{one}": [alert(f"c{one}", number) for number in range(10)] for one in range(6)}
        async with running(notify):
            for number in range(10):
                is_kill = number in {2, 6}
                if is_kill:
                    shaky.always = hang
                on_their_way = len(shaky.asked) + 4
                await send(stream, [of_campaign[number] for of_campaign in alerts.values()])
                if is_kill:
                    # Some are on their way when it dies, for longer than it takes to commit an offset.
                    await until(
                        lambda least=on_their_way: len(shaky.asked) >= least,  # type: ignore[misc]  # bound
                        "some are on their way",
                        said=notify.said,
                    )
                    await asyncio.sleep(2 * COMMIT_S)
                    notify.kill()
                    shaky.always = None
                    notify.start()
            wanted = 6 * 10
            await until(
                lambda: all(len({one.webhook_id for one in hook.taken}) == wanted for hook in found.values()),
                "all are taken",
                said=notify.said,
            )
        for hook in found.values():
            bodies: dict[str, bytes] = {}
            for one in hook.taken:
                assert bodies.setdefault(one.webhook_id, one.body) == one.body
            for of_campaign in alerts.values():
                ids = [webhook_id_of(one) for one in of_campaign]
                assert [webhook_id for webhook_id in bodies if webhook_id in ids] == ids
        assert not await dead_letters(stream)


async def test_what_is_not_taken_is_a_dead_letter_and_the_next_goes_on(stream: Stream) -> None:
    async with hooks("broken", "wrong", "picky") as (found, port):
        found["broken"].always = status(500)
        found["wrong"].answers = [status(302, location=f"http://127.0.0.1:{port}/picky")]
        notify = Notify(
            stream,
            receiver("broken", port, tries=2, severities=["info", "critical"])
            + receiver("wrong", port, severities=["info", "critical"])
            + receiver("picky", port, severities=["critical"]),
            group="dead",
        )
        first, second, third = alert("d1", 1, "info"), alert("d1", 2, "critical"), alert("d1", 3, "info")
        await send(stream, [alert("d1", 0, "info")], time_ms=int(time.time() * 1000) - DAY_MS - 1_000)
        await send(stream, [alert("d1", 9, "info")], commit=False)
        before = len(await dead_letters(stream))
        async with running(notify):
            await send(stream, [first])
            await until(lambda: len(found["broken"].asked) == 2, "the first is tried twice", said=notify.said)
            await send(stream, [second])
            await until(lambda: len(found["broken"].asked) == 3, "the second is tried", said=notify.said)
            found["broken"].always = None
            await send(stream, [third])
            await until(lambda: len(found["broken"].taken) == 1, "the third is taken", said=notify.said)
            await until(
                lambda: len(found["wrong"].taken) >= 2, "the others have what is theirs", said=notify.said
            )
        letters = (await dead_letters(stream))[before:]
        ids = [webhook_id_of(one) for one in (first, second, third)]

        # Both tries of the first, one of the second, since the receiver was given up.
        assert found["broken"].asked == [ids[0], ids[0], ids[1], ids[2]]
        assert found["wrong"].asked == ids
        assert [one.webhook_id for one in found["picky"].taken] == [ids[1]]
        assert {letter.reason for letter in letters} == {"undeliverable"}
        assert sorted((letter.detail, letter.value) for letter in letters) == sorted(
            [
                ("receiver broken: HTTP status 500", msgspec.json.encode(first)),
                ("receiver broken: HTTP status 500", msgspec.json.encode(second)),
                ("receiver wrong: HTTP status 302", msgspec.json.encode(first)),
            ]
        )
        assert all((letter.key, letter.source_topic) == (b"d1", ALERT_RAISED) for letter in letters)


async def test_an_address_of_ones_own_network_is_not_asked(stream: Stream) -> None:
    async with hooks("inside") as (found, port):
        url = f"https://localhost:{port}/inside"
        notify = Notify(
            stream, receiver("inside", port, url=url, severities=["info"]), group="inside", private=False
        )

        async def refused() -> list[DeadLetter]:
            return [one for one in await dead_letters(stream) if one.key == b"p1"]

        async with running(notify):
            await send(stream, [alert("p1", 1, "info")])
            await until(refused, "there is a dead letter", said=notify.said)
        (letter,) = await refused()
        assert letter.detail.startswith("receiver inside: its address is not public")
        assert not found["inside"].asked


def test_a_wrong_file_of_receivers_ends_it_with_78(stream: Stream, tmp_path: Path) -> None:
    file = tmp_path / "receivers.toml"
    file.write_text('[[receiver]]\nname = "x"\nurl = "https://example.com/"\nsecret = "secret-of-x"\n')

    done = stream.run("notify", "--notify-receivers", str(file))

    assert done.exit_code == 78
    assert "receiver 1 (x): `secret` must be whsec_" in done.err
    assert "secret-of-x" not in done.err
