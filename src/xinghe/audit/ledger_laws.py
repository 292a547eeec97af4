"""The laws of a ledger, checked on its entries alone, and what stands in it against what should (ARCHITECTURE.md, R22)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from xinghe.domain.outputs import LedgerEntry

Key = tuple[str, str]
"""Rule and period."""


class Standing(NamedTuple):
    """An amount due and its accounts."""

    amount_fen: int
    debit: str
    credit: str


def broken_laws(campaign_id: str, entries: Sequence[LedgerEntry]) -> Iterator[str]:
    """What is wrong with the entries of a campaign, in their order, a sentence each."""
    yield from _wrong_entries(campaign_id, entries)
    stands: dict[Key, list[LedgerEntry]] = {}
    for journal_id, group in groupby(entries, key=lambda entry: entry.journal_id):
        lines = list(group)
        key = (lines[0].rule, lines[0].period)
        yield from _wrong_journal(journal_id, lines)
        yield from _wrong_reversal(journal_id, lines, stands.get(key, []))
        stands[key] = [line for line in lines if line.line in {1, 2}]


def standing(entries: Sequence[LedgerEntry]) -> dict[Key, Standing]:
    """What stands for each rule and period after all entries."""
    stands: dict[Key, Standing] = {}
    for _, group in groupby(entries, key=lambda entry: entry.journal_id):
        lines = {entry.line: entry for entry in group}
        entry = next(iter(lines.values()))
        if 1 in lines and 2 in lines:
            stands[entry.rule, entry.period] = Standing(
                lines[1].amount_fen, lines[1].account, lines[2].account
            )
        else:
            stands.pop((entry.rule, entry.period), None)
    return stands


def unequal(entries: Sequence[LedgerEntry], recomputed: Mapping[Key, Standing]) -> Iterator[str]:
    """Where what stands in a campaign's ledger is not what a recomputation from the source topics says, a sentence each."""
    stands = standing(entries)
    for key in sorted(stands.keys() | recomputed.keys()):
        if stands.get(key) != recomputed.get(key):
            rule, period = key
            yield f"{rule} {period}: {_told(stands.get(key))} is booked, {_told(recomputed.get(key))} is due"


def _told(of: Standing | None) -> str:
    return "nothing" if of is None else f"{of.amount_fen} fen from {of.debit} to {of.credit}"


def _wrong_entries(campaign_id: str, entries: Sequence[LedgerEntry]) -> Iterator[str]:
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        journal_id = f"{campaign_id}|{entry.rule}|{entry.period}|{entry.day}"
        if entry.campaign_id != campaign_id:
            yield f"{entry.entry_id}: is of campaign {entry.campaign_id}, found under the key of {campaign_id}"
        if entry.number != number:
            yield f"{entry.entry_id}: has number {entry.number}, must have {number}"
        if entry.journal_id != journal_id:
            yield f"{entry.entry_id}: has journal_id {entry.journal_id}, must have {journal_id}"
        if entry.entry_id != f"{journal_id}|{entry.line}":
            yield f"{entry.entry_id}: must have the entry_id {journal_id}|{entry.line}"
        if entry.entry_id in seen:
            yield f"{entry.entry_id}: is there twice"
        seen.add(entry.entry_id)


def _wrong_journal(journal_id: str, lines: Sequence[LedgerEntry]) -> Iterator[str]:
    if [line.line for line in lines] not in ([1, 2], [3, 4], [1, 2, 3, 4]):
        yield f"{journal_id}: has lines {[line.line for line in lines]}, must have 1 and 2, 3 and 4, or all four"
    difference_fen = sum(line.amount_fen for line in lines)
    if difference_fen:
        yield f"{journal_id}: does not balance, debits less credits are {difference_fen} fen"
    for line in lines:
        if (line.amount_fen > 0) != (line.line in {1, 3}):
            side = "a debit, above 0" if line.line in {1, 3} else "a credit, below 0"
            yield f"{line.entry_id}: has {line.amount_fen} fen, but is {side}"


def _wrong_reversal(
    journal_id: str, lines: Sequence[LedgerEntry], stands: Sequence[LedgerEntry]
) -> Iterator[str]:
    """``stands`` are the lines 1 and 2 of the journal that stood before, none where nothing did."""
    must = ", ".join(sorted({line.journal_id for line in stands})) or "nothing"
    reversal = [line for line in lines if line.line in {3, 4}]
    found = ", ".join(sorted({str(line.reverses) for line in reversal})) or "nothing"
    if found != must:
        yield f"{journal_id}: reverses {found}, must reverse what stood: {must}"
    elif [(line.account, -line.amount_fen) for line in reversed(reversal)] != [
        (line.account, line.amount_fen) for line in stands
    ]:
        yield f"{journal_id}: does not take back the amounts of {must}"
