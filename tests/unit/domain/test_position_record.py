"""The record of a position: all of it, with dates, and no field for what is unknown."""

from __future__ import annotations

from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from xinghe.contracts.json_schemas import schema_of
from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_start_ms
from xinghe.domain.dates import day_of
from xinghe.domain.events import GUARANTEE_POSITION, CampaignConfigured
from xinghe.domain.money_facts import MoneyFacts
from xinghe.domain.outputs import GuaranteePosition
from xinghe.domain.position_record import position_record
from xinghe.domain.spend import Report
from xinghe.domain.terms import QianchuanRoi
from xinghe.domain.windows import DAY_MS, HOUR_MS

D0 = day_of("2026-11-10")
START_MS = day_start_ms(D0)
TOLD = CampaignConfigured("c1", "s1", "Spring", START_MS, "linear", 7, QianchuanRoi(START_MS, 2.5))


def sent(facts: MoneyFacts, today: int) -> dict[str, Any]:
    encoded = msgspec.json.encode(position_record(facts, D0, today))
    document: dict[str, Any] = msgspec.json.decode(encoded)
    Draft202012Validator(schema_of(GUARANTEE_POSITION)).validate(document)
    assert msgspec.json.encode(msgspec.json.decode(encoded, type=GuaranteePosition)) == encoded
    return document


def test_what_is_unknown_has_no_field() -> None:
    found = sent(MoneyFacts("c1", [TOLD], [], [], {}), D0 + 1)
    assert found.keys().isdisjoint({"spend_fen", "roi_micros", "payout_fen", "bid_fen", "forecast_gmv_fen"})
    assert (found["first_day"], found["last_observed_day"], found["settlement_day"]) == (
        "2026-11-10",
        "2026-11-12",
        "2026-11-14",
    )
    assert (found["campaign_id"], found["shop_id"], found["forecast"]) == ("c1", "s1", "too_little_data")
    assert (found["status"], found["target_roi_micros"], found["days_left"]) == ("observing", 2_500_000, 4)


def test_the_forecast_is_of_the_observed_days_by_the_model_of_the_terms() -> None:
    def credit(day: int, age: int, gmv_fen: int, model: int = 2) -> CohortRow:
        return CohortRow(D0 + day, D0 + day + age, D0 + day + age, model, 12_000_000, gmv_fen, 0)

    older = [credit(day, age, 100) for day in (-10, -9, -8) for age in (0, 5)]
    observed = [credit(0, 0, 300), credit(0, 0, 9_999, model=0)]
    report = Report(START_MS, 1, "e1", 1_000, None, None, START_MS + HOUR_MS)
    found = sent(MoneyFacts("c1", [TOLD], [report], [*older, *observed], {}), D0 + 2)
    # All older GMV had doubled by age 5.
    assert {name: value for name, value in found.items() if name.startswith("forecast")} == {
        "forecast": "known",
        "forecast_gmv_fen": 600,
        "forecast_low_fen": 600,
        "forecast_high_fen": 600,
        "forecast_standard_error_fen": 0,
        "forecast_spend_fen": 1_000,
    }
    assert (found["spend_fen"], found["gmv_fen"], found["roi_micros"]) == (1_000, 300, 300_000)
    assert [gate["name"] for gate in found["gates"]] == [
        "edits",
        "conversions",
        "trigger",
        "observation",
        "settlement",
    ]


def test_on_its_first_day_there_is_no_forecast_and_later_none_of_the_spend_of_today() -> None:
    older = [
        CohortRow(D0 + day, D0 + day + age, D0 + day + age, 2, 12_000_000, 100, 0)
        for day in (-10, -9, -8)
        for age in (0, 5)
    ]
    reports = [
        Report(START_MS + day * DAY_MS, 1, f"e{day}", 1_000, None, None, START_MS + day * DAY_MS + HOUR_MS)
        for day in (0, 1)
    ]
    facts = MoneyFacts("c1", [TOLD], reports, older, {})
    assert sent(facts, D0)["forecast"] == "too_little_data"
    found = sent(facts, D0 + 1)
    assert (found["spend_fen"], found["forecast_spend_fen"], found["forecast_gmv_fen"]) == (2_000, 1_000, 0)
    unknown = sent(MoneyFacts("c1", [TOLD], reports[1:], older, {}), D0 + 1)
    assert (unknown["forecast"], "forecast_spend_fen" in unknown) == ("known", False)


def test_a_planned_guarantee_has_a_position_too() -> None:
    told = CampaignConfigured("c1", "s1", "Spring", START_MS + 1, guarantee=QianchuanRoi(START_MS, 2.5))
    found = sent(MoneyFacts("c1", [told], [], [], {}), D0 - 3)
    assert (found["status"], found["shop_id"]) == ("planned", "s1")
    assert sent(MoneyFacts("c1", [told], [], [], {}), D0 + 9)["payout_fen"] == 0
