"""``xinghe worker``: run the stream in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click
import msgspec

from streams.settings import ENV_PREFIX, FIELD_TYPES, Settings, SettingsError, description, right
from xinghe.commands.options import ConfigurationError

NO_FLAG = frozenset({"kafka_sasl_password"})
"""Any user of the machine can read a process's flags, so a secret has none."""


def _flag(name: str) -> click.Option:
    default = next(field.default for field in msgspec.structs.fields(Settings) if field.name == name)
    shown = "" if default in {None, msgspec.NODEFAULT} else f"; default {default}"
    return click.Option(
        [f"--{name.replace('_', '-')}"],
        metavar="VALUE",
        help=f"{description(name)} [{right(name)}{shown}]",
    )


def _run(**flags: str | None) -> None:
    """Run the stream: events in Kafka to campaign funnels in Redis, exactly once.

    Every flag is also a setting of the environment, XINGHE_ and its name in capitals, and of the TOML file
    that XINGHE_CONFIG names; a flag wins over the environment, the environment over the file. The password
    for Kafka has no flag: XINGHE_KAFKA_SASL_PASSWORD.

    Start as many workers as there are partitions, at most, each with its own --instance. SIGTERM commits,
    leaves the group and ends with exit code 0. Exit code 70 is a commit that failed: start it again, nothing
    is lost. Exit code 78 is a wrong setting.

    \b
    Examples:
      xinghe worker
      xinghe worker --instance worker-2 --metrics-port 9101 --log-format json
    """
    # In the environment, so that the application reads one and the same settings however it is started.
    os.environ.update(
        {ENV_PREFIX + name.upper(): value for name, value in flags.items() if value is not None}
    )
    try:
        settings = Settings.load(os.environ)
        settings.kafka_client_options()
    except SettingsError as error:
        raise ConfigurationError(str(_named(error, flags))) from error
    from streams.app import run_worker

    sys.exit(run_worker(settings))


def _named(error: SettingsError, flags: Mapping[str, str | None]) -> SettingsError:
    """The error, naming the flag if that is where the value came from."""
    if flags.get(error.setting) is None:
        return error
    flag = f"--{error.setting.replace('_', '-')}"
    return SettingsError(error.setting, error.value, f"from flag {flag}", error.right)


command = click.Command(
    "worker",
    callback=_run,
    help=_run.__doc__,
    params=[_flag(name) for name in FIELD_TYPES if name not in NO_FLAG],
)
