"""A person's journey: the packed data, its parts in the changelog, and how they come back.

The rules that work on it are in `domain/journey_rules.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from msgspec import Struct, msgpack

from xinghe.domain.order import Claim, Order, Refund
from xinghe.domain.touch import hashes_in, touch_count

TOUCHES: Final = 0
KEPT: Final = 1
CONVERSIONS: Final = 2
ORDERS: Final = 3
CLAIMS: Final = 4
WAITING: Final = 5
AUDIENCE: Final = 6
GROUP_BITS: Final = 3

CONVERSION_KINDS: Final = ("store_visit", "favorite", "cart_add")
STORE_VISIT: Final = 0
FAVORITE: Final = 1
CART_ADD: Final = 2

_CONVERSION: Final = struct.Struct("<QqIIB")
CONVERSION_BYTES: Final = _CONVERSION.size
pack_conversion = _CONVERSION.pack
conversion_rows = _CONVERSION.iter_unpack
"""The conversions of a segment as plain tuples, for loops over many."""
UNCREDITED: Final = 2**32 - 1
"""Stands for the source that a conversion is credited to until its journey is settled, before each commit."""
FINGERPRINT_BYTES: Final = 4

_GROUP_MASK: Final = (1 << GROUP_BITS) - 1
_Part = TypeVar("_Part")


class Conversion(NamedTuple):
    """A store visit, favourite or cart addition; ``credited`` is the source number that it counts under, or `UNCREDITED`."""

    event_hash: int
    time_ms: int
    target: int
    credited: int
    kind: int


class Journey(Struct, gc=False):
    """What is kept of one person.

    ``touches``, ``kept`` and ``conversions`` are segments of packed rows of which the last is open, the others closed;
    ``first_touches`` and so on is the absolute number of a list's first element, since the oldest go in time.
    ``counted`` are the cells (`domain/counted.py`) of the views in ``touches``, found again from them and so not in the
    changelog; ``kept`` are the cells of rows that were dropped. ``waiting`` are refunds whose orders have not come.
    ``fingerprints`` holds the first bytes of every event's hash, and may still hold those of dropped ones: what is not in
    it is no duplicate, and one look at it replaces one at each segment. It is not in the changelog either.
    ``last_conversion_ms`` is not before any conversion or order, -1 without one; a touch after it changes no credit.
    ``views_from`` is the index of the first touch segment that may hold views.
    ``audience`` are the rows of `domain/audience.py`; like ``counted`` it is found again, but for what it was when events
    were dropped last, which is ``audience_kept``.
    """

    touches: list[bytes]
    counted: bytes = b""
    fingerprints: bytes = b""
    kept: list[bytes] | None = None
    conversions: list[bytes] | None = None
    orders: list[Order] | None = None
    claims: list[Claim] | None = None
    waiting: list[Refund] | None = None
    first_touches: int = 0
    first_conversions: int = 0
    first_orders: int = 0
    first_claims: int = 0
    last_conversion_ms: int = -1
    events: int = 0
    views_from: int = 0
    audience: bytes = b""
    audience_kept: bytes = b""


def part_number(group: int, index: int) -> int:
    """The number of a part in the changelog: ``index`` is absolute, counted from the journey's beginning."""
    return index << GROUP_BITS | group


def conversions_in(segment: bytes) -> Iterator[Conversion]:
    """The conversions of a segment, in the order they came."""
    return map(Conversion._make, _CONVERSION.iter_unpack(segment))


class JourneyCodec:
    """Journeys as changelog parts: one per segment, order and claim, one for all refunds that wait, one of audience rows."""

    def __init__(self) -> None:
        self._encode = msgpack.Encoder().encode
        self._decode_order = msgpack.Decoder(Order).decode
        self._decode_claim = msgpack.Decoder(Claim).decode
        self._decode_waiting = msgpack.Decoder(list[Refund]).decode

    def parts(self, journey: Journey) -> Iterator[int]:
        """The numbers of all parts."""
        for group, first, parts in (
            (TOUCHES, journey.first_touches, journey.touches),
            (KEPT, 0, journey.kept),
            (CONVERSIONS, journey.first_conversions, journey.conversions),
            (ORDERS, journey.first_orders, journey.orders),
            (CLAIMS, journey.first_claims, journey.claims),
        ):
            for index in range(len(parts or ())):
                yield part_number(group, first + index)
        if journey.waiting:
            yield part_number(WAITING, 0)
        if journey.audience_kept:
            yield part_number(AUDIENCE, 0)

    def encode(self, journey: Journey, part: int) -> bytes | None:
        """One part, ``None`` where it was dropped."""
        group, index = part & _GROUP_MASK, part >> GROUP_BITS
        if group == TOUCHES:
            # Once per event, hence without a call.
            index -= journey.first_touches
            return (journey.touches[index] or None) if 0 <= index < len(journey.touches) else None
        if group == KEPT:
            return _at(journey.kept, index) or None
        if group == CONVERSIONS:
            return _at(journey.conversions, index - journey.first_conversions) or None
        if group == WAITING:
            return self._encode(journey.waiting) if journey.waiting else None
        if group == AUDIENCE:
            return journey.audience_kept or None
        one: Order | Claim | None
        if group == ORDERS:
            one = _at(journey.orders, index - journey.first_orders)
        else:
            one = _at(journey.claims, index - journey.first_claims)
        return None if one is None else self._encode(one)

    def assemble(self, parts: dict[int, bytes]) -> Journey:
        """A journey from all its parts."""
        groups: tuple[list[tuple[int, bytes]], ...] = ([], [], [], [], [], [], [])
        for part in sorted(parts):
            groups[part & _GROUP_MASK].append((part >> GROUP_BITS, parts[part]))
        touches, kept, conversions, orders, claims, waiting, audience = groups
        journey = Journey(
            touches=_filled(touches),
            kept=[data for _, data in kept] or None,
            conversions=_filled(conversions) or None,
            orders=[self._decode_order(data) for _, data in orders] or None,
            claims=[self._decode_claim(data) for _, data in claims] or None,
            waiting=self._decode_waiting(waiting[0][1]) if waiting else None,
            first_touches=_first(touches),
            first_conversions=_first(conversions),
            first_orders=_first(orders),
            first_claims=_first(claims),
            audience_kept=audience[0][1] if audience else b"",
        )
        times = [row.time_ms for segment in journey.conversions or () for row in conversions_in(segment)]
        times += [order.time_ms for order in journey.orders or ()]
        journey.last_conversion_ms = max(times, default=-1)
        refunds = sum(len(order.refunds) for order in journey.orders or ()) + len(journey.waiting or ())
        journey.events = len(times) + refunds + sum(map(touch_count, journey.touches))
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
    refunds = [*(journey.waiting or ()), *(one for order in journey.orders or () for one in order.refunds)]
    hashes += [order.event_hash.to_bytes(8, "little") for order in journey.orders or ()]
    hashes += [refund.event_hash.to_bytes(8, "little") for refund in refunds]
    return b"".join(event_hash[:FINGERPRINT_BYTES] for event_hash in hashes)


def _at(parts: Sequence[_Part] | None, index: int) -> _Part | None:
    """The part, ``None`` where it is gone."""
    return parts[index] if parts is not None and 0 <= index < len(parts) else None


def _first(numbered: list[tuple[int, bytes]]) -> int:
    return numbered[0][0] if numbered else 0


def _filled(segments: list[tuple[int, bytes]]) -> list[bytes]:
    """The segments in order of their numbers, with empty ones where segments in between were emptied."""
    first = segments[0][0] if segments else 0
    filled = [b""] * (segments[-1][0] - first + 1) if segments else []
    for index, data in segments:
        filled[index - first] = data
    return filled
