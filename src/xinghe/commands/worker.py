"""``xinghe worker``: run the stream in this process."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

import click

from streams.settings import FIELD_TYPES, Settings
from streams.topics import topic_specs
from xinghe.commands.connect import wait_for_kafka
from xinghe.commands.options import ConfigurationError
from xinghe.commands.settings_flags import NO_FLAG, flag, settings_of, wait_seconds_flag


def _run(wait_seconds: float, **flags: str | None) -> None:
    """Run the stream: events in Kafka to campaign funnels in Redis, exactly once.

    Every flag is also a setting of the environment, XINGHE_ and its name in capitals, and of the TOML file
    that XINGHE_CONFIG names; a flag wins over the environment, the environment over the file. The password
    for Kafka has no flag: XINGHE_KAFKA_SASL_PASSWORD.

    Start as many workers as there are partitions, at most, each with its own --instance. SIGTERM commits,
    leaves the group and ends with exit code 0. Exit code 70 is a commit that failed: start it again, nothing
    is lost. Exit code 69 is a Kafka that cannot be reached, 78 a wrong setting or missing topics. Redis may be
    away: the stream goes on, and Redis catches up.

    \b
    Examples:
      xinghe worker
      xinghe worker --instance worker-2 --metrics-port 9101 --log-format json
    """
    settings = settings_of(flags)
    asyncio.run(_check(settings, wait_seconds))
    from streams.app import run_worker

    sys.exit(run_worker(settings))


async def _check(settings: Settings, wait_s: float) -> None:
    """Wait for Kafka and look at its topics; ends the command where the stream could not run on them."""
    from streams.topic_admin import partition_counts

    bootstrap = settings.kafka_bootstrap_servers
    await wait_for_kafka(bootstrap, wait_s)
    names = [spec.name for spec in topic_specs()]
    found = await partition_counts(bootstrap, names, **settings.kafka_client_options())
    problem = topics_problem(names, found)
    if problem is not None:
        raise ConfigurationError(f"Kafka at {bootstrap}: {problem}")


def topics_problem(names: Sequence[str], partitions: Mapping[str, int]) -> str | None:
    """Why the stream cannot run on topics with these partition counts and what to do; ``None`` if it can.

    >>> topics_problem(["a", "b"], {"a": 4})
    'topics are missing: b; create them with: xinghe topics create --partitions 4'
    """
    counts = Counter(partitions.values())
    usual = counts.most_common(1)[0][0] if counts else None
    missing = [name for name in names if name not in partitions]
    if missing:
        as_many = "" if usual is None else f" --partitions {usual}"
        return f"topics are missing: {', '.join(missing)}; create them with: xinghe topics create{as_many}"
    if len(counts) > 1:
        others = [f"{name} has {count}" for name, count in sorted(partitions.items()) if count != usual]
        return (
            f"all topics must have the same number of partitions; most have {usual}, but {', '.join(others)}. "
            f"Delete those that differ and create them anew with: xinghe topics create --partitions {usual}"
        )
    return None


command = click.Command(
    "worker",
    callback=_run,
    help=_run.__doc__,
    params=[
        *(flag(name) for name in FIELD_TYPES if name not in NO_FLAG),
        wait_seconds_flag(),
    ],
)
