"""How deep a person is in the audiences of campaigns: packed rows, and the stages that follow (ARCHITECTURE.md, R15).

A row is 4 bytes of key and 1 of facts. There is one for each campaign and shop (an *audience*) that the person has
touched, without facts, and one for each shop in which more than a view has happened, with what has. Which stage a
campaign counts the person in follows from the rows alone, and rows are only ever added to.

The stages are those of the AIPS model that Xiaohongshu published at its WILL business conference on 18 December 2024;
which events lead to which stage is our own choice.
"""

from __future__ import annotations

import struct
from typing import Final

from xinghe.domain.touch import KINDS

INTERESTED: Final = 1
DEEPLY_INTERESTED: Final = 2
PAID: Final = 4
SHARED: Final = 8

AWARE: Final = 0
INTEREST: Final = 1
DEEP_INTEREST: Final = 2
PURCHASE: Final = 3
SHARE: Final = 4
"""The stages, as `metrics.AUDIENCE_NAMES`."""

_FACTS: Final = {
    "view": 0,
    "like": INTERESTED,
    "comment": INTERESTED,
    "collect": INTERESTED,
    "share": SHARED,
    "follow": INTERESTED,
    "ad_click": DEEPLY_INTERESTED,
    "coupon_claim": DEEPLY_INTERESTED,
}
FACTS_OF_KIND: Final = tuple(_FACTS[kind] for kind in KINDS)
"""What a touch of each kind says of its shop."""

_ROW: Final = struct.Struct("<IB")
ROW_BYTES: Final = _ROW.size
_KEY_BYTES: Final = 4


unpack_rows = _ROW.iter_unpack


def stage_of(facts: int) -> int:
    """The deepest stage that facts of a shop lead to.

    >>> [stage_of(facts) for facts in (0, SHARED, INTERESTED | DEEPLY_INTERESTED, PAID, PAID | SHARED)]
    [0, 1, 2, 3, 4]
    """
    if facts & PAID:
        return SHARE if facts & SHARED else PURCHASE
    if facts & DEEPLY_INTERESTED:
        return DEEP_INTEREST
    return INTEREST if facts else AWARE


STAGE_OF: Final = tuple(stage_of(facts) for facts in range(16))
"""`stage_of` all facts."""


def audience_row(number: int) -> bytes:
    """The row of an audience; its key is even, and never 0, which nearly every row holds at some place."""
    return _ROW.pack(2 * number + 2, 0)


def shop_key(number: int) -> bytes:
    """The key of a shop's row: odd."""
    return (2 * number + 3).to_bytes(_KEY_BYTES, "little")


def row_at(rows: bytes, key: bytes) -> int:
    """Where the row of a key (or a whole row) begins, -1 without one."""
    position = rows.find(key)
    while position >= 0 and position % ROW_BYTES:
        position = rows.find(key, position + 1)
    return position


def facts_of(rows: bytes, key: bytes) -> int:
    """The facts in the row of a key, 0 without one."""
    position = row_at(rows, key)
    return rows[position + _KEY_BYTES] if position >= 0 else 0


def with_row(rows: bytes, row: bytes) -> bytes:
    """The rows with that of a row's key, and its facts added to it."""
    position = row_at(rows, row[:_KEY_BYTES])
    if position < 0:
        return rows + row
    at = position + _KEY_BYTES
    return rows[:at] + bytes((rows[at] | row[_KEY_BYTES],)) + rows[at + 1 :]


def audiences_in(rows: bytes) -> list[int]:
    """The numbers of the audiences that have a row."""
    return [(key >> 1) - 1 for key, _ in unpack_rows(rows) if not key & 1]


def facts_by_shop(rows: bytes) -> dict[int, int]:
    """The facts of each shop that has a row, by its number."""
    return {(key >> 1) - 1: facts for key, facts in unpack_rows(rows) if key & 1}
