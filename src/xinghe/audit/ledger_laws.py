"""The entries of the ledger, and the laws that they follow by themselves, whatever is due (ARCHITECTURE.md, R22)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from aiokafka import ConsumerRecord
from msgspec import Meta, Struct

from xinghe.audit.findings import Difference, Findings
from xinghe.audit.money import ACCOUNTS, GUARANTEE_CREDIT, GUARANTEE_DEBIT, RULES, DueKey, day_of_text
from xinghe.audit.record import Place
from xinghe.audit.redis_names import CAMPAIGN_PREFIX
from xinghe.domain.counted import day_start_ms

KIND: Final = "ledger"
LINES: Final = ([1, 2], [3, 4], [1, 2, 3, 4])
ACCOUNTS_OF: Final = {
    **{rule: [accounts] for rule, accounts in ACCOUNTS.items()},
    "guarantee": [(GUARANTEE_DEBIT, credit) for credit in GUARANTEE_CREDIT.values()],
}
"""Debit and credit that an amount of each rule may have."""

Wrong = tuple[str, str, Any, Any]
"""Where, field, expected, found."""


class Entry(Struct, frozen=True):
    """A line of the ledger as ``xinghe.ledger.entry.v1`` has it."""

    entry_id: str
    journal_id: str
    campaign_id: str
    shop_id: str | None
    number: int
    rule: Annotated[str, Meta(pattern=f"^({'|'.join(RULES)})$")]
    period: str
    day: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    time_ms: int
    line: Annotated[int, Meta(ge=1, le=4)]
    account: str
    amount_fen: int
    reverses: str | None
    basis: dict[str, Any] | None

    @property
    def key(self) -> DueKey:
        """What the amount is for."""
        return DueKey(self.rule, self.period)


_decode = msgspec.json.Decoder(Entry).decode


class Standing(NamedTuple):
    """The amount that stands for a rule and period, and the journal that booked it."""

    amount_fen: int
    debit: str
    credit: str
    journal_id: str


class FoundLedger:
    """The entries of each campaign in their order, about 1 KB each.

    ``booked_ms`` is, for each campaign, when the first entry of its last day was written, ``count`` how many entries there are.
    """

    def __init__(self) -> None:
        self.entries: dict[str, list[Entry]] = {}
        self.booked_ms: dict[str, int] = {}
        self.wrong: list[Difference] = []
        self.count = 0

    def add(self, record: ConsumerRecord) -> None:
        """Take one record; those of one campaign come in their order."""
        where = str(Place(record.topic, record.partition, record.offset))
        try:
            entry = _decode(record.value or b"")
            day_of_text(entry.day)
        except (msgspec.DecodeError, ValueError) as error:
            self.wrong.append(Difference(KIND, where, "value", "an entry", str(error)))
            return
        if record.key != entry.campaign_id.encode():
            self.wrong.append(Difference(KIND, where, "key", entry.campaign_id, repr(record.key)))
        entries = self.entries.setdefault(entry.campaign_id, [])
        if not entries or entries[-1].day != entry.day:
            self.booked_ms[entry.campaign_id] = record.timestamp
        entries.append(entry)
        self.count += 1


def compare_laws(found: FoundLedger, findings: Findings) -> None:
    """Look at the entries of every campaign by themselves."""
    for difference in found.wrong:
        findings.add(difference)
    for campaign_id, entries in sorted(found.entries.items()):
        findings.compared["ledger_entries"] += len(entries)
        for where, field, expected, value in unlawful(campaign_id, entries):
            findings.add(Difference(KIND, where, field, expected, value), campaign_id=campaign_id)


def compare_copies(found: FoundLedger, copies: Mapping[str, Mapping[str, str]], findings: Findings) -> None:
    """Compare the entries that the index has put into Redis, by number, with the topic; which of them are there is its own pace."""
    for campaign_id, copied in sorted(copies.items()):
        entries = {str(entry.number): entry for entry in found.entries.get(campaign_id, ())}
        findings.compared["ledger_copies"] += len(copied)
        for number, value in copied.items():
            try:
                copy: Entry | str = _decode(value)
            except msgspec.DecodeError as error:
                copy = str(error)
            if copy != (expected := entries.get(number)):
                where = f"{CAMPAIGN_PREFIX}{campaign_id}:ledger"
                findings.add(Difference("redis", where, number, expected, copy), campaign_id=campaign_id)


def standing_of(entries: Sequence[Entry]) -> dict[DueKey, Standing]:
    """What stands once all journals are booked, one after the other."""
    standing: dict[DueKey, Standing] = {}
    for _, lines in groupby(entries, key=lambda entry: entry.journal_id):
        by_line = {entry.line: entry for entry in lines}
        key = next(iter(by_line.values())).key
        new = _new_amount(by_line)
        if new is not None:
            standing[key] = new
        else:
            standing.pop(key, None)
    return standing


def _new_amount(by_line: Mapping[int, Entry]) -> Standing | None:
    if 1 not in by_line or 2 not in by_line:
        return None
    debit, credit = by_line[1], by_line[2]
    return Standing(debit.amount_fen, debit.account, credit.account, debit.journal_id)


def unlawful(campaign_id: str, entries: Sequence[Entry]) -> Iterator[Wrong]:
    """What is wrong with the entries of a campaign by themselves, whatever is due."""
    for number, entry in enumerate(entries, 1):
        yield from _wrong_entry(campaign_id, number, entry)
    standing: dict[DueKey, Standing] = {}
    last_place: tuple[Any, ...] = ()
    for journal_id, group in groupby(entries, key=lambda entry: entry.journal_id):
        lines = list(group)
        key = lines[0].key
        place = (lines[0].day, *key.place)
        if place <= last_place:
            yield journal_id, "place", "after the journal before, by day, rule and period", "before it"
        last_place = place
        yield from _wrong_journal(journal_id, lines, standing.get(key))
        new = _new_amount({entry.line: entry for entry in lines})
        if new is None:
            standing.pop(key, None)
        else:
            standing[key] = new


def _wrong_entry(campaign_id: str, number: int, entry: Entry) -> Iterator[Wrong]:
    journal_id = f"{campaign_id}|{entry.rule}|{entry.period}|{entry.day}"
    expected = {
        "journal_id": journal_id,
        "entry_id": f"{journal_id}|{entry.line}",
        "number": number,
        "time_ms": day_start_ms(day_of_text(entry.day) + 1),
    }
    for field, value in expected.items():
        if getattr(entry, field) != value:
            yield entry.entry_id, field, value, getattr(entry, field)
    if (entry.basis is not None) != (entry.line <= 2):
        yield entry.entry_id, "basis", "figures" if entry.line <= 2 else None, entry.basis


def _wrong_journal(journal_id: str, lines: Sequence[Entry], stands: Standing | None) -> Iterator[Wrong]:
    """A journal posts a new amount, takes back all that stood before, or both."""
    numbers = [entry.line for entry in lines]
    if numbers not in LINES:
        yield journal_id, "lines", "1 and 2, 3 and 4, or all four", numbers
        return
    if sum(entry.amount_fen for entry in lines) != 0:
        yield journal_id, "sum", 0, sum(entry.amount_fen for entry in lines)
    expected: list[tuple[str, int, str | None]] = []
    new = _new_amount({entry.line: entry for entry in lines})
    if new is not None:
        accounts = ACCOUNTS_OF[lines[0].rule]
        if (new.debit, new.credit) not in accounts:
            yield journal_id, "accounts", accounts, (new.debit, new.credit)
        if new.amount_fen <= 0:
            yield journal_id, "amount_fen", "above 0", new.amount_fen
        expected += [(new.debit, new.amount_fen, None), (new.credit, -new.amount_fen, None)]
        if stands is not None and new[:3] == stands[:3]:
            yield journal_id, "amount_fen", "another one than stands already", new.amount_fen
    if stands is not None:
        expected += [
            (stands.credit, stands.amount_fen, stands.journal_id),
            (stands.debit, -stands.amount_fen, stands.journal_id),
        ]
    found = [(entry.account, entry.amount_fen, entry.reverses) for entry in lines]
    if found != expected:
        yield journal_id, "entries", expected, found
