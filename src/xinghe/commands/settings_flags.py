"""Settings as flags of the commands that run for ever."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click
import msgspec

from streams.settings import ENV_PREFIX, Settings, SettingsError, description, right
from xinghe.commands.options import ConfigurationError

NO_FLAG = frozenset({"kafka_sasl_password"})
"""Any user of the machine can read a process's flags, so a secret has none."""


def flag(name: str) -> click.Option:
    """The flag of a setting."""
    default = next(field.default for field in msgspec.structs.fields(Settings) if field.name == name)
    written = str(default).lower() if isinstance(default, bool) else default
    shown = "" if default in {None, msgspec.NODEFAULT} else f"; default {written}"
    return click.Option(
        [f"--{name.replace('_', '-')}"],
        metavar="VALUE",
        help=f"{description(name)} [{right(name)}{shown}]",
    )


def wait_seconds_flag() -> click.Option:
    """``--wait-seconds``."""
    return click.Option(
        ["--wait-seconds"],
        type=click.FloatRange(0),
        default=30.0,
        show_default=True,
        help="How long to wait for Kafka at the start.",
    )


def settings_of(flags: Mapping[str, str | None]) -> Settings:
    """The settings with these flags; ends the command where one is wrong, naming the flag that it came from."""
    # In the environment, so that the application reads one and the same settings however it is started.
    os.environ.update(
        {ENV_PREFIX + name.upper(): value for name, value in flags.items() if value is not None}
    )
    try:
        settings = Settings.load(os.environ)
        settings.kafka_client_options()
    except SettingsError as error:
        raise ConfigurationError(str(_named(error, flags))) from error
    return settings


def _named(error: SettingsError, flags: Mapping[str, str | None]) -> SettingsError:
    """The error, naming the flag if that is where the value came from."""
    if flags.get(error.setting) is None:
        return error
    flag_name = f"--{error.setting.replace('_', '-')}"
    return SettingsError(error.setting, error.value, f"from flag {flag_name}", error.right)
