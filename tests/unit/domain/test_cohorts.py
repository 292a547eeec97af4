"""What an order adds to cohorts (R18): by the day of the touch, of the order, and of the change."""

from __future__ import annotations

from tests.unit.domain.test_order_rules import Shopper, in_every_order
from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_number
from xinghe.domain.metrics import MODELS

LAST_TOUCH, FIRST_TOUCH, LINEAR = range(3)


def cohorts(shopper: Shopper, name: str, model: int) -> list[tuple[int, ...]]:
    """Of the campaign that has the note's name: days counted from the first, then the amounts."""
    first = day_number(shopper._at(0))
    campaigns = shopper.directory.campaigns
    rows = [
        CohortRow(*cell[1:5], *amounts)
        for cell, amounts in shopper.rules.changes.cohorts.items()
        if campaigns[cell[0]] == name and any(amounts)
    ]
    return sorted(
        (row.touch_day - first, row.order_day - first, row.day - first, *row[4:7])
        for row in rows
        if row.model == model
    )


def test_credit_stands_at_the_day_of_the_order_and_refunds_at_their_own() -> None:
    steps = (("touches", 0, "v"), ("touches", 2, "l"), ("pays", 3), ("refunds", 5, 100))
    for shopper in in_every_order(*steps):
        assert cohorts(shopper, "view", LAST_TOUCH) == []
        assert cohorts(shopper, "like", LAST_TOUCH) == [(2, 3, 3, 1_000_000, 900, 0), (2, 3, 5, 0, 0, 100)]
        assert cohorts(shopper, "view", FIRST_TOUCH) == [(0, 3, 3, 1_000_000, 900, 0), (0, 3, 5, 0, 0, 100)]
        assert cohorts(shopper, "view", LINEAR) == [(0, 3, 3, 500_000, 450, 0), (0, 3, 5, 0, 0, 50)]
        assert cohorts(shopper, "like", LINEAR) == [(2, 3, 3, 500_000, 450, 0), (2, 3, 5, 0, 0, 50)]


def test_touches_of_one_day_and_refunds_on_the_orders_day_are_one_row() -> None:
    steps = (("touches", 0, "v"), ("touches", 0.1, "v"), ("pays", 1), ("refunds", 1.1, 100))
    for shopper in in_every_order(*steps):
        for model in range(len(MODELS)):
            assert cohorts(shopper, "view", model) == [(0, 1, 1, 1_000_000, 900, 100)]


def test_what_has_no_campaign_is_in_no_cohort() -> None:
    shopper = Shopper()
    shopper.pays(1)
    shopper.claims(2, 5, campaign_id=None)
    shopper.pays(3, "o2")
    assert not shopper.rules.changes.cohorts
