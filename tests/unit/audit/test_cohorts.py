"""Cohorts of a few orders, each day and share read off the drawing (ARCHITECTURE.md, R18)."""

from __future__ import annotations

from tests.unit.audit.events import MIDNIGHT_MS, click, paid, refunded, view
from xinghe.audit.cohorts import CohortKey, CohortSum, cohorts_of
from xinghe.audit.truth import truth_of
from xinghe.domain.counted import day_number
from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import DAY_MS

DAY = day_number(MIDNIGHT_MS)


def test_a_cohort_has_the_days_of_touch_and_order_and_refunds_have_their_own() -> None:
    # day  0   1   2   3   4
    #      v       P   r   r      1,000 fen, of which 300 and 200 go back
    truth = truth_of(
        [
            view("v", 0),
            paid("P", 2 * DAY_MS),
            refunded("r1", 3 * DAY_MS, amount_fen=300),
            refunded("r2", 5 * DAY_MS - 1, amount_fen=200),
        ]
    )
    for model in MODELS:
        of_model = {key[1:]: amounts for key, amounts in cohorts_of(truth)["c1"].items() if key[0] == model}
        assert of_model == {
            (DAY, DAY + 2, DAY + 2): CohortSum(1_000_000, 1_000, 0),
            (DAY, DAY + 2, DAY + 3): CohortSum(0, 0, 300),
            (DAY, DAY + 2, DAY + 4): CohortSum(0, 0, 200),
        }


def test_each_model_has_its_own_and_orders_of_the_same_days_add_up() -> None:
    # day  0   1   2
    #      v   k   P P    v of c1, k of c2; the refund of the second P takes all of it, on its own day
    truth = truth_of(
        [
            view("v", 0),
            click("k", DAY_MS),
            paid("P", 2 * DAY_MS, amount_fen=1_001),
            paid("Q", 2 * DAY_MS + 5, order_id="o2", amount_fen=10),
            refunded("r", 2 * DAY_MS + 6, order_id="o2", amount_fen=10),
        ]
    )
    cohorts = cohorts_of(truth)
    days = (DAY, DAY + 2, DAY + 2)
    # Of 1,001 fen the one that is left goes to the earlier touch.
    assert cohorts["c1"][CohortKey("linear", *days)] == CohortSum(1_000_000, 501 + 5, 5)
    assert CohortKey("last_touch", *days) not in cohorts["c1"]
    assert cohorts["c2"][CohortKey("last_touch", DAY + 1, DAY + 2, DAY + 2)] == CohortSum(
        2_000_000, 1_011, 10
    )


def test_only_campaigns_with_an_id_and_only_those_asked_for_have_some() -> None:
    truth = truth_of(
        [
            view("v", 0, campaign_id=None),
            paid("P", 1),
            paid("Q", 1, person_id="p2"),
            view("w", 0, person_id="p3"),
            paid("R", 1, person_id="p3"),
        ]
    )
    assert cohorts_of(truth).keys() == {"c1"}
    assert cohorts_of(truth, {"c2"}) == {}
