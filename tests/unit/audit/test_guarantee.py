"""Guarantees computed by hand (ARCHITECTURE.md, R20)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.unit.audit.money import DAY, at_ms, credit, facts, setting, spent
from xinghe.audit.guarantee import first_days, outcome, settlement_day
from xinghe.domain.terms import CustomGuarantee, Guarantee, QianchuanRoi, XhsCost

ROI_2 = QianchuanRoi(at_ms(0), 2.0)


def custom(**fields: Any) -> Guarantee:
    policy: dict[str, Any] = {
        "start_ms": at_ms(0),
        "measure": "roi",
        "target_roi": 2.0,
        "trigger_percent": 80,
        "payout_percent": 100,
        "observation_days": 2,
        "settlement_day": 4,
        "form": "cash",
    }
    return CustomGuarantee(**policy | fields)


def test_a_missed_roi_pays_the_spend_above_the_gmv_over_the_target() -> None:
    # 3 observed days of 1,000 each; ROI of 2 earns 2,399 / 2 = 1199.5, less than 80 percent of 3,000.
    known = facts(
        [setting(0, guarantee=ROI_2)],
        [spent(0, 1_000), spent(1, 1_000), spent(2, 1_000), spent(3, 9_999)],
        credit(0, 1, 2_000, 9),
        credit(2, 3, 399, 1),
        # Not the fourth observed day's, not an order after the backfill of one day.
        credit(3, 3, 8_888, 1),
        credit(2, 4, 8_888, 1),
    )
    found = outcome(known, DAY, None)
    assert (found.spend_fen, found.gmv_fen, found.earned) == (3_000, 2_399, Fraction(2_399, 2))
    assert (found.is_triggered, found.is_void, found.conversions) == (True, False, Fraction(10))
    assert found.paid_fen == 1_800
    assert settlement_day(known, DAY) == DAY + 4


@pytest.mark.parametrize(
    ("gmv_fen", "orders", "paid_fen"),
    [(1_599, 10, 200), (1_600, 10, 0), (1_599, 9.999999, 0), (0, 10, 1_000)],
)
def test_the_trigger_is_below_80_percent_and_ten_orders_are_ten(
    gmv_fen: int, orders: float, paid_fen: int
) -> None:
    # 1,599 / 2 = 799.5 of 1,000; the payout of 200.5 is rounded down.
    known = facts([setting(0, guarantee=ROI_2)], [spent(0, 1_000)], credit(0, 0, gmv_fen, orders))
    assert outcome(known, DAY, None).paid_fen == paid_fen


def test_a_cap_bounds_the_payout() -> None:
    capped = QianchuanRoi(at_ms(0), 2.0, cap_fen=150)
    known = facts([setting(0, guarantee=capped)], [spent(0, 1_000)], credit(0, 0, 1_599, 10))
    assert outcome(known, DAY, None).paid_fen == 150


def test_a_target_of_decimals_is_exact() -> None:
    known = facts([setting(0, guarantee=QianchuanRoi(at_ms(0), 0.1))], [spent(0, 100)], credit(0, 0, 8, 10))
    found = outcome(known, DAY, None)
    assert (found.earned, found.is_triggered) == (Fraction(80), False)


def test_net_leaves_out_what_was_refunded_up_to_the_settlement() -> None:
    refunded = credit(0, 1, 2_000, 10, {1: 300, 3: 200, 4: 1_500})
    known = facts([setting(0, guarantee=custom(basis="net", backfill_days=1))], [spent(0, 1_000)], refunded)
    found = outcome(known, DAY, None)
    assert (found.gmv_fen, found.refund_fen, found.earned) == (2_000, 500, Fraction(750))
    assert (outcome(known, DAY, DAY + 1).earned, outcome(known, DAY, DAY).earned) == (
        Fraction(850),
        Fraction(0),
    )
    assert found.paid_fen == 250
    gross = facts([setting(0, guarantee=custom())], [spent(0, 1_000)], refunded)
    assert outcome(gross, DAY, None).paid_fen == 0


def test_orders_count_up_to_the_lag_of_the_day() -> None:
    late = credit(0, 7, 100), credit(0, 8, 1_000), credit(1, 8, 10)
    long = custom(backfill_days=60, settlement_day=60)
    known = facts([setting(0, guarantee=long, roi_lag_days=7)], [], *late)
    assert outcome(known, DAY, None).gmv_fen == 110
    # What is known by then is up to the day of the settlement.
    assert outcome(facts([setting(0, guarantee=custom(backfill_days=60))], [], *late), DAY, None).gmv_fen == 0


def test_each_day_has_its_own_target_and_model_and_keeps_them_while_there_is_none() -> None:
    # day  0          1             2 (no guarantee)   3
    #      ROI 2      ROI 4, linear                    ROI 5 of another start
    settings = [
        setting(0, guarantee=custom(observation_days=4, settlement_day=5)),
        setting(1, guarantee=custom(target_roi=4.0), model="linear"),
        setting(2, model="first_touch"),
        setting(3, guarantee=custom(start_ms=at_ms(3), target_roi=5.0)),
    ]
    rows = [credit(day, day, 400, model=model) for day in range(4) for model in ("last_touch",)]
    rows += [credit(day, day, 800, model="linear") for day in range(4)]
    known = facts(settings, [], *rows)
    found = outcome(known, DAY, None)
    assert found.earned == 400 / 2 + 3 * 800 / 4
    assert first_days(known) == [DAY, DAY + 3]


def test_cost_pays_what_is_above_120_percent_of_the_bids() -> None:
    # 7 days, 10 a conversion: 12 conversions allow 120 * 1.2 = 144.
    guarantee = XhsCost(at_ms(0), 10, conversion="ad_clicks")
    counts = {0: {"ad_clicks": 7}, 6: {"ad_clicks": 5}, 7: {"ad_clicks": 100}}
    for spend_fen, paid_fen in ((144, 0), (145, 1), (200, 56)):
        known = facts([setting(0, guarantee=guarantee)], [spent(6, spend_fen)], counts=counts)
        found = outcome(known, DAY, None)
        assert (found.conversions, found.earned, found.paid_fen) == (Fraction(12), Fraction(120), paid_fen)


def test_cost_per_order_counts_parts_of_orders() -> None:
    known = facts([setting(0, guarantee=XhsCost(at_ms(0), 100))], [spent(0, 200)], credit(0, 0, 9, 1.255))
    assert (outcome(known, DAY, None).earned, outcome(known, DAY, None).paid_fen) == (Fraction("125.5"), 49)


def test_without_spend_nothing_is_triggered() -> None:
    found = outcome(facts([setting(0, guarantee=custom())]), DAY, None)
    assert (found.is_triggered, found.paid_fen) == (False, 0)


def test_a_guarantee_begins_only_if_the_terms_of_its_first_day_have_it() -> None:
    late = setting(1, 5, guarantee=custom())
    assert first_days(facts([setting(0), late])) == []
    assert first_days(facts([setting(1, guarantee=custom())])) == []


class TestVoid:
    def edits(self, *times: tuple[int, int], preset: bool = True, targets: int = 100) -> bool:
        """Whether edits at these days and hours void the guarantee; each has another target."""
        settings = [setting(0, guarantee=self.target(0, preset))]
        settings += [
            setting(day, hour, guarantee=self.target(n % targets, preset))
            for n, (day, hour) in enumerate(times, 1)
        ]
        return outcome(facts(settings), DAY, None).is_void

    def target(self, number: int, preset: bool) -> Guarantee:
        return QianchuanRoi(at_ms(0), 2.0 + number) if preset else XhsCost(at_ms(0), 10 + number)

    def test_two_edits_a_day_are_allowed_and_three_are_not(self) -> None:
        assert not self.edits((0, 5), (0, 6), (1, 0), (1, 23), (2, 1))
        assert self.edits((0, 5), (0, 6), (0, 23))

    def test_an_edit_at_midnight_is_of_the_new_day(self) -> None:
        assert not self.edits((0, 5), (0, 6), (1, 0))
        assert self.edits((1, 0), (1, 1), (1, 2))

    def test_one_an_hour_of_the_clock_is_allowed_where_the_preset_says_so(self) -> None:
        assert not self.edits((0, 5), (0, 6), preset=False)
        settings = [
            setting(0, guarantee=XhsCost(at_ms(0), 10)),
            setting(0, 5, guarantee=XhsCost(at_ms(0), 11)),
        ]
        later = setting(0, 5, guarantee=XhsCost(at_ms(0), 12))
        within = [*settings, type(later)("c1", "s1", "n", later.effective_ms + 1, guarantee=later.guarantee)]
        assert outcome(facts(within), DAY, None).is_void
        assert not outcome(facts(settings), DAY, None).is_void

    def test_only_targets_that_change_within_the_observed_days_are_edits(self) -> None:
        assert not self.edits((3, 1), (3, 2), (3, 3))
        assert not self.edits((0, 1), (0, 2), (0, 3), targets=1)

    def test_what_is_void_pays_nothing(self) -> None:
        settings = [setting(0, hour, guarantee=QianchuanRoi(at_ms(0), 2.0 + hour)) for hour in range(4)]
        found = outcome(facts(settings, [spent(0, 100)], credit(0, 0, 1, 10)), DAY, None)
        assert (found.is_void, found.payout_fen > 0, found.paid_fen) == (True, True, 0)
        # What is not known yet voids nothing.
        assert not outcome(facts(settings), DAY, DAY - 1).is_void
