"""Filtering and sorting of books and their lines, for the API, the pages and the files alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Literal, get_args

from xinghe.dashboard.books import Books
from xinghe.dashboard.parameters import Parameter
from xinghe.domain.ledger import RULES
from xinghe.domain.outputs import Account, LedgerEntry
from xinghe.export.column import Column

ACCOUNTS: Final[tuple[str, ...]] = get_args(Account)
OWED: Final = ("merchant_cash_fen", "platform_cash_fen", "platform_credit_fen")
_SORTS: Final = ("campaign_id", "last_day", "entries", "expected_payout_fen", *OWED, *ACCOUNTS)
SORT: Final = Parameter(
    "sort",
    "What to sort by, the smallest first; with - before it the largest. What is unknown comes last.",
    "-merchant_cash_fen",
    choices=tuple(sign + name for name in _SORTS for sign in ("", "-")),
)
AS_OF: Final = Parameter(
    "as_of", "Only what was booked up to this day of Asia/Shanghai, as 2026-11-24.", is_date=True
)
RULE: Final = Parameter("rule", "Only lines of this rule.", "all", choices=("all", *RULES))
ACCOUNT: Final = Parameter("account", "Only lines of this account.", "all", choices=("all", *ACCOUNTS))
FROM_DAY: Final = Parameter("from_day", "Only what was booked for this day or later.", is_date=True)
TO_DAY: Final = Parameter("to_day", "Only what was booked for this day or earlier.", is_date=True)
FILTER: Final = (RULE, ACCOUNT, FROM_DAY, TO_DAY)

Part = Literal["amount", "new_amount", "reversal"]
"""What a line is: of an amount due; of one that takes the place of another; of the reversal of that."""

COLUMNS: Final = (
    Column("campaign_id", "text"),
    Column("number", "whole"),
    Column("day", "text"),
    Column("rule", "text"),
    Column("period", "text"),
    Column("account", "text"),
    Column("amount_fen", "whole"),
    Column("part", "text"),
    Column("reverses", "text"),
    Column("journal_id", "text"),
    Column("entry_id", "text"),
    Column("time_ms", "whole"),
)
"""Of a line of the ledger as a file has it."""


def lines(
    entries: Iterable[LedgerEntry],
    *,
    rule: str,
    account: str,
    from_day: str | None,
    to_day: str | None,
) -> list[LedgerEntry]:
    """The entries that fit, in their order."""
    return [
        entry
        for entry in entries
        if rule in {"all", entry.rule}
        and account in {"all", entry.account}
        and (from_day is None or from_day <= entry.day)
        and (to_day is None or entry.day <= to_day)
    ]


def corrections(entries: Iterable[LedgerEntry]) -> set[str]:
    """The ids of the journals that reverse another one."""
    return {entry.journal_id for entry in entries if entry.reverses is not None}


def part_of(entry: LedgerEntry, correcting: Collection[str]) -> Part:
    """What a line is; ``correcting`` are the `corrections` of its whole ledger."""
    if entry.reverses is not None:
        return "reversal"
    return "new_amount" if entry.journal_id in correcting else "amount"


def row(entry: LedgerEntry, correcting: Collection[str]) -> tuple[Any, ...]:
    """A line as a file has it, in the order of `COLUMNS`."""
    return (
        entry.campaign_id,
        entry.number,
        entry.day,
        entry.rule,
        entry.period,
        entry.account,
        entry.amount_fen,
        part_of(entry, correcting),
        entry.reverses,
        entry.journal_id,
        entry.entry_id,
        entry.time_ms,
    )


def listed(books: Sequence[Books], sort: str) -> list[Books]:
    """The books in order; equal ones by campaign, those without the figure last."""
    name, is_descending = sort.removeprefix("-"), sort.startswith("-")
    by_id = sorted(books, key=lambda each: each.campaign_id)
    known = [(value, each) for each in by_id if (value := _figure(each, name)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=is_descending)
    return [each for _, each in known] + [each for each in by_id if _figure(each, name) is None]


def _figure(books: Books, name: str) -> Any:
    if name in ACCOUNTS:
        return books.balances_fen.get(name)
    return getattr(books.owed if name in OWED else books, name)
