"""R2 to R14, each on a few events whose figures can be read off the drawing.

One column of a drawing is as long as its text says; v is a view, k an ad click, P a payment. Models, refunds, purchases,
coupons and settings have files of their own.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.audit.events import MIDNIGHT_MS, claim, click, credit, paid, refunded, total, view, visit, who
from xinghe.audit.journey import Limits
from xinghe.audit.judge import SettingsDeleted
from xinghe.audit.record import Place, SourceRecord
from xinghe.audit.truth import LIMITS, truth_of, truth_of_records
from xinghe.domain.events import (
    AdSpent,
    CampaignConfigured,
    CartAdded,
    ItemFavorited,
    NoteCommented,
    NoteEngaged,
    NoteLiked,
    NoteViewed,
)
from xinghe.domain.metrics import MODELS, SPENT_NAMES
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS


class TestDuplicates:  # R2
    def test_a_copy_changes_nothing(self) -> None:
        truth = truth_of([view("v", 0), visit("x", 5), view("v", 0)])
        assert total(truth, "c1") == {"views": 1, "viewers": 1, "store_visits": 1, "store_visitors": 1}
        assert (truth.events_in, truth.counted, truth.duplicates) == (3, 2, 1)

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
    def test_of_payments_with_one_order_id_the_first_in_time_then_id_counts(
        self, order: tuple[int, ...]
    ) -> None:
        # minute  5   6
        #         b   c      one order id; at minute 5 also a
        #         a
        payments = [
            paid("a", 5 * MINUTE_MS, amount_fen=1),
            paid("b", 5 * MINUTE_MS, amount_fen=10),
            paid("c", 6 * MINUTE_MS, amount_fen=100),
        ]
        truth = truth_of([payments[index] for index in order])
        counted = total(truth, "unattributed:s1")
        assert (counted["orders_micros"], counted["gmv_fen"], counted["buyers"]) == (1_000_000, 1, 1)
        assert (truth.counted, truth.duplicates) == (1, 2)

    def test_an_order_id_belongs_to_one_person(self) -> None:
        truth = truth_of([paid("a", 0), paid("b", 0, person_id="p2")])
        assert total(truth, "unattributed:s1")["orders_micros"] == 2_000_000
        assert truth.orders.keys() == {("p1", "o1"), ("p2", "o1")}

    def test_copies_that_differ_set_their_person_apart(self) -> None:
        truth = truth_of(
            [view("v", 0), view("v", 1), visit("x", 5), view("w", 0, person_id="p2", campaign_id="c3")]
        )
        assert truth.apart == {"p1": "records with event_id v differ from each other"}
        assert truth.apart_campaigns == {"c1", "unattributed:s1"}


class TestTouches:  # R3
    def test_each_kind_adds_to_its_metric(self) -> None:
        fields = {"campaign_id": "c1", "note_id": "n1"}
        events: list[Any] = [
            view("v", 0),
            NoteLiked(**who("l", 0, fields)),
            NoteCommented(**who("m", 0, fields)),
        ]
        events += [
            NoteEngaged(**who(action, 0, {**fields, "action": action})) for action in ("share", "follow")
        ]
        events += [
            click("k", 0, campaign_id="c1"),
            NoteEngaged(**who("c", 0, {**fields, "action": "collect"})),
        ]
        each = dict.fromkeys(
            ("views", "likes", "comments", "collects", "shares", "follows", "ad_clicks", "viewers"), 1
        )
        assert total(truth_of(events), "c1") == {**each, "engagements": 5}

    def test_a_coupon_claim_belongs_to_no_note(self) -> None:
        truth = truth_of([claim("q", 0)])
        assert total(truth, "c1") == {"coupon_claims": 1}
        assert truth.counted == 1
        assert truth.notes == {}

    def test_without_a_campaign_it_is_organic(self) -> None:
        truth = truth_of([view("v", 0, campaign_id=None), visit("x", 1)])
        assert truth.campaigns == {"organic:s1"}
        assert total(truth, "organic:s1")["store_visits"] == 1
        assert truth.notes.keys() == {("organic:s1", "n1")}


class TestLastTouch:  # R4
    def test_the_last_ad_click_wins_over_a_later_view(self) -> None:
        # day  0   1   2   3
        #      k   k   v   P       the second click
        truth = truth_of(
            [
                click("k1", 0),
                click("k2", DAY_MS, campaign_id="c3"),
                view("v", 2 * DAY_MS),
                paid("P", 3 * DAY_MS),
            ]
        )
        assert credit(truth)["campaign_id"] == "c3"
        assert credit(truth)["touch_event_id"] == "k2"

    def test_without_a_click_the_last_touch_of_any_kind_wins(self) -> None:
        # day  0   1   2
        #      v   v   P       the second view
        truth = truth_of([view("v1", 0), view("v2", DAY_MS, campaign_id="c3"), paid("P", 2 * DAY_MS)])
        assert credit(truth)["campaign_id"] == "c3"

    def test_a_click_that_does_not_reach_leaves_it_to_the_view(self) -> None:
        # day  0              14   15 + 1 ms
        #      k              v    visit
        truth = truth_of([click("k", 0), view("v", 14 * DAY_MS), visit("x", 15 * DAY_MS + 1)])
        assert total(truth, "c1")["store_visits"] == 1

    @pytest.mark.parametrize(
        ("lag_ms", "campaign_id"),
        [(0, "c1"), (30 * DAY_MS, "c1"), (30 * DAY_MS + 1, "unattributed:s1"), (-1, "unattributed:s1")],
    )
    def test_a_touch_reaches_a_payment_within_30_days(self, lag_ms: int, campaign_id: str) -> None:
        truth = truth_of([view("v", DAY_MS), paid("P", DAY_MS + lag_ms)])
        assert credit(truth)["campaign_id"] == campaign_id

    @pytest.mark.parametrize(
        ("lag_ms", "campaign_id"), [(0, "c1"), (15 * DAY_MS, "c1"), (15 * DAY_MS + 1, "unattributed:s1")]
    )
    def test_a_touch_reaches_visits_favorites_and_carts_within_15_days(
        self, lag_ms: int, campaign_id: str
    ) -> None:
        at = lag_ms
        truth = truth_of(
            [
                view("v", 0),
                visit("x", at),
                ItemFavorited(**who("f", at, {"item_id": "i9"})),
                CartAdded(**who("t", at, {"item_id": "i9"})),
            ]
        )
        counted = total(truth, campaign_id)
        assert [counted[name] for name in ("store_visits", "favorites", "cart_adds")] == [1, 1, 1]
        assert [counted[name] for name in ("store_visitors", "cart_users")] == [1, 1]

    @pytest.mark.parametrize(
        ("ids", "winner"), [(("a", "b"), "b"), (("Z", "a"), "a"), (("z", "é"), "é"), (("\uffff", "𝛆"), "𝛆")]
    )
    def test_touches_of_one_moment_are_ordered_by_the_bytes_of_their_ids(
        self, ids: tuple[str, str], winner: str
    ) -> None:
        for first, second in (ids, ids[::-1]):
            truth = truth_of([view(first, 0), view(second, 0), paid("P", 0)])
            assert credit(truth)["touch_event_id"] == winner

    def test_other_shops_and_people_do_not_reach(self) -> None:
        truth = truth_of([view("v", 0, shop_id="s2"), view("w", 0, person_id="p2"), visit("x", 1)])
        assert total(truth, "unattributed:s1") == {"store_visits": 1, "store_visitors": 1}

    @pytest.mark.parametrize(
        ("lag_ms", "classes"),
        [
            (7 * DAY_MS, {"gmv_7d_fen", "gmv_15d_fen", "gmv_30d_fen"}),
            (7 * DAY_MS + 1, {"gmv_15d_fen", "gmv_30d_fen"}),
            (15 * DAY_MS, {"gmv_15d_fen", "gmv_30d_fen"}),
            (15 * DAY_MS + 1, {"gmv_30d_fen"}),
        ],
    )
    def test_gmv_counts_by_the_lag_from_touch_to_order(self, lag_ms: int, classes: set[str]) -> None:
        counted = total(truth_of([view("v", 0), paid("P", lag_ms)]), "c1")
        assert {name for name in counted if name.startswith(("gmv_7d", "gmv_15d", "gmv_30d"))} == classes
        assert counted["gmv_fen"] == 1_000

    @pytest.mark.parametrize(
        ("item_id", "name"), [("i1", "direct_gmv_fen"), ("i9", "halo_gmv_fen"), (None, "halo_gmv_fen")]
    )
    def test_direct_is_the_item_that_the_note_promotes(self, item_id: str | None, name: str) -> None:
        truth = truth_of([view("v", 0, item_id=item_id), paid("P", 1)])
        counted = total(truth, "c1")
        assert {key for key in counted if key in {"direct_gmv_fen", "halo_gmv_fen"}} == {name}
        assert credit(truth)["direct"] is (name == "direct_gmv_fen")

    def test_a_coupon_claim_earns_an_order_without_note_and_item(self) -> None:
        truth = truth_of([claim("q", 0, campaign_id="c4"), paid("P", 5)])
        assert total(truth, "c4")["halo_gmv_fen"] == 1_000
        assert (credit(truth)["kind"], credit(truth)["note_id"]) == ("coupon_claim", None)
        assert truth.notes == {}

    def test_shorter_windows_may_be_set(self) -> None:
        events = [view("v", 0), visit("x", 11), paid("P", 21)]
        truth = truth_of(events, limits=Limits(10, 20, 2_000))
        assert truth.campaigns == {"c1", "unattributed:s1"}
        assert "orders_micros" not in total(truth, "c1")
        assert total(truth, "unattributed:s1")["store_visits"] == 1

    def test_without_click_over_view_the_last_touch_of_any_kind_wins(self) -> None:
        events = [click("k", 0), view("v", 1), visit("x", 2), paid("P", 3)]
        truth = truth_of(events, limits=LIMITS._replace(click_over_view=False))
        assert credit(truth)["touch_event_id"] == "v"
        assert total(truth, "c1")["store_visits"] == 1


class TestPeople:  # R7
    def test_a_person_counts_once_a_day_and_once_to_date(self) -> None:
        # day   0          1
        # p1    v v        v
        # p2      v
        truth = truth_of([view("a", 0), view("b", 1), view("c", DAY_MS), view("d", 1, person_id="p2")])
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS))["viewers"] == 2
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS + DAY_MS))["viewers"] == 1
        assert truth.metrics(("c1", "total", 0))["viewers"] == 2
        assert "viewers" not in truth.metrics(("c1", "1h", MIDNIGHT_MS))

    def test_buyers_of_two_orders_are_one(self) -> None:
        truth = truth_of([view("v", 0), paid("a", 1), paid("b", 2, order_id="o2")])
        counted = total(truth, "c1")
        assert (counted["orders_micros"], counted["buyers"]) == (2_000_000, 1)


class TestWindows:  # R9
    def test_a_day_begins_at_midnight_in_shanghai(self) -> None:
        truth = truth_of([view("a", -1), view("b", 0)])
        assert truth.windows.keys() == {
            ("c1", "1m", MIDNIGHT_MS - MINUTE_MS),
            ("c1", "1m", MIDNIGHT_MS),
            ("c1", "1h", MIDNIGHT_MS - HOUR_MS),
            ("c1", "1h", MIDNIGHT_MS),
            ("c1", "1d", MIDNIGHT_MS - DAY_MS),
            ("c1", "1d", MIDNIGHT_MS),
            ("c1", "total", 0),
        }

    def test_a_touch_counts_at_its_own_time_and_its_order_at_the_orders(self) -> None:
        truth = truth_of([view("v", 0), paid("P", 2 * HOUR_MS)])
        assert truth.metrics(("c1", "1h", MIDNIGHT_MS))["views"] == 1
        assert truth.metrics(("c1", "1h", MIDNIGHT_MS))["gmv_fen"] == 0
        assert truth.metrics(("c1", "1h", MIDNIGHT_MS + 2 * HOUR_MS))["gmv_fen"] == 1_000

    def test_the_watermark_is_a_minute_behind_the_partition_that_is_furthest_behind(self) -> None:
        # partition 0: p1 up to day 2; partition 1: p2 up to minute 5
        events = [view("a", 0), view("b", 2 * DAY_MS), view("c", 5 * MINUTE_MS, person_id="p2")]
        truth = truth_of(events, partition_of=lambda person_id: 0 if person_id == "p1" else 1, partitions=2)
        assert truth.watermarks_ms == {
            0: MIDNIGHT_MS + 2 * DAY_MS - MINUTE_MS,
            1: MIDNIGHT_MS + 4 * MINUTE_MS,
        }
        assert truth.watermark_ms == MIDNIGHT_MS + 4 * MINUTE_MS

    def test_the_watermark_is_0_until_each_partition_has_accepted_an_event(self) -> None:
        assert truth_of([view("a", 0)], partitions=2).watermark_ms == 0
        assert truth_of([]).watermark_ms == 0

    @pytest.mark.parametrize(("early_ms", "is_final"), [(1, False), (0, True)])
    def test_a_window_is_final_an_hour_after_its_end(self, early_ms: int, is_final: bool) -> None:
        # [0:00 1h )  1 h of lateness, then 1 minute of the watermark
        newest = view("b", HOUR_MS + HOUR_MS + MINUTE_MS - early_ms)
        truth = truth_of([view("a", 0), newest])
        assert truth.is_final(("c1", "1h", MIDNIGHT_MS)) is is_final
        assert not truth.is_final(("c1", "total", 0))

    @pytest.mark.parametrize(
        ("size", "retention_ms"), [("1m", 48 * HOUR_MS), ("1h", 35 * DAY_MS), ("1d", 400 * DAY_MS)]
    )
    def test_a_window_is_left_out_once_its_retention_has_passed(self, size: str, retention_ms: int) -> None:
        size_ms = {"1m": MINUTE_MS, "1h": HOUR_MS, "1d": DAY_MS}[size]
        end_ms = size_ms + retention_ms + MINUTE_MS
        for early_ms, is_there in ((1, True), (0, False)):
            truth = truth_of([view("a", 0), view("b", end_ms - early_ms)])
            assert (("c1", size, MIDNIGHT_MS) in truth.windows) is is_there
            assert total(truth, "c1")["views"] == 2


class TestNotes:  # R11
    def test_a_note_has_its_touches_and_what_is_credited_to_them(self) -> None:
        truth = truth_of(
            [view("v", 0), view("w", 1, note_id="n9"), click("k", 2), paid("P", 3), visit("x", DAY_MS)]
        )
        assert truth.note_metrics(("c1", "n1"))["views"] == 1
        assert truth.note_metrics(("c1", "n9"))["gmv_fen"] == 0
        assert truth.note_metrics(("c2", "n2"))["gmv_fen"] == 1_000
        assert truth.note_metrics(("c2", "n2"))["store_visits"] == 1
        assert not truth.note_metrics(("c1", "n1")).keys() & {
            *("viewers", "coupon_claims", "coupon_redemptions", "coupon_gmv_fen"),
            *("refunds", "repurchases", "repurchases_30d"),
        }

    def test_a_note_has_them_by_day_too(self) -> None:
        # day    0   1
        #        v   P
        truth = truth_of([view("v", 0), paid("P", DAY_MS)])
        days = {
            start_ms: truth.note_day_metrics(("c1", start_ms, "n1")) for _, start_ms, _ in truth.note_days
        }
        assert {start_ms: (day["views"], day["gmv_fen"]) for start_ms, day in days.items()} == {
            MIDNIGHT_MS: (1, 0),
            MIDNIGHT_MS + DAY_MS: (0, 1_000),
        }

    @pytest.mark.parametrize(("early_ms", "is_there"), [(1, True), (0, False)])
    def test_a_day_of_a_note_is_kept_for_35_days(self, early_ms: int, is_there: bool) -> None:
        # The day, 35 days, and 1 minute of the watermark.
        newest = view("w", 36 * DAY_MS + MINUTE_MS - early_ms, note_id="n9")
        truth = truth_of([view("v", 0), newest])
        assert (("c1", MIDNIGHT_MS, "n1") in truth.note_days) is is_there
        assert truth.note_metrics(("c1", "n1"))["views"] == 1


class TestSpendAndSettings:  # R10
    def spent(self, event_id: str, hour: int, spend_fen: int, revision: int) -> AdSpent:
        return AdSpent(event_id, "c1", MIDNIGHT_MS + hour * HOUR_MS, spend_fen, revision)

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
    def test_the_largest_revision_then_event_id_of_an_hour_counts(self, order: tuple[int, ...]) -> None:
        reports = [self.spent("z", 1, 100, 1), self.spent("a", 1, 200, 2), self.spent("b", 1, 300, 2)]
        truth = truth_of([*(reports[index] for index in order), self.spent("y", 2, 0, 0)])
        assert truth.metrics(("c1", "1h", MIDNIGHT_MS + HOUR_MS))["spend_fen"] == 300
        assert truth.metrics(("c1", "1h", MIDNIGHT_MS + 2 * HOUR_MS))["spend_fen"] == 0
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS))["spend_fen"] == 300
        assert truth.metrics(("c1", "total", 0))["spend_fen"] == 300
        assert all(size != "1m" for _, size, _ in truth.windows)

    def test_spend_is_absent_until_an_hour_was_reported(self) -> None:
        truth = truth_of([view("v", 5 * HOUR_MS), self.spent("a", 1, 100, 1)])
        assert "spend_fen" not in truth.metrics(("c1", "1h", MIDNIGHT_MS + 5 * HOUR_MS))
        assert truth.metrics(("c1", "1d", MIDNIGHT_MS))["spend_fen"] == 100

    def test_hours_are_counted_and_impressions_and_clicks_of_those_that_have_both(self) -> None:  # R19
        reports = [self.spent("a", 1, 100, 1), self.spent("b", 2, 20, 1), self.spent("c", 3, 3, 1)]
        both, one = {"impressions": 50, "clicks": 0}, {"impressions": 9}
        truth = truth_of(
            [
                reports[0],
                msgspec.structs.replace(reports[1], **both),
                msgspec.structs.replace(reports[2], **one),
            ]
        )
        shown = truth.metrics(("c1", "total", 0))
        assert {name: shown[name] for name in SPENT_NAMES} == {
            "spend_fen": 123,
            "spend_hours": 3,
            "impressions": 50,
            "clicks": 0,
            "ctr_hours": 1,
        }
        hour = truth.metrics(("c1", "1h", MIDNIGHT_MS + 3 * HOUR_MS))
        assert {name for name in SPENT_NAMES if name in hour} == {"spend_fen", "spend_hours"}

    def test_settings_are_kept_by_effective_time_and_the_later_record_counts(self) -> None:
        first, second, third = (
            CampaignConfigured("c1", "s1", name, effective_ms)
            for name, effective_ms in (("a", 5), ("b", 9), ("c", 5))
        )
        truth = truth_of([first, second, third])
        assert truth.settings["c1"].by_effective_ms == {5: third, 9: second}
        assert truth_of([first, second, SettingsDeleted("c1")]).settings["c1"].by_effective_ms == {}


class TestAttributions:  # R12
    def test_an_order_with_a_touch(self) -> None:
        truth = truth_of([click("k", 0), paid("P", 7, item_id="i2"), refunded("R", 9, amount_fen=300)])
        whole = {
            "campaign_id": "c2",
            "note_id": "n2",
            "touch_event_id": "k",
            "touch_time_ms": MIDNIGHT_MS,
            "kind": "ad_click",
            "orders_micros": 1_000_000,
            "gmv_fen": 1_000,
            "refund_fen": 300,
            "direct": True,
        }
        assert truth.orders["p1", "o1"].as_json() == {
            "order_id": "o1",
            "person_id": "p1",
            "shop_id": "s1",
            "time_ms": MIDNIGHT_MS + 7,
            "amount_fen": 1_000,
            "refunded_fen": 300,
            "new_customer": True,
            "refunds": 1,
            "credits": {model: [whole] for model in MODELS},
        }

    def test_an_order_without_one(self) -> None:
        assert credit(truth_of([paid("P", 7)])) == {
            "campaign_id": "unattributed:s1",
            "note_id": None,
            "touch_event_id": None,
            "touch_time_ms": None,
            "kind": None,
            "orders_micros": 1_000_000,
            "gmv_fen": 1_000,
            "refund_fen": 0,
            "direct": False,
        }


class TestApart:  # R14
    def test_a_journey_over_the_bound_is_named(self) -> None:
        events = [view(f"v{number}", number) for number in range(4)]
        assert truth_of(events, limits=LIMITS._replace(journey_events_max=4)).apart == {}
        truth = truth_of(
            [*events, view("w", 9, campaign_id="c7")], limits=LIMITS._replace(journey_events_max=4)
        )
        assert truth.apart == {"p1": "5 events, more than the 4 that a journey keeps"}
        assert truth.apart_campaigns == {"c1", "c7"}

    @pytest.mark.parametrize(("newest_days", "is_named"), [(396, False), (397, True)])
    def test_an_order_that_came_back_after_it_was_forgotten_is_named(
        self, newest_days: int, is_named: bool
    ) -> None:
        again = paid("b", 380 * DAY_MS)
        newest = view("v", newest_days * DAY_MS, person_id="p2")
        assert ("p1" in truth_of([paid("a", 0), again, newest]).apart) is is_named


def record(event: Any, offset: int, partition: int = 0, **fields: Any) -> SourceRecord:
    made = {
        "timestamp_ms": MIDNIGHT_MS,
        "key": event.person_id.encode(),
        "value": msgspec.json.encode(event),
        **fields,
    }
    return SourceRecord(type(event).topic, partition, offset, **made)


class TestRecords:
    def test_rejected_records_neither_count_nor_move_the_watermark(self) -> None:
        truth = truth_of_records(
            [
                record(view("a", 0), 0),
                record(view("b", 601_000), 1),
                record(view("c", 0), 2, value=b"{"),
            ]
        )
        reasons = {place.offset: letter.reason for place, letter in truth.dead_letters.items()}
        assert reasons == {1: "future", 2: "malformed"}
        assert truth.watermark_ms == MIDNIGHT_MS - MINUTE_MS
        assert (truth.events_in, truth.counted, truth.duplicates) == (3, 1, 0)

    @pytest.mark.parametrize(
        ("late_ms", "is_possible"), [(31 * DAY_MS + MINUTE_MS, False), (31 * DAY_MS + MINUTE_MS + 1, True)]
    )
    def test_too_late_is_believed_and_checked(self, late_ms: int, is_possible: bool) -> None:
        late = Place(NoteViewed.topic, 0, 1)
        truth = truth_of_records([record(view("a", 0), 0), record(view("b", -late_ms), 1)], {late})
        assert truth.dead_letters[late].reason == "too_late"
        assert total(truth, "c1")["views"] == 1
        assert (late not in truth.impossible_too_late) is is_possible

    def test_a_journey_is_whole_within_its_partition(self) -> None:
        truth = truth_of_records([record(view("a", 0), 0), record(view("a", 0), 0, partition=1)])
        assert total(truth, "c1") == {"views": 2, "viewers": 2}
