"""What becomes of an alert over any figures in time, against a plain look back over all of them (R24)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xinghe.domain.alerts import (
    AlertState,
    Figures,
    SpendWithoutConversions,
    WindowFigures,
    next_step_ms,
    step,
)
from xinghe.domain.windows import MINUTE_MS

THRESHOLD = 10
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
