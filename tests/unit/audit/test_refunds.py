"""R5 and the dead letters 9 and 10: refunds, by hand. R is a refund."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.audit.events import MIDNIGHT_MS, click, of_model, paid, refunded, total, view
from xinghe.audit.figures import Truth
from xinghe.audit.truth import truth_of
from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS


def refunds(truth: Truth) -> tuple[int, int]:
    """How many count, and their sum."""
    order = truth.orders["p1", "o1"]
    return order.refunds, order.refunded_fen


def given_back(truth: Truth, model: str) -> list[int]:
    return [credit.refund_fen for credit in truth.orders["p1", "o1"].credits[model]]


class TestWhichCount:
    def test_a_part_refund_counts_in_the_windows_of_its_own_time(self) -> None:
        # hour  0   2   5
        #       v   P   R
        truth = truth_of([view("v", 0), paid("P", 2 * HOUR_MS), refunded("R", 5 * HOUR_MS, amount_fen=400)])
        order_hour = truth.metrics(("c1", "1h", MIDNIGHT_MS + 2 * HOUR_MS))
        refund_hour = truth.metrics(("c1", "1h", MIDNIGHT_MS + 5 * HOUR_MS))
        names = ("gmv_fen", "refunds", "refund_fen", "net_gmv_fen")
        assert [order_hour[name] for name in names] == [1_000, 0, 0, 1_000]
        assert [refund_hour[name] for name in names] == [0, 1, 400, -400]
        assert [total(truth, "c1").get(name) for name in names] == [1_000, 1, 400, 600]
        assert truth.note_metrics(("c1", "n1"))["net_gmv_fen"] == 600

    @pytest.mark.parametrize(
        ("lag_ms", "lags"),
        [
            (7 * DAY_MS, ["7d", "15d", "30d"]),
            (7 * DAY_MS + 1, ["15d", "30d"]),
            (15 * DAY_MS + 1, ["30d"]),
            (30 * DAY_MS, ["30d"]),
        ],
    )
    def test_it_counts_by_the_lag_from_touch_to_order(self, lag_ms: int, lags: list[str]) -> None:  # R19
        # However late the refund itself is.
        truth = truth_of(
            [view("v", 0), paid("P", lag_ms), refunded("R", lag_ms + 40 * DAY_MS, amount_fen=400)]
        )
        shown = total(truth, "c1")
        assert {name for name in shown if name.startswith("refund_") and name != "refund_fen"} == {
            f"refund_{lag}_fen" for lag in lags
        }
        assert all(shown[f"refund_{lag}_fen"] == 400 for lag in lags)

    @pytest.mark.parametrize("model", MODELS)
    def test_a_full_refund_takes_all_back(self, model: str) -> None:
        truth = truth_of([view("v", 0), click("k", 1), paid("P", 2, amount_fen=333), full("R", 3, 333)])
        assert given_back(truth, model) == [c.gmv_fen for c in truth.orders["p1", "o1"].credits[model]]
        assert sum(of_model(truth, each, model).get("net_gmv_fen", 0) for each in ("c1", "c2")) == 0

    @pytest.mark.parametrize(("at_ms", "counting"), [(-1, (0, 0)), (0, (1, 10))])
    def test_an_order_must_be_paid_at_or_before_its_refund(
        self, at_ms: int, counting: tuple[int, int]
    ) -> None:
        truth = truth_of([paid("P", 0), refunded("R", at_ms, amount_fen=10)])
        assert refunds(truth) == counting
        assert len(truth.waiting) == 1 - counting[0]

    def test_the_shop_is_not_looked_at_but_the_person_is(self) -> None:
        truth = truth_of(
            [
                paid("P", 0),
                refunded("R", 1, shop_id="s9", amount_fen=10),
                refunded("S", 1, person_id="p2", amount_fen=10),
            ]
        )
        assert refunds(truth) == (1, 10)
        assert truth.waiting == {("p2", "S"): False}

    def test_from_the_first_that_does_not_fit_on_none_counts(self) -> None:
        # hour  0     1     2     3
        # fen   1000  600   500   100      600 + 500 are too much; 100 would fit and comes after
        truth = truth_of(
            [
                paid("P", 0),
                refunded("c", 3 * HOUR_MS, amount_fen=100),
                refunded("b", 2 * HOUR_MS, amount_fen=500),
                refunded("a", HOUR_MS, amount_fen=600),
            ]
        )
        assert refunds(truth) == (1, 600)
        assert truth.refused == {("p1", "b"), ("p1", "c")}
        assert (truth.events_in, truth.counted, truth.duplicates) == (4, 2, 0)

    def test_refunds_of_one_moment_count_in_the_order_of_their_ids(self) -> None:
        truth = truth_of([paid("P", 0), full("b", 5, 700), full("a", 5, 400)])
        assert (refunds(truth), truth.refused) == ((1, 400), {("p1", "b")})

    def test_a_refund_that_comes_again_is_a_duplicate(self) -> None:
        # The same refund_id under another event_id: the earlier counts.
        truth = truth_of(
            [
                paid("P", 0),
                refunded("b", 9, refund_id="r", amount_fen=300),
                refunded("a", 8, refund_id="r", amount_fen=200),
                refunded("a", 8, refund_id="r", amount_fen=200),
            ]
        )
        assert refunds(truth) == (1, 200)
        assert (truth.counted, truth.duplicates) == (2, 2)
        assert truth.unsure == {("p1", "a"), ("p1", "b")}

    def test_one_refund_id_of_two_orders_are_two_refunds(self) -> None:
        truth = truth_of(
            [
                paid("P", 0),
                paid("Q", 0, order_id="o2"),
                refunded("a", 1, refund_id="r", amount_fen=5),
                refunded("b", 1, refund_id="r", amount_fen=6, order_id="o2"),
            ]
        )
        assert truth.orders["p1", "o1"].refunded_fen == 5
        assert truth.orders["p1", "o2"].refunded_fen == 6

    @pytest.mark.parametrize(("late_ms", "is_past"), [(0, False), (1, True)])
    def test_a_refund_waits_until_the_watermark_is_31_days_past_it(self, late_ms: int, is_past: bool) -> None:
        newest = view("v", 31 * DAY_MS + MINUTE_MS + late_ms)
        assert truth_of([refunded("R", 0), newest]).waiting == {("p1", "R"): is_past}

    @pytest.mark.parametrize(
        ("time_ms", "amount_fen", "other_fen", "unsure"),
        [
            pytest.param(9, 10, 20, set(), id="all fit"),
            pytest.param(8, 10, 20, {"a", "b", "R"}, id="another time"),
            pytest.param(9, 11, 20, {"a", "b", "R"}, id="another amount"),
            pytest.param(9, 10, 991, {"a", "b", "R"}, id="one is refused"),
        ],
    )
    def test_copies_under_other_event_ids_are_unsure_where_they_may_have_led_to_a_refusal(
        self, time_ms: int, amount_fen: int, other_fen: int, unsure: set[str]
    ) -> None:
        first = refunded("a", 9, refund_id="r", amount_fen=10)
        copy = refunded("b", time_ms, refund_id="r", amount_fen=amount_fen)
        truth = truth_of([paid("P", 0), first, copy, refunded("R", 12, amount_fen=other_fen)])
        assert truth.unsure == {("p1", event_id) for event_id in unsure}

    def test_payments_that_differ_make_their_refunds_unsure(self) -> None:
        payments = [paid("P", 5, amount_fen=900), paid("Q", 0, amount_fen=1_000)]
        truth = truth_of([*payments, refunded("R", 9)])
        assert refunds(truth) == (1, 1_000)
        assert truth.apart_orders == {("p1", "o1"): "its payments differ from each other"}
        assert truth.unsure == {("p1", "R")}
        assert not truth.apart


class TestWhatTheyTakeBack:
    def test_each_is_split_over_what_is_left(self) -> None:
        # Linear: 334, 333, 333 fen.
        events: list[Any] = [view("a", 0), view("b", 1), view("c", 2), paid("P", 3)]
        # 100 over 334:333:333 is 33.4, 33.3, 33.3: the one that is left goes to the first; 300 of each are left.
        truth = truth_of([*events, full("R", 4, 100)])
        assert given_back(truth, "linear") == [34, 33, 33]
        # 100 over 300:300:300: equal remainders, the first again.
        truth = truth_of([*events, full("R", 4, 100), full("S", 5, 100)])
        assert given_back(truth, "linear") == [68, 66, 66]
        # 1 over 266:267:267: the largest remainder of equal ones, the second.
        truth = truth_of([*events, full("R", 4, 100), full("S", 5, 100), full("T", 6, 1)])
        assert given_back(truth, "linear") == [68, 67, 66]
        # All the rest: no credit gives back more than it got.
        truth = truth_of([*events, full("R", 4, 100), full("S", 5, 100), full("T", 6, 800)])
        assert given_back(truth, "linear") == [334, 333, 333]

    def test_a_refund_counts_once_for_each_campaign_with_a_credit(self) -> None:
        # Linear: c1 twice, c2 once. One fen goes to one of them, and the refund counts for both.
        events = [view("a", 0), view("b", 1), click("k", 2), paid("P", 3), full("R", 4, 1)]
        truth = truth_of(events)
        assert of_model(truth, "c1", "linear")["refunds"] == 1
        assert of_model(truth, "c2", "linear")["refunds"] == 1
        assert of_model(truth, "c1", "linear")["refund_fen"] == 1
        assert "refund_fen" not in of_model(truth, "c2", "linear")
        assert "refunds" not in of_model(truth, "c1", "last_touch")

    def test_an_order_of_no_touch_is_refunded_too(self) -> None:
        truth = truth_of([paid("P", 0), full("R", 1, 250)])
        assert total(truth, "unattributed:s1")["net_gmv_fen"] == 750
        assert given_back(truth, "linear") == [250]


class TestApart:  # R14
    # day  0            365 and 366   then the watermark passes what is kept of day 0
    @pytest.mark.parametrize(
        ("refund_days", "newest_days", "is_named"), [(366, 396, False), (366, 397, True), (365, 397, False)]
    )
    def test_a_refund_whose_order_may_be_forgotten_is_named(
        self, refund_days: int, newest_days: int, is_named: bool
    ) -> None:
        newest = view("v", newest_days * DAY_MS, person_id="p2")
        truth = truth_of([paid("P", 0), refunded("R", refund_days * DAY_MS), newest])
        assert ("p1" in truth.apart) is is_named

    def test_a_refund_id_that_came_back_after_it_waited_too_long_is_named(self) -> None:
        first, again = refunded("a", 0, refund_id="r"), refunded("b", 20 * DAY_MS, refund_id="r")
        assert truth_of([first, again]).apart == {}
        assert "r" in truth_of([first, again, view("v", 32 * DAY_MS, person_id="p2")]).apart["p1"]


def full(event_id: str, at_ms: int, amount_fen: int) -> Any:
    return refunded(event_id, at_ms, amount_fen=amount_fen)
