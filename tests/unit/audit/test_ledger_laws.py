"""Each law of the ledger is found broken where it is, and ``xinghe ledger verify`` says so."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from tests.books import Bookkeeper
from tests.unit.domain.test_statement import entries_of_november
from xinghe.audit.ledger_laws import Standing, broken_laws, standing, unequal
from xinghe.cli import main
from xinghe.commands import ledger
from xinghe.domain.outputs import LedgerEntry

ENTRIES = entries_of_november()
FIRST = "c1|spend|2026-11-01|2026-11-01"
SECOND = "c1|spend|2026-11-01|2026-11-02"


def changed(index: int, **fields: Any) -> list[LedgerEntry]:
    entries = list(ENTRIES)
    entries[index] = msgspec.structs.replace(entries[index], **fields)
    return entries


def without(*indices: int) -> list[LedgerEntry]:
    left = [entry for index, entry in enumerate(ENTRIES) if index not in indices]
    return [msgspec.structs.replace(entry, number=number) for number, entry in enumerate(left, 1)]


def test_books_in_order_break_no_law() -> None:
    assert list(broken_laws("c1", ENTRIES)) == []
    assert list(broken_laws("c1", Bookkeeper().entries)) == []


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (
            changed(6, amount_fen=91),
            ["c1|guarantee|2026-11-01+7d|2026-11-07: does not balance, debits less credits are -659 fen"],
        ),
        (changed(1, number=3), [f"{FIRST}|2: has number 3, must have 2"]),
        (
            without(2),
            [
                f"{SECOND}: has lines [2, 3, 4], must have 1 and 2, 3 and 4, or all four",
                f"{SECOND}: does not balance, debits less credits are -900 fen",
            ],
        ),
        (changed(0, entry_id="x"), [f"x: must have the entry_id {FIRST}|1"]),
        (changed(0, campaign_id="c2"), [f"{FIRST}|1: is of campaign c2, found under the key of c1"]),
        (
            changed(4, reverses="c1|spend|x"),
            [f"{SECOND}: reverses {FIRST}, c1|spend|x, must reverse what stood: {FIRST}"],
        ),
        (without(0, 1), [f"{SECOND}: reverses {FIRST}, must reverse what stood: nothing"]),
        (without(4, 5), [f"{SECOND}: reverses nothing, must reverse what stood: {FIRST}"]),
        (changed(4, account="merchant:cash"), [f"{SECOND}: does not take back the amounts of {FIRST}"]),
    ],
)
def test_a_broken_law_is_named(entries: list[LedgerEntry], expected: list[str]) -> None:
    assert list(broken_laws("c1", entries)) == expected


def test_a_journal_id_is_that_of_its_day() -> None:
    moved = [msgspec.structs.replace(entry, day="2026-11-03") for entry in ENTRIES[:2]]
    assert f"{FIRST}|1: has journal_id {FIRST}, must have c1|spend|2026-11-01|2026-11-03" in list(
        broken_laws("c1", moved)
    )


def test_sides_have_their_signs_and_ids_come_once() -> None:
    turned = [msgspec.structs.replace(e, amount_fen=-e.amount_fen) for e in ENTRIES[:2]]
    assert list(broken_laws("c1", turned)) == [
        f"{FIRST}|1: has -700 fen, but is a debit, above 0",
        f"{FIRST}|2: has 700 fen, but is a credit, below 0",
    ]
    assert f"{FIRST}|1: is there twice" in list(broken_laws("c1", [*ENTRIES, ENTRIES[0]]))


def test_what_stands_is_compared_with_a_recomputation() -> None:
    stands = standing(ENTRIES)
    assert stands["spend", "2026-11-01"] == Standing(900, "merchant:ad_expense", "platform:ad_revenue")
    assert list(unequal(ENTRIES, stands)) == []
    other = {**stands, ("spend", "2026-11-01"): Standing(901, "merchant:ad_expense", "platform:ad_revenue")}
    del other["share", "2026-11"]
    ad = "from merchant:ad_expense to platform:ad_revenue"
    commission = "from merchant:commission_expense to platform:commission_revenue"
    assert list(unequal(ENTRIES, other)) == [
        f"share 2026-11: 500 fen {commission} is booked, nothing is due",
        f"spend 2026-11-01: 900 fen {ad} is booked, 901 fen {ad} is due",
    ]


class Record:
    """A record of the topic, as far as it is read."""

    def __init__(self, entry: LedgerEntry) -> None:
        self.key, self.value = b"c1", msgspec.json.encode(entry)


@pytest.mark.parametrize(
    ("entries", "exit_code", "out"),
    [(ENTRIES, 0, ""), (changed(1, number=3), 1, f"{FIRST}|2: has number 3, must have 2\n")],
)
def test_verify_ends_with_1_and_a_line_for_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, entries: list[LedgerEntry], exit_code: int, out: str
) -> None:
    async def ledger_records(bootstrap: str, campaign_id: str | None) -> list[Record]:
        assert (bootstrap, campaign_id) == ("k:1", None)
        return [Record(entry) for entry in entries]

    monkeypatch.setattr(ledger, "ledger_records", ledger_records)
    result = CliRunner().invoke(main, ["ledger", "verify", "--kafka-bootstrap-servers", "k:1"])
    assert (result.exit_code, result.stdout) == (exit_code, out)
    assert result.stderr == f"ledger: 14 entries of 1 campaigns, {exit_code} things wrong\n"
