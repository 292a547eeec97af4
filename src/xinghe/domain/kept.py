"""Cells that stay when the rows they stood for are dropped: what was counted stays counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xinghe.domain.counted import SEGMENT_BYTES, any_day, cells_in, has_cell, without_days_before
from xinghe.domain.journey import Journey

SEGMENTS_COMPACT: Final = 8
"""From so many segments on, each time their number has doubled, cells of days that are past become one per campaign."""


def is_kept(journey: Journey, cell: bytes) -> bool:
    """Whether a dropped row left the cell (7 bytes), or for the first 5 bytes of one, a cell of any day."""
    return journey.kept is not None and any(has_cell(segment, cell) for segment in journey.kept)


def not_kept(journey: Journey, cells: set[bytes]) -> set[bytes]:
    """Those of many cells, or first 5 bytes of some, of which `is_kept` says no, by one look at what is kept."""
    if not cells or journey.kept is None:
        return cells
    kept = {cell for segment in journey.kept for cell in cells_in(segment)}
    return cells - kept - {any_day(cell) for cell in kept}


def keep_cell(journey: Journey, cell: bytes, oldest_day: int) -> Iterable[int]:
    """Keep a cell; answers the indexes of the segments that changed.

    ``oldest_day`` is the first that an event can still concern: the days of cells before it may be forgotten.
    """
    if is_kept(journey, cell):
        return ()
    segments = journey.kept
    if segments is None:
        segments = journey.kept = []
    if segments and len(segments[-1]) < SEGMENT_BYTES:
        segments[-1] += cell
        return (len(segments) - 1,)
    segments.append(cell)
    if len(segments) >= SEGMENTS_COMPACT and len(segments) & (len(segments) - 1) == 0:
        journey.kept = without_days_before(segments, oldest_day)
        return range(len(segments))
    return (len(segments) - 1,)
