"""The rules of a journey: what an accepted event changes (ARCHITECTURE.md, R2 to R5 and R11).

A journey's credits are a pure function of the set of its events. Whatever order events come in, each call adds the
difference it makes, new minus old, to `Changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from xinghe.domain.attribution.last_touch import last_touch
from xinghe.domain.counted import (
    CELL_BYTES,
    SEGMENT_BYTES,
    any_day,
    day_number,
    has_cell,
    pack_cell,
    without_days_before,
)
from xinghe.domain.delta import Changes
from xinghe.domain.directory import Directory
from xinghe.domain.journey import (
    CART_ADD,
    CONVERSION_BYTES,
    CONVERSIONS,
    FAVORITE,
    KEPT,
    ORDERS,
    STORE_VISIT,
    TOUCHES,
    Conversion,
    Journey,
    Order,
    conversions_in,
    pack_conversion,
    part_number,
)
from xinghe.domain.metrics import COUNTED_INDEX, PEOPLE_INDEX
from xinghe.domain.touch import (
    AD_CLICK,
    KIND_METRIC,
    VIEW,
    Touch,
    pack_row_head,
    touch_count,
    touches_between,
    touches_in,
    without_views,
)
from xinghe.domain.windows import DAY_MS, JOURNEY_RETENTION_MS, MINUTE_MS, watermark_ms

TOUCH_SEGMENT_BYTES: Final = 200
"""A touch segment is closed once it is this long: 4 to 7 touches, rewritten once for each."""
CONVERSION_SEGMENT_BYTES: Final = 4 * CONVERSION_BYTES
CELLS_COMPACT: Final = 64
KEPT_SEGMENTS_COMPACT: Final = 8
"""From so many cells or segments of cells on, each time their number has doubled, what is past is dropped."""
ORDER_MICROS: Final = 1_000_000

_KIND_METRIC: Final = tuple(-1 if name is None else COUNTED_INDEX[name] for name in KIND_METRIC)
_CONVERSION_METRIC: Final = {
    STORE_VISIT: COUNTED_INDEX["store_visits"],
    FAVORITE: COUNTED_INDEX["favorites"],
    CART_ADD: COUNTED_INDEX["cart_adds"],
}
_VIEWERS: Final = PEOPLE_INDEX["viewers"]
_BUYERS: Final = PEOPLE_INDEX["buyers"]
_CONVERSION_PEOPLE: Final = {
    STORE_VISIT: PEOPLE_INDEX["store_visitors"],
    CART_ADD: PEOPLE_INDEX["cart_users"],
}
_LAG_METRICS: Final = tuple((days * DAY_MS, COUNTED_INDEX[f"gmv_{days}d_fen"]) for days in (7, 15, 30))
_TOTAL: Final = 0
"""The day number that stands for campaign-to-date."""

Credit = tuple[int, int, int]
"""A person counted: campaign number, people metric, day."""


class Windows(Struct, frozen=True):
    """How long after a touch a conversion may still be credited to it."""

    touch_ms: int = 15 * DAY_MS
    payment_ms: int = 30 * DAY_MS


class JourneyRules:
    """The rules over the journeys of one partition.

    ``mark((key, part))`` is called for each part of the journey that changed, ``orders_changed`` collects
    ``(key, number of the order)`` of orders with new credits; the caller takes and empties both and ``changes``.
    """

    def __init__(
        self,
        directory: Directory,
        windows: Windows,
        journey_events_max: int,
        mark: Callable[[tuple[bytes, int]], None],
    ) -> None:
        self.directory = directory
        self.windows = windows
        self.journey_events_max = journey_events_max
        self.mark = mark
        self.changes = Changes()
        self.orders_changed: dict[tuple[bytes, int], None] = {}
        self.event_time_ms_max = 0
        """The highest event time of the task; the caller raises it before it hands in an event."""
        self.evicted = 0
        """Events dropped because a journey was full, for a metric."""

    # Touches

    def touch(
        self,
        key: bytes,
        journey: Journey,
        event_hash: int,
        time_ms: int,
        source: int,
        kind: int,
        event_id: bytes,
    ) -> bool:
        """Add a touch; answers False for a duplicate. The caller keeps ``time_ms`` within the retention."""
        row = pack_row_head(event_hash, time_ms, source, kind, len(event_id)) + event_id
        if is_duplicate(journey, row[:8], event_hash):
            return False
        segments = journey.touches
        if segments and len(segments[-1]) < TOUCH_SEGMENT_BYTES:
            segments[-1] += row
        else:
            segments.append(row)
            if len(segments) > 1:
                self.expire(key, journey)
        self.mark((key, (journey.first_touches + len(segments) - 1) << 2))  # part_number(TOUCHES, ...)
        journey.events += 1
        metric = _KIND_METRIC[kind]
        if metric >= 0:
            self.changes.counts[source, time_ms // MINUTE_MS, metric] += 1
            if kind == VIEW:
                self._count_viewer(journey, source, time_ms)
        if time_ms <= journey.last_conversion_ms:
            self._reattribute(key, journey, Touch(time_ms, event_id, source, kind))
        if journey.events > self.journey_events_max:
            self._evict(key, journey)
        return True

    def _count_viewer(self, journey: Journey, source: int, time_ms: int) -> None:
        campaign = self.directory.campaign_of[source]
        day = day_number(time_ms)
        cell = pack_cell(campaign, _VIEWERS, day)
        if _is_counted(journey, cell):
            return
        people = self.changes.people
        people[campaign, day, _VIEWERS] += 1
        if not _is_counted(journey, any_day(cell)):
            people[campaign, _TOTAL, _VIEWERS] += 1
        journey.counted += cell
        cells = len(journey.counted) // CELL_BYTES
        if cells >= CELLS_COMPACT and cells & (cells - 1) == 0:
            self.recount(journey)

    def recount(self, journey: Journey) -> None:
        """Find the cells of the views anew: after recovery, and to be rid of those whose views were dropped."""
        campaign_of = self.directory.campaign_of
        cells = {
            pack_cell(campaign_of[touch.source], _VIEWERS, day_number(touch.time_ms)): None
            for segment in journey.touches
            for touch in touches_in(segment)
            if touch.kind == VIEW
        }
        journey.counted = b"".join(cells)

    def _keep_cell(self, key: bytes, journey: Journey, metric: int, source: int, time_ms: int) -> None:
        """What a row counts stays counted when the row goes."""
        cell = pack_cell(self.directory.campaign_of[source], metric, day_number(time_ms))
        segments = journey.kept
        if segments is None:
            segments = journey.kept = []
        if any(has_cell(segment, cell) for segment in segments):
            return
        if segments and len(segments[-1]) < SEGMENT_BYTES:
            segments[-1] += cell
        else:
            segments.append(cell)
            if len(segments) >= KEPT_SEGMENTS_COMPACT and len(segments) & (len(segments) - 1) == 0:
                segments = self._compact_kept(key, journey, segments)
        self.mark((key, part_number(KEPT, len(segments) - 1)))

    # Conversions

    def convert(
        self, key: bytes, journey: Journey, event_hash: int, time_ms: int, target: int, kind: int
    ) -> bool:
        """Add a store visit, favourite or cart addition; answers False for a duplicate."""
        if is_duplicate(journey, event_hash.to_bytes(8, "little"), event_hash):
            return False
        winner = last_touch(self._reaching(journey, target, time_ms, self.windows.touch_ms))
        credited = self._credited(winner, target)
        counted_before = self._people(journey) if kind in _CONVERSION_PEOPLE else set()
        row = pack_conversion(event_hash, time_ms, target, credited, kind)
        segments = journey.conversions
        if segments is None:
            segments = journey.conversions = []
        if segments and len(segments[-1]) < CONVERSION_SEGMENT_BYTES:
            segments[-1] += row
        else:
            segments.append(row)
        self.mark((key, part_number(CONVERSIONS, journey.first_conversions + len(segments) - 1)))
        journey.events += 1
        journey.last_conversion_ms = max(journey.last_conversion_ms, time_ms)
        self.changes.counts[credited, time_ms // MINUTE_MS, _CONVERSION_METRIC[kind]] += 1
        if kind in _CONVERSION_PEOPLE:
            self._count_people_of(journey, counted_before, _CONVERSION_PEOPLE[kind], credited, time_ms)
        if journey.events > self.journey_events_max:
            self._evict(key, journey)
        return True

    def pay(self, key: bytes, journey: Journey, order: Order) -> bool:
        """Add a payment; answers False where its event or its order is known and the known one counts.

        ``order.credited`` and the touch are set here.
        """
        if is_duplicate(journey, order.event_hash.to_bytes(8, "little"), order.event_hash):
            return False
        counted_before = self._people(journey)
        orders = journey.orders
        if orders is None:
            orders = journey.orders = []
        index = next((i for i, known in enumerate(orders) if known.order_id == order.order_id), len(orders))
        if index < len(orders):
            known = orders[index]
            if (known.time_ms, known.event_id) <= (order.time_ms, order.event_id):
                return False
            self._count_order(known, -1)
            order.revision = known.revision
            orders[index] = order
        else:
            orders.append(order)
            journey.events += 1
        self._credit(
            order, last_touch(self._reaching(journey, order.target, order.time_ms, self.windows.payment_ms))
        )
        self._count_order(order, 1)
        self._order_changed(key, journey, index)
        journey.last_conversion_ms = max(journey.last_conversion_ms, order.time_ms)
        self._count_people(journey, counted_before)
        if journey.events > self.journey_events_max:
            self._evict(key, journey)
        return True

    def _order_changed(self, key: bytes, journey: Journey, index: int) -> None:
        number = journey.first_orders + index
        self.orders_changed[key, number] = None
        self.mark((key, part_number(ORDERS, number)))

    # Credits

    def _reaching(self, journey: Journey, target: int, time_ms: int, window_ms: int) -> Iterator[Touch]:
        """The touches of the target's shop within the window before ``time_ms``."""
        shop_of = self.directory.shop_of
        shop = shop_of[target]
        for segment in journey.touches:
            for touch in touches_between(segment, time_ms - window_ms, time_ms):
                if shop_of[touch.source] == shop:
                    yield touch

    def _credited(self, winner: Touch | None, target: int) -> int:
        """The source that a conversion counts under."""
        if winner is not None:
            return winner.source
        return self.directory.number((self.directory.sources[target].shop_id, None, None, None))

    def _credit(self, order: Order, winner: Touch | None) -> None:
        order.credited = self._credited(winner, order.target)
        order.touch_time_ms = None if winner is None else winner.time_ms
        order.touch_event_id = None if winner is None else winner.event_id
        order.touch_kind = None if winner is None else winner.kind

    def _count_order(self, order: Order, sign: int) -> None:
        minute = order.time_ms // MINUTE_MS
        for metric, amount in self.order_metrics(order):
            self.changes.counts[order.credited, minute, metric] += sign * amount

    def order_metrics(self, order: Order) -> Iterator[tuple[int, int]]:
        """What an order adds to the counted metrics of the source it is credited to: (metric, amount)."""
        yield COUNTED_INDEX["orders_micros"], ORDER_MICROS
        yield COUNTED_INDEX["gmv_fen"], order.amount_fen
        if order.touch_time_ms is None:
            return
        yield COUNTED_INDEX["direct_gmv_fen" if self.is_direct(order) else "halo_gmv_fen"], order.amount_fen
        lag_ms = order.time_ms - order.touch_time_ms
        for within_ms, metric in _LAG_METRICS:
            if lag_ms <= within_ms:
                yield metric, order.amount_fen

    def is_direct(self, order: Order) -> bool:
        """Whether the order bought the item that the credited touch's note promotes."""
        if order.touch_time_ms is None:
            return False
        promoted = self.directory.sources[order.credited].item_id
        return promoted is not None and promoted == self.directory.sources[order.target].item_id

    def _reattribute(self, key: bytes, journey: Journey, touch: Touch) -> None:
        """A touch came after conversions that it may have earned: credit them anew."""
        if not self._may_earn(journey, touch):
            return
        before_ms = self._outranked_from_ms(journey, touch)
        segments = [
            index
            for index, segment in enumerate(journey.conversions or ())
            if any(
                self._reaches(touch, row, self.windows.touch_ms, before_ms) for row in conversions_in(segment)
            )
        ]
        orders = [
            index
            for index, order in enumerate(journey.orders or ())
            if self._reaches(touch, order, self.windows.payment_ms, before_ms)
        ]
        if not segments and not orders:
            return
        counted_before = self._people(journey)
        for index in segments:
            self._reattribute_segment(key, journey, index, touch, before_ms)
        for index in orders:
            self._reattribute_order(key, journey, index)
        self._count_people(journey, counted_before)

    def _may_earn(self, journey: Journey, touch: Touch) -> bool:
        """Whether there is a conversion that the touch reaches, whatever other touches there are."""
        windows, never_ms = self.windows, touch.time_ms + self.windows.payment_ms + self.windows.touch_ms + 1
        return any(
            self._reaches(touch, row, windows.touch_ms, never_ms)
            for segment in journey.conversions or ()
            for row in conversions_in(segment)
        ) or any(self._reaches(touch, order, windows.payment_ms, never_ms) for order in journey.orders or ())

    def _outranked_from_ms(self, journey: Journey, touch: Touch) -> int:
        """From when on a later touch of the shop outranks ``touch``: it can earn no conversion at or after that.

        One pass over the touches instead of one for each conversion after ``touch``.
        """
        shop_of = self.directory.shop_of
        shop = shop_of[touch.source]
        from_ms = touch.time_ms + max(self.windows.touch_ms, self.windows.payment_ms) + 1
        for segment in journey.touches:
            for other in touches_between(segment, touch.time_ms, from_ms):
                outranks = touch.kind != AD_CLICK or other.kind == AD_CLICK
                if outranks and shop_of[other.source] == shop and other[:2] > touch[:2]:
                    from_ms = min(from_ms, other.time_ms)
        return from_ms

    def _reaches(self, touch: Touch, conversion: Conversion | Order, window_ms: int, before_ms: int) -> bool:
        shop_of = self.directory.shop_of
        return (
            0 <= conversion.time_ms - touch.time_ms <= window_ms
            and conversion.time_ms < before_ms
            and shop_of[conversion.target] == shop_of[touch.source]
        )

    def _reattribute_order(self, key: bytes, journey: Journey, index: int) -> None:
        order = (journey.orders or [])[index]
        winner = last_touch(self._reaching(journey, order.target, order.time_ms, self.windows.payment_ms))
        if winner is None or winner.event_id == order.touch_event_id:
            return
        self._count_order(order, -1)
        self._credit(order, winner)
        self._count_order(order, 1)
        self._order_changed(key, journey, index)

    def _reattribute_segment(
        self, key: bytes, journey: Journey, index: int, touch: Touch, before_ms: int
    ) -> None:
        segments = journey.conversions or []
        rows = list(conversions_in(segments[index]))
        changed = False
        for at, row in enumerate(rows):
            if not self._reaches(touch, row, self.windows.touch_ms, before_ms):
                continue
            winner = last_touch(self._reaching(journey, row.target, row.time_ms, self.windows.touch_ms))
            if winner is None or winner.source == row.credited:
                continue
            cell = row.time_ms // MINUTE_MS, _CONVERSION_METRIC[row.kind]
            self.changes.counts[row.credited, *cell] -= 1
            self.changes.counts[winner.source, *cell] += 1
            rows[at] = row._replace(credited=winner.source)
            changed = True
        if changed:
            segments[index] = b"".join(pack_conversion(*row) for row in rows)
            self.mark((key, part_number(CONVERSIONS, journey.first_conversions + index)))

    # People

    def _people(self, journey: Journey) -> set[Credit]:
        """For which campaigns and days the conversions and orders that are kept count this person."""
        campaign_of = self.directory.campaign_of
        people: set[Credit] = set()
        for segment in journey.conversions or ():
            for row in conversions_in(segment):
                metric = _CONVERSION_PEOPLE.get(row.kind)
                if metric is not None:
                    people.add((campaign_of[row.credited], metric, day_number(row.time_ms)))
                    people.add((campaign_of[row.credited], metric, _TOTAL))
        for order in journey.orders or ():
            people.add((campaign_of[order.credited], _BUYERS, day_number(order.time_ms)))
            people.add((campaign_of[order.credited], _BUYERS, _TOTAL))
        return people

    def _count_people_of(
        self, journey: Journey, before: set[Credit], metric: int, credited: int, time_ms: int
    ) -> None:
        """Count the person for one more conversion."""
        campaign = self.directory.campaign_of[credited]
        for day in (day_number(time_ms), _TOTAL):
            cell = pack_cell(campaign, metric, day)
            if (campaign, metric, day) not in before and not _is_kept(
                journey, any_day(cell) if day == _TOTAL else cell
            ):
                self.changes.people[campaign, day, metric] += 1

    def _count_people(self, journey: Journey, before: set[Credit]) -> None:
        """Count the difference between then and now, except for what dropped rows count for good."""
        now = self._people(journey)
        for credit in now ^ before:
            campaign, metric, day = credit
            cell = pack_cell(campaign, metric, day)
            if not _is_kept(journey, any_day(cell) if day == _TOTAL else cell):
                self.changes.people[campaign, day, metric] += 1 if credit in now else -1

    # What is kept

    def expire(self, key: bytes, journey: Journey) -> None:
        """Drop from the front what no event can concern any more."""
        horizon_ms = watermark_ms(self.event_time_ms_max) - JOURNEY_RETENTION_MS
        touch_horizon_ms = horizon_ms - max(self.windows.touch_ms, self.windows.payment_ms)
        while journey.touches and all(t.time_ms < touch_horizon_ms for t in touches_in(journey.touches[0])):
            self._drop_touch_segment(key, journey)
        while journey.conversions and all(
            c.time_ms < horizon_ms for c in conversions_in(journey.conversions[0])
        ):
            self._drop_conversion_segment(key, journey)
        while journey.orders and journey.orders[0].time_ms < horizon_ms and not self._is_untold(key, journey):
            self._drop_order(key, journey)

    def _compact_kept(self, key: bytes, journey: Journey, segments: list[bytes]) -> list[bytes]:
        """Let cells of days that no event can concern any more become one per campaign."""
        oldest_day = day_number(watermark_ms(self.event_time_ms_max) - JOURNEY_RETENTION_MS)
        for index in range(len(segments)):
            self.mark((key, part_number(KEPT, index)))
        journey.kept = without_days_before(segments, oldest_day)
        return journey.kept

    def _drop_touch_segment(self, key: bytes, journey: Journey) -> None:
        journey.events -= touch_count(journey.touches[0])
        self._keep_views(key, journey, journey.touches[0])
        self.mark((key, part_number(TOUCHES, journey.first_touches)))
        del journey.touches[0]
        journey.first_touches += 1
        journey.views_from = max(journey.views_from - 1, 0)

    def _keep_views(self, key: bytes, journey: Journey, segment: bytes) -> None:
        for touch in touches_in(segment):
            if touch.kind == VIEW:
                self._keep_cell(key, journey, _VIEWERS, touch.source, touch.time_ms)

    def _drop_conversion_segment(self, key: bytes, journey: Journey) -> None:
        segments = journey.conversions or []
        for row in conversions_in(segments[0]):
            if row.kind in _CONVERSION_PEOPLE:
                self._keep_cell(key, journey, _CONVERSION_PEOPLE[row.kind], row.credited, row.time_ms)
            journey.events -= 1
        self.mark((key, part_number(CONVERSIONS, journey.first_conversions)))
        del segments[0]
        journey.first_conversions += 1

    def _is_untold(self, key: bytes, journey: Journey) -> bool:
        """Whether the attribution of the oldest order is still to be sent, for which the order must stay."""
        return (key, journey.first_orders) in self.orders_changed

    def _drop_order(self, key: bytes, journey: Journey) -> None:
        order = (journey.orders or []).pop(0)
        self._keep_cell(key, journey, _BUYERS, order.credited, order.time_ms)
        journey.events -= 1
        self.mark((key, part_number(ORDERS, journey.first_orders)))
        journey.first_orders += 1

    def _evict(self, key: bytes, journey: Journey) -> None:
        """Bring a journey back to its bound: the oldest views go first, then the oldest touches, conversions, orders."""
        segments = journey.touches
        while journey.events > self.journey_events_max:
            events_before = journey.events
            if journey.views_from < len(segments) - 1:
                index = journey.views_from
                self._keep_views(key, journey, segments[index])
                kept, views = without_views(segments[index])
                segments[index] = kept
                journey.events -= views
                self.mark((key, part_number(TOUCHES, journey.first_touches + index)))
                journey.views_from += 1
                if index == 0 and not kept:
                    self._drop_touch_segment(key, journey)
            elif len(segments) > 1:
                self._drop_touch_segment(key, journey)
            elif journey.conversions and len(journey.conversions) > 1:
                self._drop_conversion_segment(key, journey)
            elif journey.orders and len(journey.orders) > 1 and not self._is_untold(key, journey):
                self._drop_order(key, journey)
            else:
                return
            self.evicted += events_before - journey.events


def _is_kept(journey: Journey, cell: bytes) -> bool:
    return journey.kept is not None and any(has_cell(segment, cell) for segment in journey.kept)


def _is_counted(journey: Journey, cell: bytes) -> bool:
    return has_cell(journey.counted, cell) or _is_kept(journey, cell)


def is_duplicate(journey: Journey, hash_bytes: bytes, event_hash: int) -> bool:
    """Whether the journey holds an event with this hash of its id.

    Eight hash bytes are looked for at any position of a segment: a false match has the odds of a collision of 64
    bits, some 10^-15 for a full journey.
    """
    for segment in journey.touches:
        if hash_bytes in segment:
            return True
    if journey.conversions is not None:
        for segment in journey.conversions:
            if hash_bytes in segment:
                return True
    if journey.orders is not None:
        for order in journey.orders:
            if order.event_hash == event_hash:
                return True
    return False
