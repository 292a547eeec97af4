"""``python -m bench.dashboard``: many open dashboards on one process, pinned to a core, while a thousand campaigns change.

Each client does what a page does: it listens for events, two a second at most, and asks for its live part anew after each that
concerns it, one request at a time. Four of five look at the overview, one at a campaign.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import aiohttp
import click
import orjson

from bench.machine import describe
from bench.processes import (
    REPOSITORY,
    SERVICES_CORE,
    cpu_s,
    pin_to_services_core,
    rss_peak_kb,
    start_on_engine_core,
)
from xinghe.domain.windows import HOUR_MS
from xinghe.embedded import LIB_DIR_DEFAULT, free_port
from xinghe.processes import start_child, stop_child
from xinghe.serving import CommitWrite, FunnelWriter, WindowWrite, open_redis

CAMPAIGNS: Final = 1_000
COMMIT_S: Final = 0.2
CHANGED: Final = 60
"""Campaigns that each commit changes."""
CONNECTIONS_PER_S: Final = 100
PAGES: Final = 50
_METRICS: Final = (
    "views",
    "likes",
    "ad_clicks",
    "store_visits",
    "cart_adds",
    "orders_micros",
    "gmv_fen",
    "net_gmv_fen",
    "spend_fen",
)


class Publisher:
    """Writes commits with the stream's own writer; ``times_s`` are when readers were told."""

    def __init__(self, writer: FunnelWriter) -> None:
        self.times_s: list[float] = []
        self._writer = writer
        self._sequence = 0
        self._next = 0

    async def fill(self) -> None:
        """All campaigns, with the hours of today and yesterday."""
        hour = int(time.time() * 1000) // HOUR_MS * HOUR_MS
        for first in range(0, CAMPAIGNS, 100):
            ids = range(first, first + 100)
            windows = [self._window(number, "total", 0) for number in ids]
            windows += [
                self._window(number, "1h", hour - back * HOUR_MS) for number in ids for back in range(36)
            ]
            self._sequence += 1
            chunk = CommitWrite(
                windows, [], [], hour, shops={f"c{number:04}": f"s{number % 20}" for number in ids}
            )
            if first == 0:
                await self._writer.rebuild(self._sequence, [chunk])
            else:
                await self._writer.write(self._sequence, chunk)

    async def run(self) -> None:
        """A commit every `COMMIT_S`, for ever."""
        due_s = time.monotonic()
        while True:
            due_s += COMMIT_S
            await asyncio.sleep(max(due_s - time.monotonic(), 0))
            hour = int(time.time() * 1000) // HOUR_MS * HOUR_MS
            numbers = [(self._next + step) % CAMPAIGNS for step in range(CHANGED)]
            self._next += CHANGED
            self._sequence += 1
            windows = [
                self._window(n, size, start) for n in numbers for size, start in (("total", 0), ("1h", hour))
            ]
            write = CommitWrite(windows, [], [f"c{n:04}" for n in numbers], int(time.time() * 1000))
            await self._writer.write(self._sequence, write)
            self.times_s.append(time.monotonic())

    def _window(self, number: int, size: Any, start_ms: int) -> WindowWrite:
        now_ms = int(time.time() * 1000)
        fields = dict.fromkeys(_METRICS, (number + self._sequence + 1) * 100) | {"version": self._sequence}
        fields |= {"updated_ms": now_ms, "watermark_ms": now_ms - 60_000} if size == "total" else {"final": 0}
        return WindowWrite(
            f"c{number:04}", size, start_ms, fields, None if size == "total" else 90 * HOUR_MS, {}
        )


class Page:
    """One open dashboard."""

    def __init__(self, number: int, session: aiohttp.ClientSession, publisher: Publisher) -> None:
        self.told_s: list[float] = []
        """From the first change that it had not been told of to the event."""
        self.shown_s: list[float] = []
        """The same to the part of the page that shows it."""
        self.bytes = 0
        self._topic = None if number % 5 else f"c{number:04}"
        self._path = "/" if self._topic is None else f"/campaigns/{self._topic}"
        self._session = session
        self._publisher = publisher
        self._known = 0
        self._due: asyncio.Queue[float | None] = asyncio.Queue(maxsize=1)

    async def run(self) -> None:
        """Listen, and show what has changed, until it is cancelled."""
        showing = asyncio.create_task(self._show())
        try:
            async with self._session.get("/live", timeout=aiohttp.ClientTimeout(total=None)) as stream:
                async for line in stream.content:
                    if line.startswith(b'data: {"campaigns"'):
                        self._told(orjson.loads(line[6:])["campaigns"])
        finally:
            showing.cancel()

    def _told(self, campaigns: list[str] | None) -> None:
        now_s, times_s = time.monotonic(), self._publisher.times_s
        since_s = times_s[self._known] if self._known < len(times_s) else None
        self._known = bisect_right(times_s, now_s)
        if since_s is not None and campaigns is not None:
            self.told_s.append(now_s - since_s)
        if campaigns is None or self._topic is None or self._topic in campaigns:
            with suppress(asyncio.QueueFull):
                self._due.put_nowait(since_s)

    async def _show(self) -> None:
        while True:
            since_s = await self._due.get()
            async with self._session.get(self._path, headers={"hx-request": "true"}) as part:
                part.raise_for_status()
                self.bytes += len(await part.read())
            if since_s is not None:
                self.shown_s.append(time.monotonic() - since_s)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis of its own; its address."""
    port = free_port()
    with (folder / "redis.log").open("wb") as log:
        process = start_child(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        stop_child(process, 10)


@contextmanager
def dashboard(folder: Path, redis_url: str) -> Iterator[tuple[int, str, str]]:
    """The dashboard on the other core: its process, address and token."""
    log_path = folder / "dashboard.log"
    env = {**os.environ, "XINGHE_REDIS_URL": redis_url}
    with log_path.open("wb") as log:
        process = start_on_engine_core(("-m", "xinghe", "dashboard", "--port", "0"), env, folder, log)
    try:
        deadline_s = time.monotonic() + 20
        while not (found := re.search(r"(http://[\d.:]+)/login#(\S+)", log_path.read_text())):
            if time.monotonic() > deadline_s or process.poll() is not None:
                raise click.ClickException(f"the dashboard did not start: {log_path.read_text()}")
            time.sleep(0.05)
        yield process.pid, found[1], found[2]
    finally:
        stop_child(process, 10)


@asynccontextmanager
async def signed_in(address: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with the rights of a token, as programs have it."""
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"authorization": f"Bearer {token}", "accept-language": "en"}
    async with aiohttp.ClientSession(
        address, connector=connector, headers=headers, auto_decompress=False
    ) as session:
        yield session


async def measure(folder: Path, clients: int, seconds: float) -> dict[str, Any]:
    """Open the dashboards, let figures change, and say how it went."""
    with redis_server(folder) as redis_url, dashboard(folder, redis_url) as (pid, address, token):
        async with open_redis(redis_url) as redis, signed_in(address, token) as session:
            publisher = Publisher(
                FunnelWriter(redis, stage="campaigns", partition=0, partitions=1, incarnation="bench")
            )
            await publisher.fill()
            opened = {path: await _opened(session, path) for path in ("/", "/campaigns/c0005")}
            pages = [Page(number, session, publisher) for number in range(clients)]
            tasks = [asyncio.create_task(publisher.run())]
            for page in pages:
                tasks.append(asyncio.create_task(page.run()))
                await asyncio.sleep(1 / CONNECTIONS_PER_S)
            await asyncio.sleep(3)
            for page in pages:
                page.told_s.clear()
                page.shown_s.clear()
                page.bytes = 0
            before_s, started_s = cpu_s(pid), time.monotonic()
            await asyncio.sleep(seconds)
            spent_s, lasted_s = cpu_s(pid) - before_s, time.monotonic() - started_s
            lost = sum(task.done() for task in tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            shown = [each for page in pages for each in page.shown_s]
            return {
                "clients": clients,
                "campaigns": CAMPAIGNS,
                "commits_per_s": round(1 / COMMIT_S, 1),
                "seconds": round(lasted_s, 1),
                "clients_lost": lost,
                "events_per_client_s": round(sum(len(page.told_s) for page in pages) / clients / lasted_s, 2),
                "told_s": _spread([each for page in pages for each in page.told_s]),
                "parts_per_s": round(len(shown) / lasted_s, 1),
                "shown_s": _spread(shown),
                "clients_without_a_part": sum(not page.shown_s for page in pages),
                "megabytes_per_s": round(sum(page.bytes for page in pages) / 1e6 / lasted_s, 1),
                "cpu_share": round(spent_s / lasted_s, 2),
                "rss_peak_mb": round(rss_peak_kb(pid) / 1024),
                "open_ms": opened,
            }


async def _opened(session: aiohttp.ClientSession, path: str) -> dict[str, float]:
    """How long a whole page takes, one after another, as a new viewer asks for it."""
    took_ms = []
    for _ in range(PAGES):
        started_s = time.monotonic()
        async with session.get(path) as page:
            page.raise_for_status()
            await page.read()
        took_ms.append((time.monotonic() - started_s) * 1000)
    return {"p50": round(sorted(took_ms)[PAGES // 2], 1), "max": round(max(took_ms), 1)}


def _spread(values_s: list[float]) -> dict[str, float]:
    if len(values_s) < 2:
        return {}
    cuts = quantiles(values_s, n=100)
    return {"p50": round(cuts[49], 3), "p99": round(cuts[98], 3), "max": round(max(values_s), 3)}


@click.command()
@click.option("--clients", type=click.IntRange(1), default=500, show_default=True, help="Open dashboards.")
@click.option(
    "--seconds", type=click.FloatRange(1), default=30.0, show_default=True, help="How long to measure."
)
def main(clients: int, seconds: float) -> None:
    """Measure the dashboard's live pages; prints JSON. The dashboard runs on core 0, all else on core 1."""
    if shutil.which("redis-server") is None:
        raise click.ClickException("redis-server is not installed; run: apt-get install redis-server")
    pin_to_services_core()
    with tempfile.TemporaryDirectory(prefix="xinghe-bench-") as folder:
        result = asyncio.run(measure(Path(folder), clients, seconds))
    described = describe(REPOSITORY / LIB_DIR_DEFAULT)
    click.echo(
        orjson.dumps({**result, "machine": described, "core": SERVICES_CORE}, option=orjson.OPT_INDENT_2)
    )


if __name__ == "__main__":
    main()
