"""Which model holds when (R10)."""

from __future__ import annotations

import pytest

from xinghe.domain.events import CampaignConfigured
from xinghe.domain.timeline import Timeline, changed_periods, is_touched, timeline_of, window_period

LAST_TOUCH, FIRST_TOUCH, LINEAR = 0, 1, 2


def setting(effective_ms: int, model: str) -> CampaignConfigured:
    return CampaignConfigured("c1", "s1", "Spring", effective_ms, model)  # type: ignore[arg-type]


def test_without_settings_it_is_last_touch_for_ever() -> None:
    assert timeline_of([]) == Timeline()
    assert (Timeline().at(-1), Timeline().at(10**9), Timeline().newest) == (0, 0, 0)


@pytest.mark.parametrize(
    ("effective_ms", "minute"), [(60_000, 1), (60_001, 2), (119_999, 2), (120_000, 2), (0, 0), (1, 1)]
)
def test_a_setting_holds_from_the_first_whole_minute(effective_ms: int, minute: int) -> None:
    timeline = timeline_of([setting(effective_ms, "linear")])
    assert timeline.at(minute) == timeline.newest == LINEAR
    assert minute == 0 or timeline.at(minute - 1) == LAST_TOUCH


def test_of_two_settings_in_one_minute_the_later_holds() -> None:
    timeline = timeline_of([setting(60_001, "linear"), setting(119_999, "first_touch")])
    assert timeline == Timeline((0, 2), (LAST_TOUCH, FIRST_TOUCH))


@pytest.mark.parametrize("model", ["markov", "shapley"])
def test_a_data_driven_model_is_last_touch_for_the_figures(model: str) -> None:
    timeline = timeline_of([setting(0, "linear"), setting(120_000, model)])
    assert timeline == Timeline((0, 2), (LINEAR, LAST_TOUCH))


def test_settings_that_change_nothing_leave_an_equal_timeline() -> None:
    same = [setting(0, "linear"), setting(60_000, "linear"), setting(90_000, "linear")]
    assert timeline_of(same) == timeline_of(same[:1])


@pytest.mark.parametrize(
    ("period", "model"),
    [
        #  0         90         200
        #  [last     [linear    [last
        ((0, 90), LAST_TOUCH),
        ((-480, 90), LAST_TOUCH),
        ((0, 91), None),
        ((90, 200), LINEAR),
        ((89, 200), None),
        ((90, 201), None),
        ((200, None), LAST_TOUCH),
        ((199, None), None),
    ],
)
def test_one_model_holds_over_a_period_or_several(period: tuple[int, int | None], model: int | None) -> None:
    assert Timeline((0, 90, 200), (LAST_TOUCH, LINEAR, LAST_TOUCH)).over(period) == model


def test_periods_in_which_timelines_differ() -> None:
    #          0     5     9     12
    #  old     last        linear
    #  new     last  first       linear
    old = Timeline((0, 9), (LAST_TOUCH, LINEAR))
    new = Timeline((0, 5, 12), (LAST_TOUCH, FIRST_TOUCH, LINEAR))
    assert changed_periods(old, new) == changed_periods(new, old) == [(5, 9), (9, 12)]
    assert changed_periods(new, new) == []
    assert changed_periods(Timeline(), new) == [(5, 12), (12, None)]


def test_minutes_of_windows() -> None:
    assert window_period("1h", 7_200_000) == (120, 180)
    assert window_period("1d", -28_800_000) == (-480, 960)
    assert window_period("total", 0) == (0, None)


@pytest.mark.parametrize(
    ("period", "touched"),
    [((0, 5), False), ((0, 6), True), ((5, 6), True), ((8, 9), True), ((9, 12), False), ((0, None), True)],
)
def test_half_open_periods_that_meet_do_not_touch(period: tuple[int, int | None], touched: bool) -> None:
    assert is_touched(period, [(5, 9)]) is touched
    assert not is_touched(period, [])
    assert is_touched((20, 21), [(5, 9), (20, None)])
