"""``xinghe topics``: create the topics, or say how they differ from what they must be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import orjson

from streams.topic_admin import TopicAdminError, TopicState, check_topics, create_topics
from streams.topics import PARTITIONS_DEFAULT, topic_specs
from xinghe.commands.connect import kafka_client_options, wait_for_kafka
from xinghe.commands.options import json_option, kafka_option

Command = TypeVar("Command", bound=Callable[..., Any])

partitions_option: Callable[[Command], Command] = click.option(
    "--partitions",
    type=click.IntRange(1, 1000),
    envvar="XINGHE_PARTITIONS",
    default=PARTITIONS_DEFAULT,
    show_default=True,
    show_envvar=True,
    help="Partitions of every topic: the most workers that can share the work.",
)
wait_option: Callable[[Command], Command] = click.option(
    "--wait-seconds",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="How long to wait for Kafka.",
)


@click.group()
def command() -> None:
    """Create the topics, or check that they are as they must be.

    \b
    Examples:
      xinghe topics create
      xinghe topics create --partitions 16 --replication-factor 3
      xinghe topics check --json
    """


@command.command()
@kafka_option
@partitions_option
@click.option(
    "--replication-factor",
    type=click.IntRange(1, 100),
    envvar="XINGHE_REPLICATION_FACTOR",
    default=1,
    show_default=True,
    show_envvar=True,
    help="Copies of every topic; 3 where money is concerned, on at least 3 brokers.",
)
@wait_option
@json_option
def create(
    kafka_bootstrap_servers: str, partitions: int, replication_factor: int, wait_seconds: float, as_json: bool
) -> None:
    """Create the topics that are missing.

    Topics that are there stay as they are; if one differs from what it must be, the command says how and
    ends with exit code 1. Doing it twice does no harm.
    """
    states = _run(
        lambda **options: create_topics(
            kafka_bootstrap_servers,
            topic_specs(partitions),
            replication_factor=replication_factor,
            **options,
        ),
        kafka_bootstrap_servers,
        wait_seconds,
    )
    _report(states, kafka_bootstrap_servers, as_json)


@command.command()
@kafka_option
@partitions_option
@wait_option
@json_option
def check(kafka_bootstrap_servers: str, partitions: int, wait_seconds: float, as_json: bool) -> None:
    """Say of each topic whether its partitions and settings are as they must be.

    Ends with exit code 1 if a topic is missing or differs.
    """
    states = _run(
        lambda **options: check_topics(kafka_bootstrap_servers, topic_specs(partitions), **options),
        kafka_bootstrap_servers,
        wait_seconds,
    )
    _report(states, kafka_bootstrap_servers, as_json)


def _run(action: Callable[..., Any], bootstrap: str, wait_s: float) -> list[TopicState]:
    async def run() -> list[TopicState]:
        await wait_for_kafka(bootstrap, wait_s)
        states: list[TopicState] = await action(**kafka_client_options())
        return states

    try:
        return asyncio.run(run())
    except TopicAdminError as error:
        raise click.ClickException(str(error)) from error


def _report(states: Sequence[TopicState], bootstrap: str, as_json: bool) -> None:
    is_ok = all(state.status in {"ok", "created"} for state in states)
    if as_json:
        click.echo(orjson.dumps({"ok": is_ok, "topics": [_as_dict(state) for state in states]}).decode())
    else:
        for state in states:
            click.echo(f"{state.status:<9} {state.name}")
            for line in _explained(state, bootstrap):
                click.echo(f"          {line}")
    if not is_ok:
        raise SystemExit(1)


def _as_dict(state: TopicState) -> dict[str, Any]:
    differences = [
        {"what": difference.what, "found": difference.found, "must_be": difference.must_be}
        for difference in state.differences
    ]
    return {"name": state.name, "status": state.status, "differences": differences}


def _explained(state: TopicState, bootstrap: str) -> list[str]:
    """What is wrong with the topic, and what to do, a line each."""
    if state.status == "missing":
        return ["create it with: xinghe topics create"]
    return [
        f"partitions is {difference.found}, must be {difference.must_be}: give --partitions {difference.found} "
        "if all topics have that many, else delete the topic and create it anew"
        if difference.what == "partitions"
        else f"{difference.what} is {difference.found}, must be {difference.must_be}: kafka-configs.sh "
        f"--bootstrap-server {bootstrap} --alter --topic {state.name} "
        f"--add-config {difference.what}={difference.must_be}"
        for difference in state.differences
    ]
