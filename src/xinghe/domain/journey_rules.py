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
    FINGERPRINT_BYTES,
    KEPT,
    ORDERS,
    STORE_VISIT,
    TOUCHES,
    Conversion,
    Journey,
    Order,
    conversion_rows,
    conversions_in,
    fingerprints_of,
    pack_conversion,
    part_number,
)
from xinghe.domain.metrics import COUNTED_INDEX, PEOPLE_INDEX
from xinghe.domain.touch import (
    AD_CLICK,
    KIND_METRIC,
    VIEW,
    Touch,
    first_time_ms,
    pack_row_head,
    touch_count,
    touches_between,
    touches_in,
    without_views,
)
from xinghe.domain.windows import DAY_MS, JOURNEY_RETENTION_MS, MINUTE_MS, watermark_ms

TOUCH_SEGMENT_BYTES: Final = 200
"""A touch segment is closed once it is this long: 4 to 7 touches, rewritten once for each."""
CONVERSION_SEGMENT_ROWS: Final = 4
CONVERSION_SEGMENT_BYTES: Final = CONVERSION_SEGMENT_ROWS * CONVERSION_BYTES
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
_KIND_OF_PEOPLE: Final = {people: kind for kind, people in _CONVERSION_PEOPLE.items()}
CONVERSIONS_SHARE: Final = 4
"""Conversions, and orders, may be one in so many of the events of a journey that is full."""

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
        journey.fingerprints += row[:FINGERPRINT_BYTES]
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
        hash_bytes = event_hash.to_bytes(8, "little")
        if is_duplicate(journey, hash_bytes, event_hash):
            return False
        journey.fingerprints += hash_bytes[:FINGERPRINT_BYTES]
        winner = last_touch(self._reaching(journey, target, time_ms, self.windows.touch_ms))
        credited = self._credited(winner, target)
        if kind in _CONVERSION_PEOPLE:
            people = self._people_of(_CONVERSION_PEOPLE[kind], credited, time_ms)
            self._count_people(self._uncounted(journey, people), 1)
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
        if journey.events > self.journey_events_max:
            self._evict(key, journey)
        return True

    def pay(self, key: bytes, journey: Journey, order: Order) -> bool:
        """Add a payment; answers False where its event or its order is known and the known one counts.

        ``order.credited`` and the touch are set here.
        """
        hash_bytes = order.event_hash.to_bytes(8, "little")
        if is_duplicate(journey, hash_bytes, order.event_hash):
            return False
        orders = journey.orders
        if orders is None:
            orders = journey.orders = []
        index = next((i for i, known in enumerate(orders) if known.order_id == order.order_id), len(orders))
        known = orders[index] if index < len(orders) else None
        if known is not None and (known.time_ms, known.event_id) <= (order.time_ms, order.event_id):
            return False
        journey.fingerprints += hash_bytes[:FINGERPRINT_BYTES]
        self._credit(
            order, last_touch(self._reaching(journey, order.target, order.time_ms, self.windows.payment_ms))
        )
        after = self._people_of(_BUYERS, order.credited, order.time_ms)
        before = set() if known is None else self._people_of(_BUYERS, known.credited, known.time_ms)
        gained = self._uncounted(journey, after - before)
        if known is None:
            orders.append(order)
            journey.events += 1
        else:
            self._count_order(known, -1)
            order.revision = known.revision
            orders[index] = order
        self._count_order(order, 1)
        self._count_people(gained, 1)
        self._count_people(self._uncounted(journey, before - after), -1)
        self._order_changed(key, journey, index)
        journey.last_conversion_ms = max(journey.last_conversion_ms, order.time_ms)
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
        return touches_between(journey.touches, time_ms - window_ms, time_ms, shop_of, shop_of[target])

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
        """A touch came after conversions that it may have earned: credit it with those."""
        if not self._may_earn(journey, touch):
            return
        windows = self.windows
        conversions = self._earned_conversions(journey, touch, self._earns(journey, touch, windows.touch_ms))
        orders = self._earned_orders(journey, touch, self._earns(journey, touch, windows.payment_ms))
        before: set[Credit] = set()
        after: set[Credit] = set()
        for row in (row for rows in conversions.values() for row in rows):
            metric = _CONVERSION_PEOPLE.get(row.kind)
            if metric is not None:
                before |= self._people_of(metric, row.credited, row.time_ms)
                after |= self._people_of(metric, touch.source, row.time_ms)
        for index in orders:
            order = (journey.orders or [])[index]
            before |= self._people_of(_BUYERS, order.credited, order.time_ms)
            after |= self._people_of(_BUYERS, touch.source, order.time_ms)
        gained = self._uncounted(journey, after - before)
        for index, rows in conversions.items():
            self._credit_conversions(key, journey, index, set(rows), touch.source)
        for index in orders:
            self._credit_order(key, journey, index, touch)
        self._count_people(gained, 1)
        self._count_people(self._uncounted(journey, before - after), -1)

    def _may_earn(self, journey: Journey, touch: Touch) -> bool:
        """Whether there is a conversion that the touch reaches, whatever other touches there are."""
        return bool(
            self._earned_orders(journey, touch, (touch.time_ms, touch.time_ms + self.windows.payment_ms))
            or self._earned_conversions(
                journey, touch, (touch.time_ms, touch.time_ms + self.windows.touch_ms)
            )
        )

    def _earns(self, journey: Journey, touch: Touch, window_ms: int) -> tuple[int, int]:
        """The first and the last millisecond of those in which ``touch`` wins every conversion of its shop.

        Up to the next touch that outranks it, and, for a touch that is no ad click, from when on the last ad click before it
        reaches nothing any more. Both follow from the order of touches, so one look at each suffices for all conversions.
        """
        shop_of = self.directory.shop_of
        shop, is_click = shop_of[touch.source], touch.kind == AD_CLICK
        from_ms, to_ms = touch.time_ms, touch.time_ms + window_ms
        for other in touches_between(journey.touches, touch.time_ms - window_ms, to_ms, shop_of, shop):
            if is_click and other.kind != AD_CLICK:
                continue
            if other[:2] > touch[:2]:
                to_ms = min(to_ms, other.time_ms - 1)
            elif not is_click and other.kind == AD_CLICK:
                from_ms = max(from_ms, other.time_ms + window_ms + 1)
        return from_ms, to_ms

    def _earned_conversions(
        self, journey: Journey, touch: Touch, earns: tuple[int, int]
    ) -> dict[int, list[Conversion]]:
        """By index of their segment, the conversions of the touch's shop in a span of time."""
        shop_of, (from_ms, to_ms) = self.directory.shop_of, earns
        shop = shop_of[touch.source]
        earned: dict[int, list[Conversion]] = {}
        for index, segment in enumerate(journey.conversions or ()):
            for row in conversion_rows(segment):
                if from_ms <= row[1] <= to_ms and shop_of[row[2]] == shop:
                    earned.setdefault(index, []).append(Conversion._make(row))
        return earned

    def _earned_orders(self, journey: Journey, touch: Touch, earns: tuple[int, int]) -> list[int]:
        """The indexes of the orders of the touch's shop in a span of time."""
        shop_of, (from_ms, to_ms) = self.directory.shop_of, earns
        shop = shop_of[touch.source]
        return [
            index
            for index, order in enumerate(journey.orders or ())
            if from_ms <= order.time_ms <= to_ms and shop_of[order.target] == shop
        ]

    def _credit_order(self, key: bytes, journey: Journey, index: int, winner: Touch) -> None:
        order = (journey.orders or [])[index]
        self._count_order(order, -1)
        self._credit(order, winner)
        self._count_order(order, 1)
        self._order_changed(key, journey, index)

    def _credit_conversions(
        self, key: bytes, journey: Journey, index: int, earned: set[Conversion], source: int
    ) -> None:
        segments = journey.conversions or []
        rows = list(conversions_in(segments[index]))
        for at, row in enumerate(rows):
            if row in earned:
                cell = row.time_ms // MINUTE_MS, _CONVERSION_METRIC[row.kind]
                self.changes.counts[row.credited, *cell] -= 1
                self.changes.counts[source, *cell] += 1
                rows[at] = row._replace(credited=source)
        segments[index] = b"".join(pack_conversion(*row) for row in rows)
        self.mark((key, part_number(CONVERSIONS, journey.first_conversions + index)))

    # People

    def _people_of(self, metric: int, credited: int, time_ms: int) -> set[Credit]:
        """What a conversion counts its person for: the campaign's day, and to date."""
        campaign = self.directory.campaign_of[credited]
        return {(campaign, metric, day_number(time_ms)), (campaign, metric, _TOTAL)}

    def _uncounted(self, journey: Journey, people: set[Credit]) -> list[Credit]:
        """Those for which no conversion or order counts the person, neither one that is kept nor one that was dropped."""
        return [credit for credit in people if not self._is_counted_for(journey, credit)]

    def _is_counted_for(self, journey: Journey, credit: Credit) -> bool:
        campaign, metric, day = credit
        cell = pack_cell(campaign, metric, day)
        if _is_kept(journey, any_day(cell) if day == _TOTAL else cell):
            return True
        campaign_of = self.directory.campaign_of
        if metric == _BUYERS:
            return any(
                campaign_of[order.credited] == campaign and day in {_TOTAL, day_number(order.time_ms)}
                for order in journey.orders or ()
            )
        kind = _KIND_OF_PEOPLE[metric]
        # The newest first: who comes again is mostly counted by what came just before.
        for segment in reversed(journey.conversions or ()):
            for _, time_ms, _, credited, row_kind in conversion_rows(segment):
                if (
                    row_kind == kind
                    and campaign_of[credited] == campaign
                    and day in {_TOTAL, day_number(time_ms)}
                ):
                    return True
        return False

    def _count_people(self, people: list[Credit], sign: int) -> None:
        for campaign, metric, day in people:
            self.changes.people[campaign, day, metric] += sign

    # What is kept

    def expire(self, key: bytes, journey: Journey) -> None:
        """Drop from the front what no event can concern any more."""
        horizon_ms = watermark_ms(self.event_time_ms_max) - JOURNEY_RETENTION_MS
        touch_horizon_ms = horizon_ms - max(self.windows.touch_ms, self.windows.payment_ms)
        touches = journey.touches
        while touches and (not touches[0] or first_time_ms(touches[0]) < touch_horizon_ms):
            if any(touch.time_ms >= touch_horizon_ms for touch in touches_in(touches[0])):
                break
            self._drop_touch_segment(key, journey)
        while journey.conversions and all(
            c.time_ms < horizon_ms for c in conversions_in(journey.conversions[0])
        ):
            self._drop_conversion_segment(key, journey)
        while journey.orders and journey.orders[0].time_ms < horizon_ms and not self._is_untold(key, journey):
            self._drop_order(key, journey)
        _refresh_fingerprints(journey)

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
        """Bring a journey back to its bound.

        Conversions, and orders, beyond their share go first: were they the last, a journey that is full would hold nothing else,
        and credit nobody. Then the oldest views, then the oldest touches.
        """
        segments = journey.touches
        share = self.journey_events_max // CONVERSIONS_SHARE
        while journey.events > self.journey_events_max:
            events_before = journey.events
            if journey.conversions and _conversion_count(journey) - CONVERSION_SEGMENT_ROWS >= share:
                self._drop_conversion_segment(key, journey)
            elif journey.orders and len(journey.orders) > max(share, 1) and not self._is_untold(key, journey):
                self._drop_order(key, journey)
            elif journey.views_from < len(segments) - 1:
                self._drop_views(key, journey)
            elif len(segments) > 1:
                self._drop_touch_segment(key, journey)
            else:
                break
            self.evicted += events_before - journey.events
        _refresh_fingerprints(journey)

    def _drop_views(self, key: bytes, journey: Journey) -> None:
        """Drop the views of the first segment that may hold some."""
        index = journey.views_from
        self._keep_views(key, journey, journey.touches[index])
        kept, views = without_views(journey.touches[index])
        journey.touches[index] = kept
        journey.events -= views
        self.mark((key, part_number(TOUCHES, journey.first_touches + index)))
        journey.views_from += 1
        if index == 0 and not kept:
            self._drop_touch_segment(key, journey)


def _refresh_fingerprints(journey: Journey) -> None:
    """Find the fingerprints anew once half of them are those of events that were dropped."""
    if len(journey.fingerprints) > FINGERPRINT_BYTES * (2 * journey.events + 16):
        journey.fingerprints = fingerprints_of(journey)


def _conversion_count(journey: Journey) -> int:
    """How many conversions the journey holds: all segments but the last are full."""
    segments = journey.conversions or [b""]
    return (len(segments) - 1) * CONVERSION_SEGMENT_ROWS + len(segments[-1]) // CONVERSION_BYTES


def _is_kept(journey: Journey, cell: bytes) -> bool:
    return journey.kept is not None and any(has_cell(segment, cell) for segment in journey.kept)


def _is_counted(journey: Journey, cell: bytes) -> bool:
    return has_cell(journey.counted, cell) or _is_kept(journey, cell)


def is_duplicate(journey: Journey, hash_bytes: bytes, event_hash: int) -> bool:
    """Whether the journey holds an event with this hash of its id.

    Nearly always the fingerprints say no. Eight hash bytes are looked for at any position of a segment: a false match has the odds of a collision of 64
    bits, some 10^-15 for a full journey.
    """
    if hash_bytes[:FINGERPRINT_BYTES] not in journey.fingerprints:
        return False
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
