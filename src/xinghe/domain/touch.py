"""Touches as packed rows: what a journey keeps of what a person did with notes.

A row is 23 bytes and the event id: hash of the id, time, number of the source (`domain/directory.py`), code, length
of the id. The code has the kind in its lowest bits, above them the form: what the event says of the surface and of the
type of the note, which costs no byte more. Rows are appended to small segments that are closed when full, so that an event rewrites little.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, get_args

from xinghe.domain.events import NoteType, Surface

KINDS: Final = ("view", "like", "comment", "collect", "share", "follow", "ad_click", "coupon_claim")
KIND_NUMBER: Final = {name: number for number, name in enumerate(KINDS)}
VIEW: Final = KIND_NUMBER["view"]
AD_CLICK: Final = KIND_NUMBER["ad_click"]
COUPON_CLAIM: Final = KIND_NUMBER["coupon_claim"]

KIND_METRIC: Final = (
    *("views", "likes", "comments", "collects", "shares", "follows", "ad_clicks", "coupon_claims"),
)
"""The metric that a touch of each kind adds 1 to."""

_KIND_MASK: Final = 0b111
_FORM_MASK: Final = 0b11_111_000
SURFACE_FORM: Final[dict[str | None, int]] = {
    surface: number << 3 for number, surface in enumerate((None, *get_args(Surface)))
}
NOTE_TYPE_FORM: Final[dict[str | None, int]] = {
    note_type: number << 6 for number, note_type in enumerate((None, *get_args(NoteType)))
}
"""A surface and a note type to what they are in a touch's form, which is both together; 0 is unknown. Form and kind share the
row's code, each with bits of its own.
"""
FORMS: Final = {
    surface_form | type_form: (surface, note_type)
    for surface, surface_form in SURFACE_FORM.items()
    for note_type, type_form in NOTE_TYPE_FORM.items()
}
"""Form to surface and note type."""

_ROW: Final = struct.Struct("<QqIBH")
pack_row_head = _ROW.pack
ROW_HEAD_BYTES: Final = _ROW.size


class Touch(NamedTuple):
    """One touch; ``event_id`` as UTF-8, ``source`` as its number in the directory, ``kind`` as in `KINDS`, ``form`` as in `FORMS`."""

    time_ms: int
    event_id: bytes
    source: int
    kind: int
    form: int = 0


_new_touch: Final = tuple.__new__
"""Makes a `Touch` at two thirds of the cost of calling it, which goes through a function in Python."""


def touches_in(segment: bytes) -> Iterator[Touch]:
    """The touches of a segment in the order they came."""
    unpack_from = _ROW.unpack_from
    position, end = 0, len(segment)
    while position < end:
        _hash, time_ms, source, code, id_bytes = unpack_from(segment, position)
        position += ROW_HEAD_BYTES
        event_id = segment[position : position + id_bytes]
        yield _new_touch(Touch, (time_ms, event_id, source, code & _KIND_MASK, code & _FORM_MASK))
        position += id_bytes


def sources_in(segment: bytes) -> Iterator[int]:
    """The sources of the touches of a segment, in their order."""
    unpack_from = _ROW.unpack_from
    position, end = 0, len(segment)
    while position < end:
        _hash, _time_ms, source, _code, id_bytes = unpack_from(segment, position)
        position += ROW_HEAD_BYTES + id_bytes
        yield source


def first_time_ms(segment: bytes) -> int:
    """The time of the first touch of a segment that has one."""
    time_ms: int = _ROW.unpack_from(segment)[1]
    return time_ms


def touches_of(segments: Iterable[bytes], shop_of: Sequence[int], shops: Container[int]) -> Iterator[Touch]:
    """The touches of sources of some shops; much cheaper per touch that is of another.

    ``shop_of`` gives the shop number of a source number.
    """
    unpack_from = _ROW.unpack_from
    for segment in segments:
        position, end = 0, len(segment)
        while position < end:
            _hash, time_ms, source, code, id_bytes = unpack_from(segment, position)
            position += ROW_HEAD_BYTES + id_bytes
            if shop_of[source] in shops:
                event_id = segment[position - id_bytes : position]
                yield _new_touch(Touch, (time_ms, event_id, source, code & _KIND_MASK, code & _FORM_MASK))


def hashed_touches_in(segment: bytes) -> Iterator[tuple[int, Touch]]:
    """The touches of a segment, each with the hash of its id."""
    hashes = (int.from_bytes(event_hash, "little") for event_hash in hashes_in(segment))
    return zip(hashes, touches_in(segment), strict=True)


def hashes_in(segment: bytes) -> Iterator[bytes]:
    """The hashes of the touches' ids, 8 bytes each as they stand in the rows."""
    position, end = 0, len(segment)
    while position < end:
        yield segment[position : position + 8]
        position += ROW_HEAD_BYTES + _ROW.unpack_from(segment, position)[4]


def touch_count(segment: bytes) -> int:
    """How many touches a segment holds."""
    count = 0
    position, end = 0, len(segment)
    while position < end:
        position += ROW_HEAD_BYTES + _ROW.unpack_from(segment, position)[4]
        count += 1
    return count


def without_views(segment: bytes) -> tuple[bytes, int]:
    """The segment without its views, and how many views that were."""
    kept = []
    views = 0
    position, end = 0, len(segment)
    while position < end:
        _hash, _time_ms, _source, code, id_bytes = _ROW.unpack_from(segment, position)
        next_position = position + ROW_HEAD_BYTES + id_bytes
        if code & _KIND_MASK == VIEW:
            views += 1
        else:
            kept.append(segment[position:next_position])
        position = next_position
    return b"".join(kept), views
