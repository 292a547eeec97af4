"""When a task's next commit begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.pacing import FOLLOW_GATHER_S, GATHER_S, pause_s

INTERVAL_S = 0.2


@given(
    since_s=st.floats(0, 2),
    took_s=st.floats(0, 1),
    clock_s=st.floats(1e9, 2e9),
    interval_s=st.floats(0.02, 5),
    follows=st.booleans(),
)
def test_a_commit_never_waits_much_longer_than_the_interval(
    since_s: float, took_s: float, clock_s: float, interval_s: float, follows: bool
) -> None:
    pause = pause_s(interval_s=interval_s, since_s=since_s, took_s=took_s, follows=follows, clock_s=clock_s)
    assert pause >= GATHER_S
    assert pause <= max(1.25 * interval_s + 1e-6 - since_s, FOLLOW_GATHER_S)


@given(started_s=st.lists(st.floats(0, 0.04), min_size=2, max_size=4), clock_s=st.integers(10**9, 2 * 10**9))
def test_tasks_of_a_first_stage_that_have_started_nearly_together_start_together(
    started_s: list[float], clock_s: int
) -> None:
    now_s = clock_s + 0.06
    starts = [
        now_s
        + pause_s(
            interval_s=INTERVAL_S,
            since_s=now_s - (clock_s + offset_s),
            took_s=0.07,
            follows=False,
            clock_s=now_s,
        )
        for offset_s in started_s
    ]
    assert starts == pytest.approx([clock_s + INTERVAL_S] * len(starts), abs=1e-5)


def test_after_silence_a_commit_starts_at_once() -> None:
    for follows, gather_s in ((False, GATHER_S), (True, FOLLOW_GATHER_S)):
        pause = pause_s(interval_s=INTERVAL_S, since_s=60, took_s=0.05, follows=follows, clock_s=1e9 + 0.07)
        assert pause == gather_s
