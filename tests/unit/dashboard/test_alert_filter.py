"""Which alerts fit, and which are over."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from xinghe.dashboard.alert_filter import PARAMETERS, fitting
from xinghe.dashboard.alerts_source import Alert, past
from xinghe.domain.alerts import BudgetNearlyUsed, DataLate, RoiBelow, Turn, record_of
from xinghe.domain.outputs import AlertTurn
from xinghe.serving.records import Acknowledgement

BUDGET = BudgetNearlyUsed(name="budget", percent=90, severity="info")
ROI = RoiBelow(name="roi", ratio=Decimal(1), severity="critical")
LATE = DataLate(name="late", minutes=15)


def turn(state: AlertTurn, since_ms: int, time_ms: int) -> Alert:
    return Alert(record_of(ROI, "c1", "s1", Turn(state, since_ms, time_ms, None)), "s1", None)


ALERTS = [
    Alert(record_of(BUDGET, "c1", "s1", Turn("raised", 7, 8, None)), "s1", None),
    Alert(
        record_of(ROI, "c2", "old", Turn("raised", 7, 8, None)),
        "s2",
        Acknowledgement("c2|roi|7", "max", 9, ""),
    ),
    Alert(record_of(LATE, None, None, Turn("raised", 7, 8, None)), None, None),
]


def test_each_parameter_leaves_what_it_says() -> None:
    defaults = {parameter.name: parameter.default for parameter in PARAMETERS}

    def fits(**chosen: str) -> list[int]:
        given: dict[str, Any] = {**defaults, **chosen}
        return [ALERTS.index(alert) for alert in fitting(ALERTS, **given)]

    assert fits() == [0, 1, 2]
    assert fits(severity="critical") == [1]
    assert fits(kind="data_late") == [2]
    assert fits(campaign_id="c1") == [0]
    assert fits(campaign_id="c") == []
    assert fits(shop_id="s2") == [1]
    assert fits(shop_id="old") == []
    assert fits(acknowledged="yes") == [1]
    assert fits(acknowledged="no") == [0, 2]
    assert fits(acknowledged="no", severity="critical") == []


def test_an_alert_that_is_over_is_there_once_with_its_turns_from_the_first() -> None:
    newest_first = [
        turn("raised", 50, 60),
        turn("resolved", 10, 40),
        turn("escalated", 10, 30),
        turn("raised", 10, 20),
        turn("resolved", 1, 5),
    ]
    found = past(newest_first, frozenset({"c1|roi|50"}))
    assert [each.last.record.state for each in found] == ["resolved", "resolved"]
    assert [[record.time_ms for record in each.turns] for each in found] == [[20, 30, 40], [5]]
