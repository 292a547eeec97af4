"""``xinghe watch``: the live funnel of every campaign in the terminal, read from Redis."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, Literal

import click
import orjson
from rich.console import Console
from rich.live import Live

from xinghe.commands.connect import wait_for_redis
from xinghe.commands.funnel_table import Figures, as_json, as_table
from xinghe.commands.options import json_option, redis_option
from xinghe.commands.signals import STOP_SIGNALS
from xinghe.serving import Funnel, FunnelReader, ServingError, open_redis

PAUSE_S_MAX: Final = 5.0
"""Longest pause between two tries while Redis is away."""
ROWS_WITHOUT_TERMINAL: Final = 50
LINES_BESIDE_ROWS: Final = 9
"""Header, borders and a warning, which a terminal must have room for beside the rows."""
WIDTH_WITHOUT_TERMINAL: Final = 160

Sort = Literal["change", "gmv"]
Show = Callable[[Figures | None, str | None], None]


@click.command()
@redis_option
@json_option
@click.option(
    "--campaign", "campaign_ids", metavar="ID", multiple=True, help="Only this campaign; may be repeated."
)
@click.option(
    "--sort",
    type=click.Choice(["change", "gmv"]),
    default="change",
    show_default=True,
    help="Last changed first, or highest GMV first.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Rows of the table; default what the terminal has room for. The totals are of all campaigns.",
)
@click.option("--once", is_flag=True, help="Show the figures of now and end.")
@click.option(
    "--interval",
    "interval_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=1.0,
    show_default=True,
    help="Time between two looks at Redis.",
)
def command(
    redis_url: str,
    as_json: bool,
    campaign_ids: tuple[str, ...],
    sort: Sort,
    limit: int | None,
    once: bool,
    interval_s: float,
) -> None:
    """Show the live funnel of every campaign, until Ctrl-C.

    A dash is a figure that is not known (no spend was reported yet), which is not 0. ROI is GMV by
    spend, net ROI the same less refunds; orders and GMV are by the campaign's own model. "visit rate" is
    store visits by viewers, CTR clicks on ads by impressions; "spend of" is how many hours were reported. "watermark" is how far back the time lies up to which a campaign's events are complete.
    While Redis is away the last figures stay, marked as old.

    \b
      xinghe watch --sort gmv
      xinghe watch --campaign c-1 --campaign c-2
      xinghe watch --once --json | jq .totals
    """

    async def run() -> None:
        await wait_for_redis(redis_url)
        async with open_redis(redis_url) as redis:

            async def read() -> Figures:
                return await _read(FunnelReader(redis), campaign_ids, sort)

            if once:
                _lines(as_json, limit)(await _read_once(read), None)
            elif as_json or not Console().is_terminal:
                await _follow(read, _lines(as_json, limit or ROWS_WITHOUT_TERMINAL), interval_s)
            else:
                with _screen(limit) as show:
                    await _follow(read, show, interval_s)

    asyncio.run(_until_stopped(run()))


async def _read(reader: FunnelReader, campaign_ids: Sequence[str], sort: Sort) -> Figures:
    """The funnels to date: of the campaigns named, or of all."""
    if campaign_ids:
        found = await reader.totals(campaign_ids)
        funnels = [
            funnel or _unknown(campaign_id) for campaign_id, funnel in zip(campaign_ids, found, strict=True)
        ]
    else:
        changes = await reader.campaigns()
        found = await reader.totals([change.campaign_id for change in changes])
        funnels = [funnel for funnel in found if funnel is not None]
    if sort == "gmv":
        funnels.sort(key=lambda funnel: funnel.get("gmv_fen") or 0, reverse=True)
    return Figures(_now_ms(), funnels)


def _unknown(campaign_id: str) -> Funnel:
    """A campaign of which Redis has nothing: a row of dashes."""
    return Funnel(campaign_id, "total", 0, None, {}, None, None, None, None)


async def _read_once(read: Callable[[], Coroutine[Any, Any, Figures]]) -> Figures:
    try:
        return await read()
    except ServingError as error:
        raise click.ClickException(str(error)) from error


async def _follow(read: Callable[[], Coroutine[Any, Any, Figures]], show: Show, interval_s: float) -> None:
    """Look at Redis again and again; while it is away with growing pauses, and the last figures stay."""
    figures: Figures | None = None
    pause_s = interval_s
    while True:
        try:
            figures = await read()
        except ServingError as error:
            pause_s = min(pause_s * 2, max(PAUSE_S_MAX, interval_s))
            show(figures, f"{error}; trying again in {pause_s:.2g} s")
        else:
            pause_s = interval_s
            show(figures, None)
        await asyncio.sleep(pause_s)


def _lines(is_json: bool, limit: int | None) -> Show:
    """Show figures below the earlier ones: each time as a line of JSON, where they changed as a table."""
    if is_json:
        return lambda figures, problem: click.echo(orjson.dumps(as_json(figures, problem)))
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    shown: tuple[Sequence[Funnel], bool] | None = None

    def print_changed(figures: Figures | None, problem: str | None) -> None:
        nonlocal shown
        funnels = figures.funnels if figures else ()
        if (funnels, problem is None) != shown:
            rows_max = limit or len(funnels)
            console.print(
                as_table(figures, problem, now_ms=_now_ms(), rows_max=rows_max, width=console.width)
            )
            shown = (funnels, problem is None)

    return print_changed


@contextlib.contextmanager
def _screen(limit: int | None) -> Iterator[Show]:
    """Show figures in place on a terminal, by default as many rows as it has room for."""
    console = Console()
    with Live(console=console, auto_refresh=False) as live:

        def redraw(figures: Figures | None, problem: str | None) -> None:
            rows_max = limit or max(1, console.height - LINES_BESIDE_ROWS)
            table = as_table(figures, problem, now_ms=_now_ms(), rows_max=rows_max, width=console.width)
            live.update(table, refresh=True)

        yield redraw


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Do the work until it ends, or the user (Ctrl-C) or a supervisor (SIGTERM) has seen enough."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
