"""A campaign's funnel: its windows, and how deltas and spend add up in them (ARCHITECTURE.md, R9 to R11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct, msgpack

from xinghe.domain.counted import day_start_ms
from xinghe.domain.metrics import (
    AUDIENCE_NAMES,
    COUNTED_NAMES,
    FIRST_AUDIENCE,
    PEOPLE_NAMES,
    SPENT_NAMES,
    shown_counts,
    shown_note_counts,
    shown_note_orders,
    shown_without_orders,
)
from xinghe.domain.orders import FIRST_COUNTED, FIRST_PEOPLE, OrdersChange, add_plain, decode_orders
from xinghe.domain.timeline import Timeline
from xinghe.domain.windows import DAY_MS, MINUTE_MS, SHANGHAI_OFFSET_MS, Size, start_ms

SIZES: Final[tuple[Size, ...]] = ("1m", "1h", "1d", "total")
PEOPLE_SIZES: Final = frozenset({"1d", "total"})
SPEND_SIZES: Final[tuple[Size, ...]] = ("1h", "1d", "total")


class Window(Struct, array_like=True, gc=False):
    """The figures of one window besides those of orders. ``version`` is the number of the commit that changed either last.

    ``spent``, ordered as ``SPENT_NAMES``, is ``None`` until an hour was reported, ``people`` in sizes without distinct people,
    ``audience`` in all but ``total``.
    """

    version: int
    spent: list[int] | None
    counted: list[int]
    people: list[int] | None
    audience: list[int] | None = None

    def is_empty(self) -> bool:
        """Whether nothing is left of what was counted."""
        amounts = (*self.counted, *(self.people or ()), *(self.audience or ()))
        return self.spent is None and not any(amounts)

    def metrics(self) -> dict[str, int]:
        """The figures as topics and Redis show them, without those of orders."""
        return shown_counts(self.counted, self.people, self.spent, self.audience)


class Row(NamedTuple):
    """All figures of a window or note as tables keep them; ``orders`` is ``None`` where there are none."""

    value: bytes
    orders: bytes | None


class Change(Struct, gc=False):
    """What one commit adds to a window: amounts by index of the metric, ``spent`` ordered as ``SPENT_NAMES``."""

    counted: dict[int, int]
    people: dict[int, int]
    spent: list[int] | None = None
    orders: OrdersChange | None = None


WindowKey = tuple[str, Size, int]
"""Campaign, size, start."""
NoteKey = tuple[str, int | None, str]
"""Campaign, start of the day or ``None`` for to date, note."""
NoteDay = tuple[str, int, str]
"""Campaign, number of the day (`counted.day_number`), note."""

encode_window = msgpack.Encoder().encode
decode_window = msgpack.Decoder(Window).decode
encode_counts = msgpack.Encoder().encode
decode_counts = msgpack.Decoder(list[int]).decode

_SHANGHAI_MINUTES: Final = SHANGHAI_OFFSET_MS // MINUTE_MS
_DAY_MINUTES: Final = DAY_MS // MINUTE_MS
_NO_ORDERS: Final = {size: shown_without_orders(has_people=size in PEOPLE_SIZES) for size in SIZES}


def pack_key(key: WindowKey) -> bytes:
    """The key of a window in topics and tables.

    >>> pack_key(("c1", "1h", 3600000))
    b'c1|1h|3600000'
    """
    return f"{key[0]}|{key[1]}|{key[2]}".encode()


def unpack_key(packed: bytes) -> WindowKey:
    """The window that `pack_key` made the key of."""
    campaign_id, size, start = packed.decode().rsplit("|", 2)
    return campaign_id, size, int(start)  # type: ignore[return-value]  # pack_key wrote a size


def pack_note_key(campaign_id: str, day_start: int | None, note_id: str) -> bytes:
    """The key of a note in tables; never that of a window, whose size stands where the day does.

    >>> pack_note_key("c1", 57600000, "n|1"), pack_note_key("c1", None, "n|1")
    (b'c1|57600000|n|1', b'c1||n|1')
    """
    return f"{campaign_id}|{'' if day_start is None else day_start}|{note_id}".encode()


def unpack_note_key(packed: bytes) -> NoteKey:
    """The note that `pack_note_key` made the key of; ids of campaigns have no bar, those of notes may."""
    campaign_id, day, note_id = packed.decode().split("|", 2)
    return campaign_id, int(day) if day else None, note_id


def window_orders(size: Size, orders: bytes | None) -> dict[str, int]:
    """The metrics of a window's orders as topics and Redis show them: 0 where there are none."""
    return _NO_ORDERS[size] if orders is None else decode_orders(orders).metrics()


def window_metrics(size: Size, row: Row) -> dict[str, int]:
    """All metrics of a window as topics and Redis show them."""
    return decode_window(row.value).metrics() | window_orders(size, row.orders)


def note_counts(row: Row) -> dict[str, int]:
    """The metrics of a note as Redis shows them, without those of orders."""
    return shown_note_counts(decode_counts(row.value))


def note_orders(row: Row) -> dict[str, int]:
    """The metrics of a note's orders as Redis shows them: 0 where there are none."""
    return shown_note_orders(None if row.orders is None else decode_orders(row.orders).plain)


class Changes:
    """What came for the campaigns of a task since its last commit, added up."""

    def __init__(self) -> None:
        self._minutes: dict[tuple[str, int], dict[int, int]] = {}
        self._orders: dict[tuple[str, int], dict[int, int]] = {}
        self._people: list[tuple[str, int, int, int]] = []
        self._spend: list[tuple[str, int, Sequence[int]]] = []
        self.notes: dict[NoteDay, dict[int, int]] = {}
        self.note_orders: dict[NoteDay, dict[int, int]] = {}
        """Of each note's day what orders changed, and before it what else changed: amounts by index of the metric."""

    def add_counts(self, campaign_id: str, rows: list[tuple[str | None, int, int, int]]) -> None:
        """Add the ``counts`` of a delta."""
        plain, orders = (self._minutes, self.notes), (self._orders, self.note_orders)
        for note_id, minute, metric, change in rows:
            minutes, notes = plain if metric < FIRST_COUNTED else orders
            counts = minutes.get((campaign_id, minute))
            if counts is None:
                counts = minutes[campaign_id, minute] = {}
            counts[metric] = counts.get(metric, 0) + change
            if note_id is not None:
                # The number of the day, without a call: there are more rows than anything else here.
                key = campaign_id, (minute + _SHANGHAI_MINUTES) // _DAY_MINUTES + 1, note_id
                counts = notes.get(key)
                if counts is None:
                    counts = notes[key] = {}
                counts[metric] = counts.get(metric, 0) + change

    def add_people(self, campaign_id: str, day: int, metric: int, change: int) -> None:
        """Add distinct people of a day, or to date where ``day`` is 0."""
        self._people.append((campaign_id, day, metric, change))

    def add_spend(self, campaign_id: str, hour_start_ms: int, change: Sequence[int]) -> None:
        """Add the difference that a report makes, ordered as ``SPENT_NAMES``."""
        self._spend.append((campaign_id, hour_start_ms, change))

    def by_window(self, timeline: Callable[[str], Timeline]) -> dict[WindowKey, Change]:
        """The changes of each window of each size; ``timeline`` answers that of a campaign."""
        changes: dict[WindowKey, Change] = {}
        for (campaign_id, minute), counts in self._minutes.items():
            for size in SIZES:
                key: WindowKey = (campaign_id, size, start_ms(size, minute * MINUTE_MS))
                _add(_change_of(changes, key).counted, counts)
        for (campaign_id, minute), counts in self._orders.items():
            model = timeline(campaign_id).at(minute)
            for size in SIZES:
                orders = _orders_of(changes, (campaign_id, size, start_ms(size, minute * MINUTE_MS)))
                _add(orders.counted, counts)
                add_plain(orders.plain, counts, model)
        self._add_people_and_spend(changes)
        return changes

    def _add_people_and_spend(self, changes: dict[WindowKey, Change]) -> None:
        for campaign_id, day, metric, amount in self._people:
            key: WindowKey = (campaign_id, "1d", day_start_ms(day)) if day else (campaign_id, "total", 0)
            is_of_orders = FIRST_PEOPLE <= metric < FIRST_AUDIENCE
            people = _orders_of(changes, key).people if is_of_orders else _change_of(changes, key).people
            people[metric] = people.get(metric, 0) + amount
        for campaign_id, hour_start_ms, spent in self._spend:
            for size in SPEND_SIZES:
                change = _change_of(changes, (campaign_id, size, start_ms(size, hour_start_ms)))
                change.spent = _sum(change.spent, spent)


def _change_of(changes: dict[WindowKey, Change], key: WindowKey) -> Change:
    change = changes.get(key)
    if change is None:
        change = changes[key] = Change({}, {})
    return change


def _orders_of(changes: dict[WindowKey, Change], key: WindowKey) -> OrdersChange:
    change = _change_of(changes, key)
    if change.orders is None:
        change.orders = OrdersChange({}, {}, {})
    return change.orders


def _sum(spent: Sequence[int] | None, more: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(spent or [0] * len(SPENT_NAMES), more, strict=True)]


def _add(total: dict[int, int], amounts: dict[int, int]) -> None:
    for metric, amount in amounts.items():
        total[metric] = total.get(metric, 0) + amount


def changed_window(packed: bytes | None, size: Size, change: Change, version: int) -> Window:
    """A window after a change of other figures than orders; ``packed`` is ``None`` for a new one."""
    if packed is None:
        people = [0] * len(PEOPLE_NAMES) if size in PEOPLE_SIZES else None
        audience = [0] * len(AUDIENCE_NAMES) if size == "total" else None
        window = Window(version, None, [0] * len(COUNTED_NAMES), people, audience)
    else:
        window = decode_window(packed)
        window.version = version
    for metric, amount in change.counted.items():
        window.counted[metric] += amount
    people, audience = window.people or [], window.audience or []
    for metric, amount in change.people.items():
        if metric >= FIRST_AUDIENCE:
            audience[metric - FIRST_AUDIENCE] += amount
        else:
            people[metric] += amount
    if change.spent is not None:
        window.spent = _sum(window.spent, change.spent)
    return window


class StartIndex:
    """Which windows start when, to find those that became final or expired without looking at all."""

    def __init__(self) -> None:
        self._keys: dict[Size, dict[int, dict[bytes, None]]] = {size: {} for size in SIZES}

    def add(self, key: WindowKey, packed: bytes) -> None:
        """A new window; ``total`` never becomes final and is not kept here."""
        if key[1] != "total":
            self._keys[key[1]].setdefault(key[2], {})[packed] = None

    def remove(self, key: WindowKey, packed: bytes) -> None:
        """A window that is no more."""
        self.at(key[1], key[2]).pop(packed, None)

    def starts(self, size: Size) -> list[int]:
        """All starts of a size."""
        return list(self._keys[size])

    def at(self, size: Size, start: int) -> dict[bytes, None]:
        """The windows of a size that start then."""
        return self._keys[size].get(start, {})

    def pop(self, size: Size, start: int) -> dict[bytes, None]:
        """Forget and answer the windows of a size that start then."""
        return self._keys[size].pop(start, {})
