"""Path counts from CSV: columns ``path``, ``conversions``, and if wanted ``value`` and ``null``.

The form is that of the package ChannelAttribution: a path is written ``first > second > last``, and several lines of
one path add up.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec

from xinghe.domain.attribution.path_counts import PathCount, total

NUMBER_MAX: Final = 2**53
"""Up to here a float holds every whole number."""

COLUMN_TYPES: Final[dict[str, Any]] = {
    "path": str,
    "conversions": Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)],
    "value": Annotated[float, msgspec.Meta(ge=0, le=NUMBER_MAX)],
    "null": Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)],
}
REQUIRED_COLUMNS: Final = ("path", "conversions")
SHOWN_MAX: Final = 60
"""Characters of a wrong cell that an error shows."""


class PathFileError(Exception):
    """The file does not have the form; the message names line and column."""


def read_paths(lines: Iterable[str]) -> dict[tuple[str, ...], PathCount]:
    """The counts by path; read line by line, so that memory is needed for different paths only.

    Raises ``PathFileError`` for the first thing that does not fit, and for a file without paths.

    >>> read_paths(["path,conversions,value", "note > ad,2,30.5", "note>ad,1,10"])
    {('note', 'ad'): PathCount(conversions=3, value=40.5, null=0)}
    """
    rows = csv.reader(lines, strict=True)
    paths: dict[tuple[str, ...], PathCount] = {}
    try:
        columns = _columns(next(rows, []))
        for row in rows:
            if row:  # an empty line is no row
                path, count = _path_count(columns, row)
                paths[path] = total((paths[path], count)) if path in paths else count
    except csv.Error as error:
        raise PathFileError(f"line {rows.line_num}: {error}") from error
    except PathFileError as error:
        raise PathFileError(f"line {max(rows.line_num, 1)}{error}") from error
    if not paths:
        raise PathFileError("line 2: there is no path below the names of the columns")
    return paths


def _columns(names: list[str]) -> list[str]:
    columns = [name.strip() for name in names]
    for name in columns:
        if name not in COLUMN_TYPES or columns.count(name) > 1:
            problem = "is there twice" if name in COLUMN_TYPES else f"is none of {', '.join(COLUMN_TYPES)}"
            raise PathFileError(f", column {_shown(name)}: {problem}")
    for name in REQUIRED_COLUMNS:
        if name not in columns:
            raise PathFileError(f", column {name}: is missing; the first line names the columns")
    return columns


def _path_count(columns: list[str], row: list[str]) -> tuple[tuple[str, ...], PathCount]:
    if len(row) != len(columns):
        raise PathFileError(f": has {len(row)} columns, not {len(columns)} ({', '.join(columns)})")
    cells = {column: _cell(column, text.strip()) for column, text in zip(columns, row, strict=True)}
    # One string for each channel, however often it is named.
    path = tuple(sys.intern(channel.strip()) for channel in cells["path"].split(">"))
    if not all(path):
        raise PathFileError(f", column path: a channel has no name in {_shown(cells['path'])}")
    count = PathCount(cells["conversions"], cells.get("value", 0.0), cells.get("null", 0))
    if count.value and not count.conversions:
        raise PathFileError(f", column value: {count.value:g} without conversions")
    return path, count


def _cell(column: str, text: str) -> Any:
    try:
        return msgspec.convert(text, COLUMN_TYPES[column], strict=False)
    except msgspec.ValidationError as error:
        wanted = "a number" if column == "value" else "a whole number"
        problem = f"{_shown(text)} is not {wanted} from 0 to 2^53"
        raise PathFileError(f", column {column}: {problem}") from error


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…")
