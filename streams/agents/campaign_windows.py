"""The windows of a partition's campaigns: their tables, and how commits change them (ARCHITECTURE.md, R9 and R10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from xinghe.domain.counted import day_start_ms
from xinghe.domain.funnel import (
    PEOPLE_SIZES,
    SIZES,
    Change,
    Row,
    StartIndex,
    WindowKey,
    changed_window,
    decode_window,
    encode_window,
    pack_key,
    unpack_key,
)
from xinghe.domain.metrics import COUNTED_NAMES
from xinghe.domain.orders import OrdersChange, changed_orders, decode_orders, encode_orders
from xinghe.domain.timeline import Timeline, changed_periods, is_touched, window_period
from xinghe.domain.windows import MINUTE_MS, Size, end_ms, is_expired, is_final, start_ms

if TYPE_CHECKING:
    from streams.agents.changed import Changed
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task

WINDOWS: Final = "windows"
WINDOW_ORDERS: Final = "window_orders"
_TIMED_SIZES: Final[tuple[Size, ...]] = ("1m", "1h", "1d")
_TOTAL: Final = pack_key(("", "total", 0))
"""How the keys of windows to date end."""
_LARGER: Final[dict[Size, Size]] = {"1m": "1h", "1h": "1d", "1d": "total"}


class CampaignWindows:
    """The windows of one partition. What changes them tells it to a `Changed`."""

    def __init__(self, task: Task) -> None:
        self._windows: MemoryStore[bytes] = task.store(WINDOWS)
        self._orders: MemoryStore[bytes] = task.store(WINDOW_ORDERS)
        self._index = StartIndex()

    def opened(self, published_version: int) -> list[bytes]:
        """Index what was recovered; answers the windows that changed after ``published_version``."""
        unpublished = []
        for packed, value in self._windows.items():
            self._index.add(unpack_key(packed), packed)
            if decode_window(value).version > published_version:
                unpublished.append(packed)
        return unpublished

    def row(self, packed: bytes) -> Row | None:
        """The figures of a window; ``None`` where there is no such window."""
        value = self._windows.get(packed)
        return None if value is None else Row(value, self._orders.get(packed))

    def counted(self, campaign_id: str, days: Iterable[int]) -> dict[int, dict[str, int]]:
        """By number of the day the counted metrics, besides those of orders, of a campaign's ``1d`` windows that there are."""
        values = {day: self._windows.get(pack_key((campaign_id, "1d", day_start_ms(day)))) for day in days}
        return {
            day: dict(zip(COUNTED_NAMES, decode_window(value).counted, strict=True))
            for day, value in values.items()
            if value is not None
        }

    def rows(self) -> dict[bytes, Row | None]:
        """All windows."""
        orders = self._orders.get
        return {packed: Row(value, orders(packed)) for packed, value in self._windows.items()}

    def campaign_ids(self) -> Iterator[str]:
        """The campaigns that have a window to date."""
        return campaigns_of(packed for packed, _ in self._windows.items())

    def add(
        self,
        key: WindowKey,
        change: Change,
        timeline: Callable[[str], Timeline],
        version: int,
        changed: Changed,
    ) -> None:
        """Add to a window; ``timeline`` answers that of a campaign."""
        packed = pack_key(key)
        known = self._windows.get(packed)
        window = changed_window(known, key[1], change, version)
        if change.orders is None:
            orders = self._orders.get(packed)
        else:
            model = _people_model(timeline(key[0]), key[1], key[2])
            orders = self._change_orders(key[1], packed, change.orders, model)
        if known is None or change.orders is not None or change.spent is not None:
            # What a report takes back is a field less: only a window shown whole loses it.
            changed.whole.add(packed)
        if orders is None and window.is_empty():
            self._windows.delete(packed)
            self._index.remove(key, packed)
            changed.rows[packed] = None
            return
        if known is None:
            self._index.add(key, packed)
        value = encode_window(window)
        self._windows.put(packed, value)
        changed.rows[packed] = Row(value, orders)

    def _change_orders(
        self, size: Size, packed: bytes, change: OrdersChange, people_model: int
    ) -> bytes | None:
        known = self._orders.get(packed)
        orders = changed_orders(known, change, people_model, has_people=size in PEOPLE_SIZES)
        if orders.is_empty():
            self._orders.delete(packed)
            return None
        value = encode_orders(orders)
        self._orders.put(packed, value)
        return value

    def retime(self, campaign_id: str, old: Timeline, new: Timeline, version: int, changed: Changed) -> None:
        """Correct the plain figures of orders where the campaign's model was ``old`` and is ``new``.

        A window in which one model holds throughout shows its figures. To those of any other window is added what
        the correction made of the windows of the next smaller size, as far as they are kept.
        """
        if self._orders.get(pack_key((campaign_id, "total", 0))) is None:
            return  # without an order to date there is none in any window
        periods = changed_periods(old, new)
        parts: dict[tuple[Size, int], list[int]] = {}
        for size in SIZES:
            for start in self._index.starts(size) if size != "total" else [0]:
                period = window_period(size, start)
                packed = pack_key((campaign_id, size, start))
                known = self._orders.get(packed)
                if known is None or not is_touched(period, periods):
                    continue
                orders = decode_orders(known)
                model, before, part = new.over(period), orders.plain, parts.get((size, start))
                if model is not None:
                    orders.plain = orders.of_model(model)
                elif part is not None:
                    orders.plain = [a + b for a, b in zip(before, part, strict=True)]
                orders.people_model = _people_model(new, size, start)
                value = encode_orders(orders)
                if value == known:
                    continue
                self._orders.put(packed, value)
                changed.whole.add(packed)
                self._renew(packed, version, changed)
                if size != "total":
                    larger = _LARGER[size]
                    total = parts.setdefault((larger, start_ms(larger, start)), [0] * len(before))
                    for index, (a, b) in enumerate(zip(before, orders.plain, strict=True)):
                        total[index] += b - a

    def _renew(self, packed: bytes, version: int, changed: Changed) -> None:
        """Give a window a new version, with the same figures besides those of orders."""
        window = decode_window(self._windows.get(packed) or b"")
        window.version = version
        value = encode_window(window)
        self._windows.put(packed, value)
        changed.rows[packed] = Row(value, self._orders.get(packed))

    def drop_expired(self, watermark_ms: int, changed: Changed) -> None:
        """Drop the windows whose retention has passed."""
        for size in _TIMED_SIZES:
            for start in self._index.starts(size):
                if is_expired(size, start, watermark_ms):
                    for packed in self._index.pop(size, start):
                        self._windows.delete(packed)
                        self._orders.delete(packed)
                        changed.rows[packed] = None

    def mark_final(self, final_ms: int, watermark_ms: int, version: int, changed: Changed) -> None:
        """Show anew the windows that became final while the watermark went on from ``final_ms``."""
        for size in _TIMED_SIZES:
            for start in self._index.starts(size):
                if is_final(size, start, watermark_ms) and not is_final(size, start, final_ms):
                    for packed in self._index.at(size, start):
                        self._renew(packed, version, changed)


def campaigns_of(windows: Iterable[bytes]) -> Iterator[str]:
    """The campaigns whose window to date is among those of the keys."""
    return (packed[: -len(_TOTAL)].decode() for packed in windows if packed.endswith(_TOTAL))


def _people_model(timeline: Timeline, size: Size, start: int) -> int:
    """The model whose people a window shows under plain names: that of its last minute, to date the newest."""
    end = end_ms(size, start)
    return timeline.newest if end is None else timeline.at(end // MINUTE_MS - 1)
