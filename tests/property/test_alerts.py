"""What becomes of an alert over any figures in time, against a plain look back over all of them (R24)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.alert_records import broken
from tests.deltas import tell_watermark
from tests.pipeline import Pipeline
from xinghe.domain.alerts import (
    AlertState,
    Figures,
    SpendWithoutConversions,
    WindowFigures,
    next_step_ms,
    step,
)
from xinghe.domain.events import AdSpent
from xinghe.domain.windows import HOUR_MS, MINUTE_MS

THRESHOLD = 10
START_MS = 1_740_758_400_000 + HOUR_MS
ORDER = ["raised", "escalated", "resolved"]
LOOKS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, MINUTE_MS - 1, MINUTE_MS, 3 * MINUTE_MS]), st.none() | st.integers(5, 11)
    ),
    max_size=40,
)
"""Time since the look before, and the figure."""
RULES = st.builds(
    SpendWithoutConversions,
    name=st.just("r"),
    spend_fen=st.just(THRESHOLD),
    for_minutes=st.integers(0, 4),
    escalate_after_minutes=st.none() | st.integers(1, 4),
    hysteresis_percent=st.sampled_from([0, 20, 100]),
    cool_down_minutes=st.integers(0, 6),
)
Told = list[tuple[str, int, int]]
"""What happened, of the crossing since, when."""


def oracle(rule: SpendWithoutConversions, looks: list[tuple[int, int | None]]) -> Told:
    """Look by look, with the whole past in hand: when did the condition begin to hold, what was told last?"""
    told: Told = []
    used: set[int] = set()
    runs: list[int | None] = []
    for index, (time_ms, value) in enumerate(looks):
        last = told[-1] if told else None
        is_open = last is not None and last[0] != "resolved"
        if is_open and last is not None:
            runs.append(None)
            is_clear = value is None or 100 * value < THRESHOLD * (100 - rule.hysteresis_percent)
            raised_ms = next(
                at for what, since, at in reversed(told) if what == "raised" and since == last[1]
            )
            if is_clear:
                told.append(("resolved", last[1], time_ms))
            elif (
                last[0] == "raised"
                and time_ms - raised_ms >= (rule.escalate_after_minutes or 10**9) * MINUTE_MS
            ):
                told.append(("escalated", last[1], time_ms))
            continue
        if value is None or value < THRESHOLD:
            runs.append(None)
            continue
        before = runs[index - 1] if index else None
        since_ms = time_ms if before is None else before
        if before is None and used:
            since_ms = max(since_ms, max(used) + 1)
        runs.append(since_ms)
        is_cool = last is None or time_ms - last[2] >= rule.cool_down_minutes * MINUTE_MS
        if is_cool and time_ms - since_ms >= rule.for_minutes * MINUTE_MS:
            told.append(("raised", since_ms, time_ms))
            used.add(since_ms)
    return told


def run(rule: SpendWithoutConversions, looks: list[tuple[int, int | None]], *, lazily: bool) -> Told:
    """The turns of `step`; ``lazily`` only where the figure changed or time may change the state, as the stream does."""
    state: AlertState | None = None
    told: Told = []
    figures_before: object = ...
    for time_ms, value in looks:
        next_ms = None if state is None else next_step_ms(rule, state)
        if lazily and value == figures_before and (next_ms is None or time_ms < next_ms):
            continue
        figures_before = value
        figures = Figures(day=None if value is None else WindowFigures(spend_fen=value))
        state, turn = step(rule, state, figures, time_ms)
        if turn is not None:
            told.append((turn.state, turn.since_ms, turn.time_ms))
    return told


@settings(max_examples=500)
@given(rule=RULES, steps=LOOKS)
def test_turns_are_those_of_the_look_back(
    rule: SpendWithoutConversions, steps: list[tuple[int, int | None]]
) -> None:
    looks, time_ms = [], 1_000_000
    for passed_ms, value in steps:
        time_ms += passed_ms
        looks.append((time_ms, value))
    told = run(rule, looks, lazily=False)
    assert told == oracle(rule, looks)
    assert run(rule, looks, lazily=True) == told, "whether or not it is looked at in between"
    ids = [since_ms for what, since_ms, _ in told if what == "raised"]
    assert len(ids) == len(set(ids))


class Stream:
    """The campaigns stage of one partition; what it took and did not commit comes again after a crash."""

    def __init__(self, rule: SpendWithoutConversions) -> None:
        self.pipeline = Pipeline(1, alert_rules=[rule])
        self.task = self.pipeline.campaigns[0]
        self.now_ms = START_MS
        self.fen = {"c1": 0, "c2": 0}
        self._revision = 0
        self._uncommitted: list[tuple[AdSpent | None, int]] = []

    def spend(self, campaign_id: str, fen: int) -> None:
        self._revision += 1
        self.fen[campaign_id] = fen
        self._take(AdSpent(f"e{self._revision}", campaign_id, START_MS, fen, self._revision), 0)

    def advance(self, minutes: int) -> None:
        self.now_ms += minutes * MINUTE_MS
        self._take(None, self.now_ms)

    def _take(self, report: AdSpent | None, watermark_ms: int) -> None:
        self._uncommitted.append((report, watermark_ms))
        self._give(report, watermark_ms)

    def _give(self, report: AdSpent | None, watermark_ms: int) -> None:
        if report is None:
            tell_watermark(self.pipeline, watermark_ms)
        else:
            self.pipeline.feed([report])

    def commit(self) -> None:
        self.task.commit()
        self._uncommitted.clear()

    def tick(self) -> None:
        self.task.processor.tick(self.now_ms)

    def crash(self) -> None:
        self.task.crash()
        for taken in self._uncommitted:
            self._give(*taken)

    def lose_redis(self) -> None:
        sink = self.pipeline.sinks[0]
        sink.lost, sink.alerts = True, {}

    def settle(self) -> None:
        for _ in range(2):
            self.commit()
            self.tick()
        self.commit()


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("spend"), st.sampled_from(["c1", "c2"]), st.integers(5, 11)),
        st.tuples(st.just("advance"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["commit", "tick", "crash", "lose_redis"])),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(rule=RULES, operations=OPERATIONS)
def test_whatever_crashes_each_turn_is_told_once_and_none_is_missed(
    rule: SpendWithoutConversions, operations: list[tuple[Any, ...]]
) -> None:
    stream = Stream(rule)
    stream.advance(0)
    for name, *arguments in operations:
        getattr(stream, name)(*arguments)
    stream.settle()
    longest = max(rule.for_minutes, rule.escalate_after_minutes or 0, rule.cool_down_minutes)
    for _ in range(4):
        stream.advance(longest)
        stream.settle()
    assert broken(stream.pipeline.alerts(), rule) == [], "by the laws of the audit"
    by_alert: dict[str, list[str]] = {}
    for alert in stream.pipeline.alerts():
        by_alert.setdefault(alert.alert_id, []).append(alert.state)
    for turns in by_alert.values():
        assert turns[0] == "raised"
        assert turns in (ORDER[:1], ORDER[:2], ORDER, ["raised", "resolved"])
    is_open = {alert_id for alert_id, turns in by_alert.items() if turns[-1] != "resolved"}
    assert set(stream.pipeline.sinks[0].alerts) == is_open
    campaigns = [alert_id.split("|")[0] for alert_id in is_open]
    assert len(campaigns) == len(set(campaigns)), "one at a time"
    edge = THRESHOLD * (100 - rule.hysteresis_percent) / 100
    for campaign_id, fen in stream.fen.items():
        if fen >= THRESHOLD:
            assert campaign_id in campaigns
        if campaign_id in campaigns:
            assert fen >= edge
