"""``xinghe alerts``: the open alerts and what became of the last ones, read from Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

import click

from xinghe.commands.connect import wait_for_redis
from xinghe.commands.options import json_option, redis_option

if TYPE_CHECKING:
    from xinghe.domain.outputs import AlertRaised

SHANGHAI: Final = timezone(timedelta(hours=8))


@click.command("alerts")
@redis_option
@json_option
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many of the last turns (raised, escalated, resolved) to show.",
)
def command(redis_url: str, as_json: bool, limit: int) -> None:
    """Show the alerts that are open, and what became of the last ones.

    Times are of Asia/Shanghai: event time for alerts about a campaign, the clock for those about the data. Redis keeps the last
    10,000 turns or so; the topic xinghe.alert.raised.v1 has all of 90 days.

    Ends with exit code 69 if Redis cannot be reached.

    \b
    Examples:
      xinghe alerts
      xinghe alerts --json | jq '.open[].message'
    """
    is_open, last = asyncio.run(_read(redis_url, limit))
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode({"open": is_open, "last": last})))
        return
    click.echo(f"Open: {len(is_open)}")
    _show(is_open)
    click.echo(f"\nLast: {len(last)}")
    _show(last)


async def _read(redis_url: str, limit: int) -> tuple[list[AlertRaised], list[AlertRaised]]:
    from xinghe.serving import FunnelReader, ServingError, open_redis

    await wait_for_redis(redis_url)
    async with open_redis(redis_url) as redis:
        reader = FunnelReader(redis)
        try:
            return await reader.alerts_open(), await reader.alerts(limit)
        except ServingError as error:
            raise click.ClickException(str(error)) from error


def _show(alerts: Sequence[AlertRaised]) -> None:
    for alert in alerts:
        at = datetime.fromtimestamp(alert.time_ms / 1000, SHANGHAI)
        click.echo(f"{at:%Y-%m-%d %H:%M:%S}  {alert.severity:<8}  {alert.state:<9}  {alert.rule}")
        click.echo(f"    {alert.message}")
