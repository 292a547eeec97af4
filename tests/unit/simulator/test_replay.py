from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from xinghe.domain.events import SOURCE_EVENTS, CartAdded, NoteLiked, NoteViewed, OrderPaid
from xinghe.simulator.record import Record
from xinghe.simulator.replay import (
    BehaviorCounts,
    MalformedRow,
    Replay,
    UnreadableFileError,
    price_fen,
)

HEADER = b"user_id,item_id,category_id,behavior,timestamp\n"
ROWS = b"1,20,300,pv,1511658000\n1,20,300,fav,1511658001\n1,20,300,cart,1511658060\n2,21,300,buy,1511661600\n"


def read(path: Path, speed: float | None = None) -> tuple[list[Record], list[MalformedRow]]:
    malformed: list[MalformedRow] = []
    return list(Replay(path, malformed.append).records(5_000, speed)), malformed


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "data.csv"
        path.write_bytes(content)
        return path

    return write


def test_each_behaviour_becomes_its_event(csv_file: Callable[[bytes], Path]) -> None:
    records, malformed = read(csv_file(HEADER + ROWS))
    events = [
        msgspec.json.decode(record.value or b"", type=SOURCE_EVENTS[record.topic]) for record in records
    ]
    ids = [record.event["event_id"] for record in records]
    touch: dict[str, Any] = {
        "note_id": "tb-i20",
        "shop_id": "tb-s300",
        "campaign_id": "tb-c300",
        "item_id": "tb-i20",
    }
    wanted = {"shop_id": "tb-s300", "item_id": "tb-i20"}
    assert not malformed
    assert events == [
        NoteViewed(ids[0], "tb-u1", 1_511_658_000_000, **touch),
        NoteLiked(ids[1], "tb-u1", 1_511_658_001_000, **touch),
        CartAdded(ids[2], "tb-u1", 1_511_658_060_000, **wanted, quantity=1),
        OrderPaid(
            ids[3], "tb-u2", 1_511_661_600_000, "tb-s300", f"o-{ids[3]}", "tb-i21", amount_fen=price_fen(21)
        ),
    ]
    assert [record.key for record in records] == [b"tb-u1", b"tb-u1", b"tb-u1", b"tb-u2"]


def test_gzip_plain_and_no_header_are_told_by_content(csv_file: Callable[[bytes], Path]) -> None:
    plain, _ = read(csv_file(HEADER + ROWS))
    packed, _ = read(csv_file(gzip.compress(HEADER + ROWS)))
    crlf, _ = read(csv_file((HEADER + ROWS).replace(b"\n", b"\r\n")))
    bare, malformed = read(csv_file(ROWS))
    assert plain == packed == crlf
    assert len(bare) == 4
    assert not malformed


def test_a_second_replay_has_the_same_ids_and_equal_rows_have_different_ones(
    csv_file: Callable[[bytes], Path],
) -> None:
    path = csv_file(HEADER + b"1,2,3,pv,4\n1,2,3,pv,4\n")
    first, second = read(path)[0], read(path)[0]
    assert first == second
    assert len({record.event["event_id"] for record in first}) == 2


def test_rows_of_another_file_have_other_ids(csv_file: Callable[[bytes], Path]) -> None:
    one = read(csv_file(HEADER + b"1,2,3,pv,4\n"))[0][0].event["event_id"]
    other = read(csv_file(HEADER + b"1,2,3,pv,5\n"))[0][0].event["event_id"]
    assert one != other


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b"1,2,3,pv\n", "4 columns; expected 5"),
        (b"1,2,3,look,4\n", "behavior is 'look'; expected one of pv, fav, cart, buy"),
        (b"1,x:y,3,pv,4\n", "item_id is 'x:y'; expected 1 to 20 digits"),
        (b"1,2,,pv,4\n", "category_id is ''"),
        (b"1,2,3,pv,-4\n", "timestamp is '-4'"),
        (b"1,2,3,pv,99999999999999\n", "timestamp is 99999999999999; expected seconds"),
        (b"1,\xff,3,pv,4\n", "not ASCII"),
        (b"\n", "1 columns"),
    ],
)
def test_a_malformed_row_is_reported_with_its_line_and_the_others_go_on(
    csv_file: Callable[[bytes], Path], row: bytes, problem: str
) -> None:
    records, malformed = read(csv_file(HEADER + ROWS + row + ROWS))
    assert len(records) == 8
    assert [line.line_number for line in malformed] == [6]
    assert problem in malformed[0].problem


def test_speed_divides_the_pauses_of_the_data(csv_file: Callable[[bytes], Path]) -> None:
    path = csv_file(HEADER + ROWS)
    assert [record.send_at_ms for record in read(path, speed=60)[0]] == [5_000, 5_016, 6_000, 65_000]
    assert {record.send_at_ms for record in read(path, speed=None)[0]} == {5_000}


@pytest.mark.parametrize("cut", [10, 40])
def test_a_file_that_is_cut_off_is_named(csv_file: Callable[[bytes], Path], cut: int) -> None:
    path = csv_file(gzip.compress(HEADER + ROWS)[:cut])
    with pytest.raises(UnreadableFileError, match=r"data\.csv cannot be read to its end"):
        read(path)


def test_counts_are_by_behaviour(csv_file: Callable[[bytes], Path]) -> None:
    counts = BehaviorCounts()
    for record in read(csv_file(HEADER + ROWS + b"1,2,3,pv,4\n"))[0]:
        counts.add(record)
    assert counts.to_dict() == {"pv": 2, "fav": 1, "cart": 1, "buy": 1}


def test_prices_stay_between_10_and_1000_yuan() -> None:
    prices = [price_fen(item_id) for item_id in range(1, 5_000)]
    assert min(prices) >= 990
    assert max(prices) <= 99_990
    assert len(set(prices)) > 3_500
