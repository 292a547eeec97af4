"""The books of a campaign, by hand."""

from __future__ import annotations

import msgspec
import pytest

from tests.books import Bookkeeper, facts, ordered, refunded, report, setting, standing
from xinghe.domain.counted import day_start_ms
from xinghe.domain.dates import day_of
from xinghe.domain.due import Due
from xinghe.domain.ledger import Booked, Books, amounts_due, book
from xinghe.domain.outputs import LedgerEntry
from xinghe.domain.terms import CustomGuarantee, RevenueShare, SpendMatch, Tier

START = day_of("2026-11-01")
SPEND = report("2026-11-01", 3, 700)


def days(first: str, last: str) -> range:
    return range(day_of(first), day_of(last) + 1)


def lines(entries: list[LedgerEntry]) -> list[tuple[str, str, int, str, int]]:
    return [(entry.rule, entry.period, entry.line, entry.account, entry.amount_fen) for entry in entries]


def test_a_day_of_spend_is_two_entries() -> None:
    keeper = Bookkeeper()
    entries = keeper.book(facts([setting("2026-11-01")], [SPEND]), days("2026-11-01", "2026-11-02"))
    journal = "c1|spend|2026-11-01|2026-11-01"
    debit = LedgerEntry(
        entry_id=f"{journal}|1",
        journal_id=journal,
        campaign_id="c1",
        shop_id="s1",
        number=1,
        rule="spend",
        period="2026-11-01",
        day="2026-11-01",
        time_ms=day_start_ms(day_of("2026-11-02")),
        line=1,
        account="merchant:ad_expense",
        amount_fen=700,
        reverses=None,
        basis={"spend_fen": 700, "hours_reported": 1},
    )
    credit = msgspec.structs.replace(
        debit, entry_id=f"{journal}|2", number=2, line=2, account="platform:ad_revenue", amount_fen=-700
    )
    assert entries == [debit, credit]
    assert keeper.books == Books(day_of("2026-11-02"), 2)
    assert keeper.booked == {
        ("spend", "2026-11-01"): Booked(700, "merchant:ad_expense", "platform:ad_revenue", START, START)
    }


def test_a_report_that_becomes_known_later_is_a_reversal_and_a_new_amount_of_that_day() -> None:
    keeper = Bookkeeper()
    late = report("2026-11-01", 3, 900, revision=2, days_late=3)
    known = facts([setting("2026-11-01")], [SPEND, late])
    keeper.book(known, days("2026-11-01", "2026-11-02"))
    entries = keeper.book(known, days("2026-11-03", "2026-11-05"))
    assert {entry.journal_id for entry in entries} == {"c1|spend|2026-11-01|2026-11-03"}
    assert [(e.number, e.line, e.account, e.amount_fen, e.reverses) for e in entries] == [
        (3, 1, "merchant:ad_expense", 900, None),
        (4, 2, "platform:ad_revenue", -900, None),
        (5, 3, "platform:ad_revenue", 700, "c1|spend|2026-11-01|2026-11-01"),
        (6, 4, "merchant:ad_expense", -700, "c1|spend|2026-11-01|2026-11-01"),
    ]
    assert [entry.basis is None for entry in entries] == [False, False, True, True]


def test_an_amount_that_comes_back_to_the_old_value_is_booked_again_by_a_journal_of_its_own() -> None:
    keeper = Bookkeeper()
    changes = [
        report("2026-11-01", 3, fen, revision=2 + n, days_late=2 + n) for n, fen in enumerate((0, 700))
    ]
    keeper.book(facts([setting("2026-11-01")], [SPEND, *changes]), days("2026-11-01", "2026-11-04"))
    assert [(e.journal_id[-10:], e.line, e.amount_fen, e.reverses) for e in keeper.entries] == [
        ("2026-11-01", 1, 700, None),
        ("2026-11-01", 2, -700, None),
        ("2026-11-02", 3, 700, "c1|spend|2026-11-01|2026-11-01"),
        ("2026-11-02", 4, -700, "c1|spend|2026-11-01|2026-11-01"),
        ("2026-11-03", 1, 700, None),
        ("2026-11-03", 2, -700, None),
    ]
    assert standing(keeper.entries) == {
        ("spend", "2026-11-01"): [("merchant:ad_expense", 700), ("platform:ad_revenue", -700)]
    }


def test_all_rules_in_their_order() -> None:
    start_ms = day_start_ms(START)
    guarantee = CustomGuarantee(start_ms, "cost", 100, 100, 30, 49, "cash", bid_fen=100)
    terms = setting(
        "2026-11-01",
        guarantee=guarantee,
        spend_match=SpendMatch(start_ms, 49, 10, 0),
        revenue_share=RevenueShare([Tier(0, 1_000)], 5),
    )
    cohorts = [ordered("2026-11-02", 5_000), refunded("2026-11-02", "2026-12-19", 1_000)]
    known = facts([terms], [SPEND, report("2026-12-19", 3, 60)], cohorts)
    due = amounts_due(known, day_of("2026-12-19"))
    assert [(each.rule, each.period, each.amount_fen, each.debit, each.credit) for each in due] == [
        ("spend", "2026-11-01", 700, "merchant:ad_expense", "platform:ad_revenue"),
        ("spend", "2026-12-19", 60, "merchant:ad_expense", "platform:ad_revenue"),
        ("match", "2026-11-01+49d", 76, "platform:match_expense", "merchant:ad_credit"),
        ("share", "2026-11", 500, "merchant:commission_expense", "platform:commission_revenue"),
        ("clawback", "2026-11/2026-12-19", 100, "platform:commission_revenue", "merchant:commission_expense"),
        ("guarantee", "2026-11-01+30d", 600, "platform:guarantee_expense", "merchant:cash"),
    ]
    keeper = Bookkeeper()
    keeper.book(known, days("2026-11-01", "2026-12-18"))
    entries = keeper.book(known, days("2026-12-19", "2026-12-19"))
    assert [(entry.rule, entry.line) for entry in entries] == [
        (rule, line) for rule in ("spend", "match", "clawback", "guarantee") for line in (1, 2)
    ]


def test_a_payout_in_another_form_is_booked_anew() -> None:
    def known(form: str) -> list[Due]:
        guarantee = CustomGuarantee(day_start_ms(START), "cost", 100, 100, 1, 1, form, bid_fen=1)  # type: ignore[arg-type]
        return amounts_due(facts([setting("2026-11-01", guarantee=guarantee)], [SPEND]), START + 1)

    first = book("c1", None, START, known("cash"), {}, Books())
    booked = {key: stands for key, stands in first.changed.items() if stands is not None}
    assert book("c1", None, START + 1, known("cash"), booked, first.books).entries == []
    entries = book("c1", None, START + 1, known("credit"), booked, first.books).entries
    assert lines(entries) == [
        ("guarantee", "2026-11-01+1d", 1, "platform:guarantee_expense", 700),
        ("guarantee", "2026-11-01+1d", 2, "merchant:ad_credit", -700),
        ("guarantee", "2026-11-01+1d", 3, "merchant:cash", 700),
        ("guarantee", "2026-11-01+1d", 4, "platform:guarantee_expense", -700),
    ]


def test_a_period_that_late_settings_did_away_with_is_reversed() -> None:
    keeper = Bookkeeper()
    match = SpendMatch(day_start_ms(START), 1, 10, 0)
    keeper.book(facts([setting("2026-11-01", spend_match=match)], [SPEND]), days("2026-11-01", "2026-11-02"))
    entries = keeper.book(facts([setting("2026-11-01")], [SPEND]), days("2026-11-03", "2026-11-04"))
    assert lines(entries) == [
        ("match", "2026-11-01+1d", 3, "merchant:ad_credit", 70),
        ("match", "2026-11-01+1d", 4, "platform:match_expense", -70),
    ]


def test_after_90_days_what_is_booked_stays_and_spend_need_not_be_remembered() -> None:
    keeper = Bookkeeper()
    match = SpendMatch(day_start_ms(START), 1, 10, 0)
    known = facts([setting("2026-11-01", spend_match=match), setting("2026-11-02")], [SPEND])
    keeper.book(known, range(START, START + 91))
    assert set(keeper.booked) == {("spend", "2026-11-01"), ("match", "2026-11-01+1d")}
    keeper.book(facts([], []), [START + 91])
    assert set(keeper.booked) == {("match", "2026-11-01+1d")}
    assert len(keeper.entries) == 4


def test_without_terms_an_entry_has_no_shop() -> None:
    entries = book("c1", None, START, amounts_due(facts([], [SPEND]), START), {}, Books()).entries
    assert [entry.shop_id for entry in entries] == [None, None]


@pytest.mark.parametrize("booked_day", [START, START + 1])
def test_a_day_is_booked_once(booked_day: int) -> None:
    with pytest.raises(ValueError, match="c1: 2026-11-01 is booked already, up to 2026-11-0"):
        book("c1", "s1", START, [], {}, Books(booked_day, 4))
