"""Each law of the ledger is found broken where it is, and ``xinghe ledger verify`` says so."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiokafka import ConsumerRecord
from click.testing import CliRunner

from tests.books import Bookkeeper
from tests.unit.domain.test_statement import entries_of_november
from xinghe.audit import verify_ledger
from xinghe.audit.findings import Findings
from xinghe.audit.journey import Limits
from xinghe.audit.ledger_laws import (
    Entry,
    FoundLedger,
    Standing,
    compare_copies,
    compare_laws,
    standing_of,
    unlawful,
)
from xinghe.cli import main
from xinghe.commands import lag, ledger
from xinghe.domain.events import LEDGER_ENTRY
from xinghe.domain.outputs import LedgerEntry

ENTRIES = entries_of_november()
FIRST = "c1|spend|2026-11-01|2026-11-01"
SECOND = "c1|spend|2026-11-01|2026-11-02"
GUARANTEE = "c1|guarantee|2026-11-01+7d|2026-11-07"
Law = tuple[str, str]
"""Where, and which field is wrong."""


def as_read(entries: list[LedgerEntry]) -> list[Entry]:
    return [msgspec.json.decode(msgspec.json.encode(entry), type=Entry) for entry in entries]


def broken(entries: list[LedgerEntry], campaign_id: str = "c1") -> list[Law]:
    return [(where, field) for where, field, _, _ in unlawful(campaign_id, as_read(entries))]


def changed(index: int, **fields: Any) -> list[LedgerEntry]:
    entries = list(ENTRIES)
    entries[index] = msgspec.structs.replace(entries[index], **fields)
    return entries


def without(*indices: int) -> list[LedgerEntry]:
    left = [entry for index, entry in enumerate(ENTRIES) if index not in indices]
    return [msgspec.structs.replace(entry, number=number) for number, entry in enumerate(left, 1)]


def test_books_in_order_break_no_law() -> None:
    assert broken(ENTRIES) == []
    assert broken(Bookkeeper().entries) == []


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (changed(6, amount_fen=91), [(GUARANTEE, "sum"), (GUARANTEE, "entries")]),
        (changed(1, number=3), [(f"{FIRST}|2", "number")]),
        (without(2), [(SECOND, "lines")]),
        (changed(0, entry_id="x"), [("x", "entry_id")]),
        (changed(4, reverses="c1|spend|x"), [(SECOND, "entries")]),
        (without(0, 1), [(SECOND, "entries")]),
        (without(4, 5), [(SECOND, "entries")]),
        (changed(4, account="merchant:cash"), [(SECOND, "entries")]),
        (changed(0, basis=None), [(f"{FIRST}|1", "basis")]),
        (changed(0, time_ms=5), [(f"{FIRST}|1", "time_ms")]),
    ],
)
def test_a_broken_law_is_named(entries: list[LedgerEntry], expected: list[Law]) -> None:
    assert broken(entries) == expected


def test_entries_are_those_of_their_campaign_and_day() -> None:
    assert (f"{FIRST}|1", "journal_id") in broken(ENTRIES, "c2")
    moved = [msgspec.structs.replace(entry, day="2026-11-03") for entry in ENTRIES[:2]]
    assert (f"{FIRST}|1", "journal_id") in broken(moved)


def test_sides_have_their_signs_and_ids_come_once() -> None:
    turned = [msgspec.structs.replace(e, amount_fen=-e.amount_fen) for e in ENTRIES[:2]]
    assert broken(turned) == [(FIRST, "amount_fen")]
    assert (f"{FIRST}|1", "number") in broken([*ENTRIES, ENTRIES[0]])


def test_what_stands_is_what_was_booked_last() -> None:
    standing = standing_of(as_read(ENTRIES))
    accounts = "merchant:ad_expense", "platform:ad_revenue"
    assert {key: stands for key, stands in standing.items() if key.rule == "spend"} == {
        ("spend", "2026-11-01"): Standing(900, *accounts, SECOND)
    }


def found_of(entries: list[LedgerEntry]) -> FoundLedger:
    found = FoundLedger()
    for offset, entry in enumerate(entries):
        value = msgspec.json.encode(entry)
        found.add(ConsumerRecord(LEDGER_ENTRY, 0, offset, 0, 1, b"c1", value, None, 2, len(value), ()))
    return found


def found_and_findings(entries: list[LedgerEntry]) -> tuple[FoundLedger, Findings]:
    found, findings = found_of(entries), Findings()
    compare_laws(found, findings)
    return found, findings


def test_a_copy_in_redis_is_the_entry_of_its_number() -> None:
    found, copies = found_of(ENTRIES), {str(e.number): msgspec.json.encode(e).decode() for e in ENTRIES[:4]}
    for wrong, numbers in (
        ({}, []),
        ({"2": copies["1"]}, ["2"]),
        ({"99": copies["1"]}, ["99"]),
        ({"1": "{}"}, ["1"]),
    ):
        findings = Findings()
        compare_copies(found, {"c1": copies | wrong}, findings)
        assert [each.field for each in findings.shown] == numbers
        assert findings.compared["ledger_copies"] >= 4


@pytest.mark.parametrize("entries_only", [True, False])
@pytest.mark.parametrize(
    ("entries", "exit_code", "out"),
    [(ENTRIES, 0, ""), (changed(1, number=3), 1, f"ledger: {FIRST}|2: number: expected 2, found 3\n")],
)
def test_verify_ends_with_1_and_a_line_for_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
    entries: list[LedgerEntry],
    exit_code: int,
    out: str,
    *,
    entries_only: bool,
) -> None:
    async def nothing(*_: Any, **__: Any) -> None:
        pass

    async def verify_entries(options: Any, campaign_id: str | None, _: int) -> tuple[FoundLedger, Findings]:
        assert entries_only
        assert (options["bootstrap_servers"], campaign_id) == ("k:1", "c1")
        return found_and_findings(entries)

    async def verify_all(
        options: Any, campaign_id: str | None, limits: Limits, *_: Any
    ) -> tuple[FoundLedger, Findings]:
        assert not entries_only
        assert (options["bootstrap_servers"], campaign_id, limits.journey_events_max) == ("k:1", "c1", 2_000)
        return found_and_findings(entries)

    monkeypatch.setattr(ledger, "wait_for_kafka", nothing)
    monkeypatch.setattr(lag, "wait_until_processed", nothing)
    monkeypatch.setattr(verify_ledger, "verify_entries", verify_entries)
    monkeypatch.setattr(verify_ledger, "verify_ledger", verify_all)
    flags = ["--entries-only"] if entries_only else []
    result = CliRunner().invoke(main, ["ledger", "verify", "c1", *flags, "--kafka-bootstrap-servers", "k:1"])
    assert (result.exit_code, result.stdout) == (exit_code, out)
    assert result.stderr == f"ledger: 14 entries of 1 campaigns, {exit_code} things wrong\n"
