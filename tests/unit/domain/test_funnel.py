"""Windows of a campaign: how a commit's changes reach them (R6 to R8)."""

from __future__ import annotations

import pytest

from xinghe.domain.counted import day_number
from xinghe.domain.funnel import (
    Change,
    Changes,
    StartIndex,
    Window,
    changed_window,
    decode_counts,
    decode_window,
    encode_counts,
    encode_window,
    pack_key,
    unpack_key,
)
from xinghe.domain.metrics import COUNTED_INDEX, COUNTED_NAMES, PEOPLE_NAMES
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS

MIDNIGHT_MS = 1_740_758_400_000
MINUTE = MIDNIGHT_MS // MINUTE_MS
VIEWS, LIKES = COUNTED_INDEX["views"], COUNTED_INDEX["likes"]


class TestKeys:
    @pytest.mark.parametrize("campaign_id", ["c1", "organic:s1", "unattributed:s|1", "星"])
    def test_a_key_comes_back(self, campaign_id: str) -> None:
        assert unpack_key(pack_key((campaign_id, "1d", -28_800_000))) == (campaign_id, "1d", -28_800_000)


class TestChanges:
    def test_a_minute_counts_in_every_size(self) -> None:
        changes = Changes()
        changes.add_counts("c1", [(None, MINUTE + 61, VIEWS, 2)])
        at = MIDNIGHT_MS + HOUR_MS
        expected = [("1m", at + MINUTE_MS), ("1h", at), ("1d", MIDNIGHT_MS), ("total", 0)]
        windows = changes.by_window()
        assert set(windows) == {("c1", size, start) for size, start in expected}
        assert all(change.counted == {VIEWS: 2} for change in windows.values())

    def test_what_came_in_pieces_is_added_up(self) -> None:
        changes = Changes()
        changes.add_counts(
            "c1", [("n1", MINUTE, VIEWS, 2), ("n2", MINUTE, VIEWS, 3), ("n1", MINUTE, LIKES, 1)]
        )
        changes.add_counts("c1", [("n1", MINUTE, VIEWS, -1), ("n1", MINUTE + 60 * 24, VIEWS, 1)])
        windows = changes.by_window()
        assert windows["c1", "1m", MIDNIGHT_MS].counted == {VIEWS: 4, LIKES: 1}
        assert windows["c1", "1d", MIDNIGHT_MS].counted == {VIEWS: 4, LIKES: 1}
        assert windows["c1", "total", 0].counted == {VIEWS: 5, LIKES: 1}
        assert changes.notes == {("c1", "n1"): {VIEWS: 2, LIKES: 1}, ("c1", "n2"): {VIEWS: 3}}

    def test_what_has_no_note_counts_for_none(self) -> None:
        changes = Changes()
        changes.add_counts("c1", [(None, MINUTE, VIEWS, 1)])
        assert not changes.notes

    def test_people_are_counted_per_day_and_to_date(self) -> None:
        changes = Changes()
        changes.add_people("c1", day_number(MIDNIGHT_MS), 0, 1)
        changes.add_people("c1", 0, 0, 1)
        changes.add_people("c1", 0, 3, -1)
        windows = changes.by_window()
        assert windows["c1", "1d", MIDNIGHT_MS].people == {0: 1}
        assert windows["c1", "total", 0].people == {0: 1, 3: -1}
        assert len(windows) == 2

    def test_spend_counts_from_the_hour_up(self) -> None:
        changes = Changes()
        changes.add_spend("c1", MIDNIGHT_MS + HOUR_MS, 500)
        changes.add_spend("c1", MIDNIGHT_MS + HOUR_MS, -100)
        assert {key[1:]: change.spend_fen for key, change in changes.by_window().items()} == {
            ("1h", MIDNIGHT_MS + HOUR_MS): 400,
            ("1d", MIDNIGHT_MS): 400,
            ("total", 0): 400,
        }

    def test_spend_of_0_is_a_change(self) -> None:
        changes = Changes()
        assert not changes
        changes.add_spend("c1", MIDNIGHT_MS, 0)
        assert changes
        assert changes.by_window()["c1", "total", 0].spend_fen == 0


class TestChangedWindow:
    def test_a_new_window_starts_at_0_with_people_where_the_size_has_them(self) -> None:
        minute = changed_window(None, "1m", Change({VIEWS: 1}, {}), 7)
        assert (minute.version, minute.counted[VIEWS], sum(minute.counted)) == (7, 1, 1)
        assert (minute.people, minute.spend_fen) == (None, None)
        for size in ("1d", "total"):
            assert changed_window(None, size, Change({}, {0: 1}), 7).people == [1, 0, 0, 0]

    def test_a_known_window_is_changed_and_has_the_new_version(self) -> None:
        before = changed_window(None, "1d", Change({VIEWS: 3}, {0: 2}, 100), 1)
        after = changed_window(encode_window(before), "1d", Change({VIEWS: -1, LIKES: 1}, {0: -1}, -40), 2)
        assert (after.version, after.counted[VIEWS], after.counted[LIKES]) == (2, 2, 1)
        assert (after.people, after.spend_fen) == ([1, 0, 0, 0], 60)

    def test_spend_stays_unknown_until_it_is_reported(self) -> None:
        assert changed_window(None, "1h", Change({VIEWS: 1}, {}), 1).spend_fen is None
        assert changed_window(None, "1h", Change({}, {}, 0), 1).spend_fen == 0

    def test_a_window_in_which_all_is_0_is_empty_unless_spend_is_known(self) -> None:
        one = changed_window(None, "total", Change({VIEWS: 1}, {0: 1}), 1)
        assert not one.is_empty()
        assert not changed_window(encode_window(one), "total", Change({VIEWS: -1}, {}), 2).is_empty()
        assert changed_window(encode_window(one), "total", Change({VIEWS: -1}, {0: -1}), 2).is_empty()
        assert not changed_window(None, "total", Change({}, {}, 0), 1).is_empty()

    def test_a_window_and_a_notes_counts_come_back(self) -> None:
        window = Window(3, None, list(range(len(COUNTED_NAMES))), [2**40] * len(PEOPLE_NAMES))
        assert decode_window(encode_window(window)) == window
        assert decode_counts(encode_counts([-1, 2**50])) == [-1, 2**50]


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
