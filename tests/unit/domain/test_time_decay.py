"""Time decay (R4)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinghe.domain.attribution.split import split
from xinghe.domain.attribution.time_decay import weights

DAY_MS = 86_400_000
HALF_LIFE_MS = 15 * DAY_MS // 2
WINDOW_MS = 30 * DAY_MS

paths = st.lists(st.integers(0, WINDOW_MS), min_size=1, max_size=100).map(sorted)


def test_an_empty_path_has_no_weights() -> None:
    assert weights([], HALF_LIFE_MS) == []


@pytest.mark.parametrize(
    ("days", "yuan"),
    [
        ([0.0], [100.0]),
        ([0.0, 7.5], [33.33, 66.67]),
        ([0.0, 7.5, 15.0], [14.29, 28.57, 57.14]),
        ([0.0, 30.0], [5.88, 94.12]),
        ([3.0, 3.0], [50.0, 50.0]),
    ],
)
def test_the_table_of_the_module(days: list[float], yuan: list[float]) -> None:
    times_ms = [int(day * DAY_MS) for day in days]
    assert split(100_00, weights(times_ms, HALF_LIFE_MS)) == [round(share * 100) for share in yuan]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=50).map(sorted), st.integers(1, 10**10))
def test_whole_half_lives_are_exact_powers_of_two(steps: list[int], half_life_ms: int) -> None:
    times_ms = [1_700_000_000_000 + step * half_life_ms for step in steps]
    assert weights(times_ms, half_life_ms) == [2 ** (40 - steps[-1] + step) for step in steps]


@given(paths)
def test_the_power_of_a_weight_is_the_age(times_ms: list[int]) -> None:
    """With a fourth of the half-life as step, w^4 = 2^(160 - age): whole numbers on both sides."""
    step_ms = HALF_LIFE_MS // 4
    on_steps = [time_ms // step_ms * step_ms for time_ms in times_ms]
    for time_ms, weight in zip(on_steps, weights(on_steps, HALF_LIFE_MS), strict=True):
        age_steps = (on_steps[-1] - time_ms) // step_ms
        assert weight**4 <= 2 ** (160 - age_steps) * Fraction(1 + 10**14, 10**14)
        assert (weight + 1) ** 4 > 2 ** (160 - age_steps)


@given(paths)
def test_later_touches_weigh_at_least_as_much_and_none_nothing(times_ms: list[int]) -> None:
    found = weights(times_ms, HALF_LIFE_MS)
    assert found == sorted(found)
    assert found[0] >= 2**36  # a window is four half-lives long
    assert found[-1] == 2**40


@given(paths, st.integers(-(2**45), 2**45))
def test_only_the_times_between_touches_count(times_ms: list[int], shift_ms: int) -> None:
    shifted = [time_ms + shift_ms for time_ms in times_ms]
    assert weights(shifted, HALF_LIFE_MS) == weights(times_ms, HALF_LIFE_MS)
