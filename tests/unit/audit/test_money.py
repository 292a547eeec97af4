"""Spend match, revenue share and the ledger by hand (ARCHITECTURE.md, R21 and R22)."""

from __future__ import annotations

import pytest

from tests.unit.audit.money import DAY, at_ms, credit, facts, setting, spent
from xinghe.audit.money import DueKey, amounts, balances, expected_entries
from xinghe.audit.money_facts import MoneyFacts
from xinghe.domain.terms import QianchuanRoi, RevenueShare, SpendMatch, Tier

MATCH = SpendMatch(at_ms(0), days=7, rate_percent=10, settle_after_days=2)
SHARE = RevenueShare([Tier(0, 500), Tier(1_000, 1_000)], settle_after_days=5)


def due(known: MoneyFacts, rule: str, day: int) -> dict[str, tuple[int, int]]:
    """By period the day, counted from the first, and the amount."""
    return {
        key.period: (due.day - DAY, due.amount_fen)
        for key, due in amounts(known, DAY + day).items()
        if key.rule == rule
    }


class TestMatch:
    def test_periods_follow_one_another_and_are_corrected_by_what_is_known_later(self) -> None:
        known = facts(
            [setting(0, spend_match=MATCH)],
            [
                spent(0, 1_000),
                spent(6, 99),
                # Known on the day of the settlement, and one day later.
                spent(6, 109, revision=1, late_days=2),
                spent(6, 999, revision=2, late_days=3),
                spent(7, 500),
            ],
        )
        assert due(known, "match", 7) == {}
        assert due(known, "match", 8) == {"2026-11-01+7d": (8, 110)}
        assert due(known, "match", 60) == {"2026-11-01+7d": (8, 199), "2026-11-08+7d": (15, 50)}

    @pytest.mark.parametrize(
        ("fields", "amount_fen"),
        [
            ({"threshold_fen": 1_009}, 100),
            ({"threshold_fen": 1_010}, None),
            ({"cap_fen": 99}, 99),
            ({"orders_min": 2}, 100),
            ({"orders_min": 3}, None),
        ],
    )
    def test_gates_and_cap(self, fields: dict[str, int], amount_fen: int | None) -> None:
        match = SpendMatch(at_ms(0), days=7, rate_percent=10, settle_after_days=2, **fields)
        known = facts(
            [setting(0, spend_match=match)], [spent(0, 1_009)], credit(-3, 6, 1, 2.5), credit(0, 7, 1, 9)
        )
        expected = {} if amount_fen is None else {"2026-11-01+7d": (8, amount_fen)}
        assert due(known, "match", 13) == expected

    def test_a_period_has_the_terms_of_its_first_day(self) -> None:
        # days  0..6     7..13              14..16          17..
        #       7 days   no match that day  3 days          3 days
        short = SpendMatch(at_ms(0), days=3, rate_percent=20, settle_after_days=0)
        known = facts(
            [
                setting(0, spend_match=MATCH),
                setting(7),
                setting(8, spend_match=short),
            ],
            [spent(day, 100) for day in range(18)],
        )
        assert due(known, "match", 19) == {
            "2026-11-01+7d": (8, 70),
            "2026-11-15+3d": (16, 60),
            "2026-11-18+3d": (19, 20),
        }


class TestShare:
    def test_a_month_is_shared_net_of_the_refunds_up_to_its_settlement(self) -> None:
        # Settled on 2026-12-05, day 34: 3,000 less 500 gives 1,000 * 5% + 1,500 * 10% = 200.
        known = facts(
            [setting(0, revenue_share=SHARE)],
            [],
            credit(0, 2, 3_000, 1, {5: 200, 34: 300, 35: 500, 40: 999, 41: 900}),
            credit(0, 30, 10_000),
        )
        assert due(known, "share", 33) == {}
        assert due(known, "share", 34) == {"2026-11": (34, 200)}
        # 2,000 is worth 150, 1,001 is worth 50.1, 101 is worth 5.05.
        assert due(known, "clawback", 39) == {"2026-11/2026-12-06": (35, 50)}
        assert due(known, "clawback", 41) == {
            "2026-11/2026-12-06": (35, 50),
            "2026-11/2026-12-11": (40, 100),
            "2026-11/2026-12-12": (41, 45),
        }
        assert due(known, "share", 65) == {"2026-11": (34, 200), "2026-12": (65, 950)}

    def test_only_orders_of_days_with_a_share_count_by_the_model_of_their_day(self) -> None:
        known = facts(
            [setting(0), setting(3, revenue_share=SHARE, model="linear"), setting(5)],
            [],
            credit(0, 2, 9_000, model="linear"),
            credit(0, 3, 100),
            credit(0, 3, 200, model="linear"),
            credit(0, 4, 300, model="linear"),
            credit(0, 5, 9_000, model="linear"),
        )
        assert due(known, "share", 34) == {"2026-11": (34, 25)}


class TestLedger:
    def test_spend_is_booked_on_its_day_and_corrected_when_more_is_known(self) -> None:
        known = facts(
            [setting(0)],
            [spent(0, 100), spent(0, 120, revision=1, late_days=3), spent(1, 0), spent(2, 5)],
        )
        entries = expected_entries(lambda _: known, DAY + 3)
        assert [(entry["entry_id"], entry["account"], entry["amount_fen"]) for entry in entries] == [
            ("c1|spend|2026-11-01|2026-11-01|1", "merchant:ad_expense", 100),
            ("c1|spend|2026-11-01|2026-11-01|2", "platform:ad_revenue", -100),
            ("c1|spend|2026-11-03|2026-11-03|1", "merchant:ad_expense", 5),
            ("c1|spend|2026-11-03|2026-11-03|2", "platform:ad_revenue", -5),
            ("c1|spend|2026-11-01|2026-11-04|1", "merchant:ad_expense", 120),
            ("c1|spend|2026-11-01|2026-11-04|2", "platform:ad_revenue", -120),
            ("c1|spend|2026-11-01|2026-11-04|3", "platform:ad_revenue", 100),
            ("c1|spend|2026-11-01|2026-11-04|4", "merchant:ad_expense", -100),
        ]
        assert [entry["number"] for entry in entries] == list(range(1, 9))
        assert entries[-1]["reverses"] == "c1|spend|2026-11-01|2026-11-01"
        assert (entries[-1]["time_ms"], entries[-1]["shop_id"]) == (at_ms(4), "s1")

    def test_what_comes_to_nothing_is_only_reversed(self) -> None:
        known = facts([], [spent(0, 100), spent(0, 0, revision=1, late_days=1)])
        lines = [(entry["day"], entry["line"]) for entry in expected_entries(lambda _: known, DAY + 5)]
        assert lines == [("2026-11-01", 1), ("2026-11-01", 2), ("2026-11-02", 3), ("2026-11-02", 4)]
        assert amounts(known, DAY + 5) == {}

    def test_after_90_days_nothing_is_corrected(self) -> None:
        known = facts(
            [],
            [
                spent(0, 1),
                spent(0, 2, revision=1, late_days=90),
                spent(0, 3, revision=2, late_days=91),
            ],
        )
        assert due(known, "spend", 89) == {"2026-11-01": (0, 1)}
        assert due(known, "spend", 400) == {"2026-11-01": (0, 2)}

    def test_a_day_books_the_rules_in_their_order_and_a_guarantee_by_its_form(self) -> None:
        # A 3-day guarantee is settled on day 4, and so is the match of 3 days.
        match = SpendMatch(at_ms(0), days=3, rate_percent=10, settle_after_days=2)
        known = facts(
            [setting(0, guarantee=QianchuanRoi(at_ms(0), 2.0), spend_match=match)],
            [spent(0, 1_000), spent(4, 7)],
            credit(0, 0, 500, 10),
        )
        last = [entry for entry in expected_entries(lambda _: known, DAY + 4) if entry["day"] == "2026-11-05"]
        assert [(entry["rule"], entry["account"], entry["amount_fen"]) for entry in last] == [
            ("spend", "merchant:ad_expense", 7),
            ("spend", "platform:ad_revenue", -7),
            ("match", "platform:match_expense", 100),
            ("match", "merchant:ad_credit", -100),
            ("guarantee", "platform:guarantee_expense", 750),
            ("guarantee", "merchant:ad_credit", -750),
        ]
        assert balances(amounts(known, DAY + 4)) == {
            "merchant:ad_credit": -850,
            "merchant:ad_expense": 1_007,
            "platform:ad_revenue": -1_007,
            "platform:guarantee_expense": 750,
            "platform:match_expense": 100,
        }

    def test_a_key_sorts_in_the_order_of_the_ledger(self) -> None:
        keys = [DueKey("guarantee", "a"), DueKey("spend", "b"), DueKey("spend", "a"), DueKey("match", "a")]
        ordered = sorted(keys, key=lambda key: key.place)
        assert ordered == [keys[2], keys[1], keys[3], keys[0]]
