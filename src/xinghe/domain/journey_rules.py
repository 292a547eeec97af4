"""The rules of a journey: what an accepted event changes (ARCHITECTURE.md, R2 to R8, R14 and R15).

A journey's credits are a pure function of the set of its events, so they need be found only once for all that came
between two commits: an event is put into the journey when it comes, and `JourneyRules.settle` adds the difference that
all of them make, new minus old, to `Changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from xinghe.domain.audience import ROW_BYTES as AUDIENCE_ROW_BYTES
from xinghe.domain.audience_rules import AudienceRules
from xinghe.domain.conversion_rules import CONVERSION_PEOPLE, ConversionRules
from xinghe.domain.counted import (
    CELL_BYTES,
    any_day,
    cells_in,
    day_number,
    has_cell,
    pack_cell,
)
from xinghe.domain.delta import Changes
from xinghe.domain.directory import Directory
from xinghe.domain.events import ModelChannel
from xinghe.domain.journey import (
    CLAIMS,
    CONVERSION_BYTES,
    CONVERSIONS,
    FINGERPRINT_BYTES,
    GROUP_BITS,
    KEPT,
    ORDERS,
    TOUCHES,
    UNCREDITED,
    Journey,
    conversions_in,
    fingerprints_of,
    pack_conversion,
    part_number,
)
from xinghe.domain.kept import is_kept, keep_cell
from xinghe.domain.metrics import COUNTED_INDEX, PEOPLE_INDEX
from xinghe.domain.order import Claim, Order, Refund
from xinghe.domain.order_rules import TOTAL, Common, OrderRules, Windows
from xinghe.domain.pending import Pending
from xinghe.domain.purchases import NEW_AFTER_MS
from xinghe.domain.shop_touches import JourneyTouches, ShopTouches
from xinghe.domain.touch import (
    COUPON_CLAIM,
    KIND_METRIC,
    VIEW,
    Touch,
    first_time_ms,
    pack_row_head,
    touch_count,
    touches_in,
    without_views,
)
from xinghe.domain.windows import (
    DAY_MS,
    JOURNEY_RETENTION_MS,
    MINUTE_MS,
    SHANGHAI_OFFSET_MS,
    watermark_ms,
)

TOUCH_SEGMENT_BYTES: Final = 200
"""A touch segment is closed once it is this long: 4 to 7 touches, rewritten once for each."""
CONVERSION_SEGMENT_ROWS: Final = 4
CONVERSION_SEGMENT_BYTES: Final = CONVERSION_SEGMENT_ROWS * CONVERSION_BYTES
CELLS_COMPACT: Final = 64
"""From so many cells on, each time their number has doubled, what is past is dropped."""

_KIND_METRIC: Final = tuple(COUNTED_INDEX[name] for name in KIND_METRIC)
_VIEWERS: Final = PEOPLE_INDEX["viewers"]
CONVERSIONS_SHARE: Final = 4
"""Conversions, and orders, may be one in so many of the events of a journey that is full."""


class JourneyRules:
    """The rules over the journeys of one partition.

    ``mark((key, part))`` is called for each part of the journey that changed. For each commit the caller calls `settle`,
    tells the orders in ``changes``, calls `trim`, takes the rest of ``changes`` and clears it.
    """

    def __init__(
        self,
        directory: Directory,
        windows: Windows,
        journey_events_max: int,
        mark: Callable[[tuple[bytes, int]], None],
        model_channel: ModelChannel = "campaign",
    ) -> None:
        self.directory = directory
        self.windows = windows
        self.journey_events_max = journey_events_max
        self.mark = mark
        self.changes = Changes(model_channel)
        common = Common(directory, windows, mark, self.changes)
        self._conversions = ConversionRules(common)
        self._orders = OrderRules(common)
        self.audience = AudienceRules(directory, journey_events_max, mark, self.changes)
        self.event_time_ms_max = 0
        """The highest event time of the task; the caller raises it before it hands in an event."""
        self._pending: dict[bytes, Pending] = {}
        self._to_trim: dict[bytes, Journey] = {}

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
        form: int = 0,
    ) -> bool:
        """Add a touch; answers False for a duplicate. The caller keeps ``time_ms`` within the retention."""
        row = pack_row_head(event_hash, time_ms, source, kind | form, len(event_id)) + event_id
        fingerprint = row[:FINGERPRINT_BYTES]
        # Looked at here too: nearly no event goes on to the call.
        if fingerprint in journey.fingerprints and is_duplicate(journey, row[:8], event_hash):
            return False
        journey.fingerprints += fingerprint
        segments = journey.touches
        if segments and len(segments[-1]) < TOUCH_SEGMENT_BYTES:
            segments[-1] += row
        else:
            segments.append(row)
        self.mark(
            (key, (journey.first_touches + len(segments) - 1) << GROUP_BITS)
        )  # part_number(TOUCHES, ...)
        journey.events += 1
        self.changes.counts[source, time_ms // MINUTE_MS, _KIND_METRIC[kind]] += 1
        if kind == VIEW:
            position = journey.audience.find(self.directory.audience_of[source])
            is_first = position < 0 and self.audience.first_viewed(key, journey, source)
            self._count_viewer(journey, source, time_ms, is_first=is_first)
            if not is_first and position % AUDIENCE_ROW_BYTES:
                self.audience.touched(key, journey, source, kind)
            # Else a view of what the person has touched before, which says nothing more of the audience.
        else:
            self.audience.touched(key, journey, source, kind)
        if time_ms <= journey.last_conversion_ms:
            late = self._pending_of(key, journey).late
            touch = Touch(time_ms, event_id, source, kind, form)
            late.setdefault(self.directory.shop_of[source], []).append(touch)
        if journey.events > self.journey_events_max:
            self._to_trim[key] = journey
        return True

    def claim(
        self,
        key: bytes,
        journey: Journey,
        event_hash: int,
        time_ms: int,
        source: int,
        event_id: bytes,
        coupon_hash: int,
    ) -> bool:
        """Add a coupon's claim, which is a touch as well; answers False for a duplicate."""
        if is_duplicate(journey, event_hash.to_bytes(8, "little"), event_hash):
            return False
        claims = journey.claims
        if claims is None:
            claims = journey.claims = []
        claims.append(Claim(coupon_hash, time_ms, event_id, source))
        self.mark((key, part_number(CLAIMS, journey.first_claims + len(claims) - 1)))
        return self.touch(key, journey, event_hash, time_ms, source, COUPON_CLAIM, event_id)

    def metric_of_kind(self, kind: int) -> int:
        """The metric that a touch of a kind adds 1 to."""
        return _KIND_METRIC[kind]

    def _count_viewer(self, journey: Journey, source: int, time_ms: int, *, is_first: bool = False) -> None:
        """Count the person once per campaign and day; with ``is_first`` there can be no cell of the campaign yet."""
        campaign = self.directory.campaign_of[source]
        day = (time_ms + SHANGHAI_OFFSET_MS) // DAY_MS + 1  # day_number(time_ms)
        cell = pack_cell(campaign, _VIEWERS, day)
        if not is_first and _is_counted(journey, cell):
            return
        people = self.changes.people
        people[campaign, day, _VIEWERS] += 1
        if is_first or not _is_counted(journey, any_day(cell)):
            people[campaign, TOTAL, _VIEWERS] += 1
        journey.counted += cell
        cells = len(journey.counted) // CELL_BYTES
        if cells >= CELLS_COMPACT and cells & (cells - 1) == 0:
            self.recount(journey)

    def recover(self, journey: Journey) -> None:
        """Find anew what is not in the changelog."""
        self.recount(journey)
        self.audience.recover(journey)

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

    def keep(self, key: bytes, journey: Journey, cell: bytes) -> None:
        """What a row counts stays counted when the row goes."""
        oldest_day = day_number(watermark_ms(self.event_time_ms_max) - JOURNEY_RETENTION_MS)
        for index in keep_cell(journey, cell, oldest_day):
            self.mark((key, part_number(KEPT, index)))

    # Conversions

    def convert(
        self, key: bytes, journey: Journey, event_hash: int, time_ms: int, target: int, kind: int
    ) -> bool:
        """Add a store visit, favourite or cart addition; answers False for a duplicate."""
        hash_bytes = event_hash.to_bytes(8, "little")
        if is_duplicate(journey, hash_bytes, event_hash):
            return False
        journey.fingerprints += hash_bytes[:FINGERPRINT_BYTES]
        row = pack_conversion(event_hash, time_ms, target, UNCREDITED, kind)
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
        self._pending_of(key, journey).converted.add(self.directory.shop_of[target])
        self.audience.converted(key, journey, target)
        if journey.events > self.journey_events_max:
            self._to_trim[key] = journey
        return True

    def pay(self, key: bytes, journey: Journey, order: Order) -> bool:
        """Add a payment; answers False where its event or its order is known and the known one counts."""
        hash_bytes = order.event_hash.to_bytes(8, "little")
        if is_duplicate(journey, hash_bytes, order.event_hash):
            return False
        self.audience.paid(key, journey, order.target)
        if not self._orders.pay(key, self._pending_of(key, journey), order):
            return False
        journey.fingerprints += hash_bytes[:FINGERPRINT_BYTES]
        journey.last_conversion_ms = max(journey.last_conversion_ms, order.time_ms)
        if journey.events > self.journey_events_max:
            self._to_trim[key] = journey
        return True

    def adopt(self, key: bytes, journey: Journey, order: Order) -> None:
        """Add an order of another journey; its revisions go on where they stood, and are told under this person."""
        self.pay(key, journey, order)
        self._pending_of(key, journey)  # so that what is to be told is not dropped before
        self._orders.retell(key, journey, order)

    def refund(self, key: bytes, journey: Journey, refund: Refund) -> bool:
        """Add a refund; answers False where its event or its ``refund_id`` is known and the known one counts."""
        hash_bytes = refund.event_hash.to_bytes(8, "little")
        if is_duplicate(journey, hash_bytes, refund.event_hash) or not self._orders.refund(
            key, self._pending_of(key, journey), refund
        ):
            return False
        journey.fingerprints += hash_bytes[:FINGERPRINT_BYTES]
        if journey.events > self.journey_events_max:
            self._to_trim[key] = journey
        return True

    # Credits

    def settle(self) -> None:
        """Credit what came since the last time; ``changes`` are complete then. Called before each commit."""
        for key, pending in self._pending.items():
            self._settle(key, pending)
        self._pending.clear()

    def settle_one(self, key: bytes, journey: Journey) -> None:
        """Credit what came to one journey, whose rows are to be read."""
        pending = self._pending.get(key)
        if pending is not None:
            self._settle(key, pending)
            self._pending[key] = Pending(journey)

    def release(self, key: bytes, journey: Journey) -> None:
        """Settle a journey that goes from here."""
        self.settle_one(key, journey)
        self._pending.pop(key, None)
        self._to_trim.pop(key, None)

    def _pending_of(self, key: bytes, journey: Journey) -> Pending:
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = Pending(journey)
        return pending

    def _settle(self, key: bytes, pending: Pending) -> None:
        journey, shop_of = pending.journey, self.directory.shop_of
        late = {shop: ShopTouches(touches) for shop, touches in pending.late.items()}
        shops = {*late, *pending.converted}
        if pending.counted:
            first, orders = journey.first_orders, journey.orders or []
            shops.update(shop_of[orders[number - first].target] for number in pending.counted)
        touches = JourneyTouches(journey.touches, shop_of, shops)
        if journey.conversions:
            self._conversions.settle(key, journey, late, touches)
        if journey.orders:
            self._orders.settle(key, pending, late, touches)

    # What is kept

    def trim(self) -> None:
        """Drop what is past and what is too much from the journeys that have grown, once what is settled was told.

        Never while an event is added: one that is past as it comes would be dropped before the audience's rows say what
        it says, and be forgotten by a restart.
        """
        for key, journey in self._to_trim.items():
            cells: dict[bytes, None] = {}
            self._expire(key, journey, cells)
            if journey.events > self.journey_events_max:
                self._evict(key, journey, cells)
            self._keep(key, journey, cells)
        self._to_trim.clear()

    def expire(self, key: bytes, journey: Journey) -> None:
        """Drop from the front what no event can concern any more; with the commit, where anything waits for it."""
        if key in self._pending:
            self._to_trim[key] = journey
            return
        cells: dict[bytes, None] = {}
        self._expire(key, journey, cells)
        self._keep(key, journey, cells)

    def _expire(self, key: bytes, journey: Journey, cells: dict[bytes, None]) -> None:
        horizon_ms = watermark_ms(self.event_time_ms_max) - JOURNEY_RETENTION_MS
        touch_horizon_ms = horizon_ms - max(self.windows.touch_ms, self.windows.payment_ms)
        touches = journey.touches
        while touches and (not touches[0] or first_time_ms(touches[0]) < touch_horizon_ms):
            if any(touch.time_ms >= touch_horizon_ms for touch in touches_in(touches[0])):
                break
            self._drop_touch_segment(key, journey, cells)
        while journey.conversions and all(
            c.time_ms < horizon_ms for c in conversions_in(journey.conversions[0])
        ):
            self._drop_conversion_segment(key, journey, cells)
        while journey.orders and journey.orders[0].time_ms < horizon_ms - NEW_AFTER_MS:
            self._drop_order(key, journey, cells)
        while journey.claims and journey.claims[0].time_ms < touch_horizon_ms:
            self._drop_claim(key, journey)
        if journey.waiting:
            self._orders.refuse_waiting(key, journey, horizon_ms)
        _refresh_fingerprints(journey)

    def _keep(self, key: bytes, journey: Journey, cells: Iterable[bytes]) -> None:
        """What rows counted stays counted when they go."""
        for cell in cells:
            self.keep(key, journey, cell)

    def _drop_touch_segment(self, key: bytes, journey: Journey, cells: dict[bytes, None]) -> None:
        self.audience.keep(key, journey)
        journey.events -= touch_count(journey.touches[0])
        self._add_views(journey.touches[0], cells)
        self.mark((key, part_number(TOUCHES, journey.first_touches)))
        del journey.touches[0]
        journey.first_touches += 1
        journey.views_from = max(journey.views_from - 1, 0)

    def _add_views(self, segment: bytes, cells: dict[bytes, None]) -> None:
        for touch in touches_in(segment):
            if touch.kind == VIEW:
                cells[self._cell(_VIEWERS, touch.source, touch.time_ms)] = None

    def _drop_conversion_segment(self, key: bytes, journey: Journey, cells: dict[bytes, None]) -> None:
        self.audience.keep(key, journey)
        segments = journey.conversions or []
        for row in conversions_in(segments[0]):
            if row.kind in CONVERSION_PEOPLE:
                cells[self._cell(CONVERSION_PEOPLE[row.kind], row.credited, row.time_ms)] = None
            journey.events -= 1
        self.mark((key, part_number(CONVERSIONS, journey.first_conversions)))
        del segments[0]
        journey.first_conversions += 1

    def _drop_order(self, key: bytes, journey: Journey, cells: dict[bytes, None]) -> None:
        order = (journey.orders or []).pop(0)
        cells.update(dict.fromkeys(cells_in(order.people)))
        journey.events -= 1 + len(order.refunds)
        self.mark((key, part_number(ORDERS, journey.first_orders)))
        journey.first_orders += 1

    def _drop_claim(self, key: bytes, journey: Journey) -> None:
        (journey.claims or []).pop(0)
        self.mark((key, part_number(CLAIMS, journey.first_claims)))
        journey.first_claims += 1

    def _cell(self, metric: int, source: int, time_ms: int) -> bytes:
        return pack_cell(self.directory.campaign_of[source], metric, day_number(time_ms))

    def _evict(self, key: bytes, journey: Journey, cells: dict[bytes, None]) -> None:
        """Bring a journey back to its bound.

        Conversions, and orders, beyond their share go first: were they the last, a journey that is full would hold nothing else,
        and credit nobody. Then the oldest views, then the oldest touches.
        """
        segments = journey.touches
        share = self.journey_events_max // CONVERSIONS_SHARE
        while len(journey.claims or ()) > share:
            self._drop_claim(key, journey)
        while journey.events > self.journey_events_max:
            events_before = journey.events
            if journey.conversions and _conversion_count(journey) - CONVERSION_SEGMENT_ROWS >= share:
                self._drop_conversion_segment(key, journey, cells)
            elif journey.orders and len(journey.orders) > max(share, 1):
                self._drop_order(key, journey, cells)
            elif journey.views_from < len(segments) - 1:
                self._drop_views(key, journey, cells)
            elif len(segments) > 1:
                self._drop_touch_segment(key, journey, cells)
            elif journey.orders:
                self._drop_order(key, journey, cells)
            elif journey.waiting:
                times_ms = sorted(refund.time_ms for refund in journey.waiting)
                excess = min(journey.events - self.journey_events_max, len(times_ms))
                self._orders.refuse_waiting(key, journey, times_ms[excess - 1] + 1)
            else:
                break
            self.changes.evicted += events_before - journey.events
        _refresh_fingerprints(journey)

    def _drop_views(self, key: bytes, journey: Journey, cells: dict[bytes, None]) -> None:
        """Drop the views of the first segment that may hold some."""
        index = journey.views_from
        self.audience.keep(key, journey)
        self._add_views(journey.touches[index], cells)
        kept, views = without_views(journey.touches[index])
        journey.touches[index] = kept
        journey.events -= views
        self.mark((key, part_number(TOUCHES, journey.first_touches + index)))
        journey.views_from += 1
        if index == 0 and not kept:
            self._drop_touch_segment(key, journey, cells)


def _refresh_fingerprints(journey: Journey) -> None:
    """Find the fingerprints anew once half of them are those of events that were dropped."""
    if len(journey.fingerprints) > FINGERPRINT_BYTES * (2 * journey.events + 16):
        journey.fingerprints = fingerprints_of(journey)


def _conversion_count(journey: Journey) -> int:
    """How many conversions the journey holds: all segments but the last are full."""
    segments = journey.conversions or [b""]
    return (len(segments) - 1) * CONVERSION_SEGMENT_ROWS + len(segments[-1]) // CONVERSION_BYTES


def _is_counted(journey: Journey, cell: bytes) -> bool:
    return has_cell(journey.counted, cell) or is_kept(journey, cell)


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
    refunds = [
        *(journey.waiting or ()),
        *(refund for order in journey.orders or () for refund in order.refunds),
    ]
    return any(one.event_hash == event_hash for one in (*(journey.orders or ()), *refunds))
