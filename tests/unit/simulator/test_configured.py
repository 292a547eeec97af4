from __future__ import annotations

import random

import msgspec

from xinghe.domain.events import CampaignConfigured
from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import DAY_MS, MINUTE_MS, RETENTION_MS
from xinghe.simulator.configured import changed_settings, first_settings
from xinghe.simulator.model import generate
from xinghe.simulator.settings import SimulatorSettings
from xinghe.simulator.world import World

START_MS = 1_760_000_400_000


def test_campaigns_enter_with_all_models_and_early_enough_for_the_windows_of_minutes() -> None:
    settings = first_settings(World(random.Random(1), people=10, campaigns=7).campaigns, START_MS)
    assert [each["model"] for each in settings] == [*MODELS, *MODELS[:2]]
    assert all(0 < START_MS - each["effective_ms"] < RETENTION_MS["1m"] for each in settings)
    for each in settings:
        msgspec.convert(each, CampaignConfigured)


def test_changes_choose_another_model_from_now_on_and_since_a_few_minutes() -> None:
    campaigns = World(random.Random(1), people=10, campaigns=100).campaigns
    first = {each["campaign_id"]: each["model"] for each in first_settings(campaigns, START_MS)}
    rng = random.Random(2)
    ages_ms = []
    for _ in range(20):
        changed = changed_settings(rng, campaigns, START_MS, START_MS)
        assert len({each["campaign_id"] for each in changed}) == 5
        assert all(each["model"] != first[each["campaign_id"]] for each in changed)
        ages_ms += [START_MS - each["effective_ms"] for each in changed]
    assert ages_ms.count(0) == 60
    assert all(MINUTE_MS <= age_ms <= 5 * MINUTE_MS for age_ms in ages_ms if age_ms)


def test_one_campaign_changes_as_well() -> None:
    campaigns = World(random.Random(1), people=10, campaigns=1).campaigns
    assert len(changed_settings(random.Random(1), campaigns, START_MS, START_MS)) == 1


def test_a_run_of_seconds_has_a_change_of_settings() -> None:
    records = generate(SimulatorSettings(), seed=1, start_ms=START_MS, span_ms=6_000, count=3_000)
    settings = [record for record in records if record.topic == CampaignConfigured.topic]
    assert {record.event["effective_ms"] == START_MS - DAY_MS for record in settings} == {True, False}
