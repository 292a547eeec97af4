"""Last touch, click over view (R4)."""

from __future__ import annotations

from itertools import permutations

import pytest

from xinghe.domain.attribution.last_touch import last_touch
from xinghe.domain.touch import AD_CLICK, KIND_NUMBER, VIEW, Touch

COUPON = KIND_NUMBER["coupon_claim"]


def test_nothing_reaches_nothing() -> None:
    assert last_touch([]) is None


def test_the_last_touch_wins_whatever_its_kind_and_the_order_of_arrival() -> None:
    first, last = Touch(1, b"a", 0, VIEW), Touch(2, b"b", 1, COUPON)
    for touches in permutations([first, last]):
        assert last_touch(touches) == last


def test_the_last_ad_click_wins_over_later_touches() -> None:
    touches = [Touch(1, b"a", 0, AD_CLICK), Touch(2, b"b", 1, AD_CLICK), Touch(3, b"c", 2, VIEW)]
    for in_any_order in permutations(touches):
        assert last_touch(in_any_order) == touches[1]


def test_without_click_over_view_the_last_touch_wins_over_ad_clicks() -> None:
    touches = [Touch(1, b"a", 0, AD_CLICK), Touch(2, b"b", 1, VIEW), Touch(2, b"a", 2, AD_CLICK)]
    for in_any_order in permutations(touches):
        assert last_touch(in_any_order, click_over_view=False) == touches[1]


def test_a_tie_goes_to_the_larger_id_as_bytes() -> None:
    """In UTF-16 the second would be the smaller."""
    ids = ["\uffff".encode(), "\U0001d6c6".encode()]
    for touches in permutations([Touch(1, ids[0], 0, VIEW), Touch(1, ids[1], 1, VIEW)]):
        winner = last_touch(touches)
        assert winner is not None
        assert winner.event_id == ids[1]


@pytest.mark.parametrize(
    ("kinds", "winner"),
    [("view", 0), ("view like", 1), ("ad_click view like", 0), ("ad_click ad_click", 1)],
)
def test_the_table_of_the_module(kinds: str, winner: int) -> None:
    touches = [
        Touch(10 * day, b"id", source=day, kind=KIND_NUMBER[kind]) for day, kind in enumerate(kinds.split())
    ]
    assert last_touch(touches) == touches[winner]
