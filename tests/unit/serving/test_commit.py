"""Packing a commit for the script."""

from __future__ import annotations

from typing import Any

import msgspec

from xinghe.serving.commit import WRITES_MAX, CommitWrite, ModelsWrite, NoteWrite, WindowWrite, parts


def unpacked(commit: CommitWrite) -> list[list[Any]]:
    return [msgspec.msgpack.decode(part.payload) for part in parts(commit)]


def window(start_ms: int, **fields: int) -> WindowWrite:
    return WindowWrite("c1", "1m", start_ms, fields or {"views": 1}, 1000)


def test_a_small_commit_is_one_part() -> None:
    commit = CommitWrite([window(0), window(60_000)], [NoteWrite("c1", "n1", {"gmv_fen": 7})], ["c1"], 5)
    assert [part.is_last for part in parts(commit)] == [True]
    assert unpacked(commit) == [
        [
            [["c1", "1m", 0, {"views": 1}, 1000, {}], ["c1", "1m", 60_000, {"views": 1}, 1000, {}]],
            [["c1", "n1", {"gmv_fen": 7}, None, None, {}]],
            [5, "c1"],
            '["c1"]',
            [],
            [],
            [],
            [],
        ]
    ]


def test_an_empty_commit_is_one_part_that_publishes_nothing() -> None:
    assert unpacked(CommitWrite([], [], [], 0)) == [[[], [], [], "", [], [], [], []]]


def test_a_large_commit_keeps_order_and_bound() -> None:
    windows = [window(start) for start in range(WRITES_MAX + 3)]
    notes = [NoteWrite("c1", f"n{i}", {"gmv_fen": i}) for i in range(WRITES_MAX)]
    commit = CommitWrite(windows, notes, iter(["c1"]), 5)
    payloads = unpacked(commit)
    assert [part.is_last for part in parts(commit._replace(changed=["c1"]))] == [False, False, True]
    assert all(len(payload[0]) + len(payload[1]) <= WRITES_MAX for payload in payloads)
    assert [window[2] for payload in payloads for window in payload[0]] == list(range(WRITES_MAX + 3))
    assert [note[1] for payload in payloads for note in payload[1]] == [note.note_id for note in notes]
    assert [payload[2] for payload in payloads] == [[5, "c1"], [], []]
    assert [payload[3] for payload in payloads] == ["", "", '["c1"]']


def test_shops_go_with_the_first_part_and_one_that_is_not_known_has_no_name() -> None:
    windows = [window(start) for start in range(WRITES_MAX + 1)]
    payloads = unpacked(CommitWrite(windows, [], [], 5, shops={"c1": "s1", "c2": None}))
    assert [payload[7] for payload in payloads] == [[["c1", "s1"], ["c2", ""]], []]


def test_models_come_after_notes_within_the_bound() -> None:
    notes = [NoteWrite("c1", f"n{i}", {"gmv_fen": i}) for i in range(WRITES_MAX - 1)]
    models = [ModelsWrite(f"s{i}", None if i else "{}") for i in range(3)]
    commit = CommitWrite([], notes, [], 5, models)
    assert [len(payload[1]) for payload in unpacked(commit)] == [WRITES_MAX - 1, 0]
    assert [payload[4] for payload in unpacked(commit)] == [[["s0", "{}"]], [["s1", None], ["s2", None]]]
    assert [part.is_last for part in parts(commit)] == [False, True]


def test_figures_beyond_the_exact_range_of_lua_go_as_text() -> None:
    big, bigger = 2**53 + 1, 2**70
    fields = unpacked(CommitWrite([window(0, gmv_fen=bigger, views=big)], [], [], 0))[0][0][0][3]
    assert fields == {"gmv_fen": str(bigger), "views": str(big)}
    assert unpacked(CommitWrite([window(0, gmv_fen=2**53)], [], [], 0))[0][0][0][3] == {"gmv_fen": 2**53}


def test_figures_of_orders_beyond_it_go_as_text_below_0_as_well() -> None:
    windows = [
        WindowWrite("c1", "1m", 0, {"views": 1}, 1000, {"net_gmv_fen": -(2**53) - 1, "gmv_fen": 5}),
        WindowWrite("c1", "1m", 0, {"views": 1}, 1000, {"net_gmv_fen": -(2**53), "gmv_fen": 2**53}),
        WindowWrite("c1", "1m", 0, {"views": 1}, 1000, {"gmv_fen": 2**53 + 1}),
        WindowWrite("c1", "1m", 0, {"views": 1}, 1000, None),
    ]
    assert [(write[3], write[5]) for write in unpacked(CommitWrite(windows, [], [], 0))[0][0]] == [
        ({"views": 1}, {"net_gmv_fen": str(-(2**53) - 1), "gmv_fen": "5"}),
        ({"views": 1}, {"net_gmv_fen": -(2**53), "gmv_fen": 2**53}),
        ({"views": 1}, {"gmv_fen": str(2**53 + 1)}),
        ({"views": 1}, None),
    ]


def test_a_total_says_itself_when_it_changed() -> None:
    totals = [
        WindowWrite("a", "total", 0, {"version": 1, "updated_ms": 3}),
        WindowWrite("b", "total", 0, {"version": 1}),
        WindowWrite("gone", "total", 0, None),
    ]
    assert unpacked(CommitWrite(totals, [], [], 9))[0][2] == [3, "a", 9, "b"]
