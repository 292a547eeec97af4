"""A campaign's funnel: its windows, and how deltas and spend add up in them (ARCHITECTURE.md, R6 to R8)."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, msgpack

from xinghe.domain.counted import day_start_ms
from xinghe.domain.metrics import COUNTED_NAMES, PEOPLE_NAMES, shown_metrics
from xinghe.domain.windows import MINUTE_MS, Size, start_ms

SIZES: Final[tuple[Size, ...]] = ("1m", "1h", "1d", "total")
PEOPLE_SIZES: Final = frozenset({"1d", "total"})
SPEND_SIZES: Final[tuple[Size, ...]] = ("1h", "1d", "total")


class Window(Struct, array_like=True, gc=False):
    """The figures of one window. ``version`` is the number of the commit that changed it last.

    ``spend_fen`` is ``None`` until an hour was reported, ``people`` in sizes without distinct people.
    """

    version: int
    spend_fen: int | None
    counted: list[int]
    people: list[int] | None

    def is_empty(self) -> bool:
        """Whether all that was counted went elsewhere: such a window is dropped, as if it had never been."""
        return self.spend_fen is None and not any(self.counted) and not any(self.people or ())

    def metrics(self) -> dict[str, int]:
        """The figures as topics and Redis show them."""
        return shown_metrics(self.counted, self.people, self.spend_fen)


class Change(Struct, gc=False):
    """What one commit adds to a window: amounts by index of the metric."""

    counted: dict[int, int]
    people: dict[int, int]
    spend_fen: int | None = None


class Spend(Struct, array_like=True, gc=False):
    """The report of a campaign's hour that counts: the one with the largest ``(revision, event_id)``."""

    revision: int
    event_id: str
    spend_fen: int
    impressions: int | None
    clicks: int | None


WindowKey = tuple[str, Size, int]
"""Campaign, size, start."""

encode_window = msgpack.Encoder().encode
decode_window = msgpack.Decoder(Window).decode
encode_counts = msgpack.Encoder().encode
decode_counts = msgpack.Decoder(list[int]).decode


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


class Changes:
    """What came for the campaigns of a task since its last commit, added up."""

    def __init__(self) -> None:
        self._minutes: dict[tuple[str, int], dict[int, int]] = {}
        self._people: list[tuple[str, int, int, int]] = []
        self._spend: list[tuple[str, int, int]] = []
        self.notes: dict[tuple[str, str], dict[int, int]] = {}

    def add_counts(self, campaign_id: str, rows: list[tuple[str | None, int, int, int]]) -> None:
        """Add the ``counts`` of a delta."""
        minutes, notes = self._minutes, self.notes
        for note_id, minute, metric, change in rows:
            counts = minutes.get((campaign_id, minute))
            if counts is None:
                counts = minutes[campaign_id, minute] = {}
            counts[metric] = counts.get(metric, 0) + change
            if note_id is not None:
                counts = notes.get((campaign_id, note_id))
                if counts is None:
                    counts = notes[campaign_id, note_id] = {}
                counts[metric] = counts.get(metric, 0) + change

    def add_people(self, campaign_id: str, day: int, metric: int, change: int) -> None:
        """Add distinct people of a day, or to date where ``day`` is 0."""
        self._people.append((campaign_id, day, metric, change))

    def add_spend(self, campaign_id: str, hour_start_ms: int, change_fen: int) -> None:
        """Add the difference that a report makes."""
        self._spend.append((campaign_id, hour_start_ms, change_fen))

    def by_window(self) -> dict[WindowKey, Change]:
        """The changes of each window of each size."""
        changes: dict[WindowKey, Change] = {}

        def change_of(key: WindowKey) -> Change:
            change = changes.get(key)
            if change is None:
                change = changes[key] = Change({}, {})
            return change

        for (campaign_id, minute), counts in self._minutes.items():
            for size in SIZES:
                total = change_of((campaign_id, size, start_ms(size, minute * MINUTE_MS))).counted
                for metric, amount in counts.items():
                    total[metric] = total.get(metric, 0) + amount
        for campaign_id, day, metric, amount in self._people:
            key: WindowKey = (campaign_id, "1d", day_start_ms(day)) if day else (campaign_id, "total", 0)
            people = change_of(key).people
            people[metric] = people.get(metric, 0) + amount
        for campaign_id, hour_start_ms, amount in self._spend:
            for size in SPEND_SIZES:
                change = change_of((campaign_id, size, start_ms(size, hour_start_ms)))
                change.spend_fen = (change.spend_fen or 0) + amount
        return changes

    def __bool__(self) -> bool:
        return bool(self._minutes or self._people or self._spend or self.notes)


def changed_window(packed: bytes | None, size: Size, change: Change, version: int) -> Window:
    """A window after a change; ``packed`` is ``None`` for a new one."""
    if packed is None:
        people = [0] * len(PEOPLE_NAMES) if size in PEOPLE_SIZES else None
        window = Window(version, None, [0] * len(COUNTED_NAMES), people)
    else:
        window = decode_window(packed)
        window.version = version
    for metric, amount in change.counted.items():
        window.counted[metric] += amount
    if window.people is not None:
        for metric, amount in change.people.items():
            window.people[metric] += amount
    if change.spend_fen is not None:
        window.spend_fen = (window.spend_fen or 0) + change.spend_fen
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
