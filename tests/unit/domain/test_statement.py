"""What a ledger comes to, by hand."""

from __future__ import annotations

import pytest

from tests.books import Bookkeeper, facts, ordered, refunded, report, setting
from xinghe.domain.counted import day_start_ms
from xinghe.domain.dates import day_of
from xinghe.domain.outputs import LedgerEntry
from xinghe.domain.statement import Owed, statement_of
from xinghe.domain.terms import CustomGuarantee, RevenueShare, SpendMatch, Tier

START = day_of("2026-11-01")


def entries_of_november() -> list[LedgerEntry]:
    """Spend of 700 that becomes 900, a match, a share with a clawback, and a payout in cash."""
    start_ms = day_start_ms(START)
    terms = setting(
        "2026-11-01",
        guarantee=CustomGuarantee(start_ms, "cost", 100, 100, 7, 7, "cash", bid_fen=150),
        spend_match=SpendMatch(start_ms, 30, 10, 0),
        revenue_share=RevenueShare([Tier(0, 1_000)], 0),
    )
    reports = [
        report("2026-11-01", 3, 700),
        report("2026-11-01", 3, 900, revision=2, days_late=2),
    ]
    cohorts = [ordered("2026-11-02", 5_000), refunded("2026-11-02", "2026-12-03", 1_000)]
    keeper = Bookkeeper()
    keeper.book(facts([terms], reports, cohorts), range(START, day_of("2026-12-03") + 1))
    return keeper.entries


def test_what_stands_and_what_was_reversed() -> None:
    statement = statement_of(entries_of_november())
    assert [(p.rule, p.period, p.amount_fen, p.day, p.reversed_by) for p in statement.postings] == [
        ("spend", "2026-11-01", 700, "2026-11-01", "c1|spend|2026-11-01|2026-11-02"),
        ("spend", "2026-11-01", 900, "2026-11-02", None),
        ("match", "2026-11-01+30d", 90, "2026-11-30", None),
        ("share", "2026-11", 500, "2026-11-30", None),
        ("clawback", "2026-11/2026-12-03", 100, "2026-12-03", None),
        ("guarantee", "2026-11-01+7d", 750, "2026-11-07", None),
    ]
    assert (statement.campaign_id, statement.shop_id, statement.last_day) == ("c1", "s1", "2026-12-03")


def test_who_owes_whom_and_the_balances() -> None:
    statement = statement_of(entries_of_november())
    assert statement.owed == Owed(
        merchant_cash_fen=900 + 500 - 100, platform_cash_fen=750, platform_credit_fen=90
    )
    assert statement.balances_fen == {
        "merchant:ad_credit": -90,
        "merchant:ad_expense": 900,
        "merchant:cash": -750,
        "merchant:commission_expense": 400,
        "platform:ad_revenue": -900,
        "platform:commission_revenue": -400,
        "platform:guarantee_expense": 750,
        "platform:match_expense": 90,
    }
    standing = sum(p.amount_fen for p in statement.postings if p.reversed_by is None and p.rule == "spend")
    assert standing == statement.balances_fen["merchant:ad_expense"]


def test_without_entries_there_is_no_statement() -> None:
    with pytest.raises(ValueError, match="needs an entry"):
        statement_of([])
