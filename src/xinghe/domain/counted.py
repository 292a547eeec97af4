"""What a person has been counted for: packed cells of (campaign, people metric, day).

Views are far too many to look through for "has this person seen this campaign today, or ever", so each first view of a
campaign and day leaves a cell of 7 bytes. Rows that are dropped from a journey leave one as well: what was counted
stays counted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from xinghe.domain.windows import DAY_MS, SHANGHAI_OFFSET_MS

_CELL: Final = struct.Struct("<IBH")
CELL_BYTES: Final = _CELL.size
SEGMENT_BYTES: Final = 64 * CELL_BYTES
_PREFIX_BYTES: Final = 5
pack_cell = _CELL.pack


def day_number(time_ms: int) -> int:
    """The number of a day by the calendar of Asia/Shanghai, 1 for 1970-01-01: 0 stands for campaign-to-date.

    >>> day_number(1_700_000_000_000)
    19677
    """
    return (time_ms + SHANGHAI_OFFSET_MS) // DAY_MS + 1


def day_start_ms(day: int) -> int:
    """The first millisecond of a day."""
    return (day - 1) * DAY_MS - SHANGHAI_OFFSET_MS


def has_cell(cells: bytes, cell: bytes) -> bool:
    """Whether a cell (7 bytes), or the first 5 bytes of one, is among packed cells."""
    position = cells.find(cell)
    while position >= 0:
        if position % CELL_BYTES == 0:
            return True
        position = cells.find(cell, position + 1)
    return False


def cells_in(cells: bytes) -> Iterator[bytes]:
    """The cells of a segment, one by one."""
    return (cells[at : at + CELL_BYTES] for at in range(0, len(cells), CELL_BYTES))


def unpack_cell(cell: bytes) -> tuple[int, int, int]:
    """Campaign, metric and day of a cell; day 0, to date, for the first 5 bytes of one."""
    campaign, metric, day = _CELL.unpack(cell.ljust(CELL_BYTES, b"\0"))
    return campaign, metric, day


def any_day(cell: bytes) -> bytes:
    """The part of a cell that cells of all days share."""
    return cell[:_PREFIX_BYTES]


def without_days_before(segments: list[bytes], day: int) -> list[bytes]:
    """New segments in which all cells of days before ``day`` became one of day 0 per campaign and metric."""
    cells: dict[bytes, None] = {}
    for segment in segments:
        for campaign, metric, cell_day in _CELL.iter_unpack(segment):
            cells[pack_cell(campaign, metric, cell_day if cell_day >= day else 0)] = None
    packed = b"".join(cells)
    return [packed[at : at + SEGMENT_BYTES] for at in range(0, len(packed), SEGMENT_BYTES)]
