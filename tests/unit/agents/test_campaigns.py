"""Stage 2 at its edges: spend and settings judged (R1, R10), windows final, dropped, published and rebuilt (R9, R13)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.deltas import LAST_TOUCH, counted, credited, person, send, tell_watermark
from tests.pipeline import BROKER_MS, Pipeline, Sent
from xinghe.domain.events import CAMPAIGN_FUNNEL, AdSpent, CampaignConfigured
from xinghe.domain.funnel import WindowKey, decode_window
from xinghe.domain.metrics import SPENT_NAMES
from xinghe.domain.windows import DAY_MS, FUTURE_MS, HOUR_MS, MINUTE_MS

SPENT = AdSpent.topic
CONFIGURED = CampaignConfigured.topic
MIDNIGHT_MS = 1_740_758_400_000
HOUR_START_MS = MIDNIGHT_MS + HOUR_MS
GOOD: dict[str, Any] = {
    "event_id": "e1",
    "campaign_id": "c1",
    "hour_start_ms": HOUR_START_MS,
    "spend_fen": 500,
    "revision": 1,
    "shop_id": "s1",
    "name": "Spring",
    "effective_ms": MIDNIGHT_MS,
}


def json(**changes: Any) -> bytes:
    return msgspec.json.encode({name: value for name, value in (GOOD | changes).items() if value is not ...})


def letters_of(topic: str, *records: tuple[bytes | None, bytes | None], pipeline: Pipeline) -> list[Sent]:
    pipeline.feed_records(topic, 0, records)
    pipeline.settle()
    return pipeline.dead_letters()


def report(event_id: str, spend_fen: int, revision: int, hour_start_ms: int = HOUR_START_MS) -> AdSpent:
    return AdSpent(event_id, "c1", hour_start_ms, spend_fen, revision)


def send_view(pipeline: Pipeline, time_ms: int = HOUR_START_MS, *, shop_id: str = "s1") -> None:
    """A view and the watermark that it brings."""
    rows = [counted("views", time_ms)]
    send(pipeline, rows, person("viewers", time_ms), shop_id=shop_id, watermark_ms=time_ms - MINUTE_MS)


def settings_of(shop_id: str, effective_ms: int) -> CampaignConfigured:
    return CampaignConfigured("c1", shop_id, "Spring", effective_ms)


FUTURE_HOUR_MS = (BROKER_MS + FUTURE_MS) // HOUR_MS * HOUR_MS + HOUR_MS

CUSTOM: dict[str, Any] = {
    "preset": "custom",
    "start_ms": MIDNIGHT_MS,
    "measure": "roi",
    "target_roi": 2.5,
    "trigger_percent": 80,
    "payout_percent": 100,
    "observation_days": 3,
    "settlement_day": 5,
    "form": "cash",
}


def guaranteed(**changes: Any) -> bytes:
    return json(guarantee={name: value for name, value in (CUSTOM | changes).items() if value is not ...})


def qianchuan(target_roi: Any) -> bytes:
    return json(guarantee={"preset": "qianchuan_roi", "start_ms": MIDNIGHT_MS, "target_roi": target_roi})


BAD_TERMS: list[tuple[bytes, str]] = [
    (qianchuan(2.50001), "$.guarantee.target_roi: Expected at most 4 decimals, got 2.50001"),
    (qianchuan(0), "Expected `float` > 0.0 - at `$.guarantee.target_roi`"),
    (qianchuan(1000.0001), "Expected `float` <= 1000.0 - at `$.guarantee.target_roi`"),
    (qianchuan("2.5"), "Expected `float`, got `str` - at `$.guarantee.target_roi`"),
    (
        json(guarantee={"policy": "qianchuan", "target_roi": 2.5}),
        "required field `preset` - at `$.guarantee`",
    ),
    (guaranteed(preset="tiktok"), "Invalid value 'tiktok' - at `$.guarantee.preset`"),
    (guaranteed(cap=5), "unknown field `cap` - at `$.guarantee`"),
    (guaranteed(conversion="gmv_fen"), "Invalid enum value 'gmv_fen' - at `$.guarantee.conversion`"),
    (guaranteed(target_roi=...), "$.guarantee.target_roi: required by measure 'roi'"),
    (guaranteed(bid_fen=5), "$.guarantee.bid_fen: has no place with measure 'roi'"),
    (guaranteed(measure="cost", target_roi=...), "$.guarantee.bid_fen: required by measure 'cost'"),
    (guaranteed(measure="cost", bid_fen=5), "$.guarantee.target_roi: has no place with measure 'cost'"),
    (guaranteed(target_roi=0.33333), "$.guarantee.target_roi: Expected at most 4 decimals, got 0.33333"),
    (
        guaranteed(settlement_day=2),
        "$.guarantee.settlement_day: Expected at least observation_days, 3, got 2",
    ),
    (guaranteed(observation_days=61), "Expected `int` <= 60 - at `$.guarantee.observation_days`"),
    (guaranteed(settlement_day=121), "Expected `int` <= 120 - at `$.guarantee.settlement_day`"),
    (guaranteed(cap_fen=0), "Expected `int` >= 1 - at `$.guarantee.cap_fen`"),
    (json(spend_match={"rate": 0.1}), "at `$.spend_match`"),
    (
        json(revenue_share={"settle_after_days": 1, "tiers": [{"from_fen": 5, "rate_basis_points": 9}] * 2}),
        "$.revenue_share.tiers: Expected from_fen to rise from tier to tier, got [5, 5]",
    ),
    (json(revenue_share={"settle_after_days": 1, "tiers": []}), "at `$.revenue_share.tiers`"),
    (json(budget_fen=0), "Expected `int` >= 1 - at `$.budget_fen`"),
]

BAD: list[Any] = [
    *(pytest.param(CONFIGURED, b"c1", value, "invalid", detail, id=detail) for value, detail in BAD_TERMS),
    pytest.param(SPENT, b"c1", None, "invalid", "value: null", id="null-spend"),
    pytest.param(SPENT, b"c1", b" " * 65_537, "too_large", "65537", id="oversized"),
    pytest.param(SPENT, b"c1", b"{", "malformed", "", id="cut-off"),
    pytest.param(SPENT, b"c1", b'{"x":"\xff",' + json()[1:], "malformed", "", id="invalid-utf-8"),
    pytest.param(
        CONFIGURED,
        b"c1",
        b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"," + json()[1:],
        "malformed",
        "",
        id="nested-without-end",
    ),
    pytest.param(SPENT, b"c1", json(spend_fen=-1), "invalid", "$.spend_fen", id="negative-spend"),
    pytest.param(SPENT, b"c1", json(spend_fen="5"), "invalid", "$.spend_fen", id="wrong-type"),
    pytest.param(SPENT, b"c1", json(revision=...), "invalid", "revision", id="missing-field"),
    pytest.param(
        SPENT, b"c1", json(hour_start_ms=HOUR_START_MS + 1), "invalid", "$.hour_start_ms", id="no-full-hour"
    ),
    pytest.param(SPENT, b"c:1", json(campaign_id="c:1"), "invalid", "$.campaign_id", id="colon"),
    pytest.param(SPENT, b"c2", json(), "key_mismatch", "campaign_id 'c1'", id="key-of-another"),
    pytest.param(SPENT, None, json(), "key_mismatch", "campaign_id 'c1'", id="no-key"),
    pytest.param(SPENT, b"c1", json(hour_start_ms=FUTURE_HOUR_MS), "future", "$.hour_start_ms", id="future"),
    pytest.param(
        SPENT, b"c1", json(reported_ms=FUTURE_HOUR_MS), "future", "$.reported_ms", id="future report"
    ),
    pytest.param(CONFIGURED, b"c1", json(model="best_guess"), "invalid", "$.model", id="unknown-model"),
    pytest.param(CONFIGURED, b"c1", json(roi_lag_days=8), "invalid", "$.roi_lag_days", id="unknown-lag"),
    pytest.param(CONFIGURED, b"c1", json(shop_id="s|1"), "invalid", "$.shop_id", id="bar-in-shop"),
    pytest.param(CONFIGURED, b"c2", json(), "key_mismatch", "campaign_id 'c1'", id="settings-of-another"),
]


@pytest.mark.parametrize(("topic", "key", "value", "reason", "detail"), BAD)
def test_a_bad_record_is_a_dead_letter_and_the_next_one_counts(
    topic: str, key: bytes | None, value: bytes | None, reason: str, detail: str
) -> None:
    pipeline = Pipeline(1)
    (letter,) = letters_of(topic, (key, value), (b"c1", json()), pipeline=pipeline)
    headers = {name: header.decode() for name, header in letter.headers}
    assert (letter.key, letter.value) == (key, value)
    assert (headers["reason"], headers["source_offset"]) == (reason, "0")
    assert detail in headers["detail"]
    if topic == SPENT:
        assert pipeline.windows()["c1", "total", 0]["spend_fen"] == 500


class TestSpend:  # R10
    @pytest.mark.parametrize("turned", [False, True])
    def test_of_an_hour_the_largest_revision_then_id_counts(self, turned: bool) -> None:
        reports = [report("a", 100, 1), report("b", 300, 2), report("c", 50, 2), report("d", 900, 0)]
        pipeline = Pipeline(1)
        pipeline.feed(reports[::-1] if turned else reports)
        pipeline.settle()
        found = {key[1:]: metrics["spend_fen"] for key, metrics in pipeline.windows().items()}
        assert found == {("1h", HOUR_START_MS): 50, ("1d", MIDNIGHT_MS): 50, ("total", 0): 50}

    def test_hours_add_up(self) -> None:
        pipeline = Pipeline(1)
        pipeline.feed(
            [report("a", 100, 1), report("b", 20, 1, MIDNIGHT_MS), report("c", 3, 1, MIDNIGHT_MS - HOUR_MS)]
        )
        pipeline.settle()
        windows = pipeline.windows()
        assert windows["c1", "1d", MIDNIGHT_MS]["spend_fen"] == 120
        assert windows["c1", "total", 0]["spend_fen"] == 123

    def test_spend_of_0_is_shown_and_unknown_spend_is_not(self) -> None:
        pipeline = Pipeline(1)
        pipeline.feed([report("a", 0, 1)])
        send_view(pipeline, HOUR_START_MS + 5 * HOUR_MS)
        pipeline.settle()
        windows = pipeline.windows()
        assert windows["c1", "1h", HOUR_START_MS]["spend_fen"] == 0
        assert "spend_fen" not in windows["c1", "1h", HOUR_START_MS + 5 * HOUR_MS]
        assert "spend_fen" not in windows["c1", "1m", HOUR_START_MS + 5 * HOUR_MS]

    def test_hours_and_those_with_impressions_and_clicks_are_counted(self) -> None:  # R19
        pipeline = Pipeline(1)
        reports = [
            report("a", 100, 1),
            report("b", 20, 1, MIDNIGHT_MS),
            report("c", 3, 1, MIDNIGHT_MS - HOUR_MS),
        ]
        told = msgspec.structs.replace(reports[1], impressions=50, clicks=2)
        pipeline.feed([reports[0], told, msgspec.structs.replace(reports[2], impressions=9)])
        pipeline.settle()
        windows = pipeline.windows()
        expected = {"spend_fen": 123, "spend_hours": 3, "impressions": 50, "clicks": 2, "ctr_hours": 1}
        assert spent(windows["c1", "total", 0]) == expected
        assert spent(windows["c1", "1d", MIDNIGHT_MS]) == expected | {"spend_fen": 120, "spend_hours": 2}
        assert spent(windows["c1", "1h", HOUR_START_MS]) == {"spend_fen": 100, "spend_hours": 1}

    def test_what_a_revision_does_not_tell_any_more_is_unknown_again_also_in_the_sink(self) -> None:
        pipeline = Pipeline(1)
        pipeline.feed([msgspec.structs.replace(report("a", 5, 1), impressions=50, clicks=2)])
        pipeline.settle()
        assert spent(pipeline.windows()["c1", "total", 0])["clicks"] == 2
        pipeline.feed([report("b", 5, 2)])
        pipeline.campaigns[0].processor.prepare()
        # A window that is not shown whole would keep the fields that Redis has of it.
        changed = pipeline.campaigns[0].processor._committing.windows
        assert changed.rows.keys() == changed.whole
        pipeline.settle()
        assert spent(pipeline.windows()["c1", "total", 0]) == {"spend_fen": 5, "spend_hours": 1}


def spent(metrics: dict[str, int]) -> dict[str, int]:
    return {name: metrics[name] for name in SPENT_NAMES if name in metrics}


class TestShop:  # R13
    def shop_shown(self, pipeline: Pipeline) -> str | None:
        upsert = pipeline.upserts()["c1", "total", 0]
        assert upsert is not None
        shop_id: str | None = upsert["shop_id"]
        return shop_id

    def test_without_settings_it_is_the_smallest_seen_with_the_campaign(self) -> None:
        pipeline = Pipeline(1)
        for shop_id, smallest in (("s5", "s5"), ("s7", "s5"), ("s3", "s3")):
            send_view(pipeline, shop_id=shop_id)
            pipeline.settle()
            assert self.shop_shown(pipeline) == smallest

    def test_before_anything_tells_it_it_is_null(self) -> None:
        pipeline = Pipeline(1)
        pipeline.feed([report("a", 1, 1)])
        pipeline.settle()
        assert self.shop_shown(pipeline) is None

    def test_the_settings_with_the_largest_effective_time_tell_it(self) -> None:
        pipeline = Pipeline(1)
        pipeline.feed([settings_of("late", 20), settings_of("early", 10)])
        send_view(pipeline)
        pipeline.settle()
        assert self.shop_shown(pipeline) == "late"

    def test_of_two_settings_of_one_time_the_later_record_counts(self) -> None:
        pipeline = Pipeline(1)
        pipeline.feed([settings_of("first", 20), settings_of("second", 20)])
        send_view(pipeline)
        pipeline.settle()
        assert self.shop_shown(pipeline) == "second"

    def test_a_null_value_deletes_the_settings(self) -> None:
        pipeline = Pipeline(1)
        pipeline.feed([settings_of("s0", 20)])
        send_view(pipeline)
        assert not letters_of(
            CONFIGURED, (b"c1", None), (b"unknown", None), (b"\xff", None), pipeline=pipeline
        )
        send_view(pipeline)
        pipeline.settle()
        assert self.shop_shown(pipeline) == "s1"


class TestWindows:  # R9
    def test_a_window_becomes_final_by_the_watermark_and_is_published_again(self) -> None:
        pipeline = Pipeline(1)
        send_view(pipeline)
        pipeline.settle()
        key: WindowKey = ("c1", "1m", HOUR_START_MS)
        before = pipeline.upserts()[key]
        end_ms = HOUR_START_MS + MINUTE_MS
        send_view(pipeline, end_ms + HOUR_MS + MINUTE_MS)
        pipeline.settle()
        after = pipeline.upserts()[key]
        assert before is not None
        assert after is not None
        assert (before["final"], after["final"]) == (False, True)
        assert after["version"] > before["version"]
        assert after["metrics"] == before["metrics"]

    def test_a_late_event_corrects_a_final_window(self) -> None:
        pipeline = Pipeline(1)
        send_view(pipeline)
        send_view(pipeline, HOUR_START_MS + 3 * HOUR_MS)
        pipeline.settle()
        send_view(pipeline)
        pipeline.settle()
        upsert = pipeline.upserts()["c1", "1m", HOUR_START_MS]
        assert upsert is not None
        assert (upsert["final"], upsert["metrics"]["views"]) == (True, 2)

    def test_an_expired_window_is_a_tombstone_and_what_comes_later_counts_in_the_larger(self) -> None:
        pipeline = Pipeline(1)
        send_view(pipeline)
        pipeline.settle()
        send_view(pipeline, HOUR_START_MS + 3 * DAY_MS)
        pipeline.settle()
        key: WindowKey = ("c1", "1m", HOUR_START_MS)
        assert pipeline.upserts()[key] is None
        send_view(pipeline)
        pipeline.settle()
        assert key not in pipeline.windows()
        assert pipeline.upserts()[key] is None
        assert pipeline.windows()["c1", "1h", HOUR_START_MS]["views"] == 2

    def test_the_watermark_waits_for_every_partition(self) -> None:
        pipeline = Pipeline(2)
        send_view(pipeline)
        send_view(pipeline, HOUR_START_MS + 3 * DAY_MS)
        pipeline.settle()
        assert ("c1", "1m", HOUR_START_MS) in pipeline.windows()
        tell_watermark(pipeline, HOUR_START_MS + 3 * DAY_MS, partition=1)
        pipeline.settle()
        assert ("c1", "1m", HOUR_START_MS) not in pipeline.windows()

    def test_what_a_note_did_on_days_that_were_dropped_counts_to_date_over_a_restart(self) -> None:
        pipeline = Pipeline(1)
        late_ms = HOUR_START_MS + 40 * DAY_MS
        send_view(pipeline)
        send(pipeline, [counted("likes", HOUR_START_MS), *credited(HOUR_START_MS, {LAST_TOUCH: 5})])
        pipeline.settle()
        send_view(pipeline, late_ms)
        pipeline.settle()
        assert list(pipeline.note_days()) == [("c1", MIDNIGHT_MS + 40 * DAY_MS, "n1")]
        pipeline.campaigns[0].crash()
        send_view(pipeline)
        send_view(pipeline, late_ms)
        pipeline.settle()
        shown = pipeline.notes()["c1", "n1"]
        assert (shown["views"], shown["likes"], shown["gmv_fen"]) == (4, 1, 5)
        assert pipeline.note_days()["c1", MIDNIGHT_MS + 40 * DAY_MS, "n1"]["views"] == 2
        pipeline.sinks[0].notes.clear()
        pipeline.sinks[0].lost = True
        pipeline.settle()
        assert pipeline.notes()["c1", "n1"] == shown

    def test_a_window_from_which_all_credit_went_is_dropped(self) -> None:
        pipeline = Pipeline(1)
        buyer = person("buyers", HOUR_START_MS, model=LAST_TOUCH)
        send(pipeline, credited(HOUR_START_MS, {LAST_TOUCH: 5}), buyer, campaign_id="unattributed:s1")
        pipeline.settle()
        assert ("unattributed:s1", "total", 0) in pipeline.windows()
        gone = [(day, metric, -1) for day, metric, _ in buyer]
        send(pipeline, credited(HOUR_START_MS, {LAST_TOUCH: -5}), gone, campaign_id="unattributed:s1")
        pipeline.settle()
        assert not pipeline.windows()
        assert not pipeline.notes()
        assert not pipeline.note_days()
        assert {key for key, upsert in pipeline.upserts().items() if upsert is None} == {
            ("unattributed:s1", size, start)
            for size, start in (
                ("1m", HOUR_START_MS),
                ("1h", HOUR_START_MS),
                ("1d", MIDNIGHT_MS),
                ("total", 0),
            )
        }


class TestPublishing:
    def upserts_sent(self, pipeline: Pipeline) -> int:
        return sum(sent.topic == CAMPAIGN_FUNNEL for sent in pipeline.campaigns[0].committed)

    def test_a_window_is_published_at_most_once_a_tick(self) -> None:
        pipeline = Pipeline(1)
        for _ in range(5):
            send_view(pipeline)
            pipeline.commit_journeys()
            pipeline.commit_campaigns()
        assert self.upserts_sent(pipeline) == 0
        pipeline.settle()
        assert self.upserts_sent(pipeline) == 4
        pipeline.settle()
        assert self.upserts_sent(pipeline) == 4

    def test_what_was_not_published_before_a_crash_is_after_it(self) -> None:
        pipeline = Pipeline(1)
        send_view(pipeline)
        pipeline.commit_journeys()
        pipeline.commit_campaigns()
        pipeline.campaigns[0].crash()
        pipeline.settle()
        assert self.upserts_sent(pipeline) == 4
        pipeline.campaigns[0].crash()
        pipeline.settle()
        assert self.upserts_sent(pipeline) == 4

    def test_the_upsert_has_the_version_that_the_sink_shows(self) -> None:
        pipeline = Pipeline(1)
        send_view(pipeline)
        pipeline.settle()
        for packed, row in pipeline.sinks[0].windows.items():
            upserts = [sent for sent in pipeline.campaigns[0].committed if sent.key == packed]
            assert (
                msgspec.json.decode(upserts[-1].value or b"")["version"] == decode_window(row.value).version
            )

    def test_a_sink_that_lost_its_figures_gets_all_of_them(self) -> None:
        pipeline = Pipeline(1)
        pipeline.feed([report("a", 5, 1)])
        send_view(pipeline)
        pipeline.settle()
        windows, notes = pipeline.windows(), pipeline.notes()
        sink = pipeline.sinks[0]
        sink.windows.clear()
        sink.notes.clear()
        sink.lost = True
        pipeline.campaigns[0].processor.tick(0)
        assert (pipeline.windows(), pipeline.notes()) == (windows, notes)

    def test_incarnation_and_version_outlive_a_crash(self) -> None:
        pipeline = Pipeline(1)
        send_view(pipeline)
        pipeline.settle()
        clock = dict(pipeline.campaigns[0].store("campaigns_clock").items())
        pipeline.campaigns[0].crash()
        assert dict(pipeline.campaigns[0].store("campaigns_clock").items()) == clock
        send_view(pipeline)
        pipeline.settle()
        upsert = pipeline.upserts()["c1", "total", 0]
        assert upsert is not None
        assert upsert["metrics"]["views"] == 2


def test_the_sink_is_told_the_shop_of_each_campaign_and_after_a_rebuild_of_all() -> None:
    pipeline = Pipeline(partitions=1)
    sink = pipeline.sinks[0]
    send_view(pipeline, shop_id="s2")
    pipeline.settle()
    assert sink.shops == {"c1": "s2"}
    send_view(pipeline, shop_id="s1")
    pipeline.settle()
    assert sink.shops == {"c1": "s1"}
    pipeline.feed([settings_of("s3", MIDNIGHT_MS)])
    pipeline.settle()
    assert sink.shops == {"c1": "s3"}
    sink.shops.clear()
    sink.lost = True
    pipeline.settle()
    assert sink.shops == {"c1": "s3"}
    pipeline.feed_records(CONFIGURED, 0, [(b"c1", None)])
    pipeline.settle()
    assert sink.shops == {"c1": "s1"}
