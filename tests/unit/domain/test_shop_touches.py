"""What reaches a moment, found in sorted touches, is what a look at all of them finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xinghe.domain.attribution.last_touch import last_touch
from xinghe.domain.attribution.order_credit import path_of
from xinghe.domain.shop_touches import JourneyTouches, ShopTouches
from xinghe.domain.touch import AD_CLICK, FORMS, VIEW, Touch, pack_row_head

times_ms = st.integers(0, 12)
touches = st.lists(
    st.builds(
        Touch,
        times_ms,
        st.binary(min_size=1, max_size=1),
        st.integers(0, 3),
        st.sampled_from((VIEW, AD_CLICK)),
        st.sampled_from(list(FORMS)),
    ),
    max_size=12,
    unique_by=lambda touch: touch.event_id,
)


@given(touches, st.integers(0, 15), st.integers(0, 8), st.integers(1, 5))
def test_what_reaches_a_moment(all_: list[Touch], time_ms: int, window_ms: int, last: int) -> None:
    found = ShopTouches(all_)
    reaching = sorted(touch for touch in all_ if 0 <= time_ms - touch.time_ms <= window_ms)
    assert found.reach(time_ms, window_ms) == bool(reaching)
    for click_over_view in (True, False):
        winner = last_touch(reaching, click_over_view=click_over_view)
        assert found.winner(time_ms, window_ms, click_over_view=click_over_view) == winner
    shown = found.first_and_last(time_ms, window_ms, last)
    assert shown == (reaching if len(reaching) <= last + 1 else [reaching[0], *reaching[-last:]])


@given(touches, touches)
def test_which_touches_are_among_them(some: list[Touch], others: list[Touch]) -> None:
    found = ShopTouches(some)
    for touch in (*some, *others):
        assert (touch in found) == (touch in some)


@given(st.lists(touches, max_size=4))
def test_those_of_a_journey_are_found_by_shop(segments: list[list[Touch]]) -> None:
    shop_of = [0, 1, 0, 2]
    packed = [
        b"".join(
            pack_row_head(7, one.time_ms, one.source, one.kind | one.form, 1) + one.event_id
            for one in segment
        )
        for segment in segments
    ]
    journey = JourneyTouches(packed, shop_of, {0, 1})
    for shop in (0, 1):
        theirs = [touch for segment in segments for touch in segment if shop_of[touch.source] == shop]
        assert journey.of(shop).first_and_last(100, 100, 100) == sorted(theirs)


def test_a_path_is_the_same_from_the_first_and_the_last_alone() -> None:
    all_ = [Touch(number, b"%d" % number, 0, VIEW) for number in range(250)]
    few = ShopTouches(all_).first_and_last(249, 249, 99)
    assert len(few) == 100
    assert list(path_of(few)) == list(path_of(all_))
