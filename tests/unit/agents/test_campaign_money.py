"""When days are booked and positions told, and that neither is doubled or lost (R18, R20 to R23)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from streams.agents import campaign_money
from streams.agents.campaign_money import MOVING_MS
from tests.deltas import send, tell_watermark
from tests.pipeline import Pipeline
from xinghe.domain.alerts import AlertRule, ForecastBelowTarget
from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_number
from xinghe.domain.dates import date_of
from xinghe.domain.events import AdClicked, AdSpent, CampaignConfigured, NoteViewed, OrderPaid
from xinghe.domain.outputs import LedgerEntry
from xinghe.domain.terms import CustomGuarantee, QianchuanRoi, SpendMatch
from xinghe.domain.windows import DAY_MS, HOUR_MS, OUT_OF_ORDERNESS_MS

START_MS = 1_740_758_400_000
"""2025-03-01 00:00 in Shanghai, the start of day 0 here."""
QUIET_MS = DAY_MS
SPEND = [("merchant:ad_expense", 500), ("platform:ad_revenue", -500)]
Lines = list[tuple[str, int]]


def at_ms(day: int, hour: int = 0) -> int:
    return START_MS + day * DAY_MS + hour * HOUR_MS


def spent(day: int, fen: int = 500, *, campaign_id: str = "c1", hour: int = 0, revision: int = 0) -> AdSpent:
    return AdSpent(f"{day}-{hour}-{revision}", campaign_id, at_ms(day, hour), fen, revision)


def configured(effective_ms: int = START_MS, *, campaign_id: str = "c1", **terms: Any) -> CampaignConfigured:
    return CampaignConfigured(campaign_id, "s1", "Spring", effective_ms, **terms)


def clicked(time_ms: int, number: int = 0, campaign_id: str = "c1") -> AdClicked:
    return AdClicked(f"click{time_ms}-{number}", "p1", time_ms, "n1", "s1", campaign_id)


def paid(time_ms: int, fen: int = 900) -> OrderPaid:
    return OrderPaid(f"pay{time_ms}", "p1", time_ms, "s1", f"o{time_ms}", "i1", fen)


def per_click(bid_fen: int = 100) -> CustomGuarantee:
    """A guarantee of two days that looks at clicks and is settled on day 3."""
    return CustomGuarantee(START_MS, "cost", 100, 100, 2, 4, "cash", bid_fen=bid_fen, conversion="ad_clicks")


class Stream:
    """Both stages with one partition, and the time up to which its events have come."""

    def __init__(self) -> None:
        self.pipeline = Pipeline(1)

    def spend(self, day: int, fen: int = 500, *, recorded_ms: int | None = None, **fields: Any) -> None:
        """A report that comes an hour after its hour began, or when it is said."""
        event = spent(day, fen, **fields)
        self.pipeline.feed([event], event.hour_start_ms + HOUR_MS if recorded_ms is None else recorded_ms)

    def see(self, watermark_ms: int) -> None:
        """An event by which the watermark is just so far."""
        time_ms = watermark_ms + OUT_OF_ORDERNESS_MS
        self.pipeline.feed([NoteViewed(f"see{time_ms}", "p2", time_ms, "n1", "s1")])

    def settle(self, now_ms: int = 0) -> None:
        """What is told with one commit as newest is told with the next as settled, and booked a moment later."""
        self.pipeline.settle(now_ms)
        self.pipeline.settle(now_ms)
        self.pipeline.settle(now_ms + MOVING_MS)

    def until(self, watermark_ms: int) -> None:
        self.see(watermark_ms)
        self.settle()

    def tick(self, now_ms: int = 0) -> None:
        self.pipeline.campaigns[0].processor.tick(now_ms)

    def commit(self) -> None:
        self.pipeline.campaigns[0].commit()

    def crash(self) -> None:
        self.pipeline.campaigns[0].crash()

    def entries(self, campaign_id: str = "c1") -> list[LedgerEntry]:
        return [
            msgspec.json.decode(value, type=LedgerEntry)
            for value in self.pipeline.ledger().get(campaign_id, [])
        ]

    def lines(self, day: int, campaign_id: str = "c1") -> Lines:
        """Account and amount of what a day booked."""
        date = date_of(day_number(at_ms(day)))
        return [(entry.account, entry.amount_fen) for entry in self.entries(campaign_id) if entry.day == date]

    def told(self) -> list[str]:
        return [campaign_id for campaign_id, _ in self.pipeline.told_positions()]


# Days


def test_a_day_is_booked_when_the_settled_watermark_is_7_hours_past_its_end_and_not_before() -> None:
    stream = Stream()
    stream.spend(0)
    stream.until(at_ms(1, 7) - 1)
    assert stream.entries() == []
    stream.until(at_ms(1, 7))
    assert stream.lines(0) == SPEND
    stream.settle()
    stream.until(at_ms(3, 7))
    assert len(stream.entries()) == 2, "and only once"


def test_each_campaign_books_a_quiet_one_too() -> None:
    stream = Stream()
    match = SpendMatch(START_MS, days=2, rate_percent=10, settle_after_days=3)
    stream.pipeline.feed([configured(campaign_id="c2", spend_match=match)])
    stream.spend(0, campaign_id="c2")
    for day in range(7):
        stream.spend(day)
        stream.until(at_ms(day + 1, 7))
        assert stream.lines(day) == SPEND
        match_lines = [("platform:match_expense", 50), ("merchant:ad_credit", -50)]
        expected = {0: SPEND, 4: match_lines}.get(day, [])
        assert stream.lines(day, "c2") == expected


def test_late_reports_reverse_what_is_booked_and_book_it_anew() -> None:
    stream = Stream()
    stream.spend(0)
    stream.until(at_ms(1, 7))
    stream.spend(0, 700, revision=1, recorded_ms=at_ms(1, 8))
    stream.spend(0, 30, hour=5, recorded_ms=at_ms(1, 8))
    stream.until(at_ms(2, 7))
    taken_back = [("platform:ad_revenue", 500), ("merchant:ad_expense", -500)]
    assert stream.lines(1) == [("merchant:ad_expense", 730), ("platform:ad_revenue", -730), *taken_back]
    assert [entry.number for entry in stream.entries()] == [1, 2, 3, 4, 5, 6]


def test_a_first_report_of_days_that_are_over_is_booked_at_once() -> None:
    stream = Stream()
    stream.until(at_ms(9, 7))
    stream.spend(2, recorded_ms=at_ms(9, 7))
    stream.tick()
    assert stream.entries() == []
    stream.settle()
    assert stream.lines(2) == SPEND


def test_the_clock_books_where_nothing_has_come_for_a_day() -> None:
    stream = Stream()
    stream.spend(0)
    stream.see(at_ms(0, 12))
    stream.settle(now_ms=at_ms(1, 12))
    stream.settle(now_ms=at_ms(1, 12) + QUIET_MS - MOVING_MS - 1)
    assert stream.entries() == []
    stream.settle(now_ms=at_ms(1, 12) + QUIET_MS)
    assert stream.lines(0) == SPEND
    stream.spend(2)
    stream.see(at_ms(0, 13))
    stream.settle(now_ms=at_ms(4))
    stream.settle(now_ms=at_ms(4) + QUIET_MS - 2 * MOVING_MS - 1)
    assert stream.lines(2) == [], "something has come"
    stream.settle(now_ms=at_ms(4) + QUIET_MS)
    assert stream.lines(2) == SPEND


def test_after_a_restart_a_day_that_the_clock_booked_is_over() -> None:
    stream = Stream()
    stream.pipeline.feed([configured(guarantee=per_click())])
    stream.spend(0)
    stream.see(at_ms(0, 12))
    stream.settle(now_ms=at_ms(5))
    stream.settle(now_ms=at_ms(5) + QUIET_MS)
    assert stream.pipeline.positions()["c1"].status == "settled"
    told = stream.pipeline.told_positions()
    stream.crash()
    stream.settle(now_ms=at_ms(5) + QUIET_MS)
    assert stream.pipeline.positions()["c1"].status == "settled"
    assert stream.pipeline.told_positions()[len(told) :] == []


def with_days(stream: Stream) -> None:
    for campaign_id in ("c1", "c2"):
        for day in range(8):
            stream.spend(day, 500 + day, campaign_id=campaign_id)


def test_a_tick_books_a_bounded_number_of_days_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = Stream()
    with_days(at_once)
    at_once.until(at_ms(8, 7))
    rows = 8  # of each campaign
    monkeypatch.setattr(campaign_money, "ROWS_PER_TICK", rows + 3 * campaign_money.ROWS_OF_DAY)
    stream = Stream()
    with_days(stream)
    stream.see(at_ms(8, 7))
    counts = []
    for moments in range(13):
        stream.pipeline.settle(moments * MOVING_MS)
        counts.append(sum(map(len, stream.pipeline.ledger().values())) // 2)
    assert counts[:9] == [0, 0, 3, 6, 9, 12, 15, 16, 16]
    assert stream.pipeline.ledger() == at_once.pipeline.ledger()


def test_the_books_wait_for_all_deltas_before_the_watermark() -> None:
    """Many days in one commit: the newest watermark is in the log before what these days have brought."""
    stream = Stream()
    match = SpendMatch(START_MS, days=1, rate_percent=10, settle_after_days=0, orders_min=1)
    stream.pipeline.feed([configured(spend_match=match)])
    for day in range(5):
        stream.spend(day)
    stream.pipeline.settle()
    for day in range(5):
        stream.pipeline.feed([clicked(at_ms(day, 1)), paid(at_ms(day, 2))])
    stream.see(at_ms(6))
    stream.pipeline.journeys[0].processor.tick(0)
    stream.pipeline.commit_journeys()
    matched = [*SPEND, ("platform:match_expense", 50), ("merchant:ad_credit", -50)]
    for _ in range(4):
        # Record by record: the watermark, then the deltas, as a task may find them.
        stream.pipeline.commit_campaigns(most=1)
        stream.tick()
    stream.settle()
    assert [stream.lines(day) for day in range(5)] == [matched] * 5


def test_a_day_waits_a_moment_for_journeys_that_are_on_their_way() -> None:
    stream = Stream()
    stream.spend(0)
    stream.see(at_ms(1, 7))
    stream.pipeline.settle(100)
    stream.pipeline.settle(200)
    stream.spend(1)
    stream.see(at_ms(2, 7))
    stream.pipeline.settle(300)
    stream.pipeline.settle(400)
    stream.tick(199 + MOVING_MS)
    assert stream.entries() == []
    stream.tick(200 + MOVING_MS)
    stream.commit()
    assert stream.lines(0) == SPEND
    assert stream.lines(1) == []
    stream.tick(400 + MOVING_MS)
    stream.commit()
    assert stream.lines(1) == SPEND


# Crashes


def told_of(pipeline: Pipeline, campaign_id: str) -> list[bytes | None]:
    return [value for told, value in pipeline.told_positions() if told == campaign_id]


Step = Callable[[Stream], None]


@pytest.mark.parametrize(
    "steps",
    [
        (Stream.crash,),
        (Stream.tick, Stream.crash),
        (Stream.tick, Stream.commit, Stream.crash),
        (Stream.tick, Stream.crash, Stream.tick, Stream.crash),
    ],
)
def test_a_crash_doubles_and_loses_nothing(steps: Sequence[Step]) -> None:
    streams = Stream(), Stream()
    for stream in streams:
        guarantees = [
            configured(campaign_id=campaign_id, guarantee=per_click()) for campaign_id in ("c1", "c2")
        ]
        stream.pipeline.feed(guarantees)
        with_days(stream)
        for day in range(9):
            stream.pipeline.feed([clicked(at_ms(day, 1), number) for number in range(day + 1)])
            stream.see(at_ms(day, 7))
            # The settled watermark is committed, what it lets be booked is not.
            stream.pipeline.settle()
            stream.pipeline.journeys[0].processor.tick(0)
            stream.pipeline.commit_journeys()
            stream.pipeline.commit_campaigns()
            if stream is streams[0]:
                for step in steps:
                    step(stream)
            for now_ms in (0, MOVING_MS):
                stream.tick(now_ms)
                stream.commit()
    crashed, calm = (stream.pipeline for stream in streams)
    assert crashed.ledger() == calm.ledger()
    assert sum(map(len, calm.ledger().values())) > 32
    for campaign_id in ("c1", "c2"):
        assert told_of(crashed, campaign_id) == told_of(calm, campaign_id)
    assert crashed.positions() == calm.positions()


def test_the_settled_watermark_outlives_a_crash() -> None:
    stream = Stream()
    stream.spend(0)
    stream.see(at_ms(1, 7))
    stream.pipeline.settle()
    stream.pipeline.journeys[0].processor.tick(0)
    stream.pipeline.commit_journeys()
    stream.pipeline.commit_campaigns()
    stream.crash()
    stream.tick()
    stream.tick(MOVING_MS)
    stream.commit()
    assert stream.lines(0) == SPEND, "though nothing more comes"


# Positions


def test_a_position_is_told_where_it_changed_and_null_where_the_guarantee_goes() -> None:
    stream = Stream()
    for campaign_id in ("c1", "c2"):
        stream.pipeline.feed([configured(campaign_id=campaign_id, guarantee=per_click())])
        stream.spend(0, campaign_id=campaign_id)
    stream.until(at_ms(0, 6))
    assert sorted(stream.told()) == ["c1", "c2"]
    stream.until(at_ms(0, 7))
    assert sorted(stream.told()) == ["c1", "c2"]
    stream.pipeline.feed([clicked(at_ms(0, 5))])
    stream.settle()
    assert stream.told()[2:] == ["c1"]
    shown = stream.pipeline.positions()
    assert {name: (one.spend_fen, one.earned_fen) for name, one in shown.items()} == {
        "c1": (500, 100),
        "c2": (500, 0),
    }
    stream.pipeline.feed([configured(START_MS + HOUR_MS, campaign_id="c2")])
    stream.settle()
    assert stream.pipeline.told_positions()[3:] == [("c2", None)]
    assert stream.pipeline.positions().keys() == {"c1"}
    stream.pipeline.sinks[0].lost = True
    stream.pipeline.sinks[0].positions = {"c2": b"{}"}
    stream.settle()
    assert stream.pipeline.positions() == {"c1": shown["c1"]}


def test_a_day_passes_for_a_guarantee_of_which_nothing_was_heard() -> None:
    stream = Stream()
    stream.pipeline.feed([configured(guarantee=per_click())])
    left = []
    for day in range(5):
        stream.until(at_ms(day))
        left.append(stream.pipeline.positions()["c1"].days_left)
    assert left == [4, 3, 2, 1, 0]


def test_what_is_not_committed_yet_is_told_after_it_is() -> None:
    stream = Stream()
    stream.pipeline.feed([configured(guarantee=QianchuanRoi(START_MS, 2.0))])
    stream.until(at_ms(0, 6))
    day = day_number(START_MS)
    send(stream.pipeline, cohorts=[CohortRow(day, day, day, 0, 1_000_000, 900, 0)])
    stream.tick()
    stream.commit()
    stream.tick()
    stream.commit()
    assert stream.pipeline.positions()["c1"].gmv_fen == 900


@pytest.mark.parametrize("change", [configured(START_MS + 1), None])
def test_settings_that_took_the_guarantee_before_a_crash_take_its_position(
    change: CampaignConfigured | None,
) -> None:
    stream = Stream()
    stream.pipeline.feed([configured(guarantee=per_click())])
    stream.until(at_ms(0, 6))
    assert stream.pipeline.positions().keys() == {"c1"}
    if change is None:
        stream.pipeline.feed_records(CampaignConfigured.topic, 0, [(b"c1", None)])
    else:
        stream.pipeline.feed([change])
    stream.commit()
    stream.crash()
    stream.settle()
    assert stream.pipeline.told_positions()[-1] == ("c1", None)
    assert stream.pipeline.positions() == {}


def test_a_tick_tells_a_bounded_number_of_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_money, "ROWS_PER_TICK", 2 * campaign_money.ROWS_OF_DAY)
    stream = Stream()
    stream.pipeline.feed([configured(campaign_id=f"none{number}") for number in range(9)])
    stream.pipeline.feed([configured(campaign_id=f"c{number}", guarantee=per_click()) for number in range(5)])
    stream.see(at_ms(0, 6))
    counts = []
    for _ in range(5):
        stream.pipeline.settle()
        counts.append(len(stream.told()))
    assert counts == [0, 2, 4, 5, 5]


# Forecasts


def with_forecast(
    *, start: int, target_roi: float, ages: int = 2, rules: Sequence[AlertRule] = ()
) -> Pipeline:
    """A guarantee of a ROI that begins on a day, with touches of that day and of days 0 to 9 before.

    Each of these days brings ten orders on it, and on each of the days after, so many in all.
    """
    pipeline = Pipeline(1, alert_rules=rules)
    guarantee = QianchuanRoi(at_ms(start), target_roi)
    pipeline.feed([configured(roi_lag_days=7, guarantee=guarantee), spent(start, 40_000)])
    rows = [
        CohortRow(first, first + age, first + age, 0, 10_000_000, 40_000, 0)
        for first in map(day_number, map(at_ms, range(10)))
        for age in range(ages)
    ]
    today = day_number(at_ms(start))
    send(pipeline, cohorts=[*rows, CohortRow(today, today, today, 0, 10_000_000, 40_000, 0)])
    look_on(pipeline, start + 1)
    return pipeline


def look_on(pipeline: Pipeline, day: int) -> None:
    tell_watermark(pipeline, at_ms(day))
    pipeline.campaigns[0].commit()
    pipeline.campaigns[0].processor.tick(at_ms(day))
    pipeline.campaigns[0].commit()


FORECAST = ForecastBelowTarget(name="forecast", percent=10, estimate="gmv")


@pytest.mark.parametrize(("target_roi", "raised"), [(2.0, False), (2.3, True)])
def test_an_alert_looks_at_the_forecast_of_the_position_told(target_roi: float, *, raised: bool) -> None:
    pipeline = with_forecast(start=20, target_roi=target_roi, rules=[FORECAST])
    position = pipeline.positions()["c1"]
    assert (position.forecast_gmv_fen, position.spend_fen) == (80_000, 40_000)
    assert [(alert.campaign_id, alert.state) for alert in pipeline.alerts()] == [("c1", "raised")] * raised


def test_an_alert_looks_at_a_forecast_that_time_alone_has_changed() -> None:
    pipeline = with_forecast(start=20, target_roi=2.0, rules=[FORECAST])
    assert pipeline.alerts() == []
    # The orders of the day after did not come.
    look_on(pipeline, 22)
    assert pipeline.positions()["c1"].forecast_gmv_fen == 40_000
    assert [alert.state for alert in pipeline.alerts()] == ["raised"]


def test_a_forecast_is_by_whole_cohorts_of_the_last_90_days() -> None:
    """On day 92 the orders of days 0 and 1 are no longer looked at: what came later of their touches is not, either."""
    pipeline = with_forecast(start=91, target_roi=2.0, ages=3)
    assert pipeline.positions()["c1"].forecast_gmv_fen == 120_000
