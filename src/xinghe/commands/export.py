"""``xinghe export``: attributions or funnel windows from the topics to a Parquet file."""

from __future__ import annotations

import asyncio
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click
import orjson

from xinghe.commands.connect import kafka_client_options, wait_for_kafka
from xinghe.commands.log_reading import reading
from xinghe.commands.options import ConfigurationError, json_option, kafka_option

if TYPE_CHECKING:
    from xinghe.export.attributions import Attributions
    from xinghe.export.funnel import FunnelWindows

What = Literal["attributions", "funnel"]
TELL_S: Final = 1.0


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--what",
    type=click.Choice(("attributions", "funnel")),
    required=True,
    help="What the file holds.",
)
@kafka_option
@json_option
def command(path: Path, what: What, kafka_bootstrap_servers: str, as_json: bool) -> None:
    """Write attributions or funnel windows from the topics to a Parquet FILE.

    The file has the state as of the last commit when the command starts: of each order its last revision, of each window its last upsert.
    It appears under its name when it is complete. In memory stand about 4 KB for each order, 2 KB for each window.

    attributions: a row for each order, model and credit. The columns from order_id to revision are the order's and the same in
    all of its rows, so filter by one model before adding up, and add up gmv_fen, refund_fen and orders_micros, not amount_fen. credit_index
    0 is the first touch.

    funnel: a row for each window and a column for each metric, null where it is unknown. Sizes 1m, 1h, 1d and total show the
    same events, so filter by size. Metrics of one model are columns such as "gmv_fen:linear".

    Money columns are int64 and end in _fen. Times are int64 in ms since 1970 UTC and end in _ms; beside each stands
    a timestamp: time, touch_time, start_time, end_time.

    It needs pyarrow: pip install 'xinghe[export]'. Ends with exit code 69 if Kafka cannot be reached.

    \b
    Examples:
      xinghe export --what attributions attributions.parquet
      xinghe export --what funnel funnel.parquet --json
    """
    if find_spec("pyarrow") is None:
        raise ConfigurationError(
            "xinghe export needs pyarrow, which is not installed. Install it with: pip install 'xinghe[export]'"
        )
    if not path.parent.is_dir():
        raise click.ClickException(f"there is no folder {path.parent}; create it, or name another file")
    started_s = time.monotonic()
    table, records = asyncio.run(_read(kafka_bootstrap_servers, what))
    rows = _write(path, table)
    summary = {
        "what": what,
        "file": str(path),
        "records": records,
        "orders" if what == "attributions" else "windows": len(table),
        "rows": rows,
        "bytes": path.stat().st_size,
        "seconds": round(time.monotonic() - started_s, 3),
    }
    if as_json:
        click.echo(orjson.dumps(summary))
    else:
        click.echo(f"{rows:,} rows in {path}")


async def _read(bootstrap: str, what: What) -> tuple[Attributions | FunnelWindows, int]:
    """The table of what the topic holds now, and how many records it was made of."""
    from xinghe.audit.log import Log
    from xinghe.export.attributions import Attributions
    from xinghe.export.errors import UnreadableRecordError
    from xinghe.export.funnel import FunnelWindows

    table = Attributions() if what == "attributions" else FunnelWindows()
    await wait_for_kafka(bootstrap)
    with reading(bootstrap):
        log = await Log.open([table.topic], bootstrap_servers=bootstrap, **kafka_client_options())
        try:
            return table, await _add_all(log, table)
        except UnreadableRecordError as error:
            raise click.ClickException(f"{error}. Nothing was written.") from error
        finally:
            await log.close()


async def _add_all(log: Any, table: Attributions | FunnelWindows) -> int:
    partitions = log.of([table.topic])
    begins, ends = await log.begins(partitions), await log.ends(partitions)
    records = 0
    told_s = time.monotonic()
    async for batch in log.read(begins, ends):
        for record in batch:
            table.add(record)
        records += len(batch)
        if time.monotonic() - told_s >= TELL_S:
            told_s = time.monotonic()
            _say(f"{records:,} records read")
    _say(f"{records:,} records read, {len(table):,} to write")
    return records


def _write(path: Path, table: Attributions | FunnelWindows) -> int:
    from xinghe.export.parquet import write_parquet

    try:
        return write_parquet(path, table.columns, table.rows())
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error}") from error


def _say(line: str) -> None:
    click.echo(f"export: {line}", err=True)
