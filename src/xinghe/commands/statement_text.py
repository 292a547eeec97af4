"""A settlement statement as people, programs and spreadsheets read it."""

from __future__ import annotations

import json
from typing import Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from xinghe.domain.amounts import yuan
from xinghe.domain.outputs import GuaranteePosition
from xinghe.domain.statement import Posting, Statement
from xinghe.export.spreadsheet import csv_text

WIDTH_WITHOUT_TERMINAL: Final = 160
COLUMNS: Final = (
    "campaign_id",
    "rule",
    "period",
    "amount_fen",
    "debit",
    "credit",
    "day",
    "state",
    "reversed_by",
    "journal_id",
    "basis",
)


def as_json(statement: Statement, position: GuaranteePosition | None) -> bytes:
    """The statement with all amounts in fen, and as ``guarantee`` where the newest one stands now, else null."""
    fields = {**msgspec.structs.asdict(statement), "guarantee": position}
    return msgspec.json.format(msgspec.json.encode(fields))


def as_csv(statement: Statement) -> str:
    """A line for each amount, in fen, after a line of names."""
    return csv_text(
        COLUMNS,
        (
            (
                statement.campaign_id,
                posting.rule,
                posting.period,
                posting.amount_fen,
                posting.debit,
                posting.credit,
                posting.day,
                _state(posting),
                posting.reversed_by,
                posting.journal_id,
                json.dumps(dict(posting.basis), ensure_ascii=False),
            )
            for posting in statement.postings
        ),
    )


def print_text(statement: Statement, position: GuaranteePosition | None) -> None:
    """Print the statement as tables, in yuan, as wide as the terminal, and where the newest guarantee stands now."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_WITHOUT_TERMINAL)
    head = (
        f"campaign {statement.campaign_id}, shop {statement.shop_id or 'unknown'}: {statement.entries:,} entries, "
        f"the last of {statement.last_day}"
    )
    # As text: an id may hold what rich would take for markup.
    console.print(Text(head, style="bold"))
    if position is not None:
        console.print(Text(guarantee_text(position)))
    for table in (_postings(statement), _owed(statement), _balances(statement)):
        console.print()
        console.print(table)


def guarantee_text(position: GuaranteePosition) -> str:
    """Where a guarantee stands, in a line."""
    first = f"guarantee of {position.first_day} to {position.last_observed_day}"
    if position.outcome is not None:
        return f"{first}: {position.outcome}. {position.outcome_reason}"
    if position.status == "settled":
        return f"{first}: settled"
    days = "1 day" if position.days_left == 1 else f"{position.days_left} days"
    return (
        f"{first}: {position.status}, {days} left until it is settled at the end of {position.settlement_day}; "
        f"now it would pay ¥{yuan(position.expected_payout_fen)}"
    )


def _state(posting: Posting) -> str:
    return "stands" if posting.reversed_by is None else "reversed"


def _postings(statement: Statement) -> Table:
    table = _table("booked", "rule", "period", "amount ¥", "debit", "credit", "booked for", "state")
    for posting in statement.postings:
        by = "" if posting.reversed_by is None else f" on {posting.reversed_by.rsplit('|', 1)[1]}"
        table.add_row(
            posting.rule,
            posting.period,
            yuan(posting.amount_fen),
            posting.debit,
            posting.credit,
            posting.day,
            f"{_state(posting)}{by}",
            style="dim" if by else "",
        )
    return table


def _owed(statement: Statement) -> Table:
    owed = statement.owed
    table = _table("who owes whom", "who", "whom", "as", "amount ¥")
    table.add_row("merchant", "platform", "cash", yuan(owed.merchant_cash_fen))
    table.add_row("platform", "merchant", "cash", yuan(owed.platform_cash_fen))
    table.add_row("platform", "merchant", "credit", yuan(owed.platform_credit_fen))
    return table


def _balances(statement: Statement) -> Table:
    table = _table("balances", "account", "debit less credit ¥")
    for account, balance_fen in statement.balances_fen.items():
        table.add_row(account, yuan(balance_fen))
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        header_style="bold",
        title=title,
        title_justify="left",
    )
    for heading in headings:
        # No column is cut: half a number would be a wrong number.
        table.add_column(heading, justify="right" if "¥" in heading else "left", no_wrap=True)
    return table
