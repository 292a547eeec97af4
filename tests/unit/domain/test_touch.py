"""Packed rows of touches come back as they went in."""

from __future__ import annotations

from xinghe.domain.order import pack_touch
from xinghe.domain.touch import (
    AD_CLICK,
    FORMS,
    KIND_NUMBER,
    KINDS,
    NOTE_TYPE_FORM,
    ROW_HEAD_BYTES,
    SURFACE_FORM,
    VIEW,
    Touch,
    pack_row_head,
    touch_count,
    touches_in,
    touches_of,
    without_views,
)

LIKE = KIND_NUMBER["like"]
TOUCHES = [
    Touch(5, b"a", 1, VIEW, SURFACE_FORM["ad"]),
    Touch(-3, "é".encode(), 2**32 - 1, AD_CLICK),
    Touch(2**53, b"x" * 255, 0, VIEW),
    Touch(7, b"d", 3, LIKE, NOTE_TYPE_FORM["video"]),
]
"""An id of 64 characters is at most 256 bytes long: 255 is what the row's length can say."""


def packed(*touches: Touch) -> bytes:
    return b"".join(
        pack_row_head(
            2**64 - 1,
            touch.time_ms,
            touch.source,
            touch.kind | touch.form,
            len(touch.event_id),
        )
        + touch.event_id
        for touch in touches
    )


def test_a_row_is_23_bytes_and_the_id() -> None:
    assert ROW_HEAD_BYTES == 23
    assert len(packed(TOUCHES[0])) == 24


def test_touches_come_back_in_order() -> None:
    assert list(touches_in(packed(*TOUCHES))) == TOUCHES
    assert list(touches_in(b"")) == []


def test_every_kind_and_form_goes_into_the_row_and_comes_back() -> None:
    touches = [Touch(0, b"a", 0, kind, form) for kind in range(len(KINDS)) for form in FORMS]
    assert list(touches_in(packed(*touches))) == touches
    assert list(touches_in(b"".join(map(pack_touch, touches)))) == touches
    assert FORMS[SURFACE_FORM["search"] | NOTE_TYPE_FORM["image"]] == ("search", "image")
    assert FORMS[0] == (None, None)


def test_touches_are_counted_without_unpacking() -> None:
    for count in range(len(TOUCHES) + 1):
        assert touch_count(packed(*TOUCHES[:count])) == count


def test_views_are_taken_out_and_the_rest_is_untouched() -> None:
    kept, views = without_views(packed(*TOUCHES))
    assert views == 2
    assert kept == packed(TOUCHES[1], TOUCHES[3])
    assert without_views(kept) == (kept, 0)
    assert without_views(packed(TOUCHES[0])) == (b"", 1)


def test_touches_of_shops_are_in_the_order_they_came() -> None:
    touches = [touch._replace(source=number) for number, touch in enumerate(TOUCHES)]
    shop_of = [0, 1, 0, 2]
    segments = [packed(*touches[:2]), b"", packed(*touches[2:])]
    for shops in ({0}, {1}, {0, 2}, {3}):
        assert list(touches_of(segments, shop_of, shops)) == [
            touch for touch in touches if shop_of[touch.source] in shops
        ]
