"""The parts of a campaign's page that are computed: target, spend beside ROI, what data-driven models give."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec
import pytest

from xinghe.dashboard import campaign_page
from xinghe.dashboard.campaign_page import Reading, credits_of, spend, target
from xinghe.dashboard.look import Look
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.outputs import ModelCredit, ModelCredits, ShopModels
from xinghe.domain.windows import DAY_MS, end_ms
from xinghe.serving import Funnel, ServingUnavailableError

LOOK = Look("en", "auto", "red")


def settings(guarantee: dict[str, Any] | None) -> CampaignConfigured:
    fields = {"campaign_id": "c1", "shop_id": "s1", "name": "One", "effective_ms": 0, "guarantee": guarantee}
    return msgspec.convert(fields, CampaignConfigured)


def day(number: int, *, final: bool = True, **metrics: int) -> Funnel:
    start_ms = number * DAY_MS
    return Funnel("c1", "1d", start_ms, end_ms("1d", start_ms), metrics, 1, final, None, None)


@pytest.mark.parametrize(
    ("guarantee", "expected"),
    [
        ({"preset": "qianchuan_roi", "start_ms": 0, "target_roi": 2.5}, Fraction(5, 2)),
        ({"preset": "qianchuan_roi", "start_ms": 0, "target_roi": 1.1}, Fraction(11, 10)),
        ({"preset": "xhs_cost", "start_ms": 0, "bid_fen": 100}, None),
        (None, None),
    ],
)
def test_the_target_is_that_of_the_settings_while_there_is_no_position(
    guarantee: dict[str, Any] | None, expected: Fraction | None
) -> None:
    assert target(None, settings(guarantee)) == expected
    assert target(None, None) is None


def test_spend_roi_and_target_stand_over_all_days_and_unknown_ones_are_gaps() -> None:
    days = [
        day(1, gmv_fen=100),
        day(2, gmv_fen=500, net_gmv_fen=400, spend_fen=200),
        day(4, gmv_fen=0, net_gmv_fen=-100, spend_fen=100, final=False),
        day(5, gmv_fen=100, final=False),
    ]
    chart = spend(days, Fraction(2), LOOK)
    assert chart is not None
    assert {line.role: line.values for line in chart.series} == {
        "spend": [2, None, 1],
        "main": [2.5, None, 0],
        "second": [2, None, -1],
        "target": [2, 2, 2],
    }
    assert chart.provisional_from == 2
    assert spend(days[:1], Fraction(2), LOOK) is None
    without = spend(days, None, LOOK)
    assert without is not None
    assert [line.role for line in without.series] == ["spend", "main", "second"]


def test_a_data_driven_model_tells_the_campaigns_share_and_a_dash_where_it_has_none() -> None:
    credits_ = [ModelCredit("c1", 1_500_000, 250, "c1"), ModelCredit(None, 500_000, 750)]
    alone = [ModelCredit("c2", 2_000_000, 1_000, "c2")]
    shop = ShopModels("s1", 0, 2, 1_000, 2, 7, ModelCredits(markov=credits_, shapley=alone, linear=alone))
    markov, shapley = credits_of(shop, "c1", LOOK)
    assert (markov.model, markov.orders.text, markov.gmv.exact, markov.share) == (
        "markov",
        "1.50",
        "¥2.50",
        "25.0%",
    )
    assert (shapley.orders.text, shapley.gmv.text, shapley.share) == ("–", "–", "–")


async def test_a_part_that_cannot_be_read_is_missing_and_others_are_there() -> None:
    async def there() -> int:
        return 1

    async def away() -> int:
        raise ServingUnavailableError("redis://x", "away")

    reading = Reading()
    assert [await reading.part("a", there()), await reading.part("b", away())] == [1, None]
    assert reading.missing == ["b"]


def test_every_figure_of_the_page_has_its_meaning_at_the_end() -> None:
    shown = {*campaign_page.CARD_NAMES, *campaign_page.NOTE_COLUMNS, *campaign_page.MODEL_COLUMNS}
    assert shown <= set(campaign_page.GLOSSARY)
    assert {"roi_7d", "gmv_30d_fen", "aware_people"} <= set(campaign_page.GLOSSARY)
    assert all(LOOK.name(name) and LOOK.meaning(name) for name in campaign_page.GLOSSARY)
