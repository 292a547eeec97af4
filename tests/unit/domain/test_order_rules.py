"""The rules of orders on drawn timelines (R4 to R8), each in every order of arrival; see `test_journey_rules.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import pytest
from xxhash import xxh3_64_intdigest as hash64

from tests.unit.domain.test_journey_rules import AMOUNT_FEN, KEY, START_MS, Person, round_trip
from xinghe.domain.order import Order, Refund, refunded_fen
from xinghe.domain.touch import touches_in
from xinghe.domain.windows import DAY_MS, MINUTE_MS

Step = tuple[Any, ...]
MODEL_NAMES = ("last_touch", "first_touch", "linear", "time_decay", "position_based")


class Shopper(Person):
    """A person with refunds, coupons and orders of given amounts."""

    def step(self, what: str, *args: Any, **options: Any) -> bool:
        self.rules.changes.orders.clear()
        added: bool = getattr(self, what)(*args, **options)
        return added

    def pays(
        self,
        day: float,
        order_id: str = "o1",
        amount_fen: int = AMOUNT_FEN,
        event_id: str | None = None,
        shop: str = "s1",
        **options: Any,
    ) -> bool:
        name, time_ms = (event_id or f"P{day}-{order_id}").encode(), self._at(day)
        target = self.directory.number((shop, None, None, "i1"))
        order = Order(order_id, name, hash64(name), time_ms, target, amount_fen, **options)
        return self.commits(self.rules.pay(KEY, self.journey, order))

    def refunds(
        self,
        day: float,
        amount_fen: int,
        refund_id: str = "r1",
        order_id: str = "o1",
        event_id: str | None = None,
    ) -> bool:
        name = (event_id or f"R{day}-{refund_id}").encode()
        refund = Refund(refund_id, order_id, name, hash64(name), self._at(day), amount_fen, 0, 7, b"{}")
        return self.commits(self.rules.refund(KEY, self.journey, refund))

    def claims(self, day: float, coupon: int, campaign_id: str | None = "coupon") -> bool:
        name = f"C{day}-{coupon}-{campaign_id}".encode()
        source = self.directory.number(("s1", campaign_id, None if campaign_id else "", None))
        args = (hash64(name), self._at(day), source, name, coupon)
        return self.commits(self.rules.claim(KEY, self.journey, *args))

    def touches(self, day: float, letter: str) -> bool:
        return self.happens(day, letter)

    def refusals(self) -> list[tuple[str, str]]:
        return sorted((refund.refund_id, reason) for refund, reason, _ in self.rules.changes.refusals)

    def _at(self, day: float) -> int:
        time_ms = START_MS + round(day * DAY_MS)
        self.rules.event_time_ms_max = max(self.rules.event_time_ms_max, time_ms)
        return time_ms


def in_every_order(*steps: Step) -> Iterator[Shopper]:
    for order in permutations(steps):
        shopper = Shopper()
        for what, *args in order:
            options = args.pop() if args and isinstance(args[-1], dict) else {}
            shopper.step(what, *args, **options)
        assert_recovers(shopper)
        yield shopper


def assert_recovers(shopper: Shopper) -> None:
    """What a recovery brings back is what was there, but for fingerprints of events that were replaced."""
    journey, recovered = shopper.journey, round_trip(shopper)
    assert set(_fours(recovered.fingerprints)) <= set(_fours(journey.fingerprints))
    assert (recovered.orders or []) == (journey.orders or [])
    assert (recovered.claims, recovered.waiting) == (journey.claims, journey.waiting)
    assert recovered.events == journey.events


def _fours(fingerprints: bytes) -> Sequence[bytes]:
    return [fingerprints[at : at + 4] for at in range(0, len(fingerprints), 4)]


class TestModels:  # R4
    def test_each_model_shares_an_order_of_three_touches(self) -> None:
        """A view on day 0, a like on day 15, an ad click on day 22.5, paid on day 23: 900 fen."""
        steps = (("touches", 0, "v"), ("touches", 15, "l"), ("touches", 22.5, "k"), ("pays", 23))
        for shopper in in_every_order(*steps):
            shared = {
                model: [shopper.counts(name, model).get("gmv_fen", 0) for name in ("view", "like", "click")]
                for model in MODEL_NAMES
            }
            assert shared == {
                "last_touch": [0, 0, 900],
                "first_touch": [900, 0, 0],
                "linear": [300, 300, 300],
                # Weights 1/8, 1/2, 1: 900 / 13 * (1, 4, 8) = 69.2, 276.9, 553.8.
                "time_decay": [69, 277, 554],
                "position_based": [360, 180, 360],
            }

    def test_millionths_and_fen_that_are_left_go_to_the_largest_remainders(self) -> None:
        steps = (("touches", 0, "v"), ("touches", 1, "l"), ("touches", 2, "k"), ("pays", 3, "o1", 100))
        for shopper in in_every_order(*steps):
            for name, micros, fen in (("view", 333_334, 34), ("like", 333_333, 33), ("click", 333_333, 33)):
                counts = shopper.counts(name, "linear")
                assert (counts["orders_micros"], counts["gmv_fen"]) == (micros, fen)

    def test_a_touch_with_no_share_has_no_buyer(self) -> None:
        shopper = Shopper()
        for day in (0, 1):
            shopper.touches(day, "v")
        shopper.pays(2)
        assert shopper.people("view", "first_touch") == {
            ("viewers", 0): 1,
            ("viewers", 1): 1,
            ("viewers", None): 1,
            ("buyers", 2): 1,
            ("buyers", None): 1,
        }
        shopper.touches(1.5, "k")
        assert ("buyers", None) not in shopper.people("view", "last_touch")
        assert shopper.people("view", "linear")["buyers", None] == 1
        assert shopper.people("click", "linear")["buyers", None] == 1
        assert ("buyers", None) not in shopper.people("click", "first_touch")

    def test_of_very_many_touches_the_first_and_the_last_99_share(self) -> None:
        shopper = Shopper()
        for number in range(250):
            shopper.happens(number / 100, "l" if number == 0 else "v", event_id=f"t{number:03}")
        shopper.pays(3)
        (order,) = shopper.orders()
        ids = [touch.event_id.decode() for touch in touches_in(order.path)]
        assert ids == ["t000", *(f"t{number:03}" for number in range(151, 250))]
        assert shopper.counts("like", "linear")["orders_micros"] == 10_000

    def test_an_order_without_touches_is_unattributed_in_every_model(self) -> None:
        shopper = Shopper()
        shopper.pays(0)
        for model in MODEL_NAMES:
            assert shopper.counts("unattributed:s1", model) == {"orders_micros": 1_000_000, "gmv_fen": 900}


class TestRefunds:  # R5
    def test_a_part_comes_back_from_those_that_earned_it_in_proportion(self) -> None:
        steps = (("touches", 0, "v"), ("touches", 1, "k"), ("pays", 2), ("refunds", 4, 301))
        for shopper in in_every_order(*steps):
            assert shopper.counts("click")["refund_fen"] == 301
            assert shopper.counts("view").get("refund_fen") is None
            shared = [shopper.counts(name, "linear")["refund_fen"] for name in ("view", "click")]
            assert shared == [151, 150]
            assert shopper.counts("view", "linear")["refunds"] == 1
            (order,) = shopper.orders()
            assert refunded_fen(order) == 301

    def test_the_whole_takes_back_all_of_each_credit(self) -> None:
        touches = (("touches", 0, "v"), ("touches", 1, "l"), ("touches", 2, "k"))
        for first_fen in (1, 99, 500):
            shopper = Shopper()
            for what, *args in (*touches, ("pays", 3, "o1", 1_000)):
                shopper.step(what, *args)
            shopper.refunds(4, first_fen, "r1")
            shopper.refunds(5, 1_000 - first_fen, "r2")
            for model in MODEL_NAMES:
                for name in ("view", "like", "click"):
                    counts = shopper.counts(name, model)
                    assert counts.get("refund_fen", 0) == counts.get("gmv_fen", 0)

    def test_it_counts_in_the_minute_of_its_own_time(self) -> None:
        shopper = Shopper()
        shopper.pays(0)
        before = dict(shopper.rules.changes.counts)
        shopper.refunds(9, 100)
        minutes = {
            minute
            for cell, change in shopper.rules.changes.counts.items()
            for _, minute, _ in [cell]
            if change != before.get(cell, 0)
        }
        assert minutes == {(START_MS + 9 * DAY_MS) // MINUTE_MS}

    def test_the_same_refund_twice_counts_once_the_first(self) -> None:
        steps = (("pays", 0), ("refunds", 1, 100), ("refunds", 2, 100, {"event_id": "again"}))
        for shopper in in_every_order(*steps):
            (order,) = shopper.orders()
            assert [refund.time_ms for refund in order.refunds] == [START_MS + DAY_MS]
            assert shopper.counts("unattributed:s1")["refunds"] == 1
            assert shopper.journey.events == 2

    def test_from_the_first_that_exceeds_the_order_on_none_counts(self) -> None:
        steps = (("pays", 0), ("refunds", 1, 600, "r1"), ("refunds", 2, 301, "r2"), ("refunds", 3, 300, "r3"))
        for shopper in in_every_order(*steps):
            assert shopper.counts("unattributed:s1")["refund_fen"] == 600
            assert shopper.refusals() == [("r2", "refund_exceeds_order"), ("r3", "refund_exceeds_order")]

    def test_before_its_order_was_paid_it_is_not_the_orders(self) -> None:
        for shopper in in_every_order(("pays", 2), ("refunds", 1, 100)):
            assert "refunds" not in shopper.counts("unattributed:s1")
            shopper.happens(40, "l")
            shopper.rules.expire(KEY, shopper.journey)
            assert shopper.refusals() == [("r1", "order_unknown")]
            assert shopper.journey.waiting is None

    def test_an_order_that_turns_out_to_be_paid_earlier_takes_its_refund(self) -> None:
        for shopper in in_every_order(("pays", 2), ("refunds", 1, 100), ("pays", 0, {"event_id": "first"})):
            assert shopper.counts("unattributed:s1")["refund_fen"] == 100
            assert shopper.journey.waiting is None

    def test_it_waits_for_its_order_31_days(self) -> None:
        shopper = Shopper()
        shopper.refunds(0, 100)
        # The watermark is a minute behind: a payment of just then may still come, and be that of the refund.
        for day, waits in ((31 + MINUTE_MS / DAY_MS, True), (31 + (MINUTE_MS + 1) / DAY_MS, False)):
            shopper.happens(day, "l", event_id=f"{day}")
            shopper.rules.expire(KEY, shopper.journey)
            assert (shopper.journey.waiting is not None) == waits
        assert shopper.refusals() == [("r1", "order_unknown")]

    def test_a_late_touch_takes_over_what_was_refunded(self) -> None:
        shopper = Shopper()
        shopper.pays(2)
        shopper.refunds(3, 100)
        shopper.touches(1, "v")
        assert "refund_fen" not in shopper.counts("unattributed:s1")
        assert shopper.counts("view")["refund_fen"] == 100


class TestRepurchases:  # R6
    @pytest.mark.parametrize(
        ("days", "new"), [(365, 1), (365 + 1 / DAY_MS, 2)], ids=["365 days", "a millisecond more"]
    )
    def test_who_paid_nothing_for_365_days_is_new(self, days: float, new: int) -> None:
        for shopper in in_every_order(("pays", 0), ("pays", days, "o2")):
            people = shopper.people("unattributed:s1", shown=("new_buyers",))
            assert sum(count for (_, day), count in people.items() if day is not None) == new

    def test_what_the_event_says_of_a_new_customer_counts(self) -> None:
        for shopper in in_every_order(
            ("pays", 0, {"new_customer": False}), ("pays", 1, "o2", {"new_customer": True})
        ):
            people = shopper.people("unattributed:s1", shown=("new_buyers",))
            assert people == {("new_buyers", 1): 1, ("new_buyers", None): 1}

    @pytest.mark.parametrize(
        ("days", "names"),
        [
            (30, {"repurchases", "repurchases_30d"}),
            (30 + 1 / DAY_MS, {"repurchases"}),
            (90, {"repurchases"}),
            (90 + 1 / DAY_MS, set()),
        ],
    )
    def test_a_repurchase_counts_for_the_campaign_of_the_first_order(
        self, days: float, names: set[str]
    ) -> None:
        # What earns the second order is 35 days after the first touch, so it reaches no other.
        steps = (("touches", -1, "v"), ("pays", 0), ("touches", days, "k"), ("pays", days, "o2"))
        for shopper in in_every_order(*steps):
            counts = shopper.counts("view")
            assert {name for name in counts if name.startswith("repurchases")} == names
            assert not any(name.startswith("repurchases") for name in shopper.counts("click"))
            people = shopper.people("view", shown=("repurchasers", "repurchasers_30d"))
            assert {name for name, day in people if day is None} == {
                name.replace("purchases", "purchasers") for name in names
            }

    def test_a_late_touch_of_the_first_order_takes_the_repurchases_with_it(self) -> None:
        shopper = Shopper()
        shopper.pays(0)
        shopper.pays(40, "o2")
        assert shopper.counts("unattributed:s1")["repurchases"] == 1
        shopper.rules.changes.orders.clear()
        shopper.touches(-1, "v")
        assert list(shopper.rules.changes.orders) == [(KEY, 0)], "the attribution of the second says the same"
        assert shopper.counts("view")["repurchases"] == 1
        assert "repurchases" not in shopper.counts("unattributed:s1")

    def test_the_days_count_from_the_first_order_not_from_the_one_before(self) -> None:
        for shopper in in_every_order(("pays", 0), ("pays", 60, "o2"), ("pays", 120, "o3")):
            assert shopper.counts("unattributed:s1")["repurchases"] == 1

    def test_shops_are_apart(self) -> None:
        shopper = Shopper()
        shopper.pays(0)
        shopper.pays(1, "o2", shop="s2")
        for shop in ("s1", "s2"):
            assert shopper.people(f"unattributed:{shop}", shown=("new_buyers",))["new_buyers", None] == 1


class TestCoupons:  # R8
    def test_a_coupon_is_redeemed_for_the_campaign_of_its_last_claim(self) -> None:
        steps = (
            ("claims", 0, 5, "first"),
            ("claims", 1, 5, "second"),
            ("claims", 3, 5, "after"),
            ("pays", 2, {"coupons": (5, 6)}),
        )
        for shopper in in_every_order(*steps):
            counts = shopper.counts("second")
            assert (counts["coupon_redemptions"], counts["coupon_gmv_fen"]) == (1, 900)
            for campaign_id in ("first", "after"):
                assert "coupon_redemptions" not in shopper.counts(campaign_id)
                assert shopper.counts(campaign_id)["coupon_claims"] == 1

    def test_the_amount_counts_once_for_two_coupons_of_one_campaign(self) -> None:
        for shopper in in_every_order(("claims", 0, 5), ("claims", 0, 6), ("pays", 1, {"coupons": (5, 6)})):
            counts = shopper.counts("coupon")
            assert (counts["coupon_redemptions"], counts["coupon_gmv_fen"]) == (2, 900)

    @pytest.mark.parametrize(("days", "redeemed"), [(30, 1), (30 + 1 / DAY_MS, 0)])
    def test_a_claim_is_good_for_30_days(self, days: float, redeemed: int) -> None:
        for shopper in in_every_order(("claims", 0, 5), ("pays", days, {"coupons": (5,)})):
            assert shopper.counts("coupon").get("coupon_redemptions", 0) == redeemed

    def test_a_claim_without_a_campaign_is_organic(self) -> None:
        for shopper in in_every_order(("claims", 0, 5, None), ("pays", 1, {"coupons": (5,)})):
            assert shopper.counts("organic:s1")["coupon_redemptions"] == 1
