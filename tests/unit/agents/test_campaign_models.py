"""Stage 2 and the campaign's model at its edges: late settings, dropped windows, days of notes (R9 to R11).

That settings told in time are exact whatever comes first is `tests/property/test_campaign_models.py`.
"""

from __future__ import annotations

from typing import Any

from tests.deltas import LAST_TOUCH, LINEAR, POSITION_BASED, counted, credited, person, send
from tests.pipeline import Pipeline
from xinghe.domain.events import CampaignConfigured, Model
from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Size

MIDNIGHT_MS = 1_740_758_400_000
NOON_MS = MIDNIGHT_MS + 12 * HOUR_MS
BOTH = {LAST_TOUCH: 100, LINEAR: 7}


def configure(pipeline: Pipeline, effective_ms: int, model: Model = "linear") -> None:
    pipeline.feed([CampaignConfigured("c1", "s1", "Spring", effective_ms, model)])
    pipeline.settle()


def delete_settings(pipeline: Pipeline) -> None:
    pipeline.feed_records(CampaignConfigured.topic, 0, [(b"c1", None)])
    pipeline.settle()


def sell(pipeline: Pipeline, *times_ms: int) -> None:
    for time_ms in times_ms:
        people = [
            *person("buyers", time_ms, model=LAST_TOUCH),
            *person("buyers", time_ms, 2, model=LINEAR),
        ]
        send(pipeline, credited(time_ms, BOTH), people)
    pipeline.settle()


def go_on_to(pipeline: Pipeline, watermark_ms: int) -> None:
    send(pipeline, watermark_ms=watermark_ms)
    pipeline.settle()


def gmv(pipeline: Pipeline, size: Size, start: int = 0) -> int | None:
    window = pipeline.windows().get(("c1", size, start))
    return None if window is None else window["gmv_fen"]


class TestLateSettings:
    def test_a_window_wholly_in_its_time_is_right_though_smaller_ones_are_gone(self) -> None:
        pipeline = Pipeline(1)
        sell(pipeline, NOON_MS, NOON_MS + 59 * MINUTE_MS)
        go_on_to(pipeline, NOON_MS + 3 * DAY_MS)
        assert gmv(pipeline, "1m", NOON_MS) is None
        configure(pipeline, NOON_MS)
        assert gmv(pipeline, "1h", NOON_MS) == 14
        # The day is only partly in it: it changes by what the hour changed.
        assert gmv(pipeline, "1d", MIDNIGHT_MS) == 14
        assert gmv(pipeline, "total") == 14

    def test_a_window_partly_in_its_time_changes_by_what_smaller_ones_still_show(self) -> None:
        #   noon     +5       +10      +30      +1 h
        #   sold     setting  sold     sold     sold
        #   dropped           dropped  kept     kept      by the time the setting is told
        pipeline = Pipeline(1)
        sell(pipeline, NOON_MS, *(NOON_MS + minutes * MINUTE_MS for minutes in (10, 30, 60)))
        go_on_to(pipeline, NOON_MS + 2 * DAY_MS + 15 * MINUTE_MS)
        configure(pipeline, NOON_MS + 5 * MINUTE_MS)
        assert gmv(pipeline, "1m", NOON_MS + 30 * MINUTE_MS) == 7
        assert gmv(pipeline, "1h", NOON_MS) == 100 + 100 + 7
        assert gmv(pipeline, "1h", NOON_MS + HOUR_MS) == 7
        assert gmv(pipeline, "1d", MIDNIGHT_MS) == gmv(pipeline, "total") == 100 + 100 + 7 + 7

    def test_what_comes_for_a_dropped_minute_counts_by_its_model_in_the_larger_windows(self) -> None:
        pipeline = Pipeline(1)
        configure(pipeline, NOON_MS)
        go_on_to(pipeline, NOON_MS + 3 * DAY_MS)
        sell(pipeline, NOON_MS - MINUTE_MS, NOON_MS)
        assert gmv(pipeline, "1m", NOON_MS) is None
        assert (gmv(pipeline, "1h", NOON_MS - HOUR_MS), gmv(pipeline, "1h", NOON_MS)) == (100, 7)
        assert gmv(pipeline, "1d", MIDNIGHT_MS) == gmv(pipeline, "total") == 107

    def test_settings_in_the_commit_that_drops_a_minute_correct_it_first(self) -> None:
        pipeline = Pipeline(1)
        sell(pipeline, NOON_MS + 5 * MINUTE_MS)
        send(pipeline, watermark_ms=NOON_MS + 3 * DAY_MS)
        configure(pipeline, NOON_MS + 5 * MINUTE_MS)
        assert gmv(pipeline, "1h", NOON_MS) == gmv(pipeline, "total") == 7

    def test_a_corrected_window_has_a_new_version_and_others_have_not(self) -> None:
        pipeline = Pipeline(1)
        sell(pipeline, NOON_MS, NOON_MS - 2 * HOUR_MS)
        before = pipeline.upserts()
        configure(pipeline, NOON_MS)
        changed = {key[1:] for key, upsert in pipeline.upserts().items() if upsert != before[key]}
        assert changed == {("1m", NOON_MS), ("1h", NOON_MS), ("1d", MIDNIGHT_MS), ("total", 0)}

    def test_settings_of_the_same_model_change_no_window(self) -> None:
        pipeline = Pipeline(1)
        sell(pipeline, NOON_MS)
        before = pipeline.upserts()
        configure(pipeline, NOON_MS, "last_touch")
        configure(pipeline, NOON_MS + HOUR_MS, "shapley")
        assert pipeline.upserts() == before


class TestFieldsByModel:
    def test_they_are_there_once_one_is_not_0_and_gone_once_all_are(self) -> None:
        pipeline = Pipeline(1)
        send(pipeline, [counted("views", NOON_MS)])
        send(pipeline, credited(NOON_MS, {POSITION_BASED: 5}, "refunds", note_id=None))
        pipeline.settle()
        windows = pipeline.windows()
        for size, start in (("1d", MIDNIGHT_MS), ("total", 0)):
            window = windows["c1", size, start]  # type: ignore[index]  # mypy widens the sizes
            assert (window["refunds"], window["refunds:position_based"]) == (0, 5)
            assert all(window[f"net_gmv_fen:{model}"] == window[f"buyers:{model}"] == 0 for model in MODELS)
        send(pipeline, credited(NOON_MS, {POSITION_BASED: -5}, "refunds", note_id=None))
        pipeline.settle()
        assert not any(":" in name for window in pipeline.windows().values() for name in window)
        assert pipeline.windows()["c1", "total", 0]["views"] == 1

    def test_people_are_those_of_the_last_minutes_model_and_to_date_of_the_newest(self) -> None:
        pipeline = Pipeline(1)
        sell(pipeline, NOON_MS)
        configure(pipeline, MIDNIGHT_MS + DAY_MS - MINUTE_MS + 1)
        shown = {key[1]: window.get("buyers") for key, window in pipeline.windows().items()}
        assert shown == {"1m": None, "1h": None, "1d": 1, "total": 2}
        configure(pipeline, MIDNIGHT_MS + DAY_MS - MINUTE_MS)
        assert pipeline.windows()["c1", "1d", MIDNIGHT_MS]["buyers"] == 2


class TestNotes:
    def test_to_date_and_by_day_by_the_newest_model_over_all_time(self) -> None:
        pipeline = Pipeline(1)
        sell(pipeline, NOON_MS, NOON_MS + DAY_MS)
        send(pipeline, [counted("likes", NOON_MS, 3)])
        configure(pipeline, NOON_MS + 300 * DAY_MS)
        to_date, days = pipeline.notes()["c1", "n1"], pipeline.note_days()
        assert (to_date["gmv_fen"], to_date["likes"]) == (14, 3)
        assert {key: (note["gmv_fen"], note["likes"]) for key, note in days.items()} == {
            ("c1", MIDNIGHT_MS, "n1"): (7, 3),
            ("c1", MIDNIGHT_MS + DAY_MS, "n1"): (7, 0),
        }
        delete_settings(pipeline)
        assert pipeline.notes()["c1", "n1"]["gmv_fen"] == 200

    def test_a_day_is_dropped_after_35_days_and_stays_in_the_figures_to_date(self) -> None:
        pipeline = Pipeline(1)
        sell(pipeline, NOON_MS)
        end_ms = MIDNIGHT_MS + DAY_MS + 35 * DAY_MS
        go_on_to(pipeline, end_ms - MINUTE_MS)
        assert ("c1", MIDNIGHT_MS, "n1") in pipeline.note_days()
        go_on_to(pipeline, end_ms)
        assert not pipeline.note_days()
        sell(pipeline, NOON_MS)
        assert not pipeline.note_days()
        assert pipeline.notes()["c1", "n1"]["gmv_fen"] == 200

    def test_a_dropped_day_is_shown_at_once_with_the_commit(self) -> None:
        pipeline = Pipeline(1)
        sell(pipeline, NOON_MS)
        send(pipeline, watermark_ms=MIDNIGHT_MS + 36 * DAY_MS)
        pipeline.commit_campaigns()
        assert not pipeline.note_days()
        assert set(pipeline.notes()) == {("c1", "n1")}

    def test_notes_outlive_a_crash(self) -> None:
        pipeline = Pipeline(1)
        sell(pipeline, NOON_MS)
        pipeline.campaigns[0].crash()
        configure(pipeline, NOON_MS)
        go_on_to(pipeline, MIDNIGHT_MS + 36 * DAY_MS)
        assert not pipeline.note_days()
        assert pipeline.notes()["c1", "n1"]["gmv_fen"] == 7


class TestShownInPieces:
    def test_figures_of_orders_are_not_shown_again_unless_they_changed(self) -> None:
        pipeline = Pipeline(1)
        seen = []
        sink = pipeline.sinks[0]
        show = sink.committed

        def committed(sequence: int, committed: Any) -> None:
            seen.append((committed.windows.whole, len(committed.windows), committed.notes.whole))
            show(sequence, committed)

        sink.committed = committed  # type: ignore[method-assign]  # listens in
        sell(pipeline, NOON_MS)
        send(pipeline, [counted("views", NOON_MS)])
        pipeline.settle()
        sell(pipeline, NOON_MS + MINUTE_MS)
        whole = [(len(windows), count, len(notes)) for windows, count, notes in seen]
        assert whole == [(4, 4, 0), (0, 0, 2), (0, 4, 0), (0, 0, 0), (4, 4, 0), (0, 0, 2)]
