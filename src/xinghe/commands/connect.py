"""Waiting for Kafka and Redis: growing pauses, a line for each try, a clear end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from streams.settings import Settings, SettingsError, without_password
from xinghe.commands.options import EXIT_UNAVAILABLE, ConfigurationError, load_settings

PAUSE_S_FIRST: Final = 0.25
PAUSE_S_MAX: Final = 5.0


class UnavailableError(click.ClickException):
    """Kafka or Redis could not be reached in the time given; ends a command with exit code 69."""

    exit_code = EXIT_UNAVAILABLE


def kafka_client_options() -> dict[str, Any]:
    """Encryption and login for an aiokafka client, from the settings; ends the command if they are wrong."""
    try:
        return load_settings().kafka_client_options()
    except SettingsError as error:
        raise ConfigurationError(str(error)) from error


async def wait_for_kafka(bootstrap: str, timeout_s: float = 30.0) -> None:
    """Return once a broker of ``bootstrap`` answers.

    Raises ``UnavailableError`` when none did within ``timeout_s`` seconds.
    """
    options = kafka_client_options()

    async def answers() -> str | None:
        return await _kafka_problem(bootstrap, options)

    await _wait(
        f"Kafka at {bootstrap}",
        answers,
        timeout_s,
        remedy="start it (on this machine: xinghe up) or name it with --kafka-bootstrap-servers",
    )


async def wait_for_topics(settings: Settings, topics: Sequence[str], timeout_s: float) -> None:
    """Return once a broker answers and has these topics; ends the command where it has not."""
    from streams.topic_admin import partition_counts

    bootstrap = settings.kafka_bootstrap_servers
    await wait_for_kafka(bootstrap, timeout_s)
    found = await partition_counts(bootstrap, topics, **settings.kafka_client_options())
    missing = [name for name in topics if name not in found]
    if missing:
        raise ConfigurationError(
            f"Kafka at {bootstrap}: topics are missing: {', '.join(missing)}; create them with: xinghe topics create"
        )


async def wait_for_redis(url: str, timeout_s: float = 30.0) -> None:
    """Return once the Redis at ``url`` answers.

    Raises ``UnavailableError`` when it did not within ``timeout_s`` seconds.
    """

    async def answers() -> str | None:
        return await _redis_problem(url)

    await _wait(
        f"Redis at {without_password(url)}",
        answers,
        timeout_s,
        remedy="start it (on this machine: xinghe up) or name it with --redis-url",
    )


async def _wait(
    what: str, problem: Callable[[], Awaitable[str | None]], timeout_s: float, remedy: str
) -> None:
    deadline_s = time.monotonic() + timeout_s
    pause_s = PAUSE_S_FIRST
    while (reason := await problem()) is not None:
        reason = reason.rstrip(".")
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise UnavailableError(
                f"{what} is not reachable: {reason}. Gave up after {timeout_s:g} s; {remedy}."
            )
        pause_s = min(pause_s, left_s)
        click.echo(f"{what} is not reachable: {reason}; trying again in {pause_s:.2g} s", err=True)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, PAUSE_S_MAX)


async def _kafka_problem(bootstrap: str, options: dict[str, Any]) -> str | None:
    """Why no broker answers, or ``None`` if one does."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000, **options)
    with _last_log_of("aiokafka") as logged:
        try:
            await admin.start()
        except (KafkaError, OSError, TimeoutError) as error:
            return logged[-1] if logged else str(error)
        finally:
            await admin.close()
    return None


async def _redis_problem(url: str) -> str | None:
    """Why Redis does not answer, or ``None`` if it does."""
    from redis.exceptions import RedisError

    from xinghe.serving.client import open_redis

    try:
        client = open_redis(url)
    except ValueError as error:
        raise ConfigurationError(f"--redis-url {without_password(url)} cannot be used: {error}") from error
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        return str(error) or type(error).__name__
    finally:
        await client.aclose()
    return None


@contextmanager
def _last_log_of(name: str) -> Iterator[list[str]]:
    """Collect what the logger would say instead of saying it: aiokafka's error alone names no cause."""
    messages: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logger = logging.getLogger(name)
    handler, propagate = Collect(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
