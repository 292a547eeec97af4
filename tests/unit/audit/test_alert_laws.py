"""Each law of alerts is found broken where it is, and none where it is not (ARCHITECTURE.md, R24)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from tests.alert_records import broken, found_of, record_of
from xinghe.audit.alert_laws import FoundAlerts, rules_that_changed
from xinghe.domain.alerts import AlertRule, DataLate, RoiBelow, SpendWithoutConversions, Turn
from xinghe.domain.alerts import record_of as told
from xinghe.domain.outputs import AlertRaised, AlertTurn
from xinghe.domain.windows import MINUTE_MS

RULE = SpendWithoutConversions(
    name="idle",
    spend_fen=1_000,
    for_minutes=2,
    escalate_after_minutes=3,
    hysteresis_percent=10,
    cool_down_minutes=5,
)
FIRST, SECOND = "c1|idle|0", f"c1|idle|{10 * MINUTE_MS}"


def turn(
    state: AlertTurn, since: int, at: int, fen: int | None, rule: AlertRule = RULE, **fields: Any
) -> AlertRaised:
    """What happened to an alert of a campaign, in minutes."""
    value = None if fen is None else Fraction(fen)
    return replace(told(rule, "c1", "s1", Turn(state, since * MINUTE_MS, at * MINUTE_MS, value)), **fields)


TURNS = [
    turn("raised", 0, 2, 1_000),
    turn("escalated", 0, 5, 901),
    turn("resolved", 0, 9, 899),
    turn("raised", 10, 14, 2_000),
    turn("resolved", 10, 15, None),
]


def changed(index: int, **fields: Any) -> list[AlertRaised]:
    return [replace(each, **fields) if number == index else each for number, each in enumerate(TURNS)]


def test_what_is_right_breaks_no_law() -> None:
    for length in range(len(TURNS) + 1):
        assert broken(TURNS[:length], RULE) == []
    assert found_of(TURNS).open_records == {}
    assert list(found_of(TURNS[:4]).open_records) == [SECOND]


@pytest.mark.parametrize(
    ("index", "fields", "law"),
    [
        (0, {"time_ms": 2 * MINUTE_MS - 1}, (FIRST, "raised time_ms")),
        (0, {"value": 999.0}, (FIRST, "raised value")),
        (0, {"value": None, "value_text": None}, (FIRST, "raised value")),
        (0, {"value_text": None}, (FIRST, "raised value_text")),
        (1, {"time_ms": 5 * MINUTE_MS - 1}, (FIRST, "escalated time_ms")),
        (1, {"time_ms": 10 * MINUTE_MS}, (FIRST, "resolved time_ms")),
        (1, {"value": 899.0}, (FIRST, "escalated value")),
        (1, {"kind": "roi_below"}, (FIRST, "escalated kind")),
        (2, {"value": 901.0}, (FIRST, "resolved value")),
        (2, {"time_ms": 9 * MINUTE_MS + 1}, (SECOND, "raised time_ms")),
        (2, {"time_ms": 11 * MINUTE_MS}, (SECOND, "since_ms")),
        (3, {"time_ms": 1}, (SECOND, "raised time_ms")),
        (4, {"time_ms": 1}, (SECOND, "resolved time_ms")),
    ],
)
def test_each_law_is_looked_at(index: int, fields: dict[str, Any], law: tuple[str, str]) -> None:
    assert law in broken(changed(index, **fields), RULE)


@pytest.mark.parametrize(
    ("order", "alert_id"),
    [
        ([0, 1, 3], FIRST),  # another is raised before it was resolved
        ([0, 2, 1], FIRST),
        ([1, 2], FIRST),
        ([2, 3], FIRST),
        ([0, 2, 4], SECOND),
    ],
)
def test_turns_come_in_their_order(order: list[int], alert_id: str) -> None:
    assert (alert_id, "states") in broken([TURNS[index] for index in order], RULE)


def test_a_turn_comes_once() -> None:
    assert broken([*TURNS[:1], *TURNS[:1]], RULE) == [(FIRST, "raised")]
    assert broken([*TURNS[:3], TURNS[0]], RULE) == [(FIRST, "raised")]


def test_a_crossing_has_the_id_of_its_time_and_a_later_one_than_the_one_before() -> None:
    other = replace(TURNS[0], alert_id="c1|idle|7")
    assert broken([other], RULE) == [("c1|idle|7", "alert_id")]
    again = [*TURNS[:3], turn("raised", -1, 14, 2_000)]
    assert (f"c1|idle|{-MINUTE_MS}", "since_ms") in broken(again, RULE)


def test_what_the_topic_has_lost_by_its_retention_breaks_no_law() -> None:
    for first in range(1, 5):
        assert broken(TURNS[first:], is_whole=False) == []
    assert (FIRST, "states") in broken([TURNS[2], TURNS[1]], is_whole=False)


def test_a_rule_that_came_back_has_no_cool_down() -> None:
    gone = replace(TURNS[2], value=None, value_text=None, message="Resolved: there is no rule idle any more.")
    early = [*TURNS[:2], replace(gone, time_ms=9 * MINUTE_MS + 1), *TURNS[3:]]
    assert broken(early, RULE) == []


def test_an_alert_of_a_rule_without_escalation_is_not_escalated() -> None:
    assert (FIRST, "escalated") in broken(TURNS, replace(RULE, escalate_after_minutes=None))


def test_the_clocks_of_alerts_about_the_data_may_go_back() -> None:
    rule = DataLate(name="late", minutes=1)
    turns = [
        told(rule, None, None, Turn("raised", 10 * MINUTE_MS, 10 * MINUTE_MS, Fraction(2))),
        told(rule, None, None, Turn("resolved", 10 * MINUTE_MS, 9 * MINUTE_MS, Fraction(0))),
    ]
    assert broken(turns, rule) == []


def test_a_figure_at_its_threshold_may_be_on_either_side_of_it_once_it_is_rounded() -> None:
    rule = RoiBelow(name="roi", ratio=Decimal("1.1"), orders_min=0)
    just_below = Fraction(11, 10) - Fraction(1, 10**30)
    for state in ("raised", "resolved"):
        alert = told(rule, "c1", "s1", Turn("raised", 0, 0, just_below))
        turns = (
            [alert]
            if state == "raised"
            else [alert, told(rule, "c1", "s1", Turn("resolved", 0, 0, Fraction(11, 10)))]
        )
        assert broken(turns, rule) == []
    assert broken([told(rule, "c1", "s1", Turn("raised", 0, 0, Fraction(12, 10)))], rule) == [
        ("c1|roi|0", "raised value")
    ]


def test_a_rule_is_known_to_have_changed_by_what_its_records_say() -> None:
    found = found_of(TURNS)
    assert rules_that_changed(found.turns, {"idle": RULE}) == set()
    assert rules_that_changed(found.turns, {"other": RULE}) == set()
    for other in (
        replace(RULE, spend_fen=1),
        replace(RULE, severity="info"),
        RoiBelow(name="idle", ratio=Decimal(1_000)),
    ):
        assert rules_that_changed(found.turns, {"idle": other}) == {"idle"}


def test_what_is_no_alert_is_named_by_its_place() -> None:
    found = FoundAlerts()
    found.add(record_of(TURNS[0], 4, b"c2"))
    broken_record = record_of(TURNS[0], 5)
    broken_record.value = b'{"alert_id":"a"}'
    found.add(broken_record)
    assert [(each.where, each.field) for each in found.wrong] == [
        ("xinghe.alert.raised.v1-0@4", "key"),
        ("xinghe.alert.raised.v1-0@5", "value"),
    ]
