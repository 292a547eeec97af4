"""``xinghe index``: copy records of the topics into Redis."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import click

from streams.settings import FIELD_TYPES
from xinghe.commands.connect import wait_for_topics
from xinghe.commands.settings_flags import NO_FLAG, flag, settings_of, wait_seconds_flag

ITS_SETTINGS: Final = (
    *("redis_url", "instance", "fetch_max_wait_ms"),
    *(name for name in FIELD_TYPES if name.startswith(("kafka_", "index_", "metrics_", "log_"))),
)
"""The settings that it uses."""


def _run(wait_seconds: float, **flags: str | None) -> None:
    """Copy what the dashboard shows besides figures from Kafka into Redis.

    Orders with their credit (for index_order_days days after their payment), ledgers, the newest settings of each campaign, and how
    many dead letters there are of each reason, with the last ones. What is copied moves together with the offsets, which are in Redis
    too: nothing is counted twice, and an emptied Redis is filled again from the beginning of the topics. A second index waits until the
    first has stopped.

    Flags, environment, file and exit codes are as for xinghe worker. Redis may be away: it catches up.

    \b
    Examples:
      xinghe index
      xinghe index --instance index-2 --metrics-port 9103 --log-format json
    """
    settings = settings_of(flags)
    from streams.index.process import TOPICS_READ, run_index

    asyncio.run(wait_for_topics(settings, TOPICS_READ, wait_seconds))
    sys.exit(run_index(settings))


command = click.Command(
    "index",
    callback=_run,
    help=_run.__doc__,
    params=[
        *(flag(name) for name in FIELD_TYPES if name in ITS_SETTINGS and name not in NO_FLAG),
        wait_seconds_flag(),
    ],
)
