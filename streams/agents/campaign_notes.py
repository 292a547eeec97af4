"""The notes of a partition's campaigns, to date and by day: their tables, and how commits change them (R11)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from streams.agents.changed import Changed
from xinghe.domain.counted import day_start_ms
from xinghe.domain.funnel import (
    NoteDay,
    Row,
    decode_counts,
    encode_counts,
    pack_note_key,
    unpack_note_key,
)
from xinghe.domain.metrics import COUNTED_NAMES
from xinghe.domain.orders import (
    OrdersChange,
    add_plain,
    changed_orders,
    decode_orders,
    encode_orders,
)
from xinghe.domain.windows import is_note_day_expired

if TYPE_CHECKING:
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task

NOTES: Final = "notes"
NOTE_ORDERS: Final = "note_orders"
Note = tuple[str, str]
"""Campaign, note."""


class CampaignNotes:
    """The notes of one partition: what each did to date, and on each of its days that is kept.

    The table of figures besides those of orders has a row for each day, and under the key to date the sum of the days that
    were dropped, if any. Figures to date are added up in memory, so that a change is one row of the changelog and not two.
    """

    def __init__(self, task: Task) -> None:
        self._counts: MemoryStore[bytes] = task.store(NOTES)
        self._orders: MemoryStore[bytes] = task.store(NOTE_ORDERS)
        self._totals: dict[Note, list[int]] = {}
        self._notes: defaultdict[str, set[Note]] = defaultdict(set)
        self._by_day: dict[int, dict[bytes, None]] = {}
        self._totals_to_show: dict[Note, None] = {}
        self._days_to_show: dict[bytes, None] = {}
        self._whole: set[bytes] = set()
        self._dropped = Changed()

    def opened(self) -> None:
        """Index what was recovered, and add it up."""
        for packed, value in self._counts.items():
            campaign_id, day_ms, note_id = unpack_note_key(packed)
            if day_ms is not None:
                self._by_day.setdefault(day_ms, {})[packed] = None
            total = self._totals.setdefault((campaign_id, note_id), _nothing())
            for metric, amount in enumerate(decode_counts(value)):
                total[metric] += amount
        for note in [note for note in self._totals if self._is_empty(note)]:
            del self._totals[note]
        for packed in dict(self._orders.items()):
            campaign_id, day_ms, note_id = unpack_note_key(packed)
            if day_ms is None:
                self._totals.setdefault((campaign_id, note_id), _nothing())
        for note in self._totals:
            self._notes[note[0]].add(note)

    def rows(self) -> dict[bytes, Row | None]:
        """All notes."""
        rows = self._total_rows(self._totals)
        for packed_keys in self._by_day.values():
            rows |= self._day_rows(packed_keys)
        return rows

    def _total_rows(self, notes: Iterable[Note]) -> dict[bytes, Row | None]:
        packed_keys = ((pack_note_key(note[0], None, note[1]), note) for note in notes)
        orders = self._orders.get
        return {
            packed: Row(encode_counts(self._totals[note]), orders(packed)) for packed, note in packed_keys
        }

    def _day_rows(self, packed_keys: Iterable[bytes]) -> dict[bytes, Row | None]:
        orders = self._orders.get
        return {packed: Row(self._counts.get(packed) or b"", orders(packed)) for packed in packed_keys}

    def take_dropped(self) -> Changed:
        """What was dropped since the last call, to be shown at once.

        Were it shown with the rest, nothing in the tables would tell a restart what is still shown.
        """
        taken, self._dropped = self._dropped, Changed()
        return taken

    def take_to_show(self) -> Changed:
        """The notes that changed since the last call, as they are now."""
        rows = self._total_rows(self._totals_to_show) | self._day_rows(self._days_to_show)
        taken = Changed(rows, self._whole)
        self._totals_to_show, self._days_to_show, self._whole = {}, {}, set()
        return taken

    def add(self, note_day: NoteDay, change: dict[int, int], watermark_ms: int) -> None:
        """Add amounts of other metrics than those of orders, by index."""
        campaign_id, day, note_id = note_day
        note = campaign_id, note_id
        total = self._totals.get(note)
        if total is None:
            total = self._new_total(note)
        for metric, amount in change.items():
            total[metric] += amount
        if any(total) or not self._is_empty(note):
            self._totals_to_show[note] = None
        else:
            self._drop_total(note)
        day_ms = day_start_ms(day)
        if is_note_day_expired(day_ms, watermark_ms):
            self._add_dropped(pack_note_key(campaign_id, None, note_id), change)
        else:
            self._add_day(day_ms, pack_note_key(campaign_id, day_ms, note_id), change)

    def _new_total(self, note: Note) -> list[int]:
        self._notes[note[0]].add(note)
        self._whole.add(pack_note_key(note[0], None, note[1]))
        total = self._totals[note] = _nothing()
        return total

    def _is_empty(self, note: Note) -> bool:
        """Whether nothing is left of the figures to date."""
        return not any(self._totals[note]) and self._orders.get(pack_note_key(note[0], None, note[1])) is None

    def _drop_total(self, note: Note) -> None:
        del self._totals[note]
        self._notes[note[0]].discard(note)
        self._totals_to_show.pop(note, None)
        self._dropped.rows[pack_note_key(note[0], None, note[1])] = None

    def _add_day(self, day_ms: int, packed: bytes, change: dict[int, int]) -> None:
        known = self._counts.get(packed)
        if known is None:
            self._by_day.setdefault(day_ms, {})[packed] = None
            self._whole.add(packed)
        counts = _changed(known, change)
        if any(counts) or self._orders.get(packed) is not None:
            self._days_to_show[packed] = None
            # What `put` does for the one part of these values: most that a commit changes are notes.
            self._counts.add(packed, encode_counts(counts))
            self._counts.mark((packed, 0))
        else:
            self._by_day[day_ms].pop(packed, None)
            self._drop_day(packed)

    def _add_dropped(self, packed: bytes, change: dict[int, int]) -> None:
        """Add to the days that are not kept any more."""
        counts = _changed(self._counts.get(packed), change)
        if any(counts):
            self._counts.put(packed, encode_counts(counts))
        else:
            self._counts.delete(packed)

    def add_orders(self, note_day: NoteDay, change: dict[int, int], model: int, watermark_ms: int) -> None:
        """Add amounts of metrics of orders, by index; ``model`` is that of the campaign's newest setting."""
        of_orders = OrdersChange({}, change, {})
        add_plain(of_orders.plain, change, model)
        campaign_id, day, note_id = note_day
        day_ms = day_start_ms(day)
        for kept_ms in (None,) if is_note_day_expired(day_ms, watermark_ms) else (None, day_ms):
            packed = pack_note_key(campaign_id, kept_ms, note_id)
            orders = changed_orders(self._orders.get(packed), of_orders, 0, has_people=False)
            if orders.is_empty():
                self._orders.delete(packed)
            else:
                self._orders.put(packed, encode_orders(orders))
            self._whole.add(packed)
        self.add(note_day, {}, watermark_ms)

    def show_model(self, campaign_id: str, model: int) -> None:
        """Show the orders of a campaign's notes by another model."""
        for note in self._notes.get(campaign_id, ()):
            for day_ms in (None, *self._by_day):
                packed = pack_note_key(campaign_id, day_ms, note[1])
                known = self._orders.get(packed)
                if known is not None:
                    orders = decode_orders(known)
                    orders.plain = orders.of_model(model)
                    self._orders.put(packed, encode_orders(orders))
                    self._whole.add(packed)
                    if day_ms is None:
                        self._totals_to_show[note] = None
                    else:
                        self._days_to_show[packed] = None

    def drop_expired(self, watermark_ms: int) -> None:
        """Drop the days whose retention has passed."""
        for day_ms in list(self._by_day):
            if is_note_day_expired(day_ms, watermark_ms):
                for packed in self._by_day.pop(day_ms):
                    campaign_id, _, note_id = unpack_note_key(packed)
                    counts = decode_counts(self._counts.get(packed) or b"")
                    self._add_dropped(pack_note_key(campaign_id, None, note_id), dict(enumerate(counts)))
                    self._drop_day(packed)

    def _drop_day(self, packed: bytes) -> None:
        self._counts.delete(packed)
        self._orders.delete(packed)
        self._days_to_show.pop(packed, None)
        self._dropped.rows[packed] = None


def _nothing() -> list[int]:
    return [0] * len(COUNTED_NAMES)


def _changed(known: bytes | None, change: dict[int, int]) -> list[int]:
    counts = _nothing() if known is None else decode_counts(known)
    for metric, amount in change.items():
        counts[metric] += amount
    return counts
