"""Cells of 7 bytes: found where they stand only, and the past folded into one."""

from __future__ import annotations

from xinghe.domain.counted import (
    CELL_BYTES,
    SEGMENT_BYTES,
    any_day,
    day_number,
    day_start_ms,
    has_cell,
    pack_cell,
    without_days_before,
)
from xinghe.domain.windows import DAY_MS, start_ms

MIDNIGHT_MS = 1_740_758_400_000
VIEWERS, BUYERS = 0, 3


def test_a_day_has_the_number_of_its_window() -> None:
    for time_ms in (MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS - 1):
        assert day_start_ms(day_number(time_ms)) == start_ms("1d", time_ms) == MIDNIGHT_MS
    assert day_number(MIDNIGHT_MS - 1) == day_number(MIDNIGHT_MS) - 1


def test_a_cell_is_found_among_others() -> None:
    cells = pack_cell(1, VIEWERS, 100) + pack_cell(2, BUYERS, 101)
    assert has_cell(cells, pack_cell(2, BUYERS, 101))
    assert not has_cell(cells, pack_cell(2, BUYERS, 100))
    assert not has_cell(cells, pack_cell(2, VIEWERS, 101))
    assert not has_cell(b"", pack_cell(1, VIEWERS, 100))


def test_a_cell_of_any_day_is_found_by_campaign_and_metric() -> None:
    cells = pack_cell(1, VIEWERS, 100)
    assert has_cell(cells, any_day(pack_cell(1, VIEWERS, 7)))
    assert not has_cell(cells, any_day(pack_cell(1, BUYERS, 100)))


def test_bytes_that_lie_across_two_cells_are_no_cell() -> None:
    """`find` meets them first, and must go on to the true one behind."""
    straddled = pack_cell(0x0201, 0x04, 0x0605) + pack_cell(0x0A090807, 0x0B, 0x0D0C)
    across = straddled[3 : 3 + CELL_BYTES]
    assert across in straddled
    assert not has_cell(straddled, across)
    assert has_cell(straddled + across, across)


def test_days_of_the_past_become_one_cell_per_campaign_and_metric() -> None:
    cells = [pack_cell(1, VIEWERS, day) for day in (98, 99, 100, 101)] + [pack_cell(1, BUYERS, 99)]
    kept = b"".join(without_days_before([b"".join(cells[:2]), b"".join(cells[2:])], 100))
    assert len(kept) == 4 * CELL_BYTES
    for cell in (
        pack_cell(1, VIEWERS, 0),
        pack_cell(1, VIEWERS, 100),
        pack_cell(1, VIEWERS, 101),
        pack_cell(1, BUYERS, 0),
    ):
        assert has_cell(kept, cell)
    assert has_cell(kept, any_day(pack_cell(1, BUYERS, 99)))


def test_segments_stay_of_one_size() -> None:
    segments = without_days_before([pack_cell(number, VIEWERS, 100) for number in range(136)], 100)
    assert [len(segment) for segment in segments] == [SEGMENT_BYTES, SEGMENT_BYTES, 8 * CELL_BYTES]
