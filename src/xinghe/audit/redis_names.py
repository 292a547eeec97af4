"""Names of the Redis keys as DESIGN.md, section 7, gives them, read back into what they name."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Literal, NamedTuple

CAMPAIGNS: Final = "xinghe:campaigns"
CAMPAIGN_PREFIX: Final = "xinghe:campaign:"

Kind = Literal["window", "windows", "notes", "note"]

_WINDOW: Final = re.compile(r"(1m|1h|1d):(-?\d+)")
_WINDOWS: Final = re.compile(r"windows:(1m|1h|1d)")


class Name(NamedTuple):
    """What a key holds: a window, the list of a size's windows, the list of notes, or a note."""

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
    """
    parts = key.removeprefix(CAMPAIGN_PREFIX).split(":")
    readings = []
    if parts[0] in {"organic", "unattributed"}:
        readings.append(_read(":".join(parts[:2]), ":".join(parts[2:])))
    readings.append(_read(parts[0], ":".join(parts[1:])))
    names = [name for name in readings if name is not None]
    return next((name for name in names if name.campaign_id in campaign_ids), names[0] if names else None)


def _read(campaign_id: str, rest: str) -> Name | None:
    if rest == "total":
        return Name("window", campaign_id, "total")
    if rest == "notes":
        return Name("notes", campaign_id)
    if rest.startswith("note:"):
        return Name("note", campaign_id, note_id=rest.removeprefix("note:"))
    if match := _WINDOWS.fullmatch(rest):
        return Name("windows", campaign_id, match[1])
    if match := _WINDOW.fullmatch(rest):
        return Name("window", campaign_id, match[1], int(match[2]))
    return None


def window_key(campaign_id: str, size: str, start_ms: int) -> str:
    """The key of a window's hash."""
    rest = "total" if size == "total" else f"{size}:{start_ms}"
    return f"{CAMPAIGN_PREFIX}{campaign_id}:{rest}"


def windows_key(campaign_id: str, size: str) -> str:
    """The key of the sorted set of a campaign's window starts."""
    return f"{CAMPAIGN_PREFIX}{campaign_id}:windows:{size}"


def notes_key(campaign_id: str) -> str:
    """The key of the sorted set of a campaign's notes."""
    return f"{CAMPAIGN_PREFIX}{campaign_id}:notes"


def note_key(campaign_id: str, note_id: str) -> str:
    """The key of a note's hash."""
    return f"{CAMPAIGN_PREFIX}{campaign_id}:note:{note_id}"
