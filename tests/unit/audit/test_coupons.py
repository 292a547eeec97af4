"""R8: coupons that are redeemed, by hand. q is a claim, P an order."""

from __future__ import annotations

import pytest

from tests.unit.audit.events import MIDNIGHT_MS, claim, paid, total, view
from xinghe.audit.truth import truth_of
from xinghe.domain.windows import DAY_MS, HOUR_MS


@pytest.mark.parametrize(
    ("lag_ms", "redeemed"), [(-1, None), (0, 1), (30 * DAY_MS, 1), (30 * DAY_MS + 1, None)]
)
def test_a_claim_of_the_30_days_before_is_redeemed(lag_ms: int, redeemed: int | None) -> None:
    # The event_id of the claim comes after the order's: of one moment is at or before.
    counted = total(truth_of([claim("z", 0), paid("P", lag_ms, coupon_ids=["q1"])]), "c1")
    assert counted.get("coupon_redemptions") == redeemed
    assert counted.get("coupon_gmv_fen") == (redeemed and 1_000)


def test_it_counts_in_the_windows_of_the_order_and_without_a_note() -> None:
    truth = truth_of([claim("q", 0), paid("P", 2 * HOUR_MS, coupon_ids=["q1"])])
    assert truth.metrics(("c1", "1h", MIDNIGHT_MS))["coupon_redemptions"] == 0
    assert truth.metrics(("c1", "1h", MIDNIGHT_MS + 2 * HOUR_MS))["coupon_redemptions"] == 1
    assert truth.notes == {}


def test_the_last_claim_gets_it() -> None:
    # hour  0    1    1    2
    #       c1   c2   c3   P      of one moment the larger event_id, c3
    truth = truth_of(
        [
            claim("a", 0),
            claim("c", HOUR_MS, campaign_id="c3"),
            claim("b", HOUR_MS, campaign_id="c2"),
            paid("P", 2 * HOUR_MS, coupon_ids=["q1"]),
        ]
    )
    assert total(truth, "c3")["coupon_redemptions"] == 1
    assert "coupon_redemptions" not in total(truth, "c1") | total(truth, "c2")


def test_two_coupons_of_a_campaign_are_two_redemptions_of_one_order() -> None:
    truth = truth_of(
        [
            claim("a", 0),
            claim("b", 0, coupon_id="q2"),
            claim("c", 0, coupon_id="q3", campaign_id="c2"),
            paid("P", 1, coupon_ids=["q1", "q2", "q1", "q3", "q4"]),
        ]
    )
    assert total(truth, "c1")["coupon_redemptions"] == 2
    assert total(truth, "c1")["coupon_gmv_fen"] == 1_000
    assert total(truth, "c2")["coupon_redemptions"] == 1
    assert total(truth, "c2")["coupon_gmv_fen"] == 1_000


def test_other_shops_people_and_coupons_redeem_nothing() -> None:
    truth = truth_of(
        [
            claim("a", 0, shop_id="s2"),
            claim("b", 0, person_id="p2"),
            claim("c", 0, coupon_id="q2"),
            paid("P", 1, coupon_ids=["q1"]),
        ]
    )
    assert all("coupon_redemptions" not in total(truth, each) for each in truth.campaigns)


def test_a_claim_without_a_campaign_is_organic_and_a_later_touch_takes_nothing() -> None:
    truth = truth_of([claim("a", 0, campaign_id=None), view("v", 1), paid("P", 2, coupon_ids=["q1"])])
    assert total(truth, "organic:s1") == {
        "coupon_claims": 1,
        "coupon_redemptions": 1,
        "coupon_gmv_fen": 1_000,
    }
