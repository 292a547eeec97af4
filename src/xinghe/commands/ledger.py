"""``xinghe ledger``: check that the books are in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import click

from xinghe.commands.connect import kafka_client_options, wait_for_kafka
from xinghe.commands.log_reading import reading
from xinghe.commands.options import kafka_option, load_settings

if TYPE_CHECKING:
    from xinghe.audit.findings import Findings
    from xinghe.audit.ledger_laws import FoundLedger

PROCESSED_WITHIN_S: Final = 30.0
SHOWN_MAX: Final = 1_000


@click.group()
def command() -> None:
    """Check that the books are in order.

    \b
    Examples:
      xinghe ledger verify
      xinghe ledger verify c-autumn
      xinghe ledger verify --entries-only
    """


@command.command()
@click.argument("campaign_id", metavar="[CAMPAIGN]", required=False)
@click.option(
    "--entries-only",
    is_flag=True,
    help="Look at the entries by themselves: quick, but does not tell whether amounts are right.",
)
@kafka_option
def verify(campaign_id: str | None, entries_only: bool, kafka_bootstrap_servers: str) -> None:
    """Check the ledger of CAMPAIGN, or of all campaigns.

    Each journal balances to 0 and has its lines and accounts; numbers go 1, 2, 3 without gap; ids are those of campaign, rule,
    period, day and line; a journal reverses just what stood for its rule and period. Then what stands is compared with
    what is due by a recomputation from all source topics, as in xinghe audit: the traffic should be stopped, a worker run until
    all is processed, and there should be about 1 KB of memory for each event of the largest partition.

    Ends with exit code 1 if anything is wrong, each in a line, or the stream is behind, 69 if Kafka cannot be reached.
    """
    from xinghe.audit.report import line_of

    found, findings = asyncio.run(_verify(kafka_bootstrap_servers, campaign_id, entries_only=entries_only))
    for difference in findings.shown:
        click.echo(line_of(difference))
    late = findings.notices_by_kind.total()
    if late:
        click.echo(
            f"ledger: {late:,} values differ where something came after its day was booked (the next day books it) or cannot be "
            "compared exactly",
            err=True,
        )
    entries = sum(map(len, found.entries.values()))
    click.echo(
        f"ledger: {entries:,} entries of {len(found.entries):,} campaigns, {findings.differences:,} things wrong",
        err=True,
    )
    if findings.differences:
        raise SystemExit(1)


async def _verify(
    bootstrap: str, campaign_id: str | None, *, entries_only: bool
) -> tuple[FoundLedger, Findings]:
    from xinghe.audit.verify_ledger import verify_entries, verify_ledger
    from xinghe.commands.audit import limits_of
    from xinghe.commands.lag import wait_until_processed

    settings, login = load_settings(), kafka_client_options()
    kafka_options = {"bootstrap_servers": bootstrap, **login}
    await wait_for_kafka(bootstrap)
    with reading(bootstrap):
        if entries_only:
            return await verify_entries(kafka_options, campaign_id, SHOWN_MAX)
        await wait_until_processed(bootstrap, settings.application_id, PROCESSED_WITHIN_S, **login)
        limits = limits_of(settings, settings.journey_events_max)
        return await verify_ledger(kafka_options, campaign_id, limits, SHOWN_MAX, _say)


def _say(line: str) -> None:
    click.echo(f"ledger: {line}", err=True)
