"""R4: the credit of an order by each model, by hand."""

from __future__ import annotations

import pytest

from tests.unit.audit.events import (
    MIDNIGHT_MS,
    claim,
    click,
    of_model,
    paid,
    refunded,
    shares,
    total,
    view,
    visit,
)
from xinghe.audit.journey import Limits
from xinghe.audit.models import position_weights
from xinghe.audit.truth import truth_of
from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import DAY_MS, HOUR_MS


class TestRules:
    # day  0   1   2   3
    #      v   k   v   P
    events = (
        view("v1", 0),
        click("k", DAY_MS),
        view("v2", 2 * DAY_MS, campaign_id="c3"),
        paid("P", 3 * DAY_MS),
    )

    @pytest.mark.parametrize(
        ("model", "credited"),
        [
            ("last_touch", [("k", 1_000_000, 1_000)]),
            ("first_touch", [("v1", 1_000_000, 1_000)]),
            ("linear", [("v1", 333_334, 334), ("k", 333_333, 333), ("v2", 333_333, 333)]),
            ("position_based", [("v1", 400_000, 400), ("k", 200_000, 200), ("v2", 400_000, 400)]),
        ],
    )
    def test_the_weights_of_three_touches(self, model: str, credited: list[tuple[str, int, int]]) -> None:
        assert shares(truth_of(self.events), model) == credited

    def test_visits_are_whole_whatever_the_model(self) -> None:
        truth = truth_of([*self.events[:3], visit("x", 3 * DAY_MS)])
        assert total(truth, "c2") == {
            "ad_clicks": 1,
            "store_visits": 1,
            "store_visitors": 1,
        }

    def test_each_model_counts_under_its_own_campaigns(self) -> None:
        truth = truth_of(self.events)
        assert of_model(truth, "c3", "linear") == {
            "orders_micros": 333_333,
            "gmv_fen": 333,
            "direct_gmv_fen": 333,
            "gmv_7d_fen": 333,
            "gmv_15d_fen": 333,
            "gmv_30d_fen": 333,
            "net_gmv_fen": 333,
            "buyers": 1,
            "new_buyers": 1,
        }
        assert of_model(truth, "c3", "last_touch") == {}
        assert total(truth, "c3") == {"views": 1, "viewers": 1}
        assert truth.metrics(("c3", "total", 0))["gmv_fen:first_touch"] == 0

    def test_models_have_no_fields_where_all_are_0_nor_in_small_windows(self) -> None:
        truth = truth_of(self.events)
        first_day = truth.metrics(("c1", "1d", MIDNIGHT_MS))
        order_hour = truth.metrics(("c1", "1h", MIDNIGHT_MS + 3 * DAY_MS))
        assert not [name for name in (*first_day, *order_hour) if ":" in name]

    def test_an_hour_in_which_only_another_model_gives_credit_exists(self) -> None:
        truth = truth_of(self.events)
        assert truth.windows["c3", "1h", MIDNIGHT_MS + 3 * DAY_MS]["gmv_fen"] == 0

    def test_without_a_touch_each_model_leaves_all_to_the_unattributed(self) -> None:
        truth = truth_of([paid("P", 0)])
        for model in MODELS:
            assert of_model(truth, "unattributed:s1", model) == {
                "orders_micros": 1_000_000,
                "gmv_fen": 1_000,
                "net_gmv_fen": 1_000,
                "buyers": 1,
                "new_buyers": 1,
            }

    def test_a_coupon_claim_is_a_touch_of_the_path(self) -> None:
        assert shares(truth_of([claim("q", 0), view("v", 1), paid("P", 2)]), "linear") == [
            ("q", 500_000, 500),
            ("v", 500_000, 500),
        ]

    def test_a_touch_that_gets_micros_and_no_fen_has_a_credit(self) -> None:
        truth = truth_of([view("v", 0), click("k", 1), paid("P", 2, amount_fen=1)])
        assert shares(truth, "linear") == [("v", 500_000, 1), ("k", 500_000, 0)]
        assert of_model(truth, "c2", "linear")["buyers"] == 1

    def test_two_touches_of_a_campaign_are_one_buyer_and_each_note_has_its_share(self) -> None:
        truth = truth_of([view("v", 0), view("w", 1, note_id="n9"), paid("P", 2)])
        assert of_model(truth, "c1", "linear")["buyers"] == 1
        assert of_model(truth, "c1", "linear")["gmv_fen"] == 1_000
        assert truth.note_counts["c1", "n1"]["gmv_fen:linear"] == 500


class TestTimeDecay:
    HALF_LIFE_MS = 7 * DAY_MS + 12 * HOUR_MS

    def test_half_of_it_each_half_life(self) -> None:
        # half-lives  0   1   2      weights 1, 2, 4
        #             v   v   v P
        at = (0, self.HALF_LIFE_MS, 2 * self.HALF_LIFE_MS)
        truth = truth_of([*(view(f"v{each}", each) for each in at), paid("P", at[-1] + 5, amount_fen=700)])
        assert [fen for _, _, fen in shares(truth, "time_decay")] == [100, 200, 400]
        # 142,857 1/7, 285,714 2/7 and 571,428 4/7: the one that is left goes to the last.
        assert [micros for _, micros, _ in shares(truth, "time_decay")] == [142_857, 285_714, 571_429]

    def test_it_counts_from_the_last_touch_not_from_the_order(self) -> None:
        truth = truth_of([view("v", 0), view("w", self.HALF_LIFE_MS), paid("P", 20 * DAY_MS, amount_fen=300)])
        assert [fen for _, _, fen in shares(truth, "time_decay")] == [100, 200]

    def test_the_half_life_is_a_quarter_of_the_window(self) -> None:
        events = [view("v", 0), view("w", 10), paid("P", 10, amount_fen=300)]
        truth = truth_of(events, limits=Limits(40, 40, 2_000))
        assert [fen for _, _, fen in shares(truth, "time_decay")] == [100, 200]


class TestPositionBased:
    @pytest.mark.parametrize(
        ("touches", "weights"), [(1, [1]), (2, [1, 1]), (3, [2, 1, 2]), (4, [4, 1, 1, 4])]
    )
    def test_weights(self, touches: int, weights: list[int]) -> None:
        assert position_weights(touches) == weights

    def test_four_touches(self) -> None:
        truth = truth_of([*(view(f"v{number}", number) for number in range(4)), paid("P", 9, amount_fen=1)])
        # Four tenths of a fen twice: the earlier gets it.
        assert shares(truth, "position_based") == [
            ("v0", 400_000, 1),
            ("v1", 100_000, 0),
            ("v2", 100_000, 0),
            ("v3", 400_000, 0),
        ]


class TestLongPaths:
    # The 2nd of 102 touches is the only click: it is in no path, and wins.
    events = (
        view("v000", 0),
        click("k", 1),
        *(view(f"v{number:03}", number) for number in range(2, 102)),
        paid("P", 200),
    )

    def test_a_path_has_the_first_and_the_last_99(self) -> None:
        credited = [touch for touch, _, _ in shares(truth_of(self.events), "linear")]
        assert credited == ["v000", *(f"v{number:03}" for number in range(3, 102))]
        assert {micros for _, micros, _ in shares(truth_of(self.events), "linear")} == {10_000}

    def test_the_winner_is_looked_for_among_all(self) -> None:
        assert shares(truth_of(self.events), "last_touch") == [("k", 1_000_000, 1_000)]

    def test_100_touches_are_the_path(self) -> None:
        events = [*self.events[:100], self.events[-1]]
        assert [touch for touch, _, _ in shares(truth_of(events), "linear")][:2] == ["v000", "k"]


def test_touches_that_do_not_reach_are_not_in_the_path() -> None:
    # day  0   1              31
    #      v   v      (s2 v)  P v      day 0 is 31 days before, the last comes after
    truth = truth_of(
        [
            view("a", 0),
            view("b", DAY_MS),
            view("c", 2 * DAY_MS, shop_id="s2"),
            paid("P", 31 * DAY_MS),
            view("d", 31 * DAY_MS + 1),
            refunded("R", 31 * DAY_MS),
        ]
    )
    for model in MODELS:
        assert shares(truth, model) == [("b", 1_000_000, 1_000)]
