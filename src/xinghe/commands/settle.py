"""``xinghe settle``: what the ledger says of a campaign, for those who pay and those who check."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal

import click

from xinghe.commands.ledger_reading import decoded, last_position, ledger_records
from xinghe.commands.options import kafka_option

Format = Literal["text", "json", "csv"]


@click.command("settle")
@click.argument("campaign_id", metavar="CAMPAIGN")
@click.option(
    "--as-of",
    type=click.DateTime(("%Y-%m-%d",)),
    metavar="DATE",
    help="Only what was booked up to this day of Asia/Shanghai.",
)
@click.option(
    "--format",
    "as_format",
    type=click.Choice(("text", "json", "csv")),
    default="text",
    show_default=True,
    help="text shows yuan, json and csv whole fen.",
)
@kafka_option
def command(
    campaign_id: str, as_of: datetime | None, as_format: Format, kafka_bootstrap_servers: str
) -> None:
    """Show what is booked for CAMPAIGN: by rule and period, who owes whom, and each account.

    Reads xinghe.ledger.entry.v1 up to its end. An amount that was corrected is shown too, as reversed, and is in no sum. csv has
    a line for each amount and is made for spreadsheets: it begins with a byte order mark, and no text in it runs as a formula.
    Without --as-of, text and json also say where the newest guarantee stands now: one that is void or unpaid has no entry.

    Ends with exit code 1 if nothing is booked, 69 if Kafka cannot be reached.

    \b
    Examples:
      xinghe settle c-autumn
      xinghe settle c-autumn --as-of 2026-11-30
      xinghe settle c-autumn --format csv > c-autumn.csv
    """
    from xinghe.commands import statement_text
    from xinghe.domain.statement import booked_by, statement_of

    records = asyncio.run(ledger_records(kafka_bootstrap_servers, campaign_id))
    last_day = None if as_of is None else f"{as_of:%Y-%m-%d}"
    entries = booked_by(decoded(records), last_day)
    click.echo(f"settle: {len(entries):,} entries", err=True)
    if not entries:
        up_to = "" if last_day is None else f" up to {last_day}"
        raise click.ClickException(
            f"nothing is booked for campaign {campaign_id}{up_to}. See that the id is right; a day is booked once events "
            "have come from 7 h past its end."
        )
    statement = statement_of(entries)
    if as_format == "csv":
        click.echo(statement_text.as_csv(statement), nl=False)
        return
    position = asyncio.run(last_position(kafka_bootstrap_servers, campaign_id)) if as_of is None else None
    if as_format == "json":
        click.echo(statement_text.as_json(statement, position))
    else:
        statement_text.print_text(statement, position)
