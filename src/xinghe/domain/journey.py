"""A person's journey: the packed data, its parts in the changelog, and how they come back.

The rules that work on it are in `domain/journey_rules.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec import Struct, msgpack

from xinghe.domain.touch import hashes_in, touch_count

TOUCHES: Final = 0
KEPT: Final = 1
CONVERSIONS: Final = 2
ORDERS: Final = 3

CONVERSION_KINDS: Final = ("store_visit", "favorite", "cart_add")
STORE_VISIT: Final = 0
FAVORITE: Final = 1
CART_ADD: Final = 2

_CONVERSION: Final = struct.Struct("<QqIIB")
CONVERSION_BYTES: Final = _CONVERSION.size
pack_conversion = _CONVERSION.pack
conversion_rows = _CONVERSION.iter_unpack
"""The conversions of a segment as plain tuples, for loops over many."""
FINGERPRINT_BYTES: Final = 4


class Conversion(NamedTuple):
    """A store visit, favourite or cart addition; ``credited`` is the source number that it counts under."""

    event_hash: int
    time_ms: int
    target: int
    credited: int
    kind: int


class Order(Struct, array_like=True, gc=False):
    """A paid order and its credit. ``touch_*`` are ``None`` where no touch reaches it."""

    order_id: str
    event_id: bytes
    event_hash: int
    time_ms: int
    target: int
    amount_fen: int
    credited: int
    revision: int
    touch_time_ms: int | None = None
    touch_event_id: bytes | None = None
    touch_kind: int | None = None
    refunded_fen: int = 0


class Journey(Struct, gc=False):
    """What is kept of one person.

    ``touches``, ``kept`` and ``conversions`` are segments of packed rows of which the last is open, the others closed;
    ``first_touches`` and so on is the absolute number of a list's first element, since the oldest go in time.
    ``counted`` are the cells (`domain/counted.py`) of the views in ``touches``, found again from them and so not in the
    changelog; ``kept`` are the cells of rows that were dropped.
    ``fingerprints`` holds the first bytes of every event's hash, and may still hold those of dropped ones: what is not in
    it is no duplicate, and one look at it replaces one at each segment. It is not in the changelog either.
    ``last_conversion_ms`` is not before any conversion or order, -1 without one; a touch after it changes no credit.
    ``views_from`` is the index of the first touch segment that may hold views.
    """

    touches: list[bytes]
    counted: bytes = b""
    fingerprints: bytes = b""
    kept: list[bytes] | None = None
    conversions: list[bytes] | None = None
    orders: list[Order] | None = None
    first_touches: int = 0
    first_conversions: int = 0
    first_orders: int = 0
    last_conversion_ms: int = -1
    events: int = 0
    views_from: int = 0


def part_number(group: int, index: int) -> int:
    """The number of a part in the changelog: ``index`` is absolute, counted from the journey's beginning."""
    return index << 2 | group


def conversions_in(segment: bytes) -> Iterator[Conversion]:
    """The conversions of a segment, in the order they came."""
    return map(Conversion._make, _CONVERSION.iter_unpack(segment))


class JourneyCodec:
    """Journeys as changelog parts: one per segment, one per order."""

    def __init__(self) -> None:
        self._encode_order = msgpack.Encoder().encode
        self._decode_order = msgpack.Decoder(Order).decode

    def parts(self, journey: Journey) -> Iterator[int]:
        """The numbers of all parts."""
        for index in range(len(journey.touches)):
            yield part_number(TOUCHES, journey.first_touches + index)
        for index in range(len(journey.kept or ())):
            yield part_number(KEPT, index)
        for index in range(len(journey.conversions or ())):
            yield part_number(CONVERSIONS, journey.first_conversions + index)
        for index in range(len(journey.orders or ())):
            yield part_number(ORDERS, journey.first_orders + index)

    def encode(self, journey: Journey, part: int) -> bytes | None:
        """One part, ``None`` where it was dropped."""
        group, index = part & 3, part >> 2
        if group == TOUCHES:
            # Once per event, hence without a call.
            index -= journey.first_touches
            return (journey.touches[index] or None) if 0 <= index < len(journey.touches) else None
        if group == KEPT:
            return _segment(journey.kept or [], index)
        if group == CONVERSIONS:
            return _segment(journey.conversions or [], index - journey.first_conversions)
        orders = journey.orders or []
        index -= journey.first_orders
        return self._encode_order(orders[index]) if 0 <= index < len(orders) else None

    def assemble(self, parts: dict[int, bytes]) -> Journey:
        """A journey from all its parts."""
        groups: tuple[list[tuple[int, bytes]], ...] = ([], [], [], [])
        for part in sorted(parts):
            groups[part & 3].append((part >> 2, parts[part]))
        touches, kept, conversions, orders = groups
        journey = Journey(
            touches=_filled(touches),
            kept=[data for _, data in kept] or None,
            conversions=_filled(conversions) if conversions else None,
            orders=[self._decode_order(data) for _, data in orders] if orders else None,
            first_touches=touches[0][0] if touches else 0,
            first_conversions=conversions[0][0] if conversions else 0,
            first_orders=orders[0][0] if orders else 0,
        )
        times = [row.time_ms for segment in journey.conversions or () for row in conversions_in(segment)]
        times += [order.time_ms for order in journey.orders or ()]
        journey.last_conversion_ms = max(times, default=-1)
        journey.events = len(times) + sum(map(touch_count, journey.touches))
        journey.fingerprints = fingerprints_of(journey)
        return journey


def fingerprints_of(journey: Journey) -> bytes:
    """The fingerprints of the events that the journey holds."""
    hashes = [event_hash for segment in journey.touches for event_hash in hashes_in(segment)]
    hashes += [
        row.event_hash.to_bytes(8, "little")
        for segment in journey.conversions or ()
        for row in conversions_in(segment)
    ]
    hashes += [order.event_hash.to_bytes(8, "little") for order in journey.orders or ()]
    return b"".join(event_hash[:FINGERPRINT_BYTES] for event_hash in hashes)


def _segment(segments: list[bytes], index: int) -> bytes | None:
    """The segment, ``None`` where it is gone or empty."""
    return (segments[index] or None) if 0 <= index < len(segments) else None


def _filled(segments: list[tuple[int, bytes]]) -> list[bytes]:
    """The segments in order of their numbers, with empty ones where segments in between were emptied."""
    first = segments[0][0] if segments else 0
    filled = [b""] * (segments[-1][0] - first + 1) if segments else []
    for index, data in segments:
        filled[index - first] = data
    return filled
