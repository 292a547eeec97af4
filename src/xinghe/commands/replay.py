"""``xinghe replay``: the events of a recorded data set on the source topics."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
import orjson

from xinghe.commands.connect import UnavailableError, kafka_client_options, wait_for_kafka
from xinghe.commands.options import json_option, kafka_option
from xinghe.commands.signals import stop_on_signals
from xinghe.simulator.pace import now_ms, send_paced
from xinghe.simulator.replay import TOPICS, BehaviorCounts, MalformedRow, Replay, UnreadableFileError
from xinghe.simulator.sender import BatchSender, SendError

MALFORMED_SHOWN_MAX = 20
EXIT_DATA = 65
"""``EX_DATAERR``: the file cannot be read to its end, or holds no row of the format."""


class DataError(click.ClickException):
    """The file is not what it should be."""

    exit_code = EXIT_DATA


class Speed(click.ParamType):
    """``max``, or how many times as fast as in the data time passes."""

    name = "max|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """``None`` for ``max``, else the number."""
        if value == "max":
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is neither max nor a number above 0.", param, ctx)
        return speed


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@kafka_option
@click.option(
    "--format",
    "data_format",
    type=click.Choice(["taobao-user-behavior"]),
    default="taobao-user-behavior",
    show_default=True,
    help="What the columns are: user_id,item_id,category_id,behavior,timestamp (in seconds).",
)
@click.option(
    "--speed",
    type=Speed(),
    default="max",
    show_default=True,
    help="max, or how many times as fast as in the data: 60 makes a minute of an hour.",
)
@json_option
def command(
    file: Path, kafka_bootstrap_servers: str, data_format: str, speed: float | None, as_json: bool
) -> None:
    """Write the events of FILE, plain or gzip, to the source topics.

    pv becomes a view of the note that stands for the item, fav a like, cart a cart addition, buy a paid order. Shop and
    campaign stand for the category; the price is a fixed function of the item, since the data has none. Events
    keep their times. Replaying a file again changes nothing: all its events are duplicates then.

    The events must not come after newer ones: what is 31 days behind the newest event of its partition is refused as
    too late. Replay years-old data into fresh topics.

    \b
    Examples:
      xinghe replay taobao_user_behavior.csv.gz --format taobao-user-behavior
      xinghe replay taobao_user_behavior.csv.gz --speed 60
    """
    del data_format  # there is one so far; the option makes the choice visible
    counts = BehaviorCounts()
    replay = Replay(file, _Complaints())
    try:
        stopped = asyncio.run(_send(replay, kafka_bootstrap_servers, speed, counts))
    except SendError as error:
        raise UnavailableError(
            f"{error}. Then replay the file again: what has arrived counts once."
        ) from error
    except UnreadableFileError as error:
        raise DataError(f"{error}; the rows before that may have been sent.") from error
    _report(counts.to_dict(), replay.malformed_count, stopped, as_json)
    if not sum(counts.to_dict().values()) and not stopped:
        raise DataError(f"{file} has no row of the format; its first line should be a header or data.")


async def _send(replay: Replay, bootstrap_servers: str, speed: float | None, counts: BehaviorCounts) -> bool:
    """Send all rows; whether a signal ended it before the last."""
    await wait_for_kafka(bootstrap_servers)
    with stop_on_signals() as stop:
        async with BatchSender(bootstrap_servers, list(TOPICS.values()), kafka_client_options()) as sender:
            await send_paced(replay.records(now_ms(), speed), sender, stop.is_set, counts.add)
        return stop.is_set()


class _Complaints:
    """Reports malformed rows to standard error, the first few one by one."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, row: MalformedRow) -> None:
        self._count += 1
        if self._count <= MALFORMED_SHOWN_MAX:
            click.echo(f"line {row.line_number} is left out: {row.problem}", err=True)
        if self._count == MALFORMED_SHOWN_MAX:
            click.echo("more such lines are counted, not shown", err=True)


def _report(counts: dict[str, int], malformed: int, stopped: bool, as_json: bool) -> None:
    total = sum(counts.values())
    if as_json:
        found = {"sent": total, "by_behavior": counts, "malformed": malformed, "complete": not stopped}
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for behavior, count in counts.items():
        click.echo(f"{behavior:<6} {count:>10}")
    click.echo(f"Sent {total} events; {malformed} malformed rows left out.", err=True)
    if stopped:
        click.echo("Stopped before the end of the file; replay it again to send the rest.", err=True)
