"""R6: new buyers and repurchases, by hand. P, Q, S are orders of one person and shop."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.audit.events import MIDNIGHT_MS, click, of_model, paid, refunded, total, view
from xinghe.audit.truth import truth_of
from xinghe.domain.windows import DAY_MS


def order(name: str, at_ms: int, **fields: Any) -> Any:
    return paid(name, at_ms, **{"order_id": name, **fields})


def new_orders(*events: Any) -> list[str]:
    orders = truth_of(events).orders
    return [order_id for (_, order_id), attribution in orders.items() if attribution.new_customer]


class TestNew:
    @pytest.mark.parametrize(("lag_ms", "new"), [(365 * DAY_MS, ["P"]), (365 * DAY_MS + 1, ["P", "Q"])])
    def test_an_order_of_the_365_days_before_makes_it_a_known_buyer(
        self, lag_ms: int, new: list[str]
    ) -> None:
        assert new_orders(order("P", 0), order("Q", lag_ms)) == new

    def test_what_the_order_says_counts_more(self) -> None:
        assert new_orders(order("P", 0, new_customer=False), order("Q", 1, new_customer=True)) == ["Q"]

    def test_an_order_that_says_it_is_not_new_is_one_of_those_before(self) -> None:
        assert new_orders(order("P", 0, new_customer=False), order("Q", 1)) == []

    def test_orders_of_one_moment_are_in_the_order_of_their_event_ids(self) -> None:
        assert new_orders(order("Q", 0), order("P", 0)) == ["P"]

    def test_other_shops_and_people_do_not_count(self) -> None:
        events = (order("P", 0, shop_id="s2"), order("Q", 1, person_id="p2"), order("S", 2))
        assert sorted(new_orders(*events)) == ["P", "Q", "S"]

    def test_a_new_buyer_counts_on_the_day_of_the_new_order(self) -> None:
        # day  0    1
        #      v P  Q       a buyer on both, a new one on the first
        truth = truth_of([view("v", 0), order("P", 1), order("Q", DAY_MS)])
        days = [truth.metrics(("c1", "1d", MIDNIGHT_MS + day * DAY_MS)) for day in (0, 1)]
        assert [(day["buyers"], day["new_buyers"]) for day in days] == [(1, 1), (1, 0)]
        assert [total(truth, "c1")[name] for name in ("buyers", "new_buyers")] == [1, 1]


class TestRepurchases:
    @pytest.mark.parametrize(
        ("lag_ms", "repurchases"),
        [
            (30 * DAY_MS, (1, 1)),
            (30 * DAY_MS + 1, (1, None)),
            (90 * DAY_MS, (1, None)),
            (90 * DAY_MS + 1, (None, None)),
        ],
    )
    def test_within_90_and_30_days_after_the_first(
        self, lag_ms: int, repurchases: tuple[int | None, int | None]
    ) -> None:
        counted = total(truth_of([view("v", 0), order("P", 0), order("Q", lag_ms)]), "c1")
        assert (counted.get("repurchases"), counted.get("repurchases_30d")) == repurchases
        assert (counted.get("repurchasers"), counted.get("repurchasers_30d")) == repurchases

    def test_they_count_for_the_campaigns_of_the_first_order_in_the_windows_of_this_one(self) -> None:
        # day  0     40
        #      v P   k Q     the first is c1's, the second c2's
        truth = truth_of([view("v", 0), order("P", 1), click("k", 40 * DAY_MS), order("Q", 40 * DAY_MS + 1)])
        assert total(truth, "c1")["repurchases"] == 1
        assert "repurchases" not in total(truth, "c2")
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS))["repurchasers"] == 0
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS + 40 * DAY_MS))["repurchasers"] == 1
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS + 40 * DAY_MS))["buyers"] == 0
        assert "repurchases" not in truth.note_metrics(("c1", "n1"))

    def test_each_model_has_its_campaigns(self) -> None:
        truth = truth_of([view("v", 0), click("k", 1), order("P", 2), order("Q", 3)])
        assert of_model(truth, "c1", "first_touch")["repurchases"] == 1
        assert "repurchases" not in of_model(truth, "c1", "last_touch")
        assert [of_model(truth, each, "linear")["repurchases"] for each in ("c1", "c2")] == [1, 1]

    def test_the_first_is_the_last_new_one_before(self) -> None:
        # day  0    80   85       Q says it is new: S repeats Q, not P
        #      v P  Q    S
        truth = truth_of(
            [view("v", 0), order("P", 1), order("Q", 80 * DAY_MS, new_customer=True), order("S", 85 * DAY_MS)]
        )
        assert "repurchases" not in total(truth, "c1")
        assert total(truth, "unattributed:s1")["repurchases_30d"] == 1

    def test_many_repurchases_are_one_repurchaser(self) -> None:
        counted = total(
            truth_of([view("v", 0), order("P", 1), *(order(f"Q{each}", each) for each in (2, 3, 4))]), "c1"
        )
        assert (counted["repurchases"], counted["repurchasers"]) == (3, 1)

    def test_without_a_new_one_before_there_is_none(self) -> None:
        truth = truth_of([view("v", 0), order("P", 1, new_customer=False), order("Q", 2)])
        assert "repurchases" not in total(truth, "c1")

    def test_refunds_change_nothing_of_this(self) -> None:
        truth = truth_of([view("v", 0), order("P", 1), order("Q", 3), refunded("R", 2, order_id="P")])
        assert total(truth, "c1")["repurchases"] == 1
        assert total(truth, "c1")["new_buyers"] == 1
