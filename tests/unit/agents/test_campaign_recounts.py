"""What links change of counts, as stage 2 keeps it until the days before the links are booked (R18)."""

from __future__ import annotations

import msgspec

from tests.deltas import counted, send, tell_watermark
from tests.pipeline import Pipeline
from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.events import AdSpent, CampaignConfigured
from xinghe.domain.metrics import COUNTED_INDEX
from xinghe.domain.outputs import LedgerEntry
from xinghe.domain.recounts import KEPT_DAYS, Recount
from xinghe.domain.terms import CustomGuarantee
from xinghe.domain.windows import DAY_MS, HOUR_MS

VISITS = COUNTED_INDEX["store_visits"]
START_MS = 1_740_758_400_000
DAY = day_number(START_MS)


def rows(pipeline: Pipeline, campaign_id: str = "c1") -> list[Recount]:
    found: list[Recount] = pipeline.campaigns[0].store("recounts").get(campaign_id.encode()) or []
    return found


def recount(pipeline: Pipeline, *changes: Recount) -> None:
    send(pipeline, recounts=changes)
    pipeline.campaigns[0].commit()


def test_what_comes_of_a_link_adds_up_and_is_forgotten_at_0() -> None:
    pipeline = Pipeline(1)
    send(pipeline, recounts=[Recount(DAY, VISITS, DAY + 3, -1)])
    assert rows(pipeline) == [], "as the counts, from the next commit on"
    pipeline.campaigns[0].commit()
    recount(pipeline, Recount(DAY, VISITS, DAY + 3, 2), Recount(DAY, VISITS, DAY + 4, 1))
    pipeline.campaigns[0].crash()
    assert rows(pipeline) == [Recount(DAY, VISITS, DAY + 3, 1), Recount(DAY, VISITS, DAY + 4, 1)]
    recount(pipeline, Recount(DAY, VISITS, DAY + 3, -1), Recount(DAY, VISITS, DAY + 4, -1))
    assert rows(pipeline) == []
    assert list(pipeline.campaigns[0].store("recounts").items()) == []


def test_of_a_campaign_without_books_old_ones_are_dropped() -> None:
    pipeline = Pipeline(1)
    recount(pipeline, Recount(DAY, VISITS, DAY + 1, 1), Recount(DAY, VISITS, DAY + 2, 1))
    recount(pipeline, Recount(DAY, VISITS, DAY + 2 + KEPT_DAYS, 1))
    assert [row.known_day for row in rows(pipeline)] == [DAY + 2, DAY + 2 + KEPT_DAYS]


def test_a_guarantee_that_looks_at_visits_counts_those_of_a_link_from_its_day_on() -> None:
    """Spent 1000 fen for 100 fen a visit, of which there are 4 until a link of the fifth day makes them 7."""
    pipeline = Pipeline(1)
    guarantee = CustomGuarantee(
        START_MS, "cost", 100, 100, 1, 2, "cash", bid_fen=100, conversion="store_visits"
    )
    pipeline.feed([CampaignConfigured("c1", "s1", "Spring", START_MS, guarantee=guarantee)])
    pipeline.feed([AdSpent("e1", "c1", START_MS, 1_000, 0)], START_MS + HOUR_MS)
    send(
        pipeline,
        [counted("store_visits", START_MS, 7)],
        recounts=[Recount(DAY, VISITS, DAY + 4, 3)],
    )
    pipeline.campaigns[0].commit()
    for now_s in range(8):
        tell_watermark(pipeline, START_MS + 4 * DAY_MS + 7 * HOUR_MS)
        pipeline.campaigns[0].processor.tick(now_s * 1_000)
        pipeline.campaigns[0].commit()
    assert payouts(pipeline) == {"2025-03-02": 600}
    assert rows(pipeline) == [Recount(DAY, VISITS, DAY + 4, 3)]
    tell_watermark(pipeline, START_MS + 5 * DAY_MS + 7 * HOUR_MS)
    for now_s in range(8, 16):
        pipeline.campaigns[0].processor.tick(now_s * 1_000)
        pipeline.campaigns[0].commit()
    assert payouts(pipeline) == {"2025-03-02": 600, "2025-03-05": 300}
    assert rows(pipeline) == [], "all days know it now"
    assert day_start_ms(DAY) == START_MS


def payouts(pipeline: Pipeline) -> dict[str, int]:
    """What each day has booked as due by the guarantee."""
    entries = [msgspec.json.decode(value, type=LedgerEntry) for value in pipeline.ledger()["c1"]]
    return {e.day: e.amount_fen for e in entries if e.rule == "guarantee" and e.line == 1}
