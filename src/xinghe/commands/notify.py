"""``xinghe notify``: tell the receivers of alerts, by webhook."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

import click

from streams.settings import FIELD_TYPES, SettingsError
from xinghe.commands.connect import wait_for_topics
from xinghe.commands.options import ConfigurationError
from xinghe.commands.settings_flags import NO_FLAG, flag, settings_of, wait_seconds_flag
from xinghe.domain.events import ALERT_RAISED, DEAD_LETTER

ITS_SETTINGS: Final = (
    *("application_id", "instance", "session_timeout_ms", "alert_rules"),
    *(name for name in FIELD_TYPES if name.startswith(("kafka_", "notify_", "metrics_", "log_"))),
)
"""The settings that it uses."""


def _run(wait_seconds: float, **flags: str | None) -> None:
    """Tell the receivers in the file notify_receivers of alerts, by webhook, each at least once.

    It reads xinghe.alert.raised.v1 in a consumer group of its own. Alerts about one campaign come in their order; a repetition has the
    webhook-id of the first. What a receiver does not take after the last try is a dead letter (reason undeliverable). Alerts that
    are more than a day old are no longer told. Start several, each with its own --instance, where one is not enough.

    Flags, environment, file and exit codes are as for xinghe worker.

    \b
    A file of receivers:
      [[receiver]]
      name = "on-call"                          # in logs and metrics
      format = "standard"                       # or dingtalk, wecom, feishu
      url = "https://hooks.example.com/xinghe"  # or url_env, the name of an environment variable
      secret_env = "ON_CALL_SECRET"             # or secret
      severities = ["critical"]                 # default all; so for rules = [...], names of rules
      locale = "zh"                             # of chat messages; default en
      tries = 8                                 # 1 to 20, with pauses of 1, 2, 4 ... up to 60 s
      timeout_s = 10                            # of a try

    \b
    Examples:
      xinghe notify --notify-receivers receivers.toml
      xinghe notify --notify-receivers receivers.toml --instance notify-2 --metrics-port 9102
    """
    settings = settings_of(flags)
    try:
        receivers = settings.read_notify_receivers(os.environ)
    except SettingsError as error:
        raise ConfigurationError(str(error)) from error
    asyncio.run(wait_for_topics(settings, (ALERT_RAISED, DEAD_LETTER), wait_seconds))
    from streams.notifier import run_notifier

    sys.exit(run_notifier(settings, receivers))


command = click.Command(
    "notify",
    callback=_run,
    help=_run.__doc__,
    params=[
        *(flag(name) for name in FIELD_TYPES if name in ITS_SETTINGS and name not in NO_FLAG),
        wait_seconds_flag(),
    ],
)
