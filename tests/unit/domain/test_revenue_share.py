"""Revenue shares and clawbacks, by hand."""

from __future__ import annotations

import pytest

from tests.books import facts, ordered, refunded, setting
from xinghe.domain.cohorts import CohortRow
from xinghe.domain.dates import day_of
from xinghe.domain.due import Due
from xinghe.domain.money_facts import MoneyFacts
from xinghe.domain.revenue_share import clawbacks_due, share_fen, shares_due
from xinghe.domain.terms import RevenueShare, Tier

TIERS = [Tier(1_000, 1_000), Tier(5_000, 500), Tier(20_000, 0)]
SHARE = RevenueShare(TIERS, 10)
"""10 percent from 10 yuan on, 5 percent from 50 on, nothing from 200 on; November is settled on 10 December."""
SINCE_NOVEMBER = [setting("2026-11-01", revenue_share=SHARE)]


def share(cohorts: list[CohortRow], date: str = "2026-12-10") -> list[tuple[str, int]]:
    return [
        (each.period, each.amount_fen)
        for each in shares_due(facts(SINCE_NOVEMBER, (), cohorts), day_of(date))
    ]


def clawback(known: MoneyFacts, date: str) -> list[tuple[str, int]]:
    return [(each.period, each.amount_fen) for each in clawbacks_due(known, day_of(date))]


@pytest.mark.parametrize(
    ("net_gmv_fen", "expected_fen"),
    [
        (0, 0),
        (1_000, 0),
        (1_009, 0),
        (1_010, 1),
        (5_000, 400),
        (5_019, 400),
        (5_020, 401),
        (19_999, 1_149),
        (20_000, 1_150),
        (20_001, 1_150),
        (10**14, 1_150),
    ],
)
def test_tiers_at_their_boundaries(net_gmv_fen: int, expected_fen: int) -> None:
    assert share_fen(TIERS, net_gmv_fen) == expected_fen


def test_parts_of_fen_of_all_tiers_make_one_whole() -> None:
    assert share_fen([Tier(0, 5_000), Tier(1, 5_000)], 2) == 1


def test_a_month_ends_at_midnight_in_shanghai() -> None:
    cohorts = [ordered("2026-10-31", 7), ordered("2026-11-01", 3_000), ordered("2026-11-30", 2_000)]
    assert share([*cohorts, ordered("2026-12-01", 9_000)]) == [("2026-11", 400)]
    assert share(cohorts, "2026-12-09") == []


def test_it_is_net_of_refunds_up_to_the_day_of_settlement() -> None:
    cohorts = [ordered("2026-11-03", 6_000), refunded("2026-11-03", "2026-11-20", 700)]
    assert share([*cohorts, refunded("2026-11-03", "2026-12-10", 300)]) == [("2026-11", 400)]
    assert share([*cohorts, refunded("2026-11-03", "2026-12-11", 300)]) == [("2026-11", 415)]
    assert share([*cohorts, refunded("2026-11-03", "2026-12-10", 5_299)]) == []


def test_only_days_with_a_share_count_by_their_model_and_the_tiers_are_those_of_the_first() -> None:
    settings = [
        setting("2026-11-01"),
        setting("2026-11-10", revenue_share=RevenueShare([Tier(0, 1_000)], 3)),
        setting("2026-11-20", revenue_share=SHARE, model="linear"),
        setting("2026-11-25"),
    ]
    cohorts = [
        ordered("2026-11-09", 1),
        ordered("2026-11-10", 20),
        ordered("2026-11-19", 300),
        ordered("2026-11-20", 4_000),
        ordered("2026-11-20", 50_000, model=2),
        ordered("2026-11-25", 600_000),
    ]
    (due,) = shares_due(facts(settings, (), cohorts), day_of("2026-12-03"))
    assert due == Due(
        rule="share",
        period="2026-11",
        amount_fen=5_032,
        debit="merchant:commission_expense",
        credit="platform:commission_revenue",
        basis={"gmv_fen": 50_320, "refund_fen": 0, "net_gmv_fen": 50_320, "tiers": "0 fen: 1000 bp"},
        due_day=day_of("2026-12-03"),
    )


def test_refunds_after_the_settlement_take_back_what_the_share_falls_by() -> None:
    known = facts(
        SINCE_NOVEMBER,
        (),
        [
            ordered("2026-11-03", 6_000),
            refunded("2026-11-03", "2026-12-10", 500),  # in the share, which is 425
            refunded("2026-11-03", "2026-12-11", 400),  # 5,500 to 5,100: 425 to 405
            refunded("2026-11-03", "2026-12-20", 200),  # over the boundary to 4,900: 390
            refunded("2026-11-03", "2026-12-21", 4_400),  # to 500: nothing is left
            refunded("2026-11-03", "2026-12-22", 100),
        ],
    )
    assert clawback(known, "2026-12-10") == []
    assert clawback(known, "2026-12-11") == [("2026-11/2026-12-11", 20)]
    expected = [("2026-11/2026-12-11", 20), ("2026-11/2026-12-20", 15), ("2026-11/2026-12-21", 390)]
    assert clawback(known, "2027-03-11") == expected
    assert clawback(known, "2027-03-12") == expected[1:]
    assert [each.amount_fen for each in shares_due(known, day_of("2027-03-10"))] == [425]
    assert shares_due(known, day_of("2027-03-11")) == []


def test_a_clawback_swaps_the_accounts_of_the_share_and_says_what_it_was_made_of() -> None:
    cohorts = [ordered("2026-11-03", 5_500), refunded("2026-11-03", "2026-12-11", 400)]
    (due,) = clawbacks_due(facts(SINCE_NOVEMBER, (), cohorts), day_of("2026-12-11"))
    assert (due.debit, due.credit) == ("platform:commission_revenue", "merchant:commission_expense")
    assert due.basis == {
        "refund_fen": 400,
        "net_gmv_before_fen": 5_500,
        "net_gmv_fen": 5_100,
        "share_before_fen": 425,
        "share_fen": 405,
        "tiers": "1000 fen: 1000 bp, 5000 fen: 500 bp, 20000 fen: 0 bp",
    }
