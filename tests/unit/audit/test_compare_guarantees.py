"""Positions that are right have no difference; each figure that is not is named (ARCHITECTURE.md, R23)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.unit.audit.money import at_ms, credit, facts, setting, spent
from xinghe.audit.compare_guarantees import (
    FORECAST,
    FoundPositions,
    GuaranteeComparison,
    expected_end,
    expected_position,
    gates_on,
    status_on,
)
from xinghe.audit.findings import Findings
from xinghe.audit.guarantee import first_days, outcome
from xinghe.audit.money_facts import MoneyFacts
from xinghe.domain.counted import day_number
from xinghe.domain.terms import QianchuanRoi
from xinghe.serving.positions import position_fields

DAY_0 = day_number(at_ms(0))
ROI = QianchuanRoi(at_ms(0), 2.0)
FACTS = facts([setting(0, guarantee=ROI)], [spent(0, 1_000)], credit(0, 0, 501, 10, {1: 3}))
POSITION: dict[str, Any] = {
    "first_day": "2026-11-01",
    "last_observed_day": "2026-11-03",
    "settlement_day": "2026-11-05",
    "measure": "roi",
    "conversion": "orders",
    "basis": "gross",
    "form": "credit",
    "target_roi_micros": 2_000_000,
    "bid_fen": None,
    "hours_reported": 1,
    "hours": 72,
    "spend_fen": 1_000,
    "gmv_fen": 501,
    "refund_fen": 3,
    "conversions_micros": 10_000_000,
    "earned_fen": 250,
    "roi_micros": 501_000,
    "roi_net_micros": 498_000,
    "cost_per_conversion_fen": 100,
    "shortfall_fen": 749,
    "expected_payout_fen": 749,
}
TOO_LITTLE = {"forecast": "too_little_data"}


def of_day(of: MoneyFacts, watermark_ms: int) -> dict[str, Any]:
    """What of a position depends on the day."""
    begun = outcome(of, first_days(of)[-1], None)
    over_day = day_number(watermark_ms) - 1
    gates = [
        {"name": name, "state": state, "reason": ""} for name, state in gates_on(begun, over_day).items()
    ]
    days_left = max(begun.settlement_day - over_day, 0)
    return {"shop_id": "s1", "days_left": days_left, "status": status_on(begun, over_day), "gates": gates}


def differences(
    position: dict[str, Any] | bytes | None,
    in_redis: dict[str, Any] | None,
    *,
    watermark_ms: int = at_ms(1),
    of: MoneyFacts = FACTS,
) -> list[str]:
    found = FoundPositions()
    if position is not None:
        if isinstance(position, dict):
            position = orjson.dumps(TOO_LITTLE | of_day(of, watermark_ms) | position)
        found.last["c1"] = position
        if in_redis is not None and position.startswith(b"{"):
            in_redis = orjson.loads(position) | in_redis
    as_text = {} if in_redis is None else {"c1": position_fields(orjson.dumps(in_redis))}
    findings = Findings()
    GuaranteeComparison({"c1": of}, watermark_ms, watermark_ms).compare(found, as_text, findings)
    return [f"{difference.where}: {difference.field}" for difference in findings.shown]


def test_what_is_right_has_no_difference() -> None:
    assert expected_position(FACTS) == POSITION
    more = {"outcome_reason": "as it is", "payout_fen": 749}
    assert differences(POSITION | more, POSITION | more) == []
    assert differences(POSITION | {"payout_fen": None}, POSITION) == []


@pytest.mark.parametrize("name", [*POSITION, "payout_fen"])
def test_each_figure_is_compared(name: str) -> None:
    right = POSITION | {"payout_fen": 749}
    wrong = right | {name: 5}
    assert differences(wrong, right) == [f"campaign c1: {name}"]
    assert differences(right, wrong) == [f"xinghe:campaign:c1:guarantee: {name}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "settled"),
        ("gates", []),
        ("days_left", 9),
        ("shop_id", "s2"),
        ("outcome_reason", "none"),
        ("forecast", "known"),
        ("forecast_gmv_fen", 1),
        ("more", "than that"),
    ],
)
def test_redis_has_all_that_the_topic_has_and_no_more(name: str, value: Any) -> None:
    assert differences(POSITION, POSITION | {name: value}) == [f"xinghe:campaign:c1:guarantee: {name}"]


@pytest.mark.parametrize("name", ["outcome", "outcome_since_ms", "payout_fen"])
def test_redis_tells_what_came_of_it_once_the_topic_does(name: str) -> None:
    settled = {"outcome": "paid", "outcome_since_ms": at_ms(5), "payout_fen": 749}
    assert differences(POSITION | settled, POSITION | settled) == []
    found = differences(POSITION | settled, POSITION | settled | {name: None})
    shown = "outcome" if name == "outcome_since_ms" else name
    assert found == [f"xinghe:campaign:c1:guarantee: {shown}"]


def test_the_shop_is_that_of_the_terms_of_the_day() -> None:
    moved = facts(
        [setting(0, guarantee=ROI), setting(3, guarantee=ROI, shop_id="s2")],
        [spent(0, 1_000)],
        credit(0, 0, 501, 10, {1: 3}),
    )
    for day, shop_ids in ((2, {"s1"}), (3, {"s2"}), (9, {"s2"})):
        for shop_id in ("s1", "s2"):
            found = differences(POSITION | {"shop_id": shop_id}, POSITION, watermark_ms=at_ms(day), of=moved)
            assert found == ([] if shop_id in shop_ids else ["campaign c1: shop_id"]), (day, shop_id)
    later = facts(
        [setting(0, guarantee=ROI), setting(8, guarantee=ROI, shop_id="s2")],
        [spent(0, 1_000)],
        credit(0, 0, 501, 10, {1: 3}),
    )
    for shop_id in ("s1", "s2"):
        settled = POSITION | {"shop_id": shop_id}
        assert differences(settled, POSITION, watermark_ms=at_ms(9), of=later) == [], "it may be behind"


def test_a_position_must_be_there_and_only_where_the_newest_setting_has_a_guarantee() -> None:
    assert differences(None, POSITION) == ["campaign c1: position"]
    assert differences(None, None, watermark_ms=0) == [], "before there is a watermark it need not be"
    assert differences(b"[1]", POSITION) == ["campaign c1: value"]
    assert expected_position(facts([setting(0, guarantee=ROI), setting(9)])) is None
    assert expected_position(facts([setting(1, guarantee=ROI)])) is None


def test_unknown_spend_is_absent() -> None:
    known = expected_position(facts([setting(0, guarantee=ROI)]))
    assert known is not None
    assert (known["spend_fen"], known["earned_fen"], known["expected_payout_fen"]) == (None, 0, 0)


@pytest.mark.parametrize(("gmv_fen", "outcome"), [(501, "paid"), (1_700, "unpaid")])
def test_what_came_of_it_may_be_open_but_not_another(gmv_fen: int, outcome: str) -> None:
    one = facts([setting(0, guarantee=ROI)], [spent(0, 1_000)], credit(0, 0, gmv_fen, 10))
    right = dict(expected_position(one) or {}) | {"outcome": outcome, "outcome_since_ms": at_ms(5)}
    assert differences(right, right, of=one) == []
    assert differences(dict(expected_position(one) or {}), right, of=one) == [], "it may not be told yet"
    for wrong in ({"outcome": "void"}, {"outcome_since_ms": at_ms(4)}, {"outcome_since_ms": None}):
        assert differences(right | wrong, right, of=one) == ["campaign c1: outcome"]
        assert differences(right, right | wrong, of=one) == ["xinghe:campaign:c1:guarantee: outcome"]


GATES = {
    "edits": "holds",
    "conversions": "holds",
    "trigger": "holds",
    "observation": "not_yet",
    "settlement": "not_yet",
}


@pytest.mark.parametrize(
    ("day", "status", "changed"),
    [
        (-1, "planned", {}),
        (0, "observing", {}),
        (2, "observing", {}),
        (3, "waiting", {"observation": "holds"}),
        (4, "waiting", {"observation": "holds"}),
        (5, "settled", {"observation": "holds", "settlement": "holds"}),
        (99, "settled", {"observation": "holds", "settlement": "holds"}),
    ],
)
def test_gates_and_status_are_those_of_the_day_that_is_told(
    day: int, status: str, changed: dict[str, str]
) -> None:
    states = GATES | changed
    gates = [{"name": name, "state": state, "reason": "why"} for name, state in states.items()]
    right = POSITION | {"status": status, "gates": gates, "days_left": max(5 - day, 0)}
    assert differences(right, POSITION, watermark_ms=at_ms(max(day, 1))) == []
    assert differences(right, POSITION, watermark_ms=at_ms(99)) == [], "it may be behind"
    assert differences(right | {"status": "over"}, POSITION, watermark_ms=at_ms(99)) == [
        "campaign c1: status"
    ]
    for gate in gates:
        gate["state"], before = "broken", gate["state"]
        assert differences(right, POSITION, watermark_ms=at_ms(99)) == ["campaign c1: gates"]
        gate["state"] = before
    if day > 1:
        ahead = differences(right, POSITION, watermark_ms=at_ms(min(day, 5) - 1))
        assert ahead == ["campaign c1: days_left"], "no day is over before it is"


def test_gates_are_broken_once_nothing_can_change_them() -> None:
    short = outcome(
        facts([setting(0, guarantee=ROI)], [spent(0, 1_000)], credit(0, 0, 1_600, 9)), DAY_0, None
    )
    for over_day, state in ((DAY_0 + 3, "not_yet"), (DAY_0 + 4, "broken")):
        gates = gates_on(short, over_day)
        assert (gates["edits"], gates["conversions"], gates["trigger"]) == ("holds", state, state)


@pytest.mark.parametrize("gates", [None, "holds", ["edits"], [], {}])
def test_what_is_no_list_of_gates_is_a_difference(gates: Any) -> None:
    assert differences(POSITION | {"gates": gates}, POSITION) == ["campaign c1: gates"]


@pytest.mark.parametrize("days_left", [None, -1, "4", 1.5])
def test_days_left_must_be_told(days_left: Any) -> None:
    assert differences(POSITION | {"days_left": days_left}, POSITION) == ["campaign c1: days_left"]


def test_what_is_void_must_say_so_and_since_when() -> None:
    edits = [setting(0, hour, guarantee=QianchuanRoi(at_ms(0), 2.0 + hour)) for hour in range(1, 5)]
    void = facts([setting(0, guarantee=ROI), *edits], [spent(0, 1_000)])
    assert expected_end(void) == ("void", at_ms(0, 3))
    right = dict(expected_position(void) or {}) | {"outcome": "void", "outcome_since_ms": at_ms(0, 3)}
    assert differences(right, right, of=void) == []
    assert differences(right | {"outcome": None}, right, of=void) == ["campaign c1: outcome"]
    assert differences(right | {"outcome_since_ms": at_ms(0, 4)}, right, of=void) == ["campaign c1: outcome"]


class TestForecast:
    """Three older cohorts of ten orders had doubled by the second day; one fen more in one of them."""

    OLDER = tuple(
        credit(day, day + age, 100 + (day == 0 and age == 1), 10) for day in (0, 1, 2) for age in (0, 1)
    )
    FACTS = facts(
        [setting(9, guarantee=QianchuanRoi(at_ms(9), 2.0), roi_lag_days=7)],
        [spent(9, 1_000)],
        *OLDER,
        credit(9, 9, 300, 1),
    )

    def told(self, factor: float, error_fen: float) -> dict[str, Any]:
        gmv_fen = 300 * factor
        ends = gmv_fen - 1.96 * error_fen, gmv_fen + 1.96 * error_fen
        figures = dict(zip(FORECAST, map(round, (gmv_fen, *ends, error_fen, 1_000)), strict=True))
        return dict(expected_position(self.FACTS) or {}) | {"forecast": "known"} | figures

    def differ(self, told: dict[str, Any], day: int = 10) -> list[str]:
        return differences(
            told, dict(expected_position(self.FACTS) or {}), watermark_ms=at_ms(day), of=self.FACTS
        )

    def test_it_is_that_of_mack(self) -> None:
        # f = (201 + 200 + 200) / 300, sigma^2 = 100 (2 (2 - f)^2 + (2.01 - f)^2) / 2, and no more growth after.
        factor = 601 / 300
        variance = 100 * (2 * (2 - factor) ** 2 + (2.01 - factor) ** 2) / 2
        error_fen = ((300 * factor) ** 2 * variance / factor**2 * (1 / 300 + 1 / 300)) ** 0.5
        assert self.differ(self.told(factor, error_fen)) == []
        assert self.differ(self.told(factor, error_fen) | {"forecast_spend_fen": 9}) == [
            "campaign c1: forecast"
        ]
        assert self.differ(self.told(factor, error_fen + 9)) == ["campaign c1: forecast"]
        assert self.differ(self.told(factor + 0.1, error_fen)) == ["campaign c1: forecast"]
        assert self.differ(self.told(factor, error_fen), day=9) == ["campaign c1: forecast"], (
            "today is left out"
        )

    def test_what_is_too_little_must_say_so(self) -> None:
        told = dict(expected_position(self.FACTS) or {}) | TOO_LITTLE
        assert self.differ(told) == ["campaign c1: forecast"]
        assert self.differ(told, day=5) == [], "the older ones are not developed yet"
        assert self.differ(told | {"forecast_gmv_fen": 1}, day=5) == ["campaign c1: forecast"]
        assert self.differ(told | {"forecast": "known"}, day=5) == ["campaign c1: forecast"]
