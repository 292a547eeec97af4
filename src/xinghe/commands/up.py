"""``xinghe up``: a local Kafka and Redis in the foreground."""

from __future__ import annotations

import time
from pathlib import Path

import click
import orjson

from xinghe.commands.options import ConfigurationError, lib_dir_option
from xinghe.commands.signals import stop_on_signals
from xinghe.embedded import DATA_DIR_DEFAULT, EmbeddedError, EmbeddedServices


@click.command()
@click.option(
    "--kafka-port",
    type=click.IntRange(0, 65_535),
    default=9092,
    show_default=True,
    help="0 takes a free port.",
)
@click.option(
    "--redis-port",
    type=click.IntRange(0, 65_535),
    default=6379,
    show_default=True,
    help="0 takes a free port.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DATA_DIR_DEFAULT,
    show_default=True,
    help="Folder of Kafka's data and of the logs.",
)
@lib_dir_option
@click.option("--reset", is_flag=True, help="Empty the data folder first.")
@click.option("--json", "as_json", is_flag=True, help="Print the line that says ready as JSON.")
def command(
    kafka_port: int, redis_port: int, data_dir: Path, lib_dir: Path, reset: bool, as_json: bool
) -> None:
    """Run a local Kafka and Redis in the foreground, until Ctrl-C or SIGTERM.

    A real broker and a real Redis, on loopback only. Once both can be used, one line on standard output
    says where they are. Kafka's data stay in the data folder for the next start, Redis starts empty and is
    filled by the worker. No process is left when this one ends.

    \b
    Examples:
      xinghe up
      xinghe up --kafka-port 0 --redis-port 0 --data-dir /tmp/try --reset --json
    """
    services = EmbeddedServices(
        data_dir, kafka_port=kafka_port, redis_port=redis_port, lib_dir=lib_dir, reset=reset
    )
    try:
        with stop_on_signals() as stop:
            click.echo("starting Kafka and Redis", err=True)
            with services:
                click.echo(_ready_line(services, as_json))
                while not stop.is_set() and (failure := services.failed()) is None:
                    time.sleep(0.2)
                click.echo("stopping Kafka and Redis", err=True)
            if not stop.is_set():
                raise click.ClickException(f"{failure}")
    except EmbeddedError as error:
        raise ConfigurationError(str(error)) from error


def _ready_line(services: EmbeddedServices, as_json: bool) -> str:
    where = {"kafka": services.kafka_bootstrap_servers, "redis": services.redis_url}
    if as_json:
        return orjson.dumps({"ready": True, **where}).decode()
    return f"ready kafka={where['kafka']} redis={where['redis']}"
