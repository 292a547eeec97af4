"""``xinghe audit``: recompute the whole truth from the source topics and compare."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from xinghe.audit.report import Report, as_json, as_text
from xinghe.commands.connect import (
    UnavailableError,
    kafka_client_options,
    wait_for_kafka,
    wait_for_redis,
)
from xinghe.commands.log_reading import reading
from xinghe.commands.options import (
    ConfigurationError,
    json_option,
    kafka_option,
    load_settings,
    redis_option,
)

if TYPE_CHECKING:
    from streams.settings import Settings
    from xinghe.audit.journey import Limits
    from xinghe.audit.run import AuditOptions
    from xinghe.domain.alerts import AlertRule


@click.command("audit")
@kafka_option
@redis_option
@json_option
@click.option(
    "--application-id",
    default=lambda: load_settings().application_id,
    show_default="xinghe",
    help="Consumer group of the stream, whose lag must be 0.",
)
@click.option(
    "--wait-s",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds to wait until the stream has processed everything.",
)
@click.option(
    "--journey-events-max",
    type=click.IntRange(min=1),
    default=lambda: load_settings().journey_events_max,
    show_default="2000",
    help="Events that the stream keeps per person; people with more are named apart.",
)
@click.option(
    "--alert-rules",
    type=click.Path(exists=True, dir_okay=False),
    envvar="XINGHE_ALERT_RULES",
    show_envvar=True,
    help="TOML file of the rules of alerts that the stream has; default those built in.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Differences named one by one; all are counted.",
)
def command(
    kafka_bootstrap_servers: str,
    redis_url: str,
    as_json: bool,
    application_id: str,
    wait_s: float,
    journey_events_max: int,
    alert_rules: str | None,
    limit: int,
) -> None:
    """Recompute the whole truth from the source topics and compare.

    A separate, plain and slow computation reads every source record again and compares each window, note and list
    in Redis, the last upsert of each window of the funnel, the last attribution of each order and its revisions, the
    models of each shop, where each guarantee stands, every entry of the ledger and what stands in it, each alert, and each
    dead letter. For models that the stream has not computed anew it waits as long as
    the setting model_period_s says (60 seconds), for books that are behind as long as days are booked. The traffic should be
    stopped and a worker run until all is processed.

    Ends with exit code 0 if nothing differs, 1 if anything does or the stream is behind, 69 if Kafka or Redis
    cannot be reached. It needs about 1 KB of memory for each event of the largest partition.

    \b
    Examples:
      xinghe audit
      xinghe audit --json --limit 1000 > differences.json
    """
    from xinghe.audit.run import AuditOptions

    settings = load_settings()
    options = AuditOptions(
        limits_of(settings, journey_events_max),
        limit,
        settings.model_period_s,
        _rules_of(settings, alert_rules),
    )
    report = asyncio.run(_audit(kafka_bootstrap_servers, redis_url, application_id, wait_s, options))
    _print(report, as_json)
    sys.exit(1 if report.differences else 0)


async def _audit(bootstrap: str, redis_url: str, group: str, wait_s: float, options: AuditOptions) -> Report:
    from redis import Redis
    from redis.exceptions import RedisError

    from streams.settings import without_password
    from xinghe.audit.log import topic_partitions
    from xinghe.audit.run import TOPICS, audit
    from xinghe.commands.lag import wait_until_processed

    login: dict[str, Any] = kafka_client_options()
    await wait_for_kafka(bootstrap)
    await wait_for_redis(redis_url)
    redis = Redis.from_url(redis_url, decode_responses=True)
    try:
        with reading(bootstrap):
            # A broker without topics knows no group either, and would say so less clearly.
            await topic_partitions(TOPICS, bootstrap_servers=bootstrap, **login)
            await wait_until_processed(bootstrap, group, wait_s, **login)
            return await audit({"bootstrap_servers": bootstrap, **login}, redis, options, _say)
    except RedisError as error:
        shown = without_password(redis_url)
        raise UnavailableError(f"Redis at {shown} failed during the audit: {error}. Run it again.") from error
    finally:
        redis.close()


def limits_of(settings: Settings, journey_events_max: int) -> Limits:
    """By what the stream with these settings attributes, and how many events it keeps of a person."""
    from xinghe.audit.journey import Limits

    return Limits(
        settings.touch_window_ms,
        settings.payment_window_ms,
        journey_events_max,
        settings.click_over_view,
        settings.model_channel,
    )


def _rules_of(settings: Settings, file: str | None) -> list[AlertRule]:
    """The rules of the file, else those of the settings; ends the command where one is wrong."""
    import msgspec

    from streams.settings import SettingsError

    try:
        return (
            settings if file is None else msgspec.structs.replace(settings, alert_rules=file)
        ).read_alert_rules()
    except SettingsError as error:
        raise ConfigurationError(str(error)) from error


def _say(line: str) -> None:
    click.echo(f"audit: {line}", err=True)


def _print(report: Report, in_json: bool) -> None:
    if in_json:
        import orjson

        click.echo(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2))
        return
    for line in as_text(report):
        click.echo(line)
