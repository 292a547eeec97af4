"""When the campaigns stage looks at rules, what it tells, and that it tells it once (R24)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from streams.agents import campaign_alerts
from streams.settings import Settings
from tests.deltas import LAST_TOUCH, counted, credited, send, tell_watermark
from tests.pipeline import Pipeline
from xinghe.domain.alerts import (
    AlertRule,
    BudgetNearlyUsed,
    DataLate,
    DataStopped,
    DeadLetterShare,
    ForecastBelowTarget,
    Outlook,
    SpendWithoutConversions,
)
from xinghe.domain.delta import Watermark
from xinghe.domain.events import ALERT_RAISED, CAMPAIGN_DELTA, AdSpent, CampaignConfigured, NoteViewed
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS

DAY_START_MS = 1_740_758_400_000
START_MS = DAY_START_MS + 12 * HOUR_MS
RULE = SpendWithoutConversions(name="idle", spend_fen=1_000, for_minutes=60)
Turns = list[tuple[str, str]]


def spent(fen: int, campaign_id: str = "c1", revision: int = 1) -> AdSpent:
    return AdSpent(f"{campaign_id}-{revision}", campaign_id, START_MS, fen, revision)


class Stream:
    """One partition of the campaigns stage; an input that was not committed comes again after a crash."""

    def __init__(self, *rules: AlertRule) -> None:
        self.pipeline = Pipeline(1, alert_rules=rules)
        self.task = self.pipeline.campaigns[0]
        self._uncommitted: list[Callable[[], None]] = []

    def take(self, give: Callable[[], None]) -> None:
        self._uncommitted.append(give)
        give()

    def spend(self, fen: int, campaign_id: str = "c1", revision: int = 1) -> None:
        self.take(lambda: self.pipeline.feed([spent(fen, campaign_id, revision)]))

    def order(self, minute: int = 0) -> None:
        rows = credited(START_MS + minute * MINUTE_MS, {LAST_TOUCH: 1_000_000}, "orders_micros")
        self.take(lambda: send(self.pipeline, rows))

    def watermark(self, minute: float) -> None:
        self.take(lambda: tell_watermark(self.pipeline, START_MS + int(minute * MINUTE_MS)))

    def commit(self) -> None:
        self.task.commit()
        self._uncommitted.clear()

    def crash(self) -> None:
        self.task.crash()
        for give in self._uncommitted:
            give()

    def tick(self, minute: float) -> None:
        self.task.processor.tick(START_MS + int(minute * MINUTE_MS))

    def until(self, minute: float) -> None:
        """Commit, let the watermark and the clock be so far, look, commit."""
        self.watermark(minute)
        self.commit()
        self.tick(minute)
        self.commit()

    def turns(self) -> Turns:
        return [(alert.alert_id, alert.state) for alert in self.pipeline.alerts()]

    def shown(self) -> set[str]:
        return set(self.pipeline.sinks[0].alerts)


def alert_id(minute: float = 0, campaign_id: str = "c1", rule: str = "idle") -> str:
    return f"{campaign_id}|{rule}|{START_MS + int(minute * MINUTE_MS)}"


def test_it_is_raised_in_its_time_though_no_figure_changes_then() -> None:
    stream = Stream(RULE)
    stream.spend(1_000)
    for minute in (0, 30, 59.9):
        stream.until(minute)
    assert stream.turns() == []
    stream.until(60)
    stream.until(61)
    (alert,) = stream.pipeline.alerts()
    assert (alert.alert_id, alert.state, alert.campaign_id) == (alert_id(), "raised", "c1")
    assert alert.time_ms == START_MS + HOUR_MS
    assert stream.shown() == {alert_id()}
    (sent,) = [sent for sent in stream.pipeline.log if sent.topic == ALERT_RAISED]
    assert sent.key == b"c1"


def test_it_names_the_shop_and_is_resolved_by_a_conversion() -> None:
    stream = Stream(RULE)
    stream.spend(1_000)
    stream.until(0)
    stream.take(lambda: send(stream.pipeline, [counted("views", START_MS)], shop_id="s0"))
    stream.until(60)
    stream.order()
    stream.until(60)
    assert stream.turns() == [(alert_id(), "raised"), (alert_id(), "resolved")]
    assert [alert.shop_id for alert in stream.pipeline.alerts()] == ["s0", "s0"]
    assert stream.shown() == set()
    stream.until(61)
    assert not stream.task.processor._alerts._next_step_ms, "with nothing left to look at"


def test_the_day_of_the_watermark_counts_and_a_new_one_resolves() -> None:
    stream = Stream(RULE)
    stream.spend(1_000)
    stream.until(0)
    stream.until(60)
    stream.until(12 * 60 - 1)
    assert stream.turns() == [(alert_id(), "raised")]
    stream.until(12 * 60)
    assert stream.turns() == [(alert_id(), "raised"), (alert_id(), "resolved")]


def test_settings_alone_have_it_looked_at() -> None:
    stream = Stream(BudgetNearlyUsed(name="budget", percent=90))
    stream.spend(900)
    stream.until(0)
    configured = CampaignConfigured("c1", "s1", "Spring", 0, budget_fen=1_000)
    stream.take(lambda: stream.pipeline.feed([configured]))
    stream.until(1)
    assert stream.turns() == [(alert_id(1, rule="budget"), "raised")]


def test_the_outlook_of_a_guarantee_is_asked_for() -> None:
    stream = Stream(ForecastBelowTarget(name="far", percent=10))
    alerts = stream.task.processor._alerts
    alerts._outlook_of = {"c1": Outlook(1, 89, 100), "c2": Outlook(1, 90, 100)}.get
    for campaign_id in ("c1", "c2", "c3"):
        stream.spend(1, campaign_id)
    stream.until(0)
    assert stream.turns() == [(alert_id(rule="far"), "raised")]
    alerts._outlook_of = {"c1": Outlook(1, 99, 100)}.get
    alerts.mark(["c1"])
    stream.until(1)
    assert stream.turns()[1:] == [(alert_id(rule="far"), "resolved")]


def test_a_tick_looks_at_so_many_campaigns_and_the_next_at_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(campaign_alerts, "LOOKS_MAX", 2)
    stream = Stream(SpendWithoutConversions(name="idle", spend_fen=1))
    for campaign_id in ("c1", "c2", "c3"):
        stream.spend(1, campaign_id)
    stream.until(0)
    assert len(stream.turns()) == 2
    stream.until(0)
    assert {each for each, _ in stream.turns()} == {alert_id(0, campaign) for campaign in ("c1", "c2", "c3")}


class TestCrash:
    STEPS: Sequence[tuple[str, Any]] = (
        ("spend", 1_000),
        ("watermark", 0),
        ("commit", None),
        ("tick", 0),
        ("commit", None),
        ("watermark", 70),
        ("commit", None),
        ("tick", 70),
        ("commit", None),
        ("watermark", 140),
        ("commit", None),
        ("tick", 140),
        ("commit", None),
        ("order", None),
        ("commit", None),
        ("tick", 140),
        ("commit", None),
        ("tick", 141),
        ("commit", None),
    )

    @pytest.mark.parametrize("crashes", range(1, 3))
    @pytest.mark.parametrize("before", range(len(STEPS)))
    def test_wherever_it_crashes_each_turn_is_told_once(self, before: int, crashes: int) -> None:
        stream = Stream(RULE)
        for number, (step, argument) in enumerate(self.STEPS):
            if number in range(before, before + crashes):
                stream.crash()
            getattr(stream, step)(*(() if argument is None else (argument,)))
        assert [state for _, state in stream.turns()] == ["raised", "resolved"]
        assert len({alert for alert, _ in stream.turns()}) == 1
        assert stream.shown() == set()

    def test_a_change_that_was_committed_and_not_looked_at_is_looked_at(self) -> None:
        stream = Stream(SpendWithoutConversions(name="idle", spend_fen=1))
        stream.spend(1)
        stream.watermark(0)
        stream.commit()
        stream.crash()
        stream.tick(0)
        stream.commit()
        assert stream.turns() == [(alert_id(), "raised")]

    def test_redis_is_rebuilt_with_what_is_open_and_numbers_go_on(self) -> None:
        stream = Stream(SpendWithoutConversions(name="idle", spend_fen=1))
        stream.spend(1)
        stream.spend(1, "c2")
        stream.until(0)
        stream.order()
        stream.until(1)
        stream.crash()
        sink = stream.pipeline.sinks[0]
        sink.lost, sink.alerts = True, {}
        stream.tick(1)
        assert stream.shown() == {alert_id(0, "c2")}
        stream.spend(1, "c3")
        stream.until(2)
        # The last of c1 has long been dropped.
        assert [told.number for told in stream.task.processor._alerts.rows()] == [2, 4]


def test_a_new_rule_is_looked_at_for_campaigns_that_do_not_change() -> None:
    stream = Stream()
    stream.spend(1)
    stream.until(0)
    stream.task._create = Stream(SpendWithoutConversions(name="idle", spend_fen=1)).task._create
    stream.crash()
    stream.until(1)
    assert stream.turns() == [(alert_id(1), "raised")]


def test_an_alert_whose_rule_is_gone_is_resolved() -> None:
    stream = Stream(SpendWithoutConversions(name="idle", spend_fen=1, severity="critical"))
    stream.spend(1)
    stream.until(0)
    stream.task._create = Stream(SpendWithoutConversions(name="other", spend_fen=9)).task._create
    stream.crash()
    stream.until(1)
    assert stream.turns() == [(alert_id(), "raised"), (alert_id(), "resolved")]
    last = stream.pipeline.alerts()[-1]
    assert (last.severity, last.value, last.time_ms) == ("critical", None, START_MS + MINUTE_MS)
    assert "no rule idle" in last.message
    assert list(stream.task.store("alerts").items()) == []


def metric(name: str, rule: str) -> float:
    return REGISTRY.get_sample_value(name, {"rule": rule, "severity": "warning"}) or 0


async def test_what_is_open_and_was_raised_is_measured() -> None:
    stream = Stream(SpendWithoutConversions(name="measured", spend_fen=1))
    stream.spend(1)
    stream.spend(1, "c2")
    stream.until(0)
    assert metric("xinghe_alerts_open", "measured") == 2
    stream.order()
    stream.until(1)
    assert metric("xinghe_alerts_open", "measured") == 1
    assert metric("xinghe_alerts_raised_total", "measured") == 2
    await stream.task.processor.close()
    assert metric("xinghe_alerts_open", "measured") == 0


class TestData:
    """Rules about the data, which go by the clock."""

    def test_late_data_is_told_whatever_the_watermark_does(self) -> None:
        stream = Stream(DataLate(name="late", minutes=15, for_minutes=5))
        stream.watermark(0)
        stream.commit()
        for minute in (14.9, 15, 19.9):
            stream.tick(minute)
        stream.commit()
        assert stream.turns() == []
        stream.tick(20)
        stream.commit()
        (alert,) = stream.pipeline.alerts()
        assert (alert.alert_id, alert.campaign_id, alert.value) == (alert_id(15, "system", "late"), None, 20)
        (sent,) = [sent for sent in stream.pipeline.log if sent.topic == ALERT_RAISED]
        assert sent.key == b"system"
        stream.until(21)
        assert stream.turns()[1:] == [(alert_id(15, "system", "late"), "resolved")]

    def test_without_a_watermark_nothing_is_late(self) -> None:
        stream = Stream(DataLate(name="late", minutes=1), DataStopped(name="stopped", minutes=1))
        for minute in range(100):
            stream.tick(minute)
        stream.commit()
        assert stream.turns() == []

    def test_they_are_told_by_the_first_partition_only(self) -> None:
        pipeline = Pipeline(2, alert_rules=[DataLate(name="late", minutes=1)])
        for partition in (0, 1):
            for task in pipeline.campaigns:
                told = msgspec.msgpack.encode(Watermark(partition, START_MS, START_MS))
                pipeline.feed_records(CAMPAIGN_DELTA, task.partition, [(None, told)])
        pipeline.commit_campaigns()
        pipeline.settle(START_MS + MINUTE_MS)
        assert [alert.alert_id for alert in pipeline.alerts()] == [alert_id(1, "system", "late")]


def view(number: int, time_ms: int) -> NoteViewed:
    return NoteViewed(f"e{number}", f"p{number}", time_ms, "n1", "s1", "c1")


class TestBothStages:
    def test_data_that_stopped_is_told_until_it_comes_again_whoever_crashes(self) -> None:
        pipeline = Pipeline(1, alert_rules=[DataStopped(name="stopped", minutes=10)])
        pipeline.feed([view(1, START_MS)])
        for minute in (0, 5, 9.9):
            pipeline.settle(START_MS + int(minute * MINUTE_MS))
        assert pipeline.alerts() == []
        pipeline.settle(START_MS + 10 * MINUTE_MS)
        # A journeys task that is opened tells again what it has told.
        pipeline.crash_task(0)
        pipeline.campaigns[0].crash()
        pipeline.settle(START_MS + 11 * MINUTE_MS)
        assert [(alert.state, alert.value) for alert in pipeline.alerts()] == [("raised", 10)]
        pipeline.feed([view(1, START_MS)])
        pipeline.settle(START_MS + 12 * MINUTE_MS)
        assert [alert.state for alert in pipeline.alerts()] == ["raised", "resolved"], (
            "by a duplicate as well"
        )

    def test_the_share_of_dead_letters_is_that_of_the_last_minutes(self) -> None:
        rule = DeadLetterShare(name="bad", percent=10, minutes=5, records_min=10)
        pipeline = Pipeline(1, alert_rules=[rule])

        def minute(number: int, good: int, bad: int) -> None:
            pipeline.feed([view(100 * number + i, START_MS + number * MINUTE_MS) for i in range(good)])
            pipeline.feed_records(NoteViewed.topic, 0, [(b"p", b"{")] * bad)
            pipeline.settle(START_MS + number * MINUTE_MS)
            pipeline.campaigns[0].crash()

        minute(0, 1, 50)  # where counting begins
        minute(1, 91, 9)
        assert pipeline.alerts() == []
        minute(2, 8, 4)
        (alert,) = pipeline.alerts()
        assert (alert.state, alert.value_text) == ("raised", "11.6 percent")
        for number in range(3, 8):
            minute(number, 10, 0)
        assert [alert.state for alert in pipeline.alerts()] == ["raised", "resolved"]

    def test_the_replay_of_an_old_log_raises_nothing_but_that_data_is_late(self) -> None:
        rules = [*Settings().read_alert_rules(), SpendWithoutConversions(name="idle", spend_fen=1)]
        pipeline = Pipeline(1, alert_rules=rules)
        now_ms = START_MS + 40 * DAY_MS
        pipeline.feed([spent(1_000_000)])
        for hour in range(30):
            pipeline.feed([view(hour, START_MS + hour * HOUR_MS)])
            pipeline.feed_records(NoteViewed.topic, 0, [(b"p", b"{")] * 300)
            pipeline.settle(now_ms + hour * MINUTE_MS)
        assert {alert.kind for alert in pipeline.alerts()} == {"data_late"}
        assert [alert.state for alert in pipeline.alerts()] == ["raised"]
        # What changed meanwhile is looked at once the stream has caught up.
        live_ms = now_ms + HOUR_MS
        pipeline.feed([AdSpent("last", "c1", live_ms // HOUR_MS * HOUR_MS, 5, 1), view(99, live_ms)])
        pipeline.settle(live_ms)
        assert [alert.rule for alert in pipeline.alerts()] == ["data-late", "data-late", "idle"]
