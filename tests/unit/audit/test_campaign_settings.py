"""R10: which model counts when, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.audit.events import MIDNIGHT_MS, click, paid, refunded, total, view
from xinghe.audit.campaign_settings import CampaignSettings
from xinghe.audit.judge import SettingsDeleted
from xinghe.audit.truth import truth_of
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS


def setting(at_ms: int, model: Any, campaign_id: str = "c1") -> CampaignConfigured:
    return CampaignConfigured(campaign_id, "s1", "spring", MIDNIGHT_MS + at_ms, model)


# c1 has the first touch, c2 the last.
TOUCHES = (view("v", 0), click("k", 1))
NOON_MS = 12 * HOUR_MS


class TestMinutes:
    @pytest.mark.parametrize(
        ("effective_ms", "gmv_fen"),
        [(NOON_MS, 1_000), (NOON_MS - MINUTE_MS + 1, 1_000), (NOON_MS + 1, 0), (NOON_MS - MINUTE_MS, 1_000)],
    )
    def test_a_setting_holds_from_the_first_whole_minute_at_or_after_its_time(
        self, effective_ms: int, gmv_fen: int
    ) -> None:
        truth = truth_of([*TOUCHES, paid("P", NOON_MS + 30_000), setting(effective_ms, "first_touch")])
        assert truth.metrics(("c1", "1m", MIDNIGHT_MS + NOON_MS))["gmv_fen"] == gmv_fen
        assert total(truth, "c1").get("gmv_fen", 0) == gmv_fen

    def test_larger_windows_add_up_the_minutes(self) -> None:
        # hour  10           11               12
        #       last_touch   first_touch  ->  linear
        #       P            Q                S          of c1: 0, 10, 50 (of 100)
        events = [
            *TOUCHES,
            paid("P", 10 * HOUR_MS, order_id="P", amount_fen=1),
            paid("Q", 11 * HOUR_MS, order_id="Q", amount_fen=10),
            paid("S", 12 * HOUR_MS, order_id="S", amount_fen=100),
            setting(11 * HOUR_MS, "first_touch"),
            setting(12 * HOUR_MS, "linear"),
        ]
        truth = truth_of(events)
        assert total(truth, "c1")["gmv_fen"] == 60
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS))["gmv_fen"] == 60
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS))["gmv_fen:linear"] == 1 + 5 + 50
        # c2 has no setting: the last touch.
        assert total(truth, "c2")["gmv_fen"] == 111

    def test_a_refund_counts_by_the_model_of_its_own_minute(self) -> None:
        events = [
            *TOUCHES,
            paid("P", HOUR_MS),
            refunded("R", 3 * HOUR_MS),
            setting(2 * HOUR_MS, "first_touch"),
        ]
        counted = truth_of(events).metrics(("c1", "total", 0))
        assert (counted["gmv_fen"], counted["refund_fen"], counted["net_gmv_fen"]) == (0, 1_000, -1_000)

    @pytest.mark.parametrize("model", ["markov", "shapley"])
    def test_data_driven_models_leave_it_to_the_last_touch(self, model: str) -> None:
        events = [*TOUCHES, paid("P", HOUR_MS), setting(0, "first_touch"), setting(2, model)]
        assert "gmv_fen" not in total(truth_of(events), "c1")

    def test_of_two_with_the_same_time_the_later_record_counts_and_deleted_ones_do_not(self) -> None:
        order = paid("P", HOUR_MS)
        for told, gmv_fen in (
            ([setting(0, "linear"), setting(0, "first_touch")], 1_000),
            ([setting(0, "first_touch"), setting(0, "linear")], 500),
            ([setting(0, "first_touch"), SettingsDeleted("c1")], 0),
        ):
            assert truth_of([*TOUCHES, order, *told]).metrics(("c1", "total", 0))["gmv_fen"] == gmv_fen


class TestPeople:
    def test_a_day_has_those_of_the_model_of_its_last_minute(self) -> None:
        # The order is before the setting; the day ends with it.
        truth = truth_of([*TOUCHES, paid("P", HOUR_MS), setting(DAY_MS - MINUTE_MS, "first_touch")])
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS))["buyers"] == 1
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS))["gmv_fen"] == 0
        truth = truth_of([*TOUCHES, paid("P", HOUR_MS), setting(DAY_MS - MINUTE_MS + 1, "first_touch")])
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS))["buyers"] == 0

    def test_the_total_and_the_notes_have_those_of_the_newest_setting(self) -> None:
        truth = truth_of([*TOUCHES, paid("P", HOUR_MS), setting(100 * DAY_MS, "first_touch")])
        assert truth.metrics(("c1", "total", 0))["buyers"] == 1
        assert truth.metrics(("c1", "total", 0))["gmv_fen"] == 0
        assert truth.note_metrics(("c1", "n1"))["gmv_fen"] == 1_000
        assert truth.note_day_metrics(("c1", MIDNIGHT_MS, "n1"))["gmv_fen"] == 1_000


class TestToldLate:
    kept_ms = 48 * HOUR_MS + MINUTE_MS
    """How long after its start a minute is dropped."""

    @pytest.mark.parametrize(
        ("told_ms", "watermark_ms", "is_late"),
        [
            (kept_ms, 99 * DAY_MS, True),
            (kept_ms - 11 * MINUTE_MS, 99 * DAY_MS, False),
            # The watermark is not so far yet, so that no minute is dropped.
            (kept_ms, kept_ms - 1, False),
            (kept_ms, kept_ms, True),
        ],
    )
    def test_minutes_may_be_dropped(self, told_ms: int, watermark_ms: int, is_late: bool) -> None:
        settings = CampaignSettings()
        settings.tell(setting(0, "linear"), MIDNIGHT_MS + told_ms)
        assert (settings.late_change(MIDNIGHT_MS + watermark_ms) is not None) is is_late

    def test_what_changes_no_model_is_not_late(self) -> None:
        settings = CampaignSettings()
        settings.tell(setting(0, "last_touch"), MIDNIGHT_MS + 90 * DAY_MS)
        settings.tell(setting(5, "markov"), MIDNIGHT_MS + 90 * DAY_MS)
        assert settings.late_change(MIDNIGHT_MS + 99 * DAY_MS) is None

    def test_a_deletion_is_told_late_as_well(self) -> None:
        settings = CampaignSettings()
        settings.tell(setting(0, "linear"), MIDNIGHT_MS)
        settings.delete(MIDNIGHT_MS + 90 * DAY_MS)
        assert settings.late_change(MIDNIGHT_MS + 99 * DAY_MS) is not None
