"""The rules of a journey: what an accepted event changes (ARCHITECTURE.md, R2 to R8, R14 and R15).

A journey's credits are a pure function of the set of its events. Whatever order events come in, each call adds the
difference it makes, new minus old, to `Changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from xinghe.domain.attribution.last_touch import last_touch
from xinghe.domain.audience import ROW_BYTES as AUDIENCE_ROW_BYTES
from xinghe.domain.audience_rules import AudienceRules
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
from xinghe.domain.journey import (
    CART_ADD,
    CLAIMS,
    CONVERSION_BYTES,
    CONVERSIONS,
    FAVORITE,
    FINGERPRINT_BYTES,
    GROUP_BITS,
    KEPT,
    ORDERS,
    STORE_VISIT,
    TOUCHES,
    Conversion,
    Journey,
    conversion_rows,
    conversions_in,
    fingerprints_of,
    pack_conversion,
    part_number,
)
from xinghe.domain.kept import is_kept, keep_cell
from xinghe.domain.metrics import COUNTED_INDEX, PEOPLE_INDEX
from xinghe.domain.order import Claim, Order, Refund
from xinghe.domain.order_rules import TOTAL, OrderRules, Windows
from xinghe.domain.purchases import NEW_AFTER_MS
from xinghe.domain.touch import (
    AD_CLICK,
    COUPON_CLAIM,
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
CONVERSION_METRIC: Final = {
    STORE_VISIT: COUNTED_INDEX["store_visits"],
    FAVORITE: COUNTED_INDEX["favorites"],
    CART_ADD: COUNTED_INDEX["cart_adds"],
}
_VIEWERS: Final = PEOPLE_INDEX["viewers"]
CONVERSION_PEOPLE: Final = {
    STORE_VISIT: PEOPLE_INDEX["store_visitors"],
    CART_ADD: PEOPLE_INDEX["cart_users"],
}
_KIND_OF_PEOPLE: Final = {people: kind for kind, people in CONVERSION_PEOPLE.items()}
CONVERSIONS_SHARE: Final = 4
"""Conversions, and orders, may be one in so many of the events of a journey that is full."""

Credit = tuple[int, int, int]
"""A person counted: campaign number, people metric, day."""


class JourneyRules:
    """The rules over the journeys of one partition.

    ``mark((key, part))`` is called for each part of the journey that changed; the caller takes what is in ``changes`` and
    clears it.
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
        self._orders = OrderRules(directory, windows, mark, self.changes)
        self.audience = AudienceRules(directory, journey_events_max, mark, self.changes)
        self.event_time_ms_max = 0
        """The highest event time of the task; the caller raises it before it hands in an event."""

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
            if len(segments) > 1:
                self.expire(key, journey)
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
            self._reattribute(key, journey, Touch(time_ms, event_id, source, kind))
        if journey.events > self.journey_events_max:
            self._evict(key, journey)
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
        winner = last_touch(self._reaching(journey, target, time_ms, self.windows.touch_ms))
        credited = self._credited(winner, target)
        if kind in CONVERSION_PEOPLE:
            people = self._people_of(CONVERSION_PEOPLE[kind], credited, time_ms)
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
        self.changes.counts[credited, time_ms // MINUTE_MS, CONVERSION_METRIC[kind]] += 1
        self.audience.converted(key, journey, target)
        if journey.events > self.journey_events_max:
            self._evict(key, journey)
        return True

    def pay(self, key: bytes, journey: Journey, order: Order) -> bool:
        """Add a payment; answers False where its event or its order is known and the known one counts."""
        hash_bytes = order.event_hash.to_bytes(8, "little")
        if is_duplicate(journey, hash_bytes, order.event_hash):
            return False
        self.audience.paid(key, journey, order.target)
        if not self._orders.pay(key, journey, order):
            return False
        journey.fingerprints += hash_bytes[:FINGERPRINT_BYTES]
        journey.last_conversion_ms = max(journey.last_conversion_ms, order.time_ms)
        if journey.events > self.journey_events_max:
            self._evict(key, journey)
        return True

    def adopt(self, key: bytes, journey: Journey, order: Order) -> None:
        """Add an order of another journey; its revisions go on where they stood, and are told under this person."""
        self.pay(key, journey, order)
        self._orders.retell(key, journey, order)

    def refund(self, key: bytes, journey: Journey, refund: Refund) -> bool:
        """Add a refund; answers False where its event or its ``refund_id`` is known and the known one counts."""
        hash_bytes = refund.event_hash.to_bytes(8, "little")
        if is_duplicate(journey, hash_bytes, refund.event_hash) or not self._orders.refund(
            key, journey, refund
        ):
            return False
        journey.fingerprints += hash_bytes[:FINGERPRINT_BYTES]
        if journey.events > self.journey_events_max:
            self._evict(key, journey)
        return True

    # Credits

    def _reaching(self, journey: Journey, target: int, time_ms: int, window_ms: int) -> Iterator[Touch]:
        """The touches of the target's shop within the window before ``time_ms``."""
        shop_of = self.directory.shop_of
        return touches_between(journey.touches, time_ms - window_ms, time_ms, shop_of, shop_of[target])

    def _credited(self, winner: Touch | None, target: int) -> int:
        """The source that a conversion counts under."""
        return self.directory.unattributed(target) if winner is None else winner.source

    def _reattribute(self, key: bytes, journey: Journey, touch: Touch) -> None:
        """A touch came after conversions that it may have earned: credit it with those."""
        if journey.orders:
            self._orders.touched(key, journey, touch)
        reached = touch.time_ms, touch.time_ms + self.windows.touch_ms
        if not self._earned(journey, touch, reached):
            return
        earned = self._earned(journey, touch, self._earns(journey, touch))
        before: set[Credit] = set()
        after: set[Credit] = set()
        for row in (row for rows in earned.values() for row in rows):
            metric = CONVERSION_PEOPLE.get(row.kind)
            if metric is not None:
                before |= self._people_of(metric, row.credited, row.time_ms)
                after |= self._people_of(metric, touch.source, row.time_ms)
        gained = self._uncounted(journey, after - before)
        for index, rows in earned.items():
            self._credit(key, journey, index, set(rows), touch.source)
        self._count_people(gained, 1)
        self._count_people(self._uncounted(journey, before - after), -1)

    def _earns(self, journey: Journey, touch: Touch) -> tuple[int, int]:
        """The first and the last millisecond of those in which ``touch`` wins every conversion of its shop.

        Up to the next touch that outranks it, and, for a touch that is no ad click, from when on the last ad click before it
        reaches nothing any more. Both follow from the order of touches, so one look at each suffices for all conversions.
        """
        shop_of, window_ms = self.directory.shop_of, self.windows.touch_ms
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

    def _earned(self, journey: Journey, touch: Touch, span: tuple[int, int]) -> dict[int, list[Conversion]]:
        """By index of their segment, the conversions of the touch's shop in a span of time."""
        shop_of, (from_ms, to_ms) = self.directory.shop_of, span
        shop = shop_of[touch.source]
        earned: dict[int, list[Conversion]] = {}
        for index, segment in enumerate(journey.conversions or ()):
            for row in conversion_rows(segment):
                if from_ms <= row[1] <= to_ms and shop_of[row[2]] == shop:
                    earned.setdefault(index, []).append(Conversion._make(row))
        return earned

    def _credit(self, key: bytes, journey: Journey, index: int, earned: set[Conversion], source: int) -> None:
        segments = journey.conversions or []
        rows = list(conversions_in(segments[index]))
        for at, row in enumerate(rows):
            if row in earned:
                cell = row.time_ms // MINUTE_MS, CONVERSION_METRIC[row.kind]
                self.changes.counts[row.credited, *cell] -= 1
                self.changes.counts[source, *cell] += 1
                rows[at] = row._replace(credited=source)
        segments[index] = b"".join(pack_conversion(*row) for row in rows)
        self.mark((key, part_number(CONVERSIONS, journey.first_conversions + index)))

    # People

    def _people_of(self, metric: int, credited: int, time_ms: int) -> set[Credit]:
        """What a conversion counts its person for: the campaign's day, and to date."""
        campaign = self.directory.campaign_of[credited]
        return {(campaign, metric, day_number(time_ms)), (campaign, metric, TOTAL)}

    def _uncounted(self, journey: Journey, people: set[Credit]) -> list[Credit]:
        """Those for which no conversion counts the person, neither one that is kept nor one that was dropped."""
        return [credit for credit in people if not self._is_counted_for(journey, credit)]

    def _is_counted_for(self, journey: Journey, credit: Credit) -> bool:
        campaign, metric, day = credit
        cell = pack_cell(campaign, metric, day)
        if is_kept(journey, any_day(cell) if day == TOTAL else cell):
            return True
        campaign_of = self.directory.campaign_of
        kind = _KIND_OF_PEOPLE[metric]
        # The newest first: who comes again is mostly counted by what came just before.
        for segment in reversed(journey.conversions or ()):
            for _, time_ms, _, credited, row_kind in conversion_rows(segment):
                if (
                    row_kind == kind
                    and campaign_of[credited] == campaign
                    and day in {TOTAL, day_number(time_ms)}
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
        while (
            journey.orders
            and journey.orders[0].time_ms < horizon_ms - NEW_AFTER_MS
            and not self._is_untold(key, journey)
        ):
            self._drop_order(key, journey)
        while journey.claims and journey.claims[0].time_ms < touch_horizon_ms:
            self._drop_claim(key, journey)
        if journey.waiting:
            self._orders.refuse_waiting(key, journey, horizon_ms)
        _refresh_fingerprints(journey)

    def _drop_touch_segment(self, key: bytes, journey: Journey) -> None:
        self.audience.keep(key, journey)
        journey.events -= touch_count(journey.touches[0])
        self._keep_views(key, journey, journey.touches[0])
        self.mark((key, part_number(TOUCHES, journey.first_touches)))
        del journey.touches[0]
        journey.first_touches += 1
        journey.views_from = max(journey.views_from - 1, 0)

    def _keep_views(self, key: bytes, journey: Journey, segment: bytes) -> None:
        for touch in touches_in(segment):
            if touch.kind == VIEW:
                self.keep(key, journey, self._cell(_VIEWERS, touch.source, touch.time_ms))

    def _drop_conversion_segment(self, key: bytes, journey: Journey) -> None:
        self.audience.keep(key, journey)
        segments = journey.conversions or []
        for row in conversions_in(segments[0]):
            if row.kind in CONVERSION_PEOPLE:
                self.keep(key, journey, self._cell(CONVERSION_PEOPLE[row.kind], row.credited, row.time_ms))
            journey.events -= 1
        self.mark((key, part_number(CONVERSIONS, journey.first_conversions)))
        del segments[0]
        journey.first_conversions += 1

    def _is_untold(self, key: bytes, journey: Journey) -> bool:
        """Whether the attribution of the oldest order is still to be sent, for which the order must stay."""
        return (key, journey.first_orders) in self.changes.orders

    def _drop_order(self, key: bytes, journey: Journey) -> None:
        order = (journey.orders or []).pop(0)
        for cell in cells_in(order.people):
            self.keep(key, journey, cell)
        journey.events -= 1 + len(order.refunds)
        self.mark((key, part_number(ORDERS, journey.first_orders)))
        journey.first_orders += 1

    def _drop_claim(self, key: bytes, journey: Journey) -> None:
        (journey.claims or []).pop(0)
        self.mark((key, part_number(CLAIMS, journey.first_claims)))
        journey.first_claims += 1

    def _cell(self, metric: int, source: int, time_ms: int) -> bytes:
        return pack_cell(self.directory.campaign_of[source], metric, day_number(time_ms))

    def _evict(self, key: bytes, journey: Journey) -> None:
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
                self._drop_conversion_segment(key, journey)
            elif journey.orders and len(journey.orders) > max(share, 1) and not self._is_untold(key, journey):
                self._drop_order(key, journey)
            elif journey.views_from < len(segments) - 1:
                self._drop_views(key, journey)
            elif len(segments) > 1:
                self._drop_touch_segment(key, journey)
            elif journey.orders and not self._is_untold(key, journey):
                self._drop_order(key, journey)
            elif journey.waiting:
                self._orders.refuse_waiting(
                    key, journey, 1 + min(refund.time_ms for refund in journey.waiting)
                )
            else:
                break
            self.changes.evicted += events_before - journey.events
        _refresh_fingerprints(journey)

    def _drop_views(self, key: bytes, journey: Journey) -> None:
        """Drop the views of the first segment that may hold some."""
        index = journey.views_from
        self.audience.keep(key, journey)
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
