"""A run of days has guarantees that fare as they are meant to, by the audit's recomputation."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from xinghe.audit.guarantee import first_days, outcome
from xinghe.audit.money_facts import MoneyFacts, money_facts
from xinghe.audit.record import SourceRecord
from xinghe.audit.truth import truth_of_records
from xinghe.domain.events import AdSpent, CampaignConfigured, OrderRefunded
from xinghe.domain.windows import DAY_MS, HOUR_MS
from xinghe.simulator.model import generate
from xinghe.simulator.record import GOOD, Record
from xinghe.simulator.settings import SimulatorSettings
from xinghe.simulator.terms import AIMS, begun_ms, day_start_ms, terms
from xinghe.simulator.truth import Truth

START_MS = 1_760_000_400_000


@pytest.fixture(scope="module")
def records() -> list[Record]:
    settings = SimulatorSettings(people=2_000, campaigns=4, days_long=True, history_share=0, bad_share=0)
    return list(generate(settings, seed=1, start_ms=START_MS, span_ms=12 * DAY_MS, count=24_000))


@pytest.fixture(scope="module")
def facts(records: Sequence[Record]) -> dict[str, MoneyFacts]:
    return money_facts(
        truth_of_records(
            SourceRecord(record.topic, 0, offset, record.send_at_ms, record.key, record.value)
            for offset, record in enumerate(records)
        )
    )


def test_guarantees_hit_miss_recover_and_are_void(facts: dict[str, MoneyFacts]) -> None:
    fared = {}
    for aim, campaign_id in zip(AIMS, sorted(facts), strict=True):
        first_day = first_days(facts[campaign_id])[0]
        after_a_day = outcome(facts[campaign_id], first_day, first_day)
        settled = outcome(facts[campaign_id], first_day, None)
        fared[aim] = (after_a_day.is_triggered, settled.is_triggered, settled.is_void)
    assert fared["hit"][1:] == (False, False)
    assert fared["miss"] == (True, True, False)
    assert fared["recover"] == (True, False, False)
    assert fared["void"] == (True, True, True)


def test_guarantees_are_renewed(facts: dict[str, MoneyFacts]) -> None:
    for each in facts.values():
        first, second = first_days(each)
        assert second - first == 10


def test_every_hour_is_reported_once_it_is_over_and_some_are_revised_days_later(
    records: Sequence[Record],
) -> None:
    reports = [record for record in records if record.topic == AdSpent.topic and record.kind == GOOD]
    ages_ms = [record.send_at_ms - record.event["hour_start_ms"] for record in reports]
    assert min(ages_ms) >= HOUR_MS
    assert 0 < sum(age_ms > DAY_MS for age_ms in ages_ms) < 0.05 * len(ages_ms)


def test_the_truth_tells_what_comes_late_and_what_is_to_become_of_guarantees(
    records: Sequence[Record],
) -> None:
    truth = Truth()
    for record in records:
        truth.add(record)
    told = truth.to_dict()
    late = [
        record
        for record in records
        if record.topic == OrderRefunded.topic and record.event["refund_id"].endswith("-late")
    ]
    assert told["late_refunds"] == sum(record.kind == GOOD for record in late) > 0
    assert told["late_revisions"] > 0
    guarantees = told["guarantees_by_campaign"]
    assert [each["aim"] for each in guarantees.values()] == list(AIMS)
    assert all(each["guarantees"] == 2 for each in guarantees.values())
    assert guarantees["c0003"]["target_edits"] >= 3 > guarantees["c0000"]["target_edits"]


def test_a_short_run_has_the_same_terms_and_nothing_that_comes_days_later() -> None:
    records = list(
        generate(SimulatorSettings(campaigns=4), seed=1, start_ms=START_MS, span_ms=60_000, count=6_000)
    )
    settings = [record.event for record in records if record.topic == CampaignConfigured.topic]
    assert all(each["guarantee"]["start_ms"] == day_start_ms(START_MS) for each in settings)
    truth = Truth()
    for record in records:
        truth.add(record)
    assert (truth.to_dict()["late_refunds"], truth.to_dict()["late_revisions"]) == (0, 0)


@pytest.mark.parametrize("number", range(12))
def test_terms_are_valid_and_an_edit_changes_the_target_only(number: int) -> None:
    told = [terms(number, START_MS, START_MS + DAY_MS, edits) for edits in (0, 1)]
    settings = [
        msgspec.convert(
            {"campaign_id": "c", "shop_id": "s", "name": "n", "effective_ms": 0, **each}, CampaignConfigured
        )
        for each in told
    ]
    assert settings[0] != settings[1]
    assert told[0]["guarantee"].keys() == told[1]["guarantee"].keys()
    assert begun_ms(START_MS, START_MS + 10 * DAY_MS) - begun_ms(START_MS, START_MS) == 10 * DAY_MS
