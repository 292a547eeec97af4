"""``xinghe ledger``: check that the books are in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from xinghe.commands.ledger_reading import decoded, ledger_records
from xinghe.commands.options import kafka_option

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord


@click.group()
def command() -> None:
    """Check that the books are in order.

    \b
    Examples:
      xinghe ledger verify
      xinghe ledger verify c-autumn
    """


@command.command()
@click.argument("campaign_id", metavar="[CAMPAIGN]", required=False)
@kafka_option
def verify(campaign_id: str | None, kafka_bootstrap_servers: str) -> None:
    """Check the entries of CAMPAIGN, or of all campaigns, by themselves.

    Each journal balances to 0 and has its lines; numbers go 1, 2, 3 without gap; ids are those of campaign, rule, period, day
    and line, none twice; a journal reverses just what stood for its rule and period. That amounts are right as well is
    told by xinghe audit, which recomputes them from the source topics.

    Ends with exit code 1 if anything is wrong, each in a line, 69 if Kafka cannot be reached.
    """
    from xinghe.audit.ledger_laws import broken_laws

    records = asyncio.run(ledger_records(kafka_bootstrap_servers, campaign_id))
    wrong = 0
    by_key: dict[str, list[ConsumerRecord]] = {}
    for record in records:
        by_key.setdefault((record.key or b"").decode(errors="replace"), []).append(record)
    for key, its_records in sorted(by_key.items()):
        for line in broken_laws(key, decoded(its_records)):
            wrong += 1
            click.echo(line)
    click.echo(
        f"ledger: {len(records):,} entries of {len(by_key):,} campaigns, {wrong:,} things wrong", err=True
    )
    if wrong:
        raise SystemExit(1)
