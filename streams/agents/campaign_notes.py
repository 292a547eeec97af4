"""The notes of a partition's campaigns, to date and by day: their tables, and how commits change them (R11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.agents.changed import Changed
from xinghe.domain.counted import day_start_ms
from xinghe.domain.funnel import (
    NoteDay,
    NoteKey,
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


class CampaignNotes:
    """The notes of one partition. A note has a row to date and one for each of its days that is kept."""

    def __init__(self, task: Task) -> None:
        self._counts: MemoryStore[bytes] = task.store(NOTES)
        self._orders: MemoryStore[bytes] = task.store(NOTE_ORDERS)
        self._note_ids: dict[str, set[str]] = {}
        self._by_day: dict[int, dict[bytes, None]] = {}
        self._to_show: dict[bytes, None] = {}
        self._whole: set[bytes] = set()
        self._dropped = Changed()

    def opened(self) -> None:
        """Index what was recovered."""
        for packed in self.rows():
            self._index(unpack_note_key(packed), packed)

    def rows(self) -> dict[bytes, Row | None]:
        """All notes."""
        orders = self._orders.get
        return {packed: Row(value, orders(packed)) for packed, value in self._counts.items()}

    def take_dropped(self) -> Changed:
        """What was dropped since the last call, to be shown at once.

        Were it shown with the rest, nothing in the tables would tell a restart what is still shown.
        """
        taken, self._dropped = self._dropped, Changed()
        return taken

    def take_to_show(self) -> Changed:
        """The notes that changed since the last call, as they are now."""
        orders = self._orders.get
        rows: dict[bytes, Row | None] = {
            packed: Row(self._counts.get(packed) or b"", orders(packed)) for packed in self._to_show
        }
        taken = Changed(rows, self._whole)
        self._to_show, self._whole = {}, set()
        return taken

    def add(self, note_day: NoteDay, change: dict[int, int], watermark_ms: int) -> None:
        """Add amounts of other metrics than those of orders, by index."""
        for key in _keys(note_day, watermark_ms):
            packed = pack_note_key(*key)
            known = self._counts.get(packed)
            counts = [0] * len(COUNTED_NAMES) if known is None else decode_counts(known)
            for metric, amount in change.items():
                counts[metric] += amount
            self._put(key, packed, counts, is_new=known is None)

    def add_orders(self, note_day: NoteDay, change: dict[int, int], model: int, watermark_ms: int) -> None:
        """Add amounts of metrics of orders, by index; ``model`` is that of the campaign's newest setting."""
        of_orders = OrdersChange({}, change, {})
        add_plain(of_orders.plain, change, model)
        for key in _keys(note_day, watermark_ms):
            packed = pack_note_key(*key)
            orders = changed_orders(self._orders.get(packed), of_orders, 0, has_people=False)
            if orders.is_empty():
                self._orders.delete(packed)
            else:
                self._orders.put(packed, encode_orders(orders))
            self._whole.add(packed)
            known = self._counts.get(packed)
            counts = [0] * len(COUNTED_NAMES) if known is None else decode_counts(known)
            self._put(key, packed, counts, is_new=known is None)

    def _put(self, key: NoteKey, packed: bytes, counts: list[int], *, is_new: bool) -> None:
        """Set the figures of a note besides those of orders, or drop it where nothing is left of either."""
        if is_new:
            self._index(key, packed)
            self._whole.add(packed)
        if any(counts) or self._orders.get(packed) is not None:
            self._to_show[packed] = None
            # What `put` does for the one part of these values: most that a commit changes are notes.
            self._counts.add(packed, encode_counts(counts))
            self._counts.mark((packed, 0))
        else:
            self._unindex(key, packed)
            self._drop(packed)

    def show_model(self, campaign_id: str, model: int) -> None:
        """Show the orders of a campaign's notes by another model."""
        for note_id in self._note_ids.get(campaign_id, ()):
            for day_ms in (None, *self._by_day):
                packed = pack_note_key(campaign_id, day_ms, note_id)
                known = self._orders.get(packed)
                if known is not None:
                    orders = decode_orders(known)
                    orders.plain = orders.of_model(model)
                    self._orders.put(packed, encode_orders(orders))
                    self._to_show[packed] = None
                    self._whole.add(packed)

    def drop_expired(self, watermark_ms: int) -> None:
        """Drop the days whose retention has passed."""
        for day_ms in list(self._by_day):
            if is_note_day_expired(day_ms, watermark_ms):
                for packed in self._by_day.pop(day_ms):
                    self._drop(packed)

    def _drop(self, packed: bytes) -> None:
        self._counts.delete(packed)
        self._orders.delete(packed)
        self._to_show.pop(packed, None)
        self._dropped.rows[packed] = None

    def _index(self, key: NoteKey, packed: bytes) -> None:
        campaign_id, day_ms, note_id = key
        if day_ms is None:
            self._note_ids.setdefault(campaign_id, set()).add(note_id)
        else:
            self._by_day.setdefault(day_ms, {})[packed] = None

    def _unindex(self, key: NoteKey, packed: bytes) -> None:
        campaign_id, day_ms, note_id = key
        if day_ms is None:
            self._note_ids[campaign_id].discard(note_id)
        else:
            self._by_day[day_ms].pop(packed, None)


def _keys(note_day: NoteDay, watermark_ms: int) -> list[NoteKey]:
    """The rows in which a note's day counts: to date, and the day itself where it is still kept."""
    campaign_id, day, note_id = note_day
    keys: list[NoteKey] = [(campaign_id, None, note_id)]
    day_ms = day_start_ms(day)
    if not is_note_day_expired(day_ms, watermark_ms):
        keys.append((campaign_id, day_ms, note_id))
    return keys
