"""Options that several commands share, and how a wrong setting ends a command."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from streams.settings import Settings, SettingsError
from xinghe.embedded import LIB_DIR_DEFAULT

EXIT_CONFIG: Final = 78
"""``EX_CONFIG``: a setting is wrong; starting again without changing it is useless."""
EXIT_UNAVAILABLE: Final = 69
"""``EX_UNAVAILABLE``: Kafka or Redis cannot be reached."""

Command = TypeVar("Command", bound=Callable[..., Any])


class ConfigurationError(click.ClickException):
    """A setting or a requirement of the machine is wrong; the message says what would be right."""

    exit_code = EXIT_CONFIG


def load_settings() -> Settings:
    """The settings of the environment and of the file that ``XINGHE_CONFIG`` names; ends the command if wrong."""
    try:
        return Settings.load(os.environ)
    except SettingsError as error:
        raise ConfigurationError(str(error)) from error


def kafka_option(command: Command) -> Command:
    """``--kafka-bootstrap-servers``, passed as ``kafka_bootstrap_servers``."""
    return click.option(
        "--kafka-bootstrap-servers",
        metavar="HOST:PORT[,HOST:PORT]",
        envvar="XINGHE_KAFKA_BOOTSTRAP_SERVERS",
        show_envvar=True,
        default=lambda: load_settings().kafka_bootstrap_servers,
        show_default="127.0.0.1:9092",
        help="Kafka brokers to ask first.",
    )(command)


def redis_option(command: Command) -> Command:
    """``--redis-url``, passed as ``redis_url``."""
    return click.option(
        "--redis-url",
        metavar="URL",
        envvar="XINGHE_REDIS_URL",
        show_envvar=True,
        default=lambda: load_settings().redis_url,
        show_default="redis://127.0.0.1:6379/0",
        help="Redis that holds the funnels.",
    )(command)


def json_option(command: Command) -> Command:
    """``--json``, passed as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print data as JSON, for programs.")(command)


def lib_dir_option(command: Command) -> Command:
    """``--lib-dir``, passed as ``lib_dir``."""
    return click.option(
        "--lib-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="XINGHE_KAFKA_LIB",
        show_envvar=True,
        default=LIB_DIR_DEFAULT,
        show_default=True,
        help="Folder of Kafka's jars; fetched with Maven if they are not there.",
    )(command)
