"""Rules of alerts at their boundaries, in their values and in time (R24)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from xinghe.domain.alerts import (
    AlertRule,
    AlertRuleError,
    AlertState,
    BudgetNearlyUsed,
    DataLate,
    DataStopped,
    DeadLetterShare,
    Figures,
    ForecastBelowTarget,
    Outlook,
    RoiBelow,
    SpendWithoutConversions,
    Turn,
    WindowFigures,
    alert_rules_of,
    figure_text,
    kind_of,
    next_step_ms,
    record_of,
    step,
)
from xinghe.domain.windows import MINUTE_MS

START_MS = 1_740_758_400_000


def spent(fen: int | None) -> Figures:
    """The figures of a day with so much spend and nothing for it."""
    return Figures(day=WindowFigures(spend_fen=fen))


def rule_of(**common: Any) -> SpendWithoutConversions:
    """Bad from 1,000 fen on."""
    return SpendWithoutConversions(name="r", spend_fen=1_000, **common)


def turns(rule: AlertRule, *looks: tuple[float, int | None]) -> list[tuple[str, float]]:
    """What happens at looks, each at a minute and with a spend."""
    state: AlertState | None = None
    found: list[tuple[str, float]] = []
    for minute, fen in looks:
        state, turn = step(rule, state, spent(fen), START_MS + int(minute * MINUTE_MS))
        if turn is not None:
            found.append((turn.state, (turn.time_ms - START_MS) / MINUTE_MS))
    return found


class TestInTime:
    #  minute   0    1    2    3    4    5    6
    #  spend    bad  bad  bad                      for_minutes 2
    def test_it_is_raised_after_exactly_so_many_minutes(self) -> None:
        almost = 2 - 1 / MINUTE_MS
        assert turns(rule_of(for_minutes=2), (0, 1_000), (almost, 1_000)) == []
        assert turns(rule_of(for_minutes=2), (0, 1_000), (2, 1_000)) == [("raised", 2)]
        assert turns(rule_of(), (0, 1_000)) == [("raised", 0)]

    def test_it_begins_anew_where_it_did_not_hold(self) -> None:
        looks = [(0, 1_000), (1, 999), (2, 1_000), (3, 1_000), (4, 1_000)]
        assert turns(rule_of(for_minutes=2), *looks) == [("raised", 4)]

    def test_what_is_unknown_does_not_hold(self) -> None:
        assert turns(rule_of(for_minutes=2), (0, 1_000), (1, None), (2, 1_000)) == []
        assert turns(rule_of(), (0, 1_000), (1, None)) == [("raised", 0), ("resolved", 1)]

    def test_it_is_escalated_once_so_many_minutes_after_it_was_raised(self) -> None:
        rule = rule_of(for_minutes=1, escalate_after_minutes=3)
        almost = 4 - 1 / MINUTE_MS
        assert turns(rule, (0, 1_000), (1, 1_000), (almost, 1_000)) == [("raised", 1)]
        assert turns(rule, (0, 1_000), (1, 1_000), (4, 1_000), (9, 1_000)) == [
            ("raised", 1),
            ("escalated", 4),
        ]

    def test_a_time_that_jumps_turns_it_once_a_look(self) -> None:
        rule = rule_of(escalate_after_minutes=3)
        assert turns(rule, (0, 1_000), (60, 1_000), (60, 1_000)) == [("raised", 0), ("escalated", 60)]

    def test_hysteresis_keeps_it_open_up_to_its_edge(self) -> None:
        rule = rule_of(hysteresis_percent=10)
        assert turns(rule, (0, 1_000), (1, 999), (2, 900)) == [("raised", 0)]
        assert turns(rule, (0, 1_000), (1, 899)) == [("raised", 0), ("resolved", 1)]
        assert turns(rule, (0, 900)) == [], "which raises nothing"

    def test_within_the_band_it_is_escalated(self) -> None:
        rule = rule_of(hysteresis_percent=10, escalate_after_minutes=2)
        assert turns(rule, (0, 1_000), (2, 950)) == [("raised", 0), ("escalated", 2)]

    def test_after_the_cool_down_it_is_raised_again(self) -> None:
        rule = rule_of(cool_down_minutes=5)
        first = [("raised", 0), ("resolved", 1)]
        almost = 6 - 1 / MINUTE_MS
        assert turns(rule, (0, 1_000), (1, 0), (almost, 1_000)) == first
        assert turns(rule, (0, 1_000), (1, 0), (6, 1_000)) == [*first, ("raised", 6)]
        assert turns(rule, (0, 1_000), (1, 0), (2, 1_000), (6, 1_000)) == [*first, ("raised", 6)]

    def test_flapping_is_told_once_a_cool_down(self) -> None:
        looks = [(minute, 1_000 if minute % 2 == 0 else 0) for minute in range(25)]
        found = turns(rule_of(cool_down_minutes=10), *looks)
        assert found == [
            *(("raised", 0), ("resolved", 1)),
            *(("raised", 12), ("resolved", 13)),
            ("raised", 24),
        ]

    def test_crossings_at_one_time_have_different_ids(self) -> None:
        rule = rule_of(cool_down_minutes=0)
        state: AlertState | None = None
        ids = []
        for fen in (1_000, 0, 0, 1_000, 1_000):
            state, turn = step(rule, state, spent(fen), START_MS)
            if turn is not None:
                ids.append((turn.state, turn.since_ms - START_MS))
        state, turn = step(rule, state, spent(1_000), START_MS + 1)
        assert ids == [("raised", 0), ("resolved", 0)]
        assert turn is not None
        assert (turn.state, turn.since_ms - START_MS) == ("raised", 1)

    def test_nothing_is_kept_where_all_is_well(self) -> None:
        rule = rule_of(for_minutes=5, cool_down_minutes=5)
        assert step(rule, AlertState("pending", START_MS), spent(0), START_MS) == (None, None)
        resolved = AlertState("resolved", START_MS, quiet_until_ms=START_MS + 7)
        assert step(rule, resolved, spent(0), START_MS + 6) == (resolved, None)
        assert step(rule, resolved, spent(0), START_MS + 7) == (None, None)

    @pytest.mark.parametrize(
        ("state", "next_ms"),
        [
            (AlertState("pending", START_MS), START_MS + 2 * MINUTE_MS),
            (AlertState("pending", START_MS, quiet_until_ms=START_MS + 10**9), START_MS + 10**9),
            (AlertState("raised", START_MS, START_MS + 1), START_MS + 1 + 3 * MINUTE_MS),
            (AlertState("escalated", START_MS, START_MS + 1), None),
            (AlertState("resolved", START_MS, quiet_until_ms=START_MS + 7), START_MS + 7),
        ],
    )
    def test_when_time_alone_changes_a_state(self, state: AlertState, next_ms: int | None) -> None:
        rule = rule_of(for_minutes=2, escalate_after_minutes=3, cool_down_minutes=1)
        assert next_step_ms(rule, state) == next_ms
        if next_ms is None:
            return
        holds = spent(0 if state.phase == "resolved" else 1_000)
        assert step(rule, state, holds, next_ms - 1) == (state, None)
        assert step(rule, state, holds, next_ms)[0] != state

    def test_without_escalation_a_raised_one_stays(self) -> None:
        assert next_step_ms(rule_of(), AlertState("raised", START_MS, START_MS)) is None


def roi(**window: int) -> Figures:
    figures = WindowFigures(**({"spend_fen": 1_000, "orders_micros": 10_000_000} | window))
    return Figures(day=figures, total=WindowFigures(spend_fen=1_000, orders_micros=10_000_000, gmv_fen=9_999))


class TestRoi:
    RULE = RoiBelow(name="r", ratio=Decimal("1.5"), orders_min=10)

    def test_it_is_bad_below_the_ratio(self) -> None:
        assert step(self.RULE, None, roi(gmv_fen=1_500), 0) == (None, None)
        assert step(self.RULE, None, roi(gmv_fen=1_499), 0)[1] == Turn("raised", 0, 0, Fraction(1_499, 1_000))

    def test_hysteresis_is_above_the_ratio(self) -> None:
        rule = RoiBelow(name="r", ratio=Decimal("1.5"), hysteresis_percent=10)
        state = AlertState("raised", 0, 0)
        assert step(rule, state, roi(gmv_fen=1_649), 1)[1] is None
        turn = step(rule, state, roi(gmv_fen=1_650), 1)[1]
        assert turn is not None
        assert turn.state == "resolved"

    def test_net_is_less_refunds(self) -> None:
        rule = RoiBelow(name="r", ratio=Decimal("1.5"), basis="net")
        assert rule.value(roi(gmv_fen=1_500, refund_fen=2_000)) == Fraction(-1, 2)
        assert self.RULE.value(roi(gmv_fen=1_500, refund_fen=2_000)) == Fraction(3, 2)

    def test_to_date_it_is_of_the_total(self) -> None:
        rule = RoiBelow(name="r", ratio=Decimal("1.5"), window="total")
        assert rule.value(roi(gmv_fen=1)) == Fraction(9_999, 1_000)

    def test_it_is_unknown_with_too_few_orders_or_no_spend(self) -> None:
        assert self.RULE.value(roi(gmv_fen=1, orders_micros=9_999_999)) is None
        assert self.RULE.value(roi(gmv_fen=1, spend_fen=0)) is None
        assert self.RULE.value(Figures()) is None


def test_the_forecast_is_compared_with_the_target() -> None:
    outlook = Figures(outlook=Outlook(gmv_fen=800, high_fen=899, target_fen=1_000))
    high = ForecastBelowTarget(name="r", percent=10)
    assert high.value(outlook) == Fraction("89.9")
    assert step(high, None, outlook, 0)[1] is not None
    reaches = Figures(outlook=Outlook(gmv_fen=800, high_fen=900, target_fen=1_000))
    assert step(high, None, reaches, 0) == (None, None)
    assert ForecastBelowTarget(name="r", percent=10, estimate="gmv").value(outlook) == 80
    assert high.value(Figures(outlook=Outlook(1, 1, 0))) is None
    assert high.value(Figures()) is None


def test_a_conversion_ends_spend_without_conversions() -> None:
    visited = Figures(day=WindowFigures(spend_fen=1_000, store_visits=1))
    bought = Figures(day=WindowFigures(spend_fen=1_000, orders_micros=1))
    by_orders = rule_of()
    by_visits = SpendWithoutConversions(name="r", spend_fen=1_000, conversions="store_visits")
    assert (by_orders.value(visited), by_orders.value(bought)) == (Fraction(1_000), None)
    assert (by_visits.value(visited), by_visits.value(bought)) == (None, Fraction(1_000))
    assert by_orders.value(Figures()) is None


def test_the_budget_is_of_the_spend_to_date() -> None:
    rule = BudgetNearlyUsed(name="r", percent=90)
    assert step(rule, None, Figures(total=WindowFigures(899), budget_fen=1_000), 0) == (None, None)
    assert step(rule, None, Figures(total=WindowFigures(900), budget_fen=1_000), 0)[1] is not None
    for unknown in (
        Figures(total=WindowFigures(900)),
        Figures(budget_fen=1_000),
        Figures(total=WindowFigures(), budget_fen=1),
    ):
        assert rule.value(unknown) is None


def test_data_is_late_or_stopped_from_so_many_minutes_on() -> None:
    late, stopped = DataLate(name="l", minutes=15), DataStopped(name="s", minutes=10)
    assert step(late, None, Figures(late_ms=15 * MINUTE_MS - 1), 0) == (None, None)
    assert step(late, None, Figures(late_ms=15 * MINUTE_MS), 0)[1] is not None
    assert step(stopped, None, Figures(quiet_ms=10 * MINUTE_MS - 1), 0) == (None, None)
    assert step(stopped, None, Figures(quiet_ms=10 * MINUTE_MS), 0)[1] is not None
    assert (late.value(Figures()), stopped.value(Figures())) == (None, None)


def test_the_share_of_dead_letters_is_of_the_last_minutes() -> None:
    rule = DeadLetterShare(name="r", percent=5, minutes=2, records_min=100)
    minutes = [(7, 1_000, 1_000), (8, 60, 3), (9, 40, 2)]
    assert rule.value(Figures(minutes=minutes, minute=9)) == 5
    assert rule.value(Figures(minutes=minutes, minute=10)) is None, "with 40 records"
    assert rule.value(Figures(minutes=[(9, 100, 0)], minute=9)) == 0


class TestRecord:
    def test_it_says_what_is_wrong_in_figures_and_words(self) -> None:
        rule = RoiBelow(name="roi", ratio=Decimal("1.5"), severity="critical")
        turn = Turn("raised", START_MS, START_MS + 60 * MINUTE_MS, Fraction(14_999, 10_000))
        record = record_of(rule, "c1", "s1", turn)
        assert (record.alert_id, record.campaign_id, record.shop_id) == (f"c1|roi|{START_MS}", "c1", "s1")
        assert (record.kind, record.severity, record.unit) == ("roi_below", "critical", "ratio")
        assert (record.value, record.threshold) == (1.4999, 1.5)
        assert (record.value_text, record.threshold_text) == ("1.4999", "1.5")
        assert record.message == (
            "Campaign c1: gross ROI of today is 1.4999, below 1.5 for 60 minutes. See which hours and notes cost "
            "without selling, and lower the bid or stop them."
        )

    def test_one_about_the_data_is_of_the_system(self) -> None:
        record = record_of(
            DataLate(name="late", minutes=15), None, None, Turn("escalated", 7, 8, Fraction(31, 2))
        )
        assert (record.alert_id, record.campaign_id) == ("system|late|7", None)
        assert record.message.startswith(
            "Still unsolved: time that complete figures are behind the clock is 15.5 minutes, at or above 15 minutes. "
        )

    def test_a_resolved_one_says_how_it_is_now(self) -> None:
        known = record_of(rule_of(), "c1", None, Turn("resolved", 7, 8, Fraction(999)))
        assert known.message.endswith(" is 9.99 yuan, no longer at or above 10.00 yuan.")
        unknown = record_of(rule_of(), "c1", None, Turn("resolved", 7, 8, None))
        assert (unknown.value, unknown.value_text) == (None, None)
        assert unknown.message.startswith("Campaign c1: resolved: there is no spend of today")

    @pytest.mark.parametrize(
        ("figure", "unit", "text"),
        [
            (Fraction(-1, 3), "ratio", "-0.3334"),
            (Fraction(-3), "ratio", "-3"),
            (Fraction(1), "ratio", "1"),
            (Fraction(899, 1000), "percent", "0.8 percent"),
            (Fraction(100), "minutes", "100 minutes"),
            (Fraction(100_001), "fen", "1,000.01 yuan"),
            (Fraction(10**14), "fen", "1,000,000,000,000.00 yuan"),
        ],
    )
    def test_figures_are_rounded_down(self, figure: Fraction, unit: Any, text: str) -> None:
        assert figure_text(figure, unit) == text


ROI: dict[str, Any] = {"name": "roi", "kind": "roi_below", "ratio": 1}
LATE: dict[str, Any] = {"name": "late", "kind": "data_late", "minutes": 1}


class TestFile:
    def test_rules_come_by_their_kinds(self) -> None:
        rules = alert_rules_of({"rule": [ROI, LATE]})
        assert rules == [RoiBelow(name="roi", ratio=Decimal(1)), DataLate(name="late", minutes=1)]
        assert [kind_of(rule) for rule in rules] == ["roi_below", "data_late"]
        assert alert_rules_of({}) == []

    @pytest.mark.parametrize(
        ("rules", "message"),
        [
            ([ROI, LATE | {"minutes": 0}], r"rule 2 \(late\): Expected `int` >= 1 - at `\$.minutes`"),
            ([ROI | {"ratio": Decimal(0)}], r"rule 1 \(roi\): `ratio` must be above 0 and at most 1000"),
            ([ROI | {"ratio": Decimal("nan")}], r"rule 1 \(roi\): `ratio` must be above 0"),
            ([ROI | {"severity": "bad"}], r"rule 1 \(roi\): Invalid enum value 'bad' - at `\$.severity`"),
            ([ROI | {"kind": "roi"}], r"rule 1 \(roi\): Invalid value 'roi' - at `\$.kind`"),
            ([LATE | {"ratio": 1}], r"rule 1 \(late\): Object contains unknown field `ratio`"),
            ([{"kind": "data_late", "minutes": 1}], r"rule 1 \(without a name\): .*`name`"),
            ([LATE | {"name": "a|b"}], r"rule 1 \(a\|b\): .*`\$.name`"),
            ([LATE, LATE], r"rule 2 \(late\): another rule has that `name`"),
            ([7], r"rule 1 \(without a name\): Expected `object`"),
            (7, "a list of tables"),
        ],
    )
    def test_a_wrong_one_is_named_with_its_field(self, rules: Any, message: str) -> None:
        with pytest.raises(AlertRuleError, match=message):
            alert_rules_of({"rule": rules})

    def test_nothing_else_may_stand_in_it(self) -> None:
        with pytest.raises(AlertRuleError, match="a list of tables"):
            alert_rules_of({"rules": []})
