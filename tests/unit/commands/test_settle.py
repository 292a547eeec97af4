"""``xinghe settle``: the statement as text, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from tests.contract.schemas.test_golden import GOLDEN
from tests.unit.domain.test_statement import entries_of_november
from xinghe.commands import settle
from xinghe.commands.statement_text import as_csv, guarantee_text
from xinghe.domain.events import GUARANTEE_POSITION
from xinghe.domain.outputs import GuaranteePosition, LedgerEntry
from xinghe.domain.statement import statement_of
from xinghe.export.spreadsheet import harmless


class Record:
    """A record of the topic, as far as it is read."""

    topic, partition, offset = "xinghe.ledger.entry.v1", 0, 7

    def __init__(self, value: bytes) -> None:
        self.value = value


POSITION = msgspec.json.decode(
    (GOLDEN / GUARANTEE_POSITION / "void.json").read_bytes(), type=GuaranteePosition
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command on entries instead of a topic."""

    def invoke(values: list[bytes], *arguments: str) -> Any:
        async def ledger_records(bootstrap: str, campaign_id: str) -> list[Record]:
            assert (bootstrap, campaign_id) == ("127.0.0.1:9092", "c1")
            return [Record(value) for value in values]

        async def last_position(bootstrap: str, campaign_id: str) -> GuaranteePosition:
            assert (bootstrap, campaign_id) == ("127.0.0.1:9092", "c1")
            return POSITION

        monkeypatch.setattr(settle, "ledger_records", ledger_records)
        monkeypatch.setattr(settle, "last_position", last_position)
        return CliRunner().invoke(
            settle.command, ["c1", "--kafka-bootstrap-servers", "127.0.0.1:9092", *arguments]
        )

    return invoke


VALUES = [msgspec.json.encode(entry) for entry in entries_of_november()]


def test_text_shows_yuan_what_was_reversed_and_who_owes_whom(run: Any) -> None:
    result = run(VALUES)
    assert result.exit_code == 0, result.output
    assert result.stderr == f"settle: {len(VALUES)} entries\n"
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "campaign c1, shop s1: 14 entries, the last of 2026-12-03" in lines
    assert (
        "spend 2026-11-01 7.00 merchant:ad_expense platform:ad_revenue 2026-11-01 reversed on 2026-11-02"
        in lines
    )
    assert "spend 2026-11-01 9.00 merchant:ad_expense platform:ad_revenue 2026-11-02 stands" in lines
    assert [line for line in lines if line.startswith(("merchant platform", "platform merchant"))] == [
        "merchant platform cash 13.00",
        "platform merchant cash 7.50",
        "platform merchant credit 0.90",
    ]
    assert "platform:ad_revenue -9.00" in lines


def test_as_of_leaves_out_what_was_booked_later(run: Any) -> None:
    result = run(VALUES, "--as-of", "2026-11-01", "--format", "json")
    statement = json.loads(result.stdout)
    assert [(p["amount_fen"], p["reversed_by"]) for p in statement["postings"]] == [(700, None)]
    assert statement["owed"] == {"merchant_cash_fen": 700, "platform_cash_fen": 0, "platform_credit_fen": 0}


def test_it_says_where_the_newest_guarantee_stands_now(run: Any) -> None:
    void = (
        "guarantee of 2026-11-10 to 2026-11-12: void. 3 edits of the target on 2026-11-11, at most 2 a day allowed: "
        "void since 2026-11-11 10:05."
    )
    assert void in run(VALUES).stdout
    assert "guarantee of" not in run(VALUES, "--as-of", "2026-12-31").stdout, "it is that of now"
    assert json.loads(run(VALUES, "--format", "json").stdout)["guarantee"]["outcome"] == "void"
    assert json.loads(run(VALUES, "--format", "json", "--as-of", "2026-12-31").stdout)["guarantee"] is None
    running = msgspec.structs.replace(POSITION, outcome=None, expected_payout_fen=12_345)
    assert guarantee_text(running) == (
        "guarantee of 2026-11-10 to 2026-11-12: observing, 3 days left until it is settled at the end of 2026-11-14; "
        "now it would pay ¥123.45"
    )


def test_csv_has_a_byte_order_mark_and_fen(run: Any) -> None:
    result = run(VALUES, "--format", "csv")
    assert result.stdout_bytes.startswith(b"\xef\xbb\xbfcampaign_id,rule,period,amount_fen,")
    rows = list(csv.DictReader(io.StringIO(result.stdout.removeprefix("\ufeff"))))
    assert [(row["rule"], row["amount_fen"], row["state"]) for row in rows[:2]] == [
        ("spend", "700", "reversed"),
        ("spend", "900", "stands"),
    ]
    assert json.loads(rows[1]["basis"]) == {"spend_fen": 900, "hours_reported": 1}


@pytest.mark.parametrize("campaign_id", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\uff1d1"])
def test_no_text_of_the_csv_is_a_formula(campaign_id: str) -> None:
    journal_id = f"{campaign_id}|spend|2026-11-01|2026-11-01"
    entries: list[LedgerEntry] = [
        msgspec.structs.replace(entry, campaign_id=campaign_id, journal_id=journal_id)
        for entry in entries_of_november()[:2]
    ]
    _, row = csv.reader(io.StringIO(as_csv(statement_of(entries)).removeprefix("\ufeff")))
    assert row[0] == f"'{campaign_id}"
    assert row[9] == f"'{journal_id}"


def test_a_quote_or_a_comma_stays_in_its_cell() -> None:
    assert harmless('a",b') == 'a",b'
    entries = [msgspec.structs.replace(entry, campaign_id='a",=b') for entry in entries_of_november()[:2]]
    _, row = csv.reader(io.StringIO(as_csv(statement_of(entries)).removeprefix("\ufeff")))
    assert row[0] == 'a",=b'


def test_an_unknown_campaign_is_said(run: Any) -> None:
    result = run([])
    assert result.exit_code == 1
    assert "nothing is booked for campaign c1. See that the id is right" in result.stderr
    assert result.stdout == ""
    assert "up to 2026-10-31" in run(VALUES, "--as-of", "2026-10-31").stderr


def test_a_record_that_is_no_entry_is_named(run: Any) -> None:
    result = run([*VALUES, b"{}"])
    assert result.exit_code == 1
    assert "the record at xinghe.ledger.entry.v1-0@7 is not what this version knows" in result.stderr
