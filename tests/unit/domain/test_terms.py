from __future__ import annotations

from fractions import Fraction
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.metrics import COUNTED
from xinghe.domain.terms import (
    Conversion,
    CustomGuarantee,
    QianchuanRoi,
    XhsCost,
    exact_roi,
    model_of,
    policy_of,
    terms_of,
)
from xinghe.domain.windows import DAY_MS

DAY = 20_000
START_MS = day_start_ms(DAY)


def setting(effective_ms: int, model: str = "last_touch") -> CampaignConfigured:
    return CampaignConfigured("c1", "s1", "Spring", effective_ms, model)  # type: ignore[arg-type]


#            day 20000               20001                   20002
#            |-----------------------|-----------------------|------
# told          a (1 ms in)  b       c (midnight)   d
# terms      a                       c                       d
A, B, C, D = (setting(START_MS + at_ms) for at_ms in (1, DAY_MS // 2, DAY_MS, DAY_MS + DAY_MS // 2))


@pytest.mark.parametrize(
    ("day", "expected"), [(DAY - 1, None), (DAY, A), (DAY + 1, C), (DAY + 2, D), (DAY + 900, D)]
)
def test_an_edit_counts_from_the_next_midnight_and_the_first_setting_from_its_own_day(
    day: int, expected: CampaignConfigured | None
) -> None:
    assert terms_of([A, B, C, D], day) is expected


def test_without_settings_there_are_no_terms() -> None:
    assert terms_of([], DAY) is None
    assert model_of([], DAY) == 0


def test_a_setting_of_midnight_is_of_that_day_though_one_came_before() -> None:
    assert terms_of([A, C], DAY + 1) is C
    assert terms_of([B, setting(START_MS + DAY_MS - 1)], DAY) is B


def test_the_model_is_that_of_the_terms_and_last_touch_if_data_driven() -> None:
    told = [setting(START_MS, "linear"), setting(START_MS + DAY_MS, "markov")]
    assert [model_of(told, DAY + days) for days in (-1, 0, 1)] == [0, 2, 0]


@given(st.lists(st.integers(START_MS, START_MS + 4 * DAY_MS), max_size=6, unique=True), st.integers(-1, 5))
def test_terms_are_as_the_rule_says(times_ms: list[int], days: int) -> None:
    first_ms = START_MS + days * DAY_MS
    before = [at_ms for at_ms in times_ms if at_ms <= first_ms]
    within = [at_ms for at_ms in times_ms if first_ms < at_ms < first_ms + DAY_MS]
    expected = max(before) if before else min(within, default=None)
    terms = terms_of([setting(at_ms) for at_ms in sorted(times_ms)], DAY + days)
    assert (terms and terms.effective_ms) == expected


@given(st.integers(1, 10_000_000))
def test_a_target_of_four_decimals_is_exact(ten_thousandths: int) -> None:
    text = f"{ten_thousandths // 10_000}.{ten_thousandths % 10_000:04d}"
    guarantee = msgspec.json.decode(
        f'{{"preset":"qianchuan_roi","start_ms":0,"target_roi":{text}}}', type=QianchuanRoi
    )
    assert exact_roi(guarantee.target_roi) == Fraction(text)
    assert policy_of(guarantee).target == Fraction(text)
    assert msgspec.json.decode(msgspec.json.encode(guarantee), type=QianchuanRoi) == guarantee


def test_conversions_are_orders_and_the_counted_metrics_that_are_no_money() -> None:
    assert set(get_args(Conversion)) == {"orders"} | {name for name in COUNTED if not name.endswith("_fen")}


def test_a_preset_is_what_custom_can_write_out() -> None:
    roi = CustomGuarantee(
        start_ms=START_MS,
        measure="roi",
        trigger_percent=80,
        payout_percent=100,
        observation_days=3,
        settlement_day=5,
        form="credit",
        target_roi=2.5,
        conversions_min=10,
        edits_per_day_max=2,
        backfill_days=1,
    )
    cost = CustomGuarantee(
        start_ms=START_MS,
        measure="cost",
        trigger_percent=120,
        payout_percent=120,
        observation_days=7,
        settlement_day=10,
        form="credit",
        bid_fen=3_000,
        conversion="ad_clicks",
        edits_per_day_max=2,
        edits_per_hour_max=1,
        backfill_days=3,
        cap_fen=7,
    )
    assert policy_of(QianchuanRoi(START_MS, 2.5)) == policy_of(roi)
    assert policy_of(XhsCost(START_MS, 3_000, "ad_clicks", 7)) == policy_of(cost)
    assert policy_of(cost).first_day == day_number(START_MS) == DAY
