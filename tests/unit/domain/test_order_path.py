"""Which paths of channels orders count on (R16), in every order of arrival; see `test_order_rules.py`."""

from __future__ import annotations

import pytest

from tests.unit.domain.test_order_rules import Shopper, Step, in_every_order

Paths = dict[tuple[str, ...], tuple[int, int]]


def paths(shopper: Shopper, shop_id: str = "s1") -> Paths:
    """Orders and fen by the campaigns of the path, without those that came back to 0."""
    names = shopper.directory.campaigns
    return {
        tuple(names[campaign] for campaign in campaigns): count
        for (shop, campaigns), count in shopper.rules.changes.paths.items()
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


def test_an_order_of_another_shop_has_none_here() -> None:
    shopper = Shopper()
    shopper.touches(0, "v")
    shopper.pays(1, "o1", shop="s2")
    assert not paths(shopper)
    assert not paths(shopper, "s2")
