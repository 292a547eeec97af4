"""Spend matches, by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.books import facts, ordered, report, setting
from xinghe.domain.counted import day_start_ms
from xinghe.domain.dates import day_of
from xinghe.domain.due import Due
from xinghe.domain.money_facts import MoneyFacts
from xinghe.domain.spend_match import match_fen, matches_due
from xinghe.domain.terms import SpendMatch

START_MS = day_start_ms(day_of("2026-11-01")) + 5_000
MATCH = SpendMatch(START_MS, 7, 10, 2, threshold_fen=100_000, orders_min=2, cap_fen=15_000)
"""Periods 1 to 7, 8 to 14 ... November, each settled on the second day after."""


def due(known: MoneyFacts, date: str) -> list[tuple[str, int]]:
    return [(each.period, each.amount_fen) for each in matches_due(known, day_of(date))]


@pytest.mark.parametrize(
    ("spend_fen", "orders", "expected"),
    [
        (99_999, 2, []),
        (100_000, 2, [10_000]),
        (100_009, 2, [10_000]),
        (100_010, 2, [10_001]),
        (149_999, 2, [14_999]),
        (150_000, 2, [15_000]),
        (900_000, 2, [15_000]),
        (100_000, 1, []),
    ],
)
def test_threshold_rounding_and_cap(spend_fen: int, orders: int, expected: list[int]) -> None:
    known = facts(
        [setting("2026-11-01", spend_match=MATCH)],
        [report("2026-11-01", 0, 1), report("2026-11-07", 23, spend_fen - 1), report("2026-11-08", 0, 5)],
        [ordered("2026-11-07", 3_000, orders), ordered("2026-11-08", 3_000, 9)],
    )
    assert [amount_fen for _, amount_fen in due(known, "2026-11-09")] == expected
    assert due(known, "2026-11-08") == []


def test_it_is_due_to_the_merchant_as_credit_with_its_figures() -> None:
    known = facts(
        [setting("2026-11-01", spend_match=MATCH)],
        [report("2026-11-01", 0, 120_000)],
        [ordered("2026-11-07", 3_000, 2)],
    )
    basis: dict[str, int | str] = {
        "spend_fen": 120_000,
        "hours_reported": 1,
        "hours": 168,
        "orders_micros": 2_000_000,
        "rate_percent": 10,
        "threshold_fen": 100_000,
        "orders_min": 2,
        "cap_fen": 15_000,
    }
    assert matches_due(known, day_of("2026-11-09")) == [
        Due(
            "match",
            "2026-11-01+7d",
            12_000,
            "platform:match_expense",
            "merchant:ad_credit",
            basis,
            day_of("2026-11-09"),
        )
    ]


def test_orders_count_by_the_model_of_their_day() -> None:
    known = facts(
        [setting("2026-11-01", spend_match=MATCH), setting("2026-11-04", spend_match=MATCH, model="linear")],
        [report("2026-11-01", 0, 100_000)],
        [ordered("2026-11-03", 1, model=0), ordered("2026-11-04", 1, model=2)],
    )
    assert due(known, "2026-11-09") == [("2026-11-01+7d", 10_000)]
    wrong_models = [ordered("2026-11-03", 1, model=2), ordered("2026-11-04", 1, model=0)]
    assert due(replace(known, cohorts=wrong_models), "2026-11-09") == []


#  1 Nov   8 Nov   15 Nov  22 Nov
#  |-------|-------|-------|-------
#  match     (none from 10)  match again from 20
def test_a_period_needs_a_match_on_its_first_day_and_keeps_its_place() -> None:
    free = SpendMatch(START_MS, 7, 10, 2)
    known = facts(
        [
            setting("2026-11-01", spend_match=free),
            setting("2026-11-10"),
            setting("2026-11-20", spend_match=SpendMatch(START_MS, 5, 20, 0)),
        ],
        [report(f"2026-11-{day:02d}", 3, 1_000) for day in range(1, 31)],
    )
    assert due(known, "2026-11-30") == [
        ("2026-11-01+7d", 700),
        ("2026-11-08+7d", 700),
        ("2026-11-22+5d", 1_000),
    ]


def test_periods_of_two_starts_may_overlap() -> None:
    later = SpendMatch(day_start_ms(day_of("2026-11-05")), 3, 50, 0)
    known = facts(
        [
            setting("2026-11-01", spend_match=SpendMatch(START_MS, 7, 10, 0)),
            setting("2026-11-05", spend_match=later),
        ],
        [report("2026-11-06", 3, 1_000)],
    )
    assert due(known, "2026-11-07") == [("2026-11-01+7d", 100), ("2026-11-05+3d", 500)]


def test_a_start_long_ago_begins_with_the_period_that_the_first_setting_falls_before() -> None:
    match = SpendMatch(0, 7, 10, 0)  # 1970-01-01 was a Thursday, so are all first days
    known = facts([setting("2026-11-04", spend_match=match)], [report("2026-11-05", 3, 1_000)])
    assert due(known, "2026-11-20") == [("2026-11-05+7d", 100)]
    assert due(facts([setting("2026-11-06", spend_match=match)], known.reports), "2026-11-20") == []


def test_spend_known_after_the_settlement_corrects_it() -> None:
    early, late = (
        report("2026-11-02", 3, 200, revision=2),
        report("2026-11-02", 3, 300, revision=3, days_late=9),
    )
    known = facts([setting("2026-11-01", spend_match=SpendMatch(START_MS, 7, 10, 2))], [early, late])
    assert due(known, "2026-11-09") == [("2026-11-01+7d", 20)]
    assert due(known, "2026-11-10") == [("2026-11-01+7d", 30)]


def test_it_is_no_longer_looked_at_after_90_days() -> None:
    known = facts(
        [setting("2026-11-01", spend_match=SpendMatch(START_MS, 7, 10, 2)), setting("2026-11-02")],
        [report("2026-11-02", 3, 200)],
    )
    assert due(known, "2027-02-07") == [("2026-11-01+7d", 20)]
    assert due(known, "2027-02-08") == []


def test_the_largest_amounts_are_exact() -> None:
    assert match_fen(SpendMatch(0, 1, 99, 0), 10**14 - 1, 0) == 98_999_999_999_999
