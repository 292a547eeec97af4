"""Guarantees by hand, at every boundary of both published policies (R18, R20, R23)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_start_ms
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.guarantee import Position, guarantees_of, position
from xinghe.domain.money_facts import MoneyFacts, spend_of
from xinghe.domain.spend import Report
from xinghe.domain.terms import CustomGuarantee, Guarantee, QianchuanRoi, XhsCost
from xinghe.domain.windows import DAY_MS, HOUR_MS

D0 = 20_000
START_MS = day_start_ms(D0)
ORDER = 1_000_000


def setting(at_ms: int, guarantee: Guarantee | None, **fields: Any) -> CampaignConfigured:
    """A setting that takes effect ``at_ms`` after the guarantee's first midnight."""
    return CampaignConfigured("c1", "s1", "Spring", START_MS + at_ms, guarantee=guarantee, **fields)


def roi(target_roi: float = 2.5, cap_fen: int | None = None) -> QianchuanRoi:
    return QianchuanRoi(START_MS, target_roi, cap_fen)


def cost(bid_fen: int = 3_000, **fields: Any) -> XhsCost:
    return XhsCost(START_MS, bid_fen, **fields)


def spent(day: int, spend_fen: int, *, hour: int = 0, revision: int = 1, late_ms: int = HOUR_MS) -> Report:
    hour_start_ms = day_start_ms(D0 + day - 1) + hour * HOUR_MS
    event_id = f"{hour_start_ms}-{revision}"
    return Report(hour_start_ms, revision, event_id, spend_fen, None, None, hour_start_ms + late_ms)


def credit(day: int, orders_micros: int, gmv_fen: int = 0, *, lag: int = 0, model: int = 0) -> CohortRow:
    """Credit of touches of a day, the first being 1, by orders so many days later."""
    touch_day = D0 + day - 1
    return CohortRow(touch_day, touch_day + lag, touch_day + lag, model, orders_micros, gmv_fen, 0)


def refund(day: int, refund_day: int, refund_fen: int) -> CohortRow:
    touch_day = D0 + day - 1
    return CohortRow(touch_day, touch_day, D0 + refund_day - 1, 0, 0, 0, refund_fen)


def at_end_of(
    day: int,
    settings: list[CampaignConfigured],
    reports: Sequence[Report],
    cohorts: Sequence[CohortRow],
    counted: dict[int, dict[str, int]] | None = None,
) -> Position:
    by_day = {D0 + n - 1: metrics for n, metrics in (counted or {}).items()}
    facts = MoneyFacts("c1", settings, reports, cohorts, by_day)
    return position(facts, D0, D0 + day - 1, D0 + day)


def states(found: Position) -> dict[str, str]:
    return {gate.name: gate.state for gate in found.gates}


def ended(found: Position) -> tuple[str | None, int | None, str | None]:
    """What came of it, since how many ms after the guarantee's first midnight, and why."""
    since_ms = found.outcome_since_ms
    return found.outcome, None if since_ms is None else since_ms - START_MS, found.outcome_reason


class TestQianchuanRoi:
    """Target 2.5 and a spend of 1,000 yuan in three days: 2,000 yuan of GMV are 80 percent."""

    SPEND = (spent(1, 40_000), spent(2, 30_000), spent(3, 30_000, hour=23))

    def settled(
        self, gmv_fen: int, orders_micros: int = 10 * ORDER, guarantee: Guarantee | None = None
    ) -> Position:
        credits_ = [credit(1, orders_micros - ORDER, gmv_fen - 500), credit(3, ORDER, 500, lag=1)]
        return at_end_of(5, [setting(0, guarantee or roi())], self.SPEND, credits_)

    def test_just_under_80_percent_pays_what_was_not_earned(self) -> None:
        found = self.settled(199_999)
        # 1,999.99 / 2.5 = 799.996 yuan earned; 1,000 - 799.996 = 200.004, rounded down to fen.
        assert (found.spend_fen, found.earned_fen, found.roi_micros) == (100_000, 79_999, 1_999_990)
        assert (found.payout_fen, found.expected_payout_fen, found.shortfall_fen) == (20_000, 20_000, 20_000)
        assert set(states(found).values()) == {"holds"}
        assert ended(found) == ("paid", 5 * DAY_MS, "¥200.00 is paid as credit for ads.")
        assert found.gates[2].reason == "¥799.99 earned of ¥1,000.00 spent, 79.99 %; it pays below 80 %."
        assert (found.status, found.form, found.target_roi_micros, found.bid_fen) == (
            "settled",
            "credit",
            2_500_000,
            None,
        )

    def test_exactly_80_percent_pays_nothing(self) -> None:
        found = self.settled(200_000)
        assert (found.payout_fen, found.shortfall_fen) == (0, 20_000)
        assert states(found)["trigger"] == "broken"
        assert found.gates[2].reason == "¥800.00 earned of ¥1,000.00 spent, 80 %; it pays below 80 %."
        assert ended(found) == ("unpaid", 5 * DAY_MS, found.gates[2].reason)

    @pytest.mark.parametrize(("orders_micros", "payout_fen"), [(10 * ORDER, 60_000), (10 * ORDER - 1, 0)])
    def test_ten_orders_are_needed_to_the_millionth(self, orders_micros: int, payout_fen: int) -> None:
        found = self.settled(100_000, orders_micros)
        assert found.payout_fen == payout_fen
        assert states(found)["conversions"] == ("holds" if payout_fen else "broken")
        if not payout_fen:
            assert found.gates[1].reason == "9.99 of 10 orders."
            assert ended(found) == ("unpaid", 5 * DAY_MS, "9.99 of 10 orders.")

    @pytest.mark.parametrize(
        ("cap_fen", "payout_fen"), [(59_999, 59_999), (60_000, 60_000), (60_001, 60_000)]
    )
    def test_not_more_than_the_cap_is_paid(self, cap_fen: int, payout_fen: int) -> None:
        found = self.settled(100_000, guarantee=roi(cap_fen=cap_fen))
        assert (found.payout_fen, found.shortfall_fen) == (payout_fen, 60_000)

    def test_no_more_than_was_spent_is_paid(self) -> None:
        assert self.settled(500).payout_fen == 100_000 - 200

    def test_it_is_settled_at_the_end_of_day_5_and_not_before(self) -> None:
        given: Any = ([setting(0, roi())], self.SPEND, [credit(1, 10 * ORDER, 100_000)])
        before, settled = at_end_of(4, *given), at_end_of(5, *given)
        assert (before.payout_fen, before.expected_payout_fen, before.days_left) == (None, 60_000, 1)
        assert ended(before) == (None, None, None)
        assert (before.status, states(before)["settlement"], states(before)["observation"]) == (
            "waiting",
            "not_yet",
            "holds",
        )
        assert (settled.payout_fen, settled.days_left, settled.settlement_day) == (60_000, 0, D0 + 4)

    def test_without_enough_orders_nor_a_shortfall_both_are_said(self) -> None:
        found = self.settled(200_000, ORDER)
        assert found.outcome_reason == f"1 of 10 orders. {found.gates[2].reason}"

    def test_while_days_are_open_a_gate_that_does_not_hold_may_yet(self) -> None:
        found = at_end_of(2, [setting(0, roi())], self.SPEND, [credit(1, ORDER, 400_000)])
        assert states(found) == {
            "edits": "holds",
            "conversions": "not_yet",
            "trigger": "not_yet",
            "observation": "not_yet",
            "settlement": "not_yet",
        }
        assert (found.status, found.spend_fen, found.hours_reported, found.hours) == (
            "observing",
            70_000,
            2,
            72,
        )
        assert found.expected_payout_fen == 0

    def test_orders_count_until_one_day_after_the_last_observed(self) -> None:
        rows = [credit(1, 10 * ORDER, 1_000), credit(3, ORDER, 70, lag=1), credit(3, ORDER, 700, lag=2)]
        assert at_end_of(5, [setting(0, roi())], self.SPEND, rows).gmv_fen == 1_070

    def test_touches_of_other_days_and_other_models_do_not_count(self) -> None:
        rows = [
            credit(0, ORDER, 1),
            credit(4, ORDER, 10),
            credit(1, ORDER, 100, model=2),
            credit(2, ORDER, 1_000),
        ]
        found = at_end_of(5, [setting(0, roi())], self.SPEND, rows)
        assert (found.gmv_fen, found.conversions_micros) == (1_000, ORDER)
        found = at_end_of(5, [setting(0, roi(), model="linear")], self.SPEND, rows)
        assert (found.gmv_fen, found.conversions_micros) == (100, ORDER)

    def test_spend_of_other_days_does_not_count(self) -> None:
        reports = [spent(0, 1, hour=23), *self.SPEND, spent(4, 10)]
        assert at_end_of(5, [setting(0, roi())], reports, []).spend_fen == 100_000

    def test_refunds_do_not_matter_to_gross_roi_but_are_shown(self) -> None:
        rows = [credit(1, 10 * ORDER, 100_000), refund(1, 2, 60_000)]
        found = at_end_of(5, [setting(0, roi())], self.SPEND, rows)
        assert (found.payout_fen, found.refund_fen) == (60_000, 60_000)
        assert (found.roi_micros, found.roi_net_micros) == (1_000_000, 400_000)

    def test_without_reports_spend_and_roi_are_unknown(self) -> None:
        found = at_end_of(5, [setting(0, roi())], [], [credit(1, 10 * ORDER, 100_000)])
        assert (found.spend_fen, found.roi_micros, found.payout_fen) == (None, None, 0)
        assert found.gates[2].reason == "No spend was reported; it pays below 80 %."


class TestTargets:
    """A target that changes: each day's GMV over the target of that day."""

    SPEND = tuple(spent(day, 40_000) for day in (1, 2, 3))
    ROWS = tuple(credit(day, 4 * ORDER, 60_000) for day in (1, 2, 3))

    def test_an_edit_counts_from_the_next_midnight(self) -> None:
        told = [setting(0, roi(2.0)), setting(DAY_MS // 2, roi(3.0))]
        found = at_end_of(5, told, self.SPEND, self.ROWS)
        # 600 / 2 + 600 / 3 + 600 / 3 = 700 yuan earned of 1,200.
        assert (found.earned_fen, found.payout_fen, found.target_roi_micros) == (70_000, 50_000, 3_000_000)

    def test_an_edit_at_midnight_counts_from_that_midnight(self) -> None:
        told = [setting(0, roi(2.0)), setting(2 * DAY_MS, roi(3.0))]
        assert at_end_of(5, told, self.SPEND, self.ROWS).earned_fen == 30_000 + 30_000 + 20_000
        told = [setting(0, roi(2.0)), setting(2 * DAY_MS + 1, roi(3.0))]
        assert at_end_of(5, told, self.SPEND, self.ROWS).earned_fen == 90_000

    def test_a_day_without_the_guarantee_goes_on_with_the_terms_of_the_day_before(self) -> None:
        told = [
            setting(0, roi(2.0), roi_lag_days=7),
            setting(DAY_MS, None, model="linear"),
            setting(2 * DAY_MS, roi(3.0)),
        ]
        found = at_end_of(5, told, self.SPEND, self.ROWS)
        assert found.earned_fen == 30_000 + 30_000 + 20_000
        assert states(found)["edits"] == "holds"

    def test_cap_and_gates_are_those_of_the_first_day(self) -> None:
        told = [setting(0, roi(2.5, cap_fen=7)), setting(DAY_MS, roi(2.5, cap_fen=900))]
        assert at_end_of(5, told, self.SPEND, self.ROWS).payout_fen == 7

    def test_each_day_has_the_lag_of_its_terms(self) -> None:
        guarantee = CustomGuarantee(START_MS, "roi", 80, 100, 2, 40, "cash", target_roi=1, backfill_days=100)
        told = [setting(0, guarantee, roi_lag_days=7), setting(DAY_MS, guarantee, roi_lag_days=15)]
        rows = [credit(day, 0, 10 ** (day - 1) * lag, lag=lag) for day in (1, 2) for lag in (7, 8, 15, 16)]
        found = at_end_of(40, told, self.SPEND, rows)
        assert found.gmv_fen == 7 + 10 * (7 + 8 + 15)
        assert found.form == "cash"


class TestEdits:
    SPEND = (spent(1, 100_000),)
    ROWS = (credit(1, 10 * ORDER, 1_000),)

    def edits(self, guarantees: list[Guarantee], at_ms: list[int]) -> Position:
        told = [setting(0, guarantees[0])]
        told += [setting(at, guarantee) for at, guarantee in zip(at_ms, guarantees[1:], strict=True)]
        return at_end_of(10, told, self.SPEND, self.ROWS)

    def test_the_third_edit_of_a_day_voids_it(self) -> None:
        targets: list[Guarantee] = [roi(2.5), roi(2.4), roi(2.3), roi(2.2)]
        two = self.edits(targets[:3], [HOUR_MS, HOUR_MS + 1])
        assert (states(two)["edits"], two.payout_fen) == ("holds", 100_000 - 400)
        three = self.edits(targets, [HOUR_MS, HOUR_MS + 1, DAY_MS - 1])
        assert (states(three)["edits"], three.payout_fen, three.expected_payout_fen) == ("broken", 0, 0)
        assert (
            three.gates[0].reason
            == "3 edits of the target on 2024-10-03, at most 2 a day allowed: void since 2024-10-03 23:59."
        )
        assert ended(three) == ("void", DAY_MS - 1, three.gates[0].reason)
        assert (
            two.gates[0].reason == "2 edits of the target while days were observed, at most 2 a day allowed."
        )

    def test_an_edit_at_midnight_is_of_the_new_day(self) -> None:
        targets: list[Guarantee] = [roi(2.5), roi(2.4), roi(2.3), roi(2.2)]
        assert states(self.edits(targets, [HOUR_MS, HOUR_MS + 1, DAY_MS]))["edits"] == "holds"

    def test_the_second_edit_of_an_hour_of_the_clock_voids_that_of_cost(self) -> None:
        bids: list[Guarantee] = [cost(3_000), cost(3_100), cost(3_200)]
        void = self.edits(bids, [HOUR_MS, 2 * HOUR_MS - 1])
        assert states(void)["edits"] == "broken"
        assert ended(void) == (
            "void",
            2 * HOUR_MS - 1,
            (
                "2 edits of the target in the hour from 2024-10-03 01:00, at most 2 a day and 1 an hour allowed: "
                "void since 2024-10-03 01:59."
            ),
        )
        assert states(self.edits(bids, [2 * HOUR_MS - 1, 2 * HOUR_MS]))["edits"] == "holds"
        assert states(self.edits([*bids, cost(1)], [HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS]))["edits"] == "broken"

    def test_what_leaves_the_target_as_it_is_is_no_edit(self) -> None:
        same: list[Guarantee] = [roi(2.5), roi(2.5, cap_fen=10**6), roi(2.5), roi(2.4)]
        assert states(self.edits(same, [1, 2, 3]))["edits"] == "holds"

    def test_edits_outside_of_the_observed_days_are_none(self) -> None:
        targets: list[Guarantee] = [roi(2.5), roi(2.4), roi(2.3), roi(2.2)]
        assert states(self.edits(targets, [3 * DAY_MS, 3 * DAY_MS + 1, 3 * DAY_MS + 2]))["edits"] == "holds"
        assert (
            states(self.edits(targets, [3 * DAY_MS - 3, 3 * DAY_MS - 2, 3 * DAY_MS - 1]))["edits"] == "broken"
        )

    def test_edits_are_known_from_their_time_on(self) -> None:
        told = [setting(0, roi(2.5))] + [setting(DAY_MS + n, roi(2.4 + n)) for n in range(3)]
        assert states(at_end_of(1, told, self.SPEND, self.ROWS))["edits"] == "holds"
        void = at_end_of(2, told, self.SPEND, self.ROWS)
        assert states(void)["edits"] == "broken"
        assert (void.status, void.payout_fen) == ("observing", None), "it is void long before its settlement"
        assert (void.outcome, void.outcome_since_ms) == ("void", START_MS + DAY_MS + 2)


class TestXhsCost:
    """A bid of 30 yuan and 20 conversions in seven days: 720 yuan are exactly 20 percent over."""

    @pytest.mark.parametrize(("spend_fen", "payout_fen"), [(72_000, 0), (72_001, 1), (100_000, 28_000)])
    def test_more_than_20_percent_over_is_paid(self, spend_fen: int, payout_fen: int) -> None:
        rows = [credit(1, 12 * ORDER), credit(7, 8 * ORDER, lag=3)]
        reports = [spent(1, spend_fen - 500), spent(7, 500, hour=23)]
        found = at_end_of(10, [setting(0, cost())], reports, rows)
        assert (found.payout_fen, found.earned_fen, found.bid_fen) == (payout_fen, 60_000, 3_000)
        assert found.outcome == ("paid" if payout_fen else "unpaid")
        assert found.cost_per_conversion_fen == spend_fen // 20
        assert states(found)["trigger"] == ("holds" if payout_fen else "broken")

    def test_it_is_settled_at_the_end_of_day_10_and_not_before(self) -> None:
        given: Any = ([setting(0, cost())], [spent(1, 100_000)], [credit(1, 20 * ORDER)])
        assert at_end_of(9, *given).payout_fen is None
        assert at_end_of(10, *given).payout_fen == 28_000
        assert at_end_of(10, *given).last_observed_day == D0 + 6

    def test_without_a_conversion_all_of_the_spend_is_paid(self) -> None:
        found = at_end_of(10, [setting(0, cost())], [spent(1, 100_000)], [])
        assert (found.payout_fen, found.cost_per_conversion_fen) == (100_000, None)

    def test_parts_of_an_order_are_parts_of_a_bid(self) -> None:
        found = at_end_of(10, [setting(0, cost(999))], [spent(1, 100_000)], [credit(1, 333_333)])
        # 1.2 * 999 * 0.333333 = 399.5996... fen are earned; the payout is rounded down.
        assert (found.earned_fen, found.payout_fen) == (332, 99_600)

    def test_a_counted_metric_of_the_observed_days_is_the_conversion(self) -> None:
        clicks = {
            0: {"ad_clicks": 900},
            1: {"ad_clicks": 3, "views": 99},
            7: {"ad_clicks": 2},
            8: {"ad_clicks": 70},
        }
        found = at_end_of(
            10, [setting(0, cost(conversion="ad_clicks"))], [spent(1, 100_000)], [credit(1, ORDER)], clicks
        )
        assert (found.conversions_micros, found.earned_fen, found.payout_fen) == (5 * ORDER, 15_000, 82_000)
        early = at_end_of(6, [setting(0, cost(conversion="ad_clicks"))], [spent(1, 100_000)], [], clicks)
        assert early.conversions_micros == 3 * ORDER

    def test_bids_of_their_days_are_added_up(self) -> None:
        told = [setting(0, cost(3_000)), setting(3 * DAY_MS, cost(4_000))]
        rows = [credit(day, ORDER) for day in range(1, 8)]
        assert at_end_of(10, told, [spent(1, 1)], rows).earned_fen == 3 * 3_000 + 4 * 4_000


class TestNet:
    GUARANTEE = CustomGuarantee(
        START_MS, "roi", 80, 100, 3, 5, "cash", target_roi=2.5, backfill_days=1, basis="net"
    )

    @pytest.mark.parametrize(("refund_day", "payout_fen"), [(5, 60_000), (6, 0)])
    def test_refunds_up_to_the_settlement_day_count_and_not_after(
        self, refund_day: int, payout_fen: int
    ) -> None:
        rows = [credit(1, ORDER, 250_000), refund(1, refund_day, 150_000)]
        for known in (5, 6, 30):
            found = at_end_of(known, [setting(0, self.GUARANTEE)], [spent(1, 100_000)], rows)
            assert found.payout_fen == payout_fen

    def test_more_refunds_than_gmv_pay_no_more_than_was_spent(self) -> None:
        found = at_end_of(5, [setting(0, self.GUARANTEE)], [spent(1, 100_000)], [refund(1, 2, 5_000)])
        assert (found.payout_fen, found.earned_fen, found.shortfall_fen) == (100_000, -2_000, 102_000)


class TestWhatIsKnown:
    def test_a_late_report_counts_on_the_day_it_is_known(self) -> None:
        late = spent(1, 90_000, revision=2, late_ms=HOUR_MS + 6 * HOUR_MS + 5 * DAY_MS)
        given: Any = ([setting(0, roi())], [spent(1, 50_000), late], [credit(1, 10 * ORDER, 2_500)])
        assert at_end_of(5, *given).payout_fen == 49_000
        assert at_end_of(6, *given).payout_fen == 89_000

    def test_what_is_loaded_long_after_its_time_is_known_as_if_it_came_in_time(self) -> None:
        reports = [spent(day, 10_000, late_ms=400 * DAY_MS) for day in (1, 2, 3)]
        facts = MoneyFacts("c1", [], reports, [], {})
        assert [spend_of(facts, D0, D0 + 2, D0 + days).spend_fen for days in range(3)] == [
            10_000,
            20_000,
            30_000,
        ]

    def test_the_live_position_is_by_all_that_is_known(self) -> None:
        late = spent(1, 90_000, revision=2, late_ms=50 * DAY_MS)
        facts = MoneyFacts(
            "c1", [setting(0, roi())], [spent(1, 50_000), late], [credit(1, 10 * ORDER, 2_500)], {}
        )
        found = position(facts, D0, None, D0 + 1)
        assert (found.spend_fen, found.expected_payout_fen, found.payout_fen) == (90_000, 89_000, None)
        assert (found.status, found.days_left) == ("observing", 4)
        assert position(facts, D0, None, D0 + 4).payout_fen is None
        assert position(facts, D0, None, D0 + 5).payout_fen == 89_000

    def test_once_settled_it_stays_as_it_is(self) -> None:
        facts = MoneyFacts("c1", [setting(0, roi())], [spent(1, 50_000)], [credit(1, 10 * ORDER, 2_500)], {})
        settled = position(facts, D0, None, D0 + 5)
        assert position(facts, D0, None, D0 + 300) == settled
        assert [gate.reason for gate in settled.gates[3:]] == [
            "3 of 3 days over, the last is 2024-10-05.",
            "5 of 5 days over, settled at the end of 2024-10-07.",
        ]

    def test_before_its_first_day_it_is_planned(self) -> None:
        facts = MoneyFacts("c1", [setting(-5 * DAY_MS, roi())], [], [], {})
        assert position(facts, D0, None, D0 - 2).status == "planned"
        assert position(facts, D0, None, D0).status == "observing"


class TestWhichThereAre:
    def test_each_start_whose_day_has_it_in_its_terms(self) -> None:
        second = msgspec.structs.replace(roi(), start_ms=START_MS + 9 * DAY_MS + 5)
        told = [
            setting(-DAY_MS, None),
            setting(0, roi()),
            setting(DAY_MS, roi(2.4)),
            setting(5 * DAY_MS, second),
        ]
        assert guarantees_of(told) == [D0, D0 + 9]

    def test_one_told_within_its_first_day_is_of_the_terms_only_where_nothing_held_before(self) -> None:
        assert guarantees_of([setting(HOUR_MS, roi())]) == [D0]
        assert guarantees_of([setting(-DAY_MS, None), setting(HOUR_MS, roi())]) == []

    def test_none_that_was_replaced_before_it_began_or_told_after(self) -> None:
        assert guarantees_of([setting(-DAY_MS, roi()), setting(0, None)]) == []
        assert guarantees_of([setting(DAY_MS, roi())]) == []

    def test_a_day_without_one_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="'c1' begins on day 20001"):
            position(MoneyFacts("c1", [setting(0, roi())], [], [], {}), D0 + 1, None, D0)
