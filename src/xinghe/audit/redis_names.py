"""Names of the Redis keys as DESIGN.md, section 7, gives them, and those of notes by day, read back."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Literal, NamedTuple

CAMPAIGNS: Final = "xinghe:campaigns"
CAMPAIGN_PREFIX: Final = "xinghe:campaign:"

Kind = Literal["window", "windows", "notes", "note", "day_notes", "day_note", "guarantee", "ledger"]
SORTED_SETS: Final = frozenset({"windows", "notes", "day_notes"})
"""The kinds that list others; the rest are hashes."""
NOTE_DAY: Final = "noteday"
"""What stands for the size in the names of notes by day."""

_FORMS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("window", re.compile(r"(?P<size>total)")),
    ("window", re.compile(r"(?P<size>1m|1h|1d):(?P<start_ms>-?\d+)")),
    ("windows", re.compile(r"windows:(?P<size>1m|1h|1d|noteday)")),
    ("guarantee", re.compile(r"guarantee")),
    ("ledger", re.compile(r"ledger")),
    ("notes", re.compile(r"notes")),
    ("note", re.compile(r"note:(?P<note_id>.+)", re.DOTALL)),
    ("day_notes", re.compile(r"noteday:(?P<start_ms>-?\d+)")),
    ("day_note", re.compile(r"noteday:(?P<start_ms>-?\d+):(?P<note_id>.+)", re.DOTALL)),
)
"""What follows the campaign in a key."""


class Name(NamedTuple):
    """What a key holds.

    A window, the list of a size's windows (or of the days of notes), the list of notes (of a day), a note (on a day), where
    the guarantee stands, or the copy of the ledger.
    """

    kind: Kind
    campaign_id: str
    size: str = ""
    start_ms: int = 0
    note_id: str = ""


def name_of(key: str, campaign_ids: Collection[str] = ()) -> Name | None:
    """What a key of a campaign names; ``None`` for a key that should not be there.

    ``campaign_ids`` decides where a key can be read in two ways: ids of campaigns have no colon, but for the
    ``organic:`` and ``unattributed:`` ones, which have one.

    >>> name_of("xinghe:campaign:c1:1m:60000")
    Name(kind='window', campaign_id='c1', size='1m', start_ms=60000, note_id='')
    >>> name_of("xinghe:campaign:organic:s1:note:a:b").note_id
    'a:b'
    >>> name_of("xinghe:campaign:c1:noteday:-28800000:n1")
    Name(kind='day_note', campaign_id='c1', size='', start_ms=-28800000, note_id='n1')
    """
    parts = key.removeprefix(CAMPAIGN_PREFIX).split(":")
    readings = []
    if parts[0] in {"organic", "unattributed"}:
        readings.append(_read(":".join(parts[:2]), ":".join(parts[2:])))
    readings.append(_read(parts[0], ":".join(parts[1:])))
    names = [name for name in readings if name is not None]
    return next((name for name in names if name.campaign_id in campaign_ids), names[0] if names else None)


def _read(campaign_id: str, rest: str) -> Name | None:
    for kind, form in _FORMS:
        if match := form.fullmatch(rest):
            parts = match.groupdict()
            size, note_id = parts.get("size", ""), parts.get("note_id", "")
            return Name(kind, campaign_id, size, int(parts.get("start_ms", 0)), note_id)
    return None


def window_key(campaign_id: str, size: str, start_ms: int) -> str:
    """The key of a window's hash."""
    rest = "total" if size == "total" else f"{size}:{start_ms}"
    return f"{CAMPAIGN_PREFIX}{campaign_id}:{rest}"


def windows_key(campaign_id: str, size: str) -> str:
    """The key of the sorted set of a campaign's window starts, or of those of its days of notes."""
    return f"{CAMPAIGN_PREFIX}{campaign_id}:windows:{size}"


def notes_key(campaign_id: str) -> str:
    """The key of the sorted set of a campaign's notes."""
    return f"{CAMPAIGN_PREFIX}{campaign_id}:notes"


def note_key(campaign_id: str, note_id: str) -> str:
    """The key of a note's hash."""
    return f"{CAMPAIGN_PREFIX}{campaign_id}:note:{note_id}"


def day_notes_key(campaign_id: str, start_ms: int) -> str:
    """The key of the sorted set of a campaign's notes of one day."""
    return f"{CAMPAIGN_PREFIX}{campaign_id}:{NOTE_DAY}:{start_ms}"


def day_note_key(campaign_id: str, start_ms: int, note_id: str) -> str:
    """The key of a note's hash of one day."""
    return f"{day_notes_key(campaign_id, start_ms)}:{note_id}"
