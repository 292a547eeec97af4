"""Filtering and sorting of books and ledger lines."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from starlette.datastructures import QueryParams

from tests.unit.domain.test_statement import entries_of_november
from xinghe.dashboard import settlement
from xinghe.dashboard.books import Books
from xinghe.dashboard.parameters import ParameterError, values
from xinghe.dashboard.settlement_page import (
    LIST_PARAMETERS,
    PARAMETERS,
    by_rule,
    headings,
    newest_first,
    sums,
)
from xinghe.domain.statement import Owed, booked_by, statement_of

ENTRIES = entries_of_november()
ALL: dict[str, Any] = {"rule": "all", "account": "all", "from_day": None, "to_day": None}


def books(campaign_id: str, **changes: Any) -> Books:
    return replace(Books(campaign_id, "s1", 2, "2026-11-01", {}, Owed(0, 0, 0)), **changes)


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ({}, list(range(1, 15))),
        ({"rule": "clawback"}, [13, 14]),
        ({"account": "merchant:cash"}, [8]),
        ({"rule": "spend", "account": "platform:ad_revenue"}, [2, 4, 5]),
        ({"from_day": "2026-11-02", "to_day": "2026-11-02"}, [3, 4, 5, 6]),
        ({"to_day": "2026-10-31"}, []),
    ],
)
def test_lines_that_fit(given: dict[str, Any], numbers: list[int]) -> None:
    assert [entry.number for entry in settlement.lines(ENTRIES, **{**ALL, **given})] == numbers


def test_a_line_says_whether_it_corrects() -> None:
    correcting = settlement.corrections(ENTRIES)
    parts = [settlement.part_of(entry, correcting) for entry in ENTRIES]
    assert parts == ["amount"] * 2 + ["new_amount"] * 2 + ["reversal"] * 2 + ["amount"] * 8
    # Also where the filter leaves the reversal out.
    credits_ = settlement.lines(ENTRIES, **{**ALL, "account": "platform:ad_revenue"})
    assert [settlement.part_of(entry, correcting) for entry in credits_] == [
        "amount",
        "new_amount",
        "reversal",
    ]


def test_a_row_has_a_cell_for_each_column() -> None:
    correcting = settlement.corrections(ENTRIES)
    for entry in ENTRIES:
        row = dict(zip((c.name for c in settlement.COLUMNS), settlement.row(entry, correcting), strict=True))
        assert row["amount_fen"] == entry.amount_fen
        assert row["entry_id"] == entry.entry_id
        assert (row["part"] == "reversal") == (row["reverses"] is not None)


def test_the_newest_journal_is_first_with_its_lines_in_order() -> None:
    days = [(entry.day, entry.line) for entry in newest_first(ENTRIES)]
    assert days[:2] == [("2026-12-03", 1), ("2026-12-03", 2)]
    assert days[-6:] == [
        *(("2026-11-02", line) for line in (1, 2, 3, 4)),
        ("2026-11-01", 1),
        ("2026-11-01", 2),
    ]


def test_the_sum_of_a_rule_is_of_what_stands() -> None:
    rules = {each.rule: each for each in by_rule(statement_of(ENTRIES).postings)}
    assert list(rules) == ["spend", "match", "share", "clawback", "guarantee"]
    spend = rules["spend"]
    assert (len(spend.postings), spend.standing, spend.standing_fen) == (2, 1, 900)
    first = by_rule(statement_of(booked_by(ENTRIES, "2026-11-01")).postings)
    assert [(each.rule, each.standing_fen) for each in first] == [("spend", 700)]


def test_books_are_sorted_by_any_figure_and_the_unknown_comes_last() -> None:
    rows = [
        books("b", entries=4, balances_fen={"merchant:cash": -5}, owed=Owed(1, 5, 0)),
        books("a", entries=4, expected_payout_fen=0),
        books("c", entries=9, balances_fen={"merchant:cash": -9}, owed=Owed(3, 9, 0)),
    ]

    def ids(sort: str) -> str:
        return "".join(each.campaign_id for each in settlement.listed(rows, sort))

    assert ids("campaign_id") == "abc"
    assert ids("-campaign_id") == "cba"
    assert ids("entries") == "abc"
    assert ids("-entries") == "cab"
    assert ids("merchant:cash") == "cba"
    assert ids("-merchant:cash") == "bca"
    assert ids("-platform_cash_fen") == "cba"
    assert ids("expected_payout_fen") == "abc"
    for sort in settlement.SORT.choices:
        assert sorted(ids(sort)) == ["a", "b", "c"]
    assert sums(rows)["expected_payout_fen"] == 0
    assert sums(rows[:1])["expected_payout_fen"] is None
    assert sums(rows)["merchant_cash_fen"] == 4


def test_a_second_click_on_a_heading_turns_the_order() -> None:
    given = values(LIST_PARAMETERS, QueryParams({"sort": "-entries"}))
    found = {heading.name: heading for heading in headings(given)}
    assert (found["entries"].href, found["entries"].sorted) == ("/settlement?sort=entries", "descending")
    assert found["campaign_id"].href == "/settlement?sort=campaign_id"
    assert found["merchant_cash_fen"].href == "/settlement"


@pytest.mark.parametrize("day", ["2026-02-30", "20261101", "yesterday", "2026-11-01T00"])
def test_a_day_that_is_none_is_told(day: str) -> None:
    with pytest.raises(ParameterError, match=r"as_of must be a date such as 2026-11-24"):
        values(PARAMETERS, QueryParams({"as_of": day}))


def test_an_empty_field_of_a_form_is_no_day() -> None:
    assert values(PARAMETERS, QueryParams({"as_of": "", "from_day": "2026-11-01"}))["as_of"] is None
