"""R18: cohorts by hand. v, k are touches of c1, c2, P an order, R a refund."""

from __future__ import annotations

from collections.abc import Sequence

from tests.unit.audit.events import MIDNIGHT_MS, click, paid, refunded, view
from xinghe.audit.cohorts import cohorts_of, day_of, first_ms_of
from xinghe.audit.figures import Truth
from xinghe.audit.truth import truth_of
from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS

DAY = day_of(MIDNIGHT_MS)


def rows(truth: Truth, campaign_id: str, model: str) -> Sequence[tuple[int, ...]]:
    """Days counted from the first, then the amounts."""
    return [
        (row.touch_day - DAY, row.order_day - DAY, row.day - DAY, *row[4:])
        for row in cohorts_of(truth, campaign_id)
        if MODELS[row.model] == model
    ]


def test_a_day_begins_at_midnight_in_shanghai() -> None:
    assert first_ms_of(DAY) == MIDNIGHT_MS
    assert (day_of(MIDNIGHT_MS - 1), day_of(MIDNIGHT_MS + DAY_MS - 1)) == (DAY - 1, DAY)


def test_credit_stands_at_the_day_of_the_order_and_refunds_at_their_own() -> None:
    # day  0  2  3  5
    #      v  k  P  R
    truth = truth_of(
        [
            view("v", 0),
            click("k", 2 * DAY_MS),
            paid("P", 3 * DAY_MS),
            refunded("R", 5 * DAY_MS, amount_fen=100),
        ]
    )
    assert rows(truth, "c1", "last_touch") == []
    assert rows(truth, "c2", "last_touch") == [(2, 3, 3, 1_000_000, 1_000, 0), (2, 3, 5, 0, 0, 100)]
    assert rows(truth, "c1", "first_touch") == [(0, 3, 3, 1_000_000, 1_000, 0), (0, 3, 5, 0, 0, 100)]
    assert rows(truth, "c1", "linear") == [(0, 3, 3, 500_000, 500, 0), (0, 3, 5, 0, 0, 50)]


def test_touches_of_one_day_are_one_row_as_is_a_refund_on_the_orders_day() -> None:
    truth = truth_of(
        [view("v", 0), view("w", HOUR_MS), paid("P", DAY_MS), refunded("R", DAY_MS + 1, amount_fen=7)]
    )
    assert rows(truth, "c1", "linear") == [(0, 1, 1, 1_000_000, 1_000, 7)]


def test_what_has_no_campaign_is_in_no_cohort() -> None:
    truth = truth_of(
        [view("v", 0, campaign_id=None), paid("P", 1), paid("Q", 2, order_id="o2", shop_id="s2")]
    )
    assert truth.orders
    assert not truth.cohorts


def test_they_go_with_the_day_window_of_the_order() -> None:
    # The day, 400 days, and 1 minute of the watermark.
    order = paid("P", DAY_MS)
    for early_ms, is_there in ((1, True), (0, False)):
        newest = view("w", 402 * DAY_MS + MINUTE_MS - early_ms)
        assert bool(cohorts_of(truth_of([view("v", 0), order, newest]), "c1")) is is_there
