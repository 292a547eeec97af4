"""Which paths of channels orders count on (R16), in every order of arrival; see `test_order_rules.py`."""

from __future__ import annotations

import pytest

from tests.unit.domain.test_order_rules import Shopper, Step, in_every_order
from xinghe.domain.directory import Directory
from xinghe.domain.events import ModelChannel
from xinghe.domain.order import Order, pack_touch
from xinghe.domain.order_path import channels_of
from xinghe.domain.touch import KIND_NUMBER, NOTE_TYPE_FORM, SURFACE_FORM, Touch

Paths = dict[tuple[str, ...], tuple[int, int]]


def paths(shopper: Shopper, shop_id: str = "s1") -> Paths:
    """Orders and fen by the channels of the path, without those that came back to 0."""
    return {
        channels: count
        for (shop, channels), count in shopper.rules.changes.paths.items()
        if shop == shop_id and count != (0, 0)
    }


CASES: dict[str, tuple[tuple[Step, ...], Paths]] = {
    "campaigns stand in the order of their touches": (
        (("touches", 0, "v"), ("claims", 1, 5), ("touches", 2, "l"), ("pays", 3, "o1", 900)),
        {("view", "coupon", "like"): (1, 900)},
    ),
    "direct repeats count once, others stay": (
        (
            ("touches", 0, "v"),
            ("touches", 1, "v"),
            ("touches", 2, "l"),
            ("touches", 2.5, "v"),
            ("pays", 3, "o1", 900),
        ),
        {("view", "like", "view"): (1, 900)},
    ),
    "an order without a touch has no path": ((("touches", 4, "v"), ("pays", 3, "o1", 900)), {}),
    "of two payments of one order the first counts": (
        (("touches", 0, "v"), ("touches", 2, "l"), ("pays", 1, "o1", 900), ("pays", 3, "o1", 70, "late")),
        {("view",): (1, 900)},
    ),
    "refunds change nothing": (
        (("touches", 0, "v"), ("pays", 1, "o1", 900), ("refunds", 2, 900)),
        {("view",): (1, 900)},
    ),
    "orders of one path add up": (
        (("touches", 0, "v"), ("pays", 1, "o1", 900), ("pays", 2, "o2", 70)),
        {("view",): (2, 970)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_in_every_order_of_arrival(name: str) -> None:
    steps, expected = CASES[name]
    for shopper in in_every_order(*steps):
        assert paths(shopper) == expected


TOUCHES = (
    ("view", "search", "video"),
    ("view", "search", "image"),
    ("view", None, "image"),
    ("ad_click", None, None),
    ("like", None, "video"),
    ("coupon_claim", None, None),
)
"""Kind, surface, type of the note."""
CHANNELS: dict[ModelChannel, tuple[str, ...]] = {
    "campaign": ("c1", "c2", "c1", "organic:s1"),
    "surface": ("search", "view", "ad_click", "like", "coupon_claim"),
    "note_type": ("video", "image", "unknown", "video", "coupon_claim"),
}


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_channels_of_a_path(channel: ModelChannel) -> None:
    directory = Directory()
    sources = [directory.number(("s1", name, "n", None)) for name in ("c1", "c2", "c2", "c1", "c1", None)]
    path = b"".join(
        pack_touch(
            Touch(at, b"e", source, KIND_NUMBER[kind], SURFACE_FORM[surface] | NOTE_TYPE_FORM[note_type])
        )
        for at, (source, (kind, surface, note_type)) in enumerate(zip(sources, TOUCHES, strict=True))
    )
    order = Order("o1", b"P", 1, 9, sources[0], 100, path=path)
    assert channels_of(order, directory, channel) == CHANNELS[channel]


def test_an_order_of_another_shop_has_none_here() -> None:
    shopper = Shopper()
    shopper.touches(0, "v")
    shopper.pays(1, "o1", shop="s2")
    assert not paths(shopper)
    assert not paths(shopper, "s2")
