"""The notes of a partition's campaigns, to date and by day: their tables, and how commits change them (R11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.agents.changed import Changed
from xinghe.domain.funnel import (
    NoteKey,
    Row,
    decode_counts,
    encode_counts,
    pack_note_key,
    unpack_note_key,
)
from xinghe.domain.metrics import COUNTED_NAMES
from xinghe.domain.orders import (
    FIRST_COUNTED,
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
    """The notes of one partition."""

    def __init__(self, task: Task) -> None:
        self._counts: MemoryStore[bytes] = task.store(NOTES)
        self._orders: MemoryStore[bytes] = task.store(NOTE_ORDERS)
        self._note_ids: dict[str, set[str]] = {}
        self._by_day: dict[int, dict[bytes, None]] = {}
        self._to_show = Changed()

    def opened(self) -> None:
        """Index what was recovered."""
        for packed in self.rows():
            self._index(unpack_note_key(packed), packed)

    def rows(self) -> dict[bytes, Row | None]:
        """All notes."""
        orders = self._orders.get
        return {packed: Row(value, orders(packed)) for packed, value in self._counts.items()}

    def take_to_show(self) -> Changed:
        """What changed since the last call."""
        taken, self._to_show = self._to_show, Changed()
        return taken

    def add(self, key: NoteKey, change: dict[int, int], model: int, watermark_ms: int) -> None:
        """Add amounts by index of the metric to a note to date, or to a day of it that is still kept.

        ``model`` is that of the campaign's newest setting.
        """
        campaign_id, day_start_ms, note_id = key
        if day_start_ms is not None and is_note_day_expired(day_start_ms, watermark_ms):
            return
        packed = pack_note_key(campaign_id, day_start_ms, note_id)
        known = self._counts.get(packed)
        counts = [0] * len(COUNTED_NAMES) if known is None else decode_counts(known)
        of_orders: dict[int, int] = {}
        for metric, amount in change.items():
            if metric < FIRST_COUNTED:
                counts[metric] += amount
            else:
                of_orders[metric] = amount
        orders = self._change_orders(packed, of_orders, model) if of_orders else self._orders.get(packed)
        if known is None or of_orders:
            self._to_show.whole.add(packed)
        if orders is None and not any(counts):
            self._counts.delete(packed)
            self._unindex(key, packed)
            self._to_show.rows[packed] = None
            return
        if known is None:
            self._index(key, packed)
        value = encode_counts(counts)
        self._counts.put(packed, value)
        self._to_show.rows[packed] = Row(value, orders)

    def _change_orders(self, packed: bytes, counted: dict[int, int], model: int) -> bytes | None:
        change = OrdersChange({}, counted, {})
        add_plain(change.plain, counted, model)
        orders = changed_orders(self._orders.get(packed), change, 0, has_people=False)
        if orders.is_empty():
            self._orders.delete(packed)
            return None
        value = encode_orders(orders)
        self._orders.put(packed, value)
        return value

    def show_model(self, campaign_id: str, model: int) -> None:
        """Show the orders of a campaign's notes by another model."""
        for note_id in self._note_ids.get(campaign_id, ()):
            for day_start_ms in (None, *self._by_day):
                packed = pack_note_key(campaign_id, day_start_ms, note_id)
                known = self._orders.get(packed)
                if known is None:
                    continue
                orders = decode_orders(known)
                orders.plain = orders.of_model(model)
                value = encode_orders(orders)
                self._orders.put(packed, value)
                self._to_show.rows[packed] = Row(self._counts.get(packed) or b"", value)
                self._to_show.whole.add(packed)

    def drop_expired(self, watermark_ms: int) -> Changed:
        """Drop the days whose retention has passed; answers what was dropped, to be shown at once.

        Were it shown with the rest, nothing in the tables would tell a restart what is still shown.
        """
        dropped = Changed()
        for day_start_ms in list(self._by_day):
            if is_note_day_expired(day_start_ms, watermark_ms):
                for packed in self._by_day.pop(day_start_ms):
                    self._counts.delete(packed)
                    self._orders.delete(packed)
                    self._to_show.forget(packed)
                    dropped.rows[packed] = None
        return dropped

    def _index(self, key: NoteKey, packed: bytes) -> None:
        campaign_id, day_start_ms, note_id = key
        if day_start_ms is None:
            self._note_ids.setdefault(campaign_id, set()).add(note_id)
        else:
            self._by_day.setdefault(day_start_ms, {})[packed] = None

    def _unindex(self, key: NoteKey, packed: bytes) -> None:
        campaign_id, day_start_ms, note_id = key
        if day_start_ms is None:
            self._note_ids.get(campaign_id, set()).discard(note_id)
        else:
            self._by_day.get(day_start_ms, {}).pop(packed, None)
