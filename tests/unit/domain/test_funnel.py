"""Windows and notes of a campaign: how a commit's changes reach them (R9 to R11)."""

from __future__ import annotations

import pytest

from xinghe.domain.counted import day_number
from xinghe.domain.funnel import (
    Change,
    Changes,
    Row,
    StartIndex,
    Window,
    changed_window,
    decode_counts,
    decode_window,
    encode_counts,
    encode_window,
    note_counts,
    note_orders,
    pack_key,
    pack_note_key,
    unpack_key,
    unpack_note_key,
    window_metrics,
)
from xinghe.domain.metrics import (
    COUNTED_INDEX,
    COUNTED_NAMES,
    MODEL_COUNTED_INDEX,
    MODEL_PEOPLE_INDEX,
    PEOPLE_NAMES,
)
from xinghe.domain.orders import encode_orders, no_orders
from xinghe.domain.timeline import Timeline
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS

MIDNIGHT_MS = 1_740_758_400_000
MINUTE = MIDNIGHT_MS // MINUTE_MS
VIEWS, LIKES = COUNTED_INDEX["views"], COUNTED_INDEX["likes"]
LAST_TOUCH, FIRST_TOUCH, LINEAR = 0, 1, 2
GMV_PLAIN = 1
NO_SPEND = [0, 1, 0, 0, 0]
"""An hour in which nothing was spent."""


def gmv(model: int) -> int:
    return MODEL_COUNTED_INDEX[model]["gmv_fen"]


def by_default(_campaign_id: str) -> Timeline:
    return Timeline()


class TestKeys:
    @pytest.mark.parametrize("campaign_id", ["c1", "organic:s1", "unattributed:s|1", "星"])
    def test_a_key_comes_back(self, campaign_id: str) -> None:
        assert unpack_key(pack_key((campaign_id, "1d", -28_800_000))) == (campaign_id, "1d", -28_800_000)

    @pytest.mark.parametrize("note_id", ["n1", "a:b", "a|b", "|", "1d|0", "星"])
    @pytest.mark.parametrize("day_start_ms", [None, -28_800_000, 0])
    def test_a_notes_key_comes_back(self, note_id: str, day_start_ms: int | None) -> None:
        packed = pack_note_key("organic:s1", day_start_ms, note_id)
        assert unpack_note_key(packed) == ("organic:s1", day_start_ms, note_id)

    def test_no_note_has_the_key_of_a_window(self) -> None:
        windows = {pack_key(("c1", "total", 0)), pack_key(("c1", "1d", 0))}
        assert windows.isdisjoint(
            pack_note_key("c1", day, note) for day in (None, 0) for note in ("0", "1d|0")
        )


class TestChanges:
    def test_a_minute_counts_in_every_size(self) -> None:
        changes = Changes()
        changes.add_counts("c1", [(None, MINUTE + 61, VIEWS, 2)])
        at = MIDNIGHT_MS + HOUR_MS
        expected = [("1m", at + MINUTE_MS), ("1h", at), ("1d", MIDNIGHT_MS), ("total", 0)]
        windows = changes.by_window(by_default)
        assert set(windows) == {("c1", size, start) for size, start in expected}
        assert all(change.counted == {VIEWS: 2} for change in windows.values())

    def test_what_came_in_pieces_is_added_up(self) -> None:
        changes = Changes()
        changes.add_counts(
            "c1", [("n1", MINUTE, VIEWS, 2), ("n2", MINUTE, VIEWS, 3), ("n1", MINUTE, LIKES, 1)]
        )
        changes.add_counts("c1", [("n1", MINUTE, VIEWS, -1), ("n1", MINUTE + 60 * 24, VIEWS, 1)])
        windows = changes.by_window(by_default)
        assert windows["c1", "1m", MIDNIGHT_MS].counted == {VIEWS: 4, LIKES: 1}
        assert windows["c1", "1d", MIDNIGHT_MS].counted == {VIEWS: 4, LIKES: 1}
        assert windows["c1", "total", 0].counted == {VIEWS: 5, LIKES: 1}
        day = day_number(MIDNIGHT_MS)
        assert changes.notes == {
            ("c1", day, "n1"): {VIEWS: 1, LIKES: 1},
            ("c1", day + 1, "n1"): {VIEWS: 1},
            ("c1", day, "n2"): {VIEWS: 3},
        }

    def test_what_has_no_note_counts_for_none(self) -> None:
        changes = Changes()
        changes.add_counts("c1", [(None, MINUTE, VIEWS, 1)])
        assert not changes.notes

    def test_a_notes_day_ends_at_midnight_in_shanghai(self) -> None:
        changes = Changes()
        changes.add_counts("c1", [("n1", MINUTE - 1, VIEWS, 1), ("n1", MINUTE, VIEWS, 1)])
        assert [day for _, day, _ in changes.notes] == [day_number(MIDNIGHT_MS) - 1, day_number(MIDNIGHT_MS)]

    def test_orders_count_by_each_model_and_plain_by_the_one_of_the_minute(self) -> None:
        changes = Changes()
        changes.add_counts("c1", [("n1", MINUTE, gmv(LAST_TOUCH), 5), ("n1", MINUTE, gmv(LINEAR), 3)])
        changes.add_counts("c1", [(None, MINUTE + 1, gmv(LAST_TOUCH), 7), (None, MINUTE + 1, gmv(LINEAR), 2)])
        windows = changes.by_window(lambda _: Timeline((0, MINUTE + 1), (LAST_TOUCH, LINEAR)))
        orders = {key[1:]: change.orders for key, change in windows.items()}
        first, second, hour = (
            orders["1m", MIDNIGHT_MS],
            orders["1m", MIDNIGHT_MS + MINUTE_MS],
            orders["1h", MIDNIGHT_MS],
        )
        assert first is not None
        assert second is not None
        assert hour is not None
        assert (first.plain, second.plain) == ({GMV_PLAIN: 5}, {GMV_PLAIN: 2})
        assert hour.plain == {GMV_PLAIN: 7}
        assert hour.counted == {gmv(LAST_TOUCH): 12, gmv(LINEAR): 5}
        assert all(not change.counted for change in windows.values())
        note_day = ("c1", day_number(MIDNIGHT_MS), "n1")
        assert changes.note_orders == {note_day: {gmv(LAST_TOUCH): 5, gmv(LINEAR): 3}}
        assert not changes.notes

    def test_a_minute_without_orders_has_none(self) -> None:
        changes = Changes()
        changes.add_counts("c1", [(None, MINUTE, VIEWS, 1)])
        assert [change.orders for change in changes.by_window(by_default).values()] == [None] * 4

    def test_people_by_model_are_of_orders(self) -> None:
        buyers = MODEL_PEOPLE_INDEX[LINEAR]["buyers"]
        changes = Changes()
        changes.add_people("c1", 0, buyers, 2)
        changes.add_people("c1", 0, 1, 3)
        total = changes.by_window(by_default)["c1", "total", 0]
        assert total.people == {1: 3}
        assert total.orders is not None
        assert total.orders.people == {buyers: 2}

    def test_people_are_counted_per_day_and_to_date(self) -> None:
        changes = Changes()
        changes.add_people("c1", day_number(MIDNIGHT_MS), 0, 1)
        changes.add_people("c1", 0, 0, 1)
        changes.add_people("c1", 0, 2, -1)
        windows = changes.by_window(by_default)
        assert windows["c1", "1d", MIDNIGHT_MS].people == {0: 1}
        assert windows["c1", "total", 0].people == {0: 1, 2: -1}
        assert len(windows) == 2

    def test_spend_counts_from_the_hour_up(self) -> None:
        changes = Changes()
        changes.add_spend("c1", MIDNIGHT_MS + HOUR_MS, [500, 1, 0, 0, 0])
        changes.add_spend("c1", MIDNIGHT_MS + HOUR_MS, [-100, 0, 9, 2, 1])
        assert {key[1:]: change.spent for key, change in changes.by_window(by_default).items()} == {
            ("1h", MIDNIGHT_MS + HOUR_MS): [400, 1, 9, 2, 1],
            ("1d", MIDNIGHT_MS): [400, 1, 9, 2, 1],
            ("total", 0): [400, 1, 9, 2, 1],
        }

    def test_spend_of_0_is_a_change(self) -> None:
        changes = Changes()
        changes.add_spend("c1", MIDNIGHT_MS, NO_SPEND)
        assert changes.by_window(by_default)["c1", "total", 0].spent == NO_SPEND


class TestChangedWindow:
    def test_a_new_window_starts_at_0_with_people_where_the_size_has_them(self) -> None:
        minute = changed_window(None, "1m", Change({VIEWS: 1}, {}), 7)
        assert (minute.version, minute.counted[VIEWS], sum(minute.counted)) == (7, 1, 1)
        assert (minute.people, minute.spent) == (None, None)
        for size in ("1d", "total"):
            assert changed_window(None, size, Change({}, {0: 1}), 7).people == [1, 0, 0]

    def test_a_known_window_is_changed_and_has_the_new_version(self) -> None:
        before = changed_window(None, "1d", Change({VIEWS: 3}, {0: 2}, [100, 2, 0, 0, 0]), 1)
        after = changed_window(
            encode_window(before), "1d", Change({VIEWS: -1, LIKES: 1}, {0: -1}, [-40, 1, 7, 5, 1]), 2
        )
        assert (after.version, after.counted[VIEWS], after.counted[LIKES]) == (2, 2, 1)
        assert (after.people, after.spent) == ([1, 0, 0], [60, 3, 7, 5, 1])

    def test_spend_stays_unknown_until_it_is_reported(self) -> None:
        assert changed_window(None, "1h", Change({VIEWS: 1}, {}), 1).spent is None
        assert changed_window(None, "1h", Change({}, {}, NO_SPEND), 1).spent == NO_SPEND

    def test_a_window_in_which_all_is_0_is_empty_unless_spend_is_known(self) -> None:
        one = changed_window(None, "total", Change({VIEWS: 1}, {0: 1}), 1)
        assert not one.is_empty()
        assert not changed_window(encode_window(one), "total", Change({VIEWS: -1}, {}), 2).is_empty()
        assert changed_window(encode_window(one), "total", Change({VIEWS: -1}, {0: -1}), 2).is_empty()
        assert not changed_window(None, "total", Change({}, {}, NO_SPEND), 1).is_empty()

    def test_a_window_and_a_notes_counts_come_back(self) -> None:
        window = Window(3, None, list(range(len(COUNTED_NAMES))), [2**40] * len(PEOPLE_NAMES))
        assert decode_window(encode_window(window)) == window
        assert decode_counts(encode_counts([-1, 2**50])) == [-1, 2**50]


class TestShown:
    def test_a_window_without_orders_shows_0_and_no_fields_by_model(self) -> None:
        window = encode_window(changed_window(None, "1d", Change({VIEWS: 1}, {}), 1))
        shown = window_metrics("1d", Row(window, None))
        assert (shown["views"], shown["gmv_fen"], shown["net_gmv_fen"], shown["buyers"]) == (1, 0, 0, 0)
        assert not any(":" in name for name in shown)

    def test_a_small_window_has_neither_people_nor_fields_by_model(self) -> None:
        window = encode_window(changed_window(None, "1h", Change({VIEWS: 1}, {}), 1))
        orders = no_orders(has_people=False)
        orders.plain[GMV_PLAIN] = 7
        shown = window_metrics("1h", Row(window, encode_orders(orders)))
        assert shown["gmv_fen"] == shown["net_gmv_fen"] == 7
        assert set(shown) == set(window_metrics("1h", Row(window, None)))
        assert "buyers" not in shown

    def test_a_note_has_no_field_for_what_belongs_to_none(self) -> None:
        row = Row(encode_counts(list(range(len(COUNTED_NAMES)))), None)
        shown = note_counts(row) | note_orders(row)
        assert (shown["likes"], shown["gmv_fen"], shown["net_gmv_fen"]) == (LIKES, 0, 0)
        noteless = {"coupon_claims", "coupon_redemptions", "coupon_gmv_fen", "refunds", "repurchases"}
        assert noteless.isdisjoint(shown)
        orders = no_orders(has_people=False)
        orders.plain[GMV_PLAIN] = 7
        row = Row(row.value, encode_orders(orders))
        assert note_counts(row) | note_orders(row) == shown | {"gmv_fen": 7, "net_gmv_fen": 7}


class TestStartIndex:
    def test_windows_are_found_by_size_and_start(self) -> None:
        index = StartIndex()
        for key in (
            ("c1", "1h", 0),
            ("c2", "1h", 0),
            ("c1", "1h", HOUR_MS),
            ("c1", "1d", 0),
            ("c1", "total", 0),
        ):
            index.add(key, pack_key(key))
        assert sorted(index.starts("1h")) == [0, HOUR_MS]
        assert list(index.at("1h", 0)) == [b"c1|1h|0", b"c2|1h|0"]
        assert index.starts("1m") == []
        assert index.starts("total") == []
        assert index.at("1d", DAY_MS) == {}

    def test_a_window_that_is_no_more_is_not_found(self) -> None:
        index = StartIndex()
        index.add(("c1", "1h", 0), b"c1|1h|0")
        index.remove(("c1", "1h", 0), b"c1|1h|0")
        index.remove(("c1", "1h", HOUR_MS), b"c1|1h|3600000")
        assert list(index.at("1h", 0)) == []

    def test_those_of_a_start_are_taken_out_together(self) -> None:
        index = StartIndex()
        index.add(("c1", "1m", 0), b"c1|1m|0")
        assert list(index.pop("1m", 0)) == [b"c1|1m|0"]
        assert index.pop("1m", 0) == {}
        assert index.starts("1m") == []
