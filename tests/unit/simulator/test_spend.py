from __future__ import annotations

import random
from collections import defaultdict

from xinghe.domain.events import AdClicked, AdSpent, NoteViewed
from xinghe.domain.windows import HOUR_MS
from xinghe.simulator.model import generate
from xinghe.simulator.settings import SimulatorSettings
from xinghe.simulator.spend import HOURS_BACK, IMPRESSION_FEN, Spend
from xinghe.simulator.terms import spend_factor
from xinghe.simulator.world import World

START_MS = 1_760_000_400_000


def test_an_hour_costs_its_impressions_and_clicks_and_revisions_grow() -> None:
    world = World(random.Random(1), people=10, campaigns=1)
    campaign = world.campaigns[0]
    spend = Spend(random.Random(1), world.campaigns, START_MS)
    event = {"campaign_id": campaign.campaign_id, "time_ms": START_MS}
    spend.seen(NoteViewed.topic, {**event, "surface": "ad"})
    spend.seen(NoteViewed.topic, {**event, "surface": "feed"})
    spend.seen(NoteViewed.topic, {"time_ms": START_MS, "surface": "ad"})
    (first,) = spend.reports(START_MS)
    spend.seen(AdClicked.topic, event)
    (second,) = spend.reports(START_MS + 1)
    factor = spend_factor(0, START_MS, START_MS)
    assert first["spend_fen"] == round(IMPRESSION_FEN * factor)
    assert second["spend_fen"] == first["spend_fen"] + round(campaign.click_fen * factor)
    assert (first["revision"], second["revision"]) == (0, 1)
    assert (second["impressions"], second["clicks"]) == (1, 1)


def test_old_hours_are_forgotten() -> None:
    world = World(random.Random(1), people=10, campaigns=2)
    spend = Spend(random.Random(1), world.campaigns, START_MS)
    assert len(spend.first_reports(START_MS)) == 2 * HOURS_BACK
    spend.reports(START_MS + 10 * HOUR_MS)
    assert not spend._hours


def test_revisions_of_an_hour_are_reported_again_and_sometimes_overtaken() -> None:
    records = generate(
        SimulatorSettings(late_share=0.5, duplicate_share=0),
        seed=3,
        start_ms=START_MS,
        span_ms=HOUR_MS,
        count=20_000,
    )
    revisions = defaultdict(list)
    for record in records:
        if record.topic == AdSpent.topic:
            revisions[record.event["campaign_id"], record.event["hour_start_ms"]].append(
                record.event["revision"]
            )
    assert all(len(set(seen)) == len(seen) for seen in revisions.values())
    assert any(seen != sorted(seen) for seen in revisions.values())
    assert max(map(len, revisions.values())) > 10
