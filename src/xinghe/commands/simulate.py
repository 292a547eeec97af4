"""``xinghe simulate``: live, seeded traffic on the source topics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson
from click.core import ParameterSource

from xinghe.commands.connect import UnavailableError, kafka_client_options, wait_for_kafka
from xinghe.commands.options import json_option, kafka_option
from xinghe.commands.signals import stop_on_signals
from xinghe.domain.events import SOURCE_EVENTS
from xinghe.simulator.model import Model
from xinghe.simulator.pace import clock_slots_ms, event_clock, now_ms, send_paced, steady_slots_ms
from xinghe.simulator.sender import BatchSender, SendError
from xinghe.simulator.settings import HISTORY_DAYS_MAX, SimulatorSettings
from xinghe.simulator.truth import Truth

DEFAULTS = SimulatorSettings()
SHARE = click.FloatRange(0, 0.9)
SECONDS_PER_DAY = 86_400


@click.command()
@kafka_option
@click.option(
    "--rate",
    type=click.FloatRange(0),
    default=200.0,
    show_default=True,
    help="Records per second; 0 for as many as Kafka takes.",
)
@click.option(
    "--duration", type=click.FloatRange(0), default=0.0, show_default="until stopped", help="Seconds to run."
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed and start, same records."
)
@click.option(
    "--people",
    type=click.IntRange(2, 10_000_000),
    default=DEFAULTS.people,
    show_default=True,
    help="How many there are; some are far more active than others.",
)
@click.option(
    "--campaigns",
    type=click.IntRange(1, 100_000),
    default=DEFAULTS.campaigns,
    show_default=True,
    help="How many run; four share a shop.",
)
@click.option(
    "--bad-share",
    type=SHARE,
    default=DEFAULTS.bad_share,
    show_default=True,
    help="Records that do not fit the contract, every kind in turn.",
)
@click.option(
    "--duplicate-share", type=SHARE, default=DEFAULTS.duplicate_share, show_default=True, help="Sent twice."
)
@click.option(
    "--late-share",
    type=SHARE,
    default=DEFAULTS.late_share,
    show_default=True,
    help="Delivered up to 10 minutes after they happened.",
)
@click.option(
    "--skew-share",
    type=SHARE,
    default=DEFAULTS.skew_share,
    show_default=True,
    help="From a clock up to 5 minutes ahead or 2 hours behind.",
)
@click.option(
    "--history-share",
    type=SHARE,
    default=DEFAULTS.history_share,
    show_default=True,
    help="Sessions with touches of days ago, so that orders have lags of 7, 15 and 30 days.",
)
@click.option(
    "--history-days",
    type=click.IntRange(1, HISTORY_DAYS_MAX),
    default=DEFAULTS.history_days,
    show_default=True,
    help="How far back history goes.",
)
@click.option(
    "--start-ms",
    type=click.IntRange(0),
    help="Event time of the start, in milliseconds; the present if left out. With the same seed and a rate "
    "the records are the same, byte for byte.",
)
@click.option(
    "--days-per-second",
    type=click.FloatRange(0, min_open=True, max=100),
    help="Let event time run so fast; the run of --duration begins so long ago that it ends now. Without --history-share "
    "there is none.",
)
@click.option(
    "--late-revision-share",
    type=SHARE,
    default=DEFAULTS.late_revision_share,
    show_default=True,
    help="Spend reports that are revised days later, with --days-per-second.",
)
@click.option(
    "--links/--no-links",
    default=DEFAULTS.links,
    show_default=True,
    help="Whether some people have several ids, and links say so.",
)
@click.option(
    "--truth",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what was sent to this file, as JSON.",
)
@json_option
def command(
    kafka_bootstrap_servers: str,
    rate: float,
    duration: float,
    seed: int,
    start_ms: int | None,
    days_per_second: float | None,
    truth: Path | None,
    as_json: bool,
    **model_options: Any,
) -> None:
    """Write live, seeded traffic to the source topics.

    People see notes, like them, click ads, claim coupons and redeem them, visit shops, buy, buy again and send back, each
    with its own delay; campaigns report spend by the hour and revise it, and choose their model, all five of them in turn.
    Within 5 seconds and then each minute some choose another, from the next minute on or since a few minutes. Among that
    are duplicates, late events, wrong clocks and records that do not fit. Ctrl-C or SIGTERM ends it in order: everything
    handed over is acknowledged, the truth is written.

    The truth (--truth, --json) counts records by topic (sent_by_topic), second deliveries (duplicates), records that must
    become dead letters by the reason (bad_by_reason), orders and their amount in fen, those of returning buyers, with
    coupons, that say if the customer is new; refunds that fit their order (refunds), payments and refunds told again
    under another event_id (repeated_orders, repeated_refunds), refunds of orders that never come (waiting_refunds: no
    dead letter for 31 days), touches that came over a minute late (late_touches), settings by model, and by campaign
    touches, spend and what is to become of its guarantees (hit, miss, recover, void).

    With --days-per-second guarantees, spend matches and revenue shares are settled within the run: spend is reported by the
    hour and sometimes revised days later (late_revisions), targets are edited, some refunds come days later (late_refunds).

    \b
    Examples:
      xinghe simulate
      xinghe simulate --rate 2000 --duration 60 --seed 7 --truth truth.json
      xinghe simulate --rate 0 --duration 10 --bad-share 0.01
      xinghe simulate --days-per-second 1 --duration 45 --rate 2000 --campaigns 8
    """
    if days_per_second is not None:
        if not duration or start_ms is not None:
            raise click.UsageError(
                "--days-per-second needs --duration and sets the start; leave out --start-ms."
            )
        model_options |= {"days_long": True}
        context = click.get_current_context()
        if context.get_parameter_source("history_share") is ParameterSource.DEFAULT:
            # Days pass in the run itself; what is delivered late is booked later.
            model_options["history_share"] = 0.0
    settings = SimulatorSettings(**model_options)
    if truth is not None and not truth.absolute().parent.is_dir():
        raise click.UsageError(
            f"--truth {truth} cannot be written: its folder does not exist; create it first."
        )
    known = Truth()
    speed = 1.0 if days_per_second is None else days_per_second * SECONDS_PER_DAY
    run = _Run(settings, seed, rate, duration or None, start_ms, speed)
    try:
        asyncio.run(run.send(kafka_bootstrap_servers, known))
        problem = None
    except SendError as error:
        problem = error
    if problem is not None and not known.sent:
        raise UnavailableError(f"{problem}.")
    found = {**run.describe(), "complete": problem is None, **known.to_dict()}
    _report(found, truth, as_json)
    if problem is not None:
        raise UnavailableError(f"{problem}. Some of the {known.sent} records have not arrived.")


class _Run:
    """One run of the model against Kafka; event time runs ``speed`` times as fast as the clock."""

    def __init__(
        self,
        settings: SimulatorSettings,
        seed: int,
        rate: float,
        duration_s: float | None,
        start_ms: int | None,
        speed: float,
    ) -> None:
        self._settings = settings
        self._seed = seed
        self._rate = rate
        self._duration_s = duration_s
        self._start_ms = start_ms
        self._speed = speed
        self._started_s = self._ended_s = time.monotonic()

    async def send(self, bootstrap_servers: str, truth: Truth) -> None:
        """Send until the time is up or a signal comes; raises ``SendError``."""
        await wait_for_kafka(bootstrap_servers)
        with stop_on_signals() as stop:
            async with BatchSender(bootstrap_servers, list(SOURCE_EVENTS), kafka_client_options()) as sender:
                click.echo(self._plan(bootstrap_servers), err=True)
                started_ms = now_ms()
                self._started_s = time.monotonic()
                if self._start_ms is None:
                    # It ends now: no record may be ahead of the broker's clock.
                    self._start_ms = started_ms - int((self._duration_s or 0) * 1000 * (self._speed - 1))
                start_ms, speed = self._start_ms, self._speed
                span_s = None if self._duration_s is None else self._duration_s * speed
                clock_ms = event_clock(start_ms, started_ms, speed)
                if self._rate:
                    slots = steady_slots_ms(start_ms, self._rate / speed, span_s)
                else:
                    slots = clock_slots_ms(start_ms, span_s, clock_ms)
                records = Model(self._settings, self._seed, start_ms).records(slots)
                try:
                    await send_paced(records, sender, stop.is_set, truth.add, clock_ms)
                finally:
                    self._ended_s = time.monotonic()

    def _plan(self, bootstrap_servers: str) -> str:
        """What is about to be done, and how it ends."""
        rate = f"{self._rate:g} records a second" if self._rate else "as many records as go"
        end = "until Ctrl-C" if self._duration_s is None else f"for {self._duration_s:g} s"
        return f"Sending {rate} to {bootstrap_servers} {end}, seed {self._seed}."

    def describe(self) -> dict[str, Any]:
        """What was run, and for how long."""
        return {
            "seed": self._seed,
            "start_ms": self._start_ms,
            "rate": self._rate,
            "seconds": round(self._ended_s - self._started_s, 3),
            "model": asdict(self._settings),
        }


def _report(found: dict[str, Any], truth: Path | None, as_json: bool) -> None:
    """The summary to standard error, the truth to its file and, if asked for, to standard output."""
    text = orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    per_second = found["sent"] / found["seconds"] if found["seconds"] else 0.0
    click.echo(
        f"Sent {found['sent']} records in {found['seconds']:.1f} s ({per_second:.0f}/s), seed {found['seed']}:",
        err=True,
    )
    for topic, count in found["sent_by_topic"].items():
        click.echo(f"  {topic:<28} {count:>10}", err=True)
    click.echo(
        f"Among them {found['duplicates']} duplicates, {found['repeated_orders']} repeated orders, "
        f"{found['repeated_refunds']} repeated refunds and {found['bad']} bad records {found['bad_by_reason']}.\n"
        f"{found['orders']} orders over {found['orders_amount_fen'] / 100:.2f} yuan, "
        f"{found['refunds']} refunds over {found['refunds_amount_fen'] / 100:.2f}.",
        err=True,
    )
    if as_json:
        click.echo(text, nl=False)
    if truth is not None:
        try:
            truth.write_bytes(text)
        except OSError as error:
            raise click.ClickException(f"the truth cannot be written to {truth}: {error.strerror}") from error
