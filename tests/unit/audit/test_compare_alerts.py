"""Which alerts are open, against the figures that were recomputed, and Redis against the topic (ARCHITECTURE.md, R24)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from tests.alert_records import found_of
from xinghe.audit.compare_alerts import AlertComparison, RedisAlerts
from xinghe.audit.compare_guarantees import FoundPositions
from xinghe.audit.figures import Truth
from xinghe.audit.findings import Findings
from xinghe.audit.truth import truth_of
from xinghe.domain.alerts import (
    AlertRule,
    BudgetNearlyUsed,
    DataLate,
    DeadLetterShare,
    ForecastBelowTarget,
    RoiBelow,
    SpendWithoutConversions,
    Turn,
)
from xinghe.domain.alerts import record_of as told
from xinghe.domain.events import AdClicked, AdSpent, CampaignConfigured, NoteViewed, OrderPaid
from xinghe.domain.outputs import AlertRaised, AlertTurn
from xinghe.domain.windows import HOUR_MS, MINUTE_MS

MIDNIGHT_MS = 1_740_758_400_000
NOW_MS = MIDNIGHT_MS + 3 * HOUR_MS
WATERMARK_MS = NOW_MS - MINUTE_MS
EVENTS: list[Any] = [
    # c1 has spent 5 yuan today and sold for 9; c2 has spent 3 without anything, and 4 yesterday.
    AdClicked("k", "p1", MIDNIGHT_MS, "n1", "s1", "c1", "i1"),
    OrderPaid("P", "p1", MIDNIGHT_MS + HOUR_MS, "s1", "o1", "i1", 900),
    AdSpent("s1", "c1", MIDNIGHT_MS, 500, 1),
    AdSpent("s2", "c2", MIDNIGHT_MS, 300, 1),
    AdSpent("s3", "c2", MIDNIGHT_MS - HOUR_MS, 400, 1),
    CampaignConfigured("c2", "s1", "spring", MIDNIGHT_MS, budget_fen=1_000),
    NoteViewed("v", "p2", NOW_MS, "n1", "s1", "c1"),
]
IDLE = SpendWithoutConversions(name="idle", spend_fen=300)
POSITION = {
    "forecast_gmv_fen": 800,
    "forecast_high_fen": 950,
    "forecast_spend_fen": 500,
    "target_roi_micros": 2_000_000,
}


@pytest.fixture
def truth() -> Truth:
    return truth_of(EVENTS)


def alert(
    rule: AlertRule, state: AlertTurn, value: float | None, minutes: float = 0, **fields: Any
) -> AlertRaised:
    """An alert of c2 that began so many minutes before the watermark."""
    at_ms = WATERMARK_MS - int(minutes * MINUTE_MS)
    turn = Turn(state, at_ms, at_ms, None if value is None else Fraction(value))
    return replace(told(rule, None if rule.is_system else "c2", None, turn), **fields)


def compared(
    truth: Truth,
    rules: Sequence[AlertRule],
    alerts: Sequence[AlertRaised] = (),
    *,
    now_ms: int = NOW_MS,
    in_redis: RedisAlerts | None = None,
) -> Findings:
    found, positions, findings = found_of(alerts), FoundPositions(), Findings()
    positions.last["c1"] = orjson.dumps(POSITION)
    shown = RedisAlerts(found.open_records, []) if in_redis is None else in_redis
    AlertComparison(truth, rules, now_ms).compare(found, shown, positions, findings)
    return findings


def wrong(*arguments: Any, **options: Any) -> list[tuple[str, str]]:
    findings = compared(*arguments, **options)
    assert not findings.notices_by_kind
    return [(each.where, each.field) for each in findings.shown]


@pytest.mark.parametrize(
    ("rule", "is_open"),
    [
        (IDLE, {"c2"}),
        (replace(IDLE, spend_fen=301), set()),
        (replace(IDLE, conversions="store_visits"), {"c1", "c2"}),
        (BudgetNearlyUsed(name="b", percent=70), {"c2"}),
        (BudgetNearlyUsed(name="b", percent=71), set()),
        (RoiBelow(name="r", ratio=Decimal("1.81"), orders_min=1), {"c1"}),
        (RoiBelow(name="r", ratio=Decimal("1.8"), orders_min=1), set()),
        (RoiBelow(name="r", ratio=Decimal(9), orders_min=2), set()),
        (RoiBelow(name="r", ratio=Decimal(1), orders_min=0, window="total", basis="net"), {"c2"}),
        (ForecastBelowTarget(name="f", percent=19, estimate="gmv"), {"c1"}),
        (ForecastBelowTarget(name="f", percent=20, estimate="gmv"), set()),
        (ForecastBelowTarget(name="f", percent=4), {"c1"}),
        (ForecastBelowTarget(name="f", percent=5), set()),
        (DataLate(name="late", minutes=1), set()),
        (DeadLetterShare(name="bad", percent=1, minutes=1), set()),
    ],
)
def test_what_holds_must_be_open(truth: Truth, rule: AlertRule, is_open: set[str]) -> None:
    assert wrong(truth, [rule]) == [(f"campaign {each}", rule.name) for each in sorted(is_open)]
    assert wrong(truth, [rule], now_ms=WATERMARK_MS + HOUR_MS + 1) == [], "no figure is news in a replay"


def test_of_a_condition_that_must_last_none_but_the_stream_knows_since_when(truth: Truth) -> None:
    assert wrong(truth, [replace(IDLE, for_minutes=1)]) == []


def test_what_is_open_must_hold_with_hysteresis(truth: Truth) -> None:
    raised = [alert(IDLE, "raised", 300)]
    assert wrong(truth, [IDLE], raised) == []
    eased = SpendWithoutConversions(name="idle", spend_fen=200, hysteresis_percent=10)
    for spend_fen, is_right in ((333, True), (334, False)):
        rule = replace(eased, spend_fen=spend_fen)
        found = wrong(truth, [rule], [alert(rule, "raised", spend_fen)])
        bounded = [(each, field) for each, field in found if field == "open"]
        assert bounded == ([] if is_right else [(raised[0].alert_id, "open")])
    sold = SpendWithoutConversions(name="idle", spend_fen=1)
    of_c1 = [
        replace(each, campaign_id="c1", alert_id=f"c1|idle|{WATERMARK_MS}")
        for each in [alert(sold, "raised", 300)]
    ]
    assert (of_c1[0].alert_id, "open") in wrong(truth, [sold], of_c1), "there is an order"


def test_what_is_open_for_long_must_be_escalated(truth: Truth) -> None:
    rule = replace(IDLE, escalate_after_minutes=10)
    assert wrong(truth, [rule], [alert(rule, "raised", 300, 9.9)]) == []
    late = alert(rule, "raised", 300, 10)
    assert wrong(truth, [rule], [late]) == [(late.alert_id, "open")]
    assert wrong(truth, [rule], [late, replace(late, state="escalated", time_ms=WATERMARK_MS)]) == []


def test_what_was_resolved_may_be_quiet_while_it_cools_down(truth: Truth) -> None:
    rule = replace(IDLE, cool_down_minutes=10)
    for minutes, is_quiet in ((9.9, True), (10, False)):
        turns = [alert(rule, "raised", 300, minutes), alert(rule, "resolved", None, minutes)]
        assert wrong(truth, [rule], turns) == ([] if is_quiet else [("campaign c2", "idle")])


@pytest.mark.parametrize(
    ("rule", "value", "is_possible"),
    [
        (IDLE, 300, True),
        (IDLE, 301, False),
        (DataLate(name="late", minutes=1), 1, False),
        (DataLate(name="late", minutes=1), 2, True),
        (DataLate(name="late", minutes=1), 5, True),
        (DeadLetterShare(name="bad", percent=1, minutes=1), 100, True),
        (DeadLetterShare(name="bad", percent=1, minutes=1), 101, False),
    ],
)
def test_a_figure_must_have_been_possible(
    truth: Truth, rule: AlertRule, value: float, is_possible: bool
) -> None:
    at_ms = WATERMARK_MS + (2 * MINUTE_MS if rule.is_system else 0)
    raised = alert(rule, "raised", value, since_ms=at_ms, time_ms=at_ms)
    raised = replace(raised, alert_id=f"{raised.campaign_id or 'system'}|{rule.name}|{at_ms}")
    found = [field for _, field in wrong(truth, [rule], [raised]) if field == "raised value"]
    assert found == ([] if is_possible else ["raised value"])


def test_no_alert_of_a_campaign_is_later_than_the_watermark_or_of_another_shop(truth: Truth) -> None:
    ahead = alert(IDLE, "raised", 300, time_ms=WATERMARK_MS + 1)
    assert wrong(truth, [IDLE], [ahead]) == [(ahead.alert_id, "raised time_ms")]
    assert wrong(truth, [IDLE], [alert(IDLE, "raised", 300, shop_id="s1")]) == []
    strange = alert(IDLE, "raised", 300, shop_id="s2")
    assert wrong(truth, [IDLE], [strange]) == [(strange.alert_id, "raised shop_id")]


def test_where_the_stream_has_other_rules_what_follows_from_them_is_a_notice(truth: Truth) -> None:
    other = replace(IDLE, spend_fen=200)
    findings = compared(truth, [replace(IDLE, spend_fen=301)], [alert(other, "raised", 300)])
    assert (findings.differences, findings.notices_by_kind["alert"]) == (0, 2)
    findings = compared(truth, [BudgetNearlyUsed(name="b", percent=70)], [alert(IDLE, "raised", 300)])
    assert (findings.differences, findings.notices_by_kind["alert"]) == (0, 1), "its rule is not in the file"


def test_redis_has_what_is_open_and_the_turns_in_their_order(truth: Truth) -> None:
    turns = [alert(IDLE, "raised", 300, 5), alert(IDLE, "resolved", None, 5), alert(IDLE, "raised", 300)]
    found = found_of(turns)
    records = [(each.alert_id, found.records[each.alert_id, each.state]) for each in turns]
    is_open = found.open_records
    assert list(is_open) == [turns[2].alert_id]

    def differing(shown: dict[str, bytes], told_: list[tuple[str, bytes]]) -> list[tuple[str, str]]:
        return wrong(truth, [IDLE], turns, in_redis=RedisAlerts(shown, told_))

    assert differing(is_open, records) == []
    assert differing(is_open, records[1:]) == [], "after a loss of Redis some are missing"
    opened = ("xinghe:alerts:open", turns[2].alert_id)
    assert differing({}, records) == [opened]
    assert differing({turns[2].alert_id: b"{}"}, records) == [opened]
    assert differing(is_open | {"a": b"{}"}, records) == [("xinghe:alerts:open", "a")]
    for order in ([0, 0], [1, 0], [0, 2, 1]):
        assert [where for where, _ in differing(is_open, [records[index] for index in order])] == [
            "xinghe:alerts"
        ]
    assert differing(is_open, [("a", b'{"campaign_id":"c2","rule":"idle"}')]) == [("xinghe:alerts", "a")]
