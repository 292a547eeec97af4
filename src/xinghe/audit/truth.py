"""The truth: rules R2 to R9 of ARCHITECTURE.md, recomputed from all accepted events at once.

Plain and slow on purpose. All events of a person are looked at together when they are all known, so nothing here is
ever corrected, subtracted or revised, which is what the stream has to get right. From the rest of the project come
only the event structs, the names of the metrics and the lengths of time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, TypeVar

from xinghe.audit.credit import KIND_METRIC, TOUCH_TYPES, Touch, Touches, touch_of
from xinghe.audit.figures import PEOPLE_SIZES, SIZES, SPEND_SIZES, Truth, WindowKey, window_start_ms
from xinghe.audit.intake import Intake
from xinghe.audit.judge import SettingsDeleted
from xinghe.audit.record import Place, SourceRecord
from xinghe.domain.events import (
    CAMPAIGN_EVENTS,
    AdSpent,
    CampaignConfigured,
    CartAdded,
    ItemFavorited,
    OrderPaid,
    StoreVisited,
)
from xinghe.domain.windows import DAY_MS, JOURNEY_RETENTION_MS, OUT_OF_ORDERNESS_MS

ORDER_MICROS: Final = 1_000_000
TOUCH_WINDOW_MS: Final = 15 * DAY_MS
PAYMENT_WINDOW_MS: Final = 30 * DAY_MS
JOURNEY_EVENTS_MAX: Final = 2_000
GMV_LAG_MS: Final = {"gmv_7d_fen": 7 * DAY_MS, "gmv_15d_fen": 15 * DAY_MS, "gmv_30d_fen": 30 * DAY_MS}

CONVERSION_METRIC: Final[dict[type, str]] = {
    StoreVisited: "store_visits",
    ItemFavorited: "favorites",
    CartAdded: "cart_adds",
}
CONVERSION_PEOPLE: Final[dict[type, str]] = {
    StoreVisited: "store_visitors",
    CartAdded: "cart_users",
    OrderPaid: "buyers",
}


class Recomputation:
    """Adds up the truth: each partition of the journeys topics once, the campaigns' events in the order of the log.

    ``touch_window_ms`` is the longest time from a touch to a visit, favourite or cart that it earns,
    ``payment_window_ms`` to a payment. People with more than ``journey_events_max`` events are named apart.
    """

    def __init__(
        self,
        touch_window_ms: int = TOUCH_WINDOW_MS,
        payment_window_ms: int = PAYMENT_WINDOW_MS,
        journey_events_max: int = JOURNEY_EVENTS_MAX,
    ) -> None:
        self._touch_window_ms = touch_window_ms
        self._payment_window_ms = payment_window_ms
        self._journey_events_max = journey_events_max
        self._truth = Truth()
        self._spend_event_ids: set[tuple[str, str]] = set()

    def add_partition(self, partition: int, events: Iterable[Any]) -> None:
        """Add all accepted journey events of one partition, which hold whole journeys."""
        people: dict[str, list[Any]] = defaultdict(list)
        newest_ms = -1
        for event in events:
            people[event.person_id].append(event)
            newest_ms = max(newest_ms, event.time_ms)
        if not people:
            return
        self._truth.watermarks_ms[partition] = newest_ms - OUT_OF_ORDERNESS_MS
        for person_id, theirs in people.items():
            self._add_person(person_id, theirs, self._truth.watermarks_ms[partition])

    def add_campaign_event(self, event: AdSpent | CampaignConfigured | SettingsDeleted) -> None:
        """R8: of an hour the largest ``(revision, event_id)`` counts; of settings the later record."""
        truth = self._truth
        match event:
            case SettingsDeleted():
                truth.counted += 1
                if event.campaign_id is not None:
                    truth.settings.pop(event.campaign_id, None)
            case CampaignConfigured():
                truth.counted += 1
                truth.settings.setdefault(event.campaign_id, {})[event.effective_ms] = event
                truth.shops_configured.setdefault(event.campaign_id, set()).add(event.shop_id)
            case AdSpent():
                self._add_spend(event)

    def add_intake(self, intake: Intake) -> None:
        """Add the expected dead letters, and check that each that was too late can have been (R1, rule 8)."""
        truth = self._truth
        truth.events_in += intake.events_in
        truth.dead_letters |= intake.dead_letters
        truth.settings_places |= intake.settings_places
        for place, time_ms in intake.too_late_ms.items():
            watermark_ms = truth.watermarks_ms.get(place.partition)
            if watermark_ms is None or time_ms >= watermark_ms - JOURNEY_RETENTION_MS:
                truth.impossible_too_late[place] = time_ms

    def finish(self, partitions: int) -> Truth:
        """The truth, once all is added; ``partitions`` is how many the journeys stage has, empty ones too."""
        truth = self._truth
        truth.partitions = partitions
        for (campaign_id, hour_start_ms), report in truth.spend_reports.items():
            for size in SPEND_SIZES:
                key = (campaign_id, size, window_start_ms(size, hour_start_ms))
                truth.spend_fen[key] = truth.spend_fen.get(key, 0) + report.spend_fen
        return truth

    def _add_spend(self, event: AdSpent) -> None:
        truth = self._truth
        if (event.campaign_id, event.event_id) in self._spend_event_ids:
            truth.duplicates += 1
            return
        self._spend_event_ids.add((event.campaign_id, event.event_id))
        truth.counted += 1
        hour = (event.campaign_id, event.hour_start_ms)
        known = truth.spend_reports.get(hour)
        if known is None or (event.revision, event.event_id) > (known.revision, known.event_id):
            truth.spend_reports[hour] = event

    def _add_person(self, person_id: str, events: list[Any], watermark_ms: int) -> None:
        distinct, unequal = distinct_events(events)
        touches = [touch_of(event) for event in distinct if isinstance(event, TOUCH_TYPES)]
        payments = [event for event in distinct if isinstance(event, OrderPaid)]
        counting = first_payments(payments)
        conversions = [event for event in distinct if type(event) in CONVERSION_METRIC] + counting
        self._truth.counted += len(touches) + len(conversions)
        self._truth.duplicates += len(events) - len(touches) - len(conversions)

        people: set[tuple[WindowKey, str]] = set()
        for touch in touches:
            self._add_touch(touch, people)
        known = Touches(touches)
        for conversion in conversions:
            self._add_conversion(conversion, known, people)
        # R5: a person is one person per window, however often they come.
        for key, name in people:
            _add(self._truth.counts, key, {name: 1})

        reason = self._reason_apart(distinct, payments, counting, unequal, watermark_ms)
        if reason is not None:
            self._truth.apart[person_id] = reason
            self._truth.apart_campaigns |= {touch.campaign_id for touch in touches}
            self._truth.apart_campaigns |= {
                f"unattributed:{conversion.shop_id}" for conversion in conversions
            }

    def _add_touch(self, touch: Touch, people: set[tuple[WindowKey, str]]) -> None:
        """R3: one more of its kind, in the windows of its own time."""
        self._truth.shops_seen.setdefault(touch.campaign_id, set()).add(touch.shop_id)
        metric = KIND_METRIC[touch.kind]
        if metric is None:
            return
        self._count(touch.campaign_id, touch.note_id, touch.time_ms, {metric: 1})
        if touch.kind == "view":
            people |= _people(touch.campaign_id, touch.time_ms, "viewers")

    def _add_conversion(self, event: Any, touches: Touches, people: set[tuple[WindowKey, str]]) -> None:
        """R4: under the winner's campaign, in the windows of the conversion's own time."""
        is_payment = isinstance(event, OrderPaid)
        window_ms = self._payment_window_ms if is_payment else self._touch_window_ms
        winner = touches.winner(event.shop_id, event.time_ms, window_ms)
        campaign_id = f"unattributed:{event.shop_id}" if winner is None else winner.campaign_id
        self._truth.shops_seen.setdefault(campaign_id, set()).add(event.shop_id)
        amounts = payment_amounts(event, winner) if is_payment else {CONVERSION_METRIC[type(event)]: 1}
        self._count(campaign_id, None if winner is None else winner.note_id, event.time_ms, amounts)
        if type(event) in CONVERSION_PEOPLE:
            people |= _people(campaign_id, event.time_ms, CONVERSION_PEOPLE[type(event)])
        if is_payment:
            self._truth.orders[event.person_id, event.order_id] = attribution(event, winner, campaign_id)

    def _count(self, campaign_id: str, note_id: str | None, time_ms: int, amounts: dict[str, int]) -> None:
        for size in SIZES:
            _add(self._truth.counts, (campaign_id, size, window_start_ms(size, time_ms)), amounts)
        if note_id is not None:
            _add(self._truth.note_counts, (campaign_id, note_id), amounts)

    def _reason_apart(
        self,
        distinct: list[Any],
        payments: list[OrderPaid],
        counting: list[OrderPaid],
        unequal: str | None,
        watermark_ms: int,
    ) -> str | None:
        """Why the stream may rightly show other figures for a person; ``None`` if it may not."""
        if len(distinct) > self._journey_events_max:
            return f"{len(distinct)} events, more than the {self._journey_events_max} that a journey keeps"
        if unequal is not None:
            return f"records with event_id {unequal} differ from each other"
        first_ms = {payment.order_id: payment.time_ms for payment in counting}
        for payment in payments:
            first = first_ms[payment.order_id]
            # The first payment may have left the journey (R11) before this one came.
            if first < payment.time_ms and first + JOURNEY_RETENTION_MS < watermark_ms:
                return f"order_id {payment.order_id} came back after the time that a journey keeps it"
        return None


def distinct_events(events: list[Any]) -> tuple[list[Any], str | None]:
    """R2: one event of each ``event_id``, and an ``event_id`` whose copies are not equal, if there is one."""
    by_id: dict[str, Any] = {}
    unequal = None
    for event in events:
        if by_id.setdefault(event.event_id, event) != event:
            unequal = event.event_id
    return list(by_id.values()), unequal


def first_payments(payments: list[OrderPaid]) -> list[OrderPaid]:
    """R2: of the payments with one ``order_id`` the one with the smallest ``(time_ms, event_id)``."""
    by_order: dict[str, OrderPaid] = {}
    for payment in sorted(payments, key=lambda payment: (payment.time_ms, payment.event_id)):
        by_order.setdefault(payment.order_id, payment)
    return list(by_order.values())


def payment_amounts(order: OrderPaid, winner: Touch | None) -> dict[str, int]:
    """R4: what a payment adds to the windows of its campaign."""
    amounts = {"orders_micros": ORDER_MICROS, "gmv_fen": order.amount_fen}
    if winner is None:
        return amounts
    amounts["direct_gmv_fen" if winner.item_id == order.item_id else "halo_gmv_fen"] = order.amount_fen
    lag_ms = order.time_ms - winner.time_ms
    return amounts | {name: order.amount_fen for name, most_ms in GMV_LAG_MS.items() if lag_ms <= most_ms}


def attribution(order: OrderPaid, winner: Touch | None, campaign_id: str) -> dict[str, Any]:
    """R9: the order as ``xinghe.order.attributed.v1`` has it, without its revision. Refunds are not consumed yet."""
    credit = {
        "campaign_id": campaign_id,
        "note_id": winner and winner.note_id,
        "touch_event_id": winner and winner.event_id,
        "touch_time_ms": winner and winner.time_ms,
        "kind": winner and winner.kind,
        "orders_micros": ORDER_MICROS,
        "gmv_fen": order.amount_fen,
        "direct": winner is not None and winner.item_id == order.item_id,
    }
    return {
        "order_id": order.order_id,
        "person_id": order.person_id,
        "shop_id": order.shop_id,
        "time_ms": order.time_ms,
        "amount_fen": order.amount_fen,
        "refunded_fen": 0,
        "credits": {"last_touch": [credit]},
    }


_Key = TypeVar("_Key")


def _people(campaign_id: str, time_ms: int, name: str) -> set[tuple[WindowKey, str]]:
    return {((campaign_id, size, window_start_ms(size, time_ms)), name) for size in PEOPLE_SIZES}


def _add(counts: dict[_Key, dict[str, int]], key: _Key, amounts: dict[str, int]) -> None:
    into = counts.setdefault(key, {})
    for name, amount in amounts.items():
        into[name] = into.get(name, 0) + amount


def _single_partition(person_id: str) -> int:
    del person_id
    return 0


def truth_of(
    events: Iterable[Any],
    *,
    touch_window_ms: int = TOUCH_WINDOW_MS,
    payment_window_ms: int = PAYMENT_WINDOW_MS,
    journey_events_max: int = JOURNEY_EVENTS_MAX,
    partition_of: Callable[[str], int] = _single_partition,
    partitions: int = 1,
) -> Truth:
    """The truth of accepted events: journey events in any order, campaigns' events in the order of their log.

    ``partition_of`` gives the partition of a ``person_id``, of ``partitions``; by default there is one.
    """
    recomputation = Recomputation(touch_window_ms, payment_window_ms, journey_events_max)
    by_partition: dict[int, list[Any]] = defaultdict(list)
    for event in events:
        if isinstance(event, (AdSpent, CampaignConfigured, SettingsDeleted)):
            recomputation.add_campaign_event(event)
        else:
            by_partition[partition_of(event.person_id)].append(event)
    for partition, theirs in by_partition.items():
        recomputation.add_partition(partition, theirs)
    truth = recomputation.finish(partitions)
    truth.events_in = truth.counted + truth.duplicates
    return truth


def truth_of_records(
    records: Iterable[SourceRecord],
    too_late: Collection[Place] = (),
    *,
    touch_window_ms: int = TOUCH_WINDOW_MS,
    payment_window_ms: int = PAYMENT_WINDOW_MS,
    journey_events_max: int = JOURNEY_EVENTS_MAX,
    partitions: int = 1,
) -> Truth:
    """The truth of records, each partition's in its order; ``too_late`` is what the dead letters call so."""
    recomputation = Recomputation(touch_window_ms, payment_window_ms, journey_events_max)
    campaign_topics = {event.topic for event in CAMPAIGN_EVENTS}  # type: ignore[attr-defined]  # all have one
    intakes: dict[int, Intake] = {}
    for_campaigns = Intake()
    for record in records:
        if record.topic in campaign_topics:
            for_campaigns.add([record])
        else:
            intakes.setdefault(record.partition, Intake(too_late)).add([record])
    for partition, intake in intakes.items():
        recomputation.add_partition(partition, intake.take_accepted())
        recomputation.add_intake(intake)
    for event in for_campaigns.take_accepted():
        recomputation.add_campaign_event(event)
    recomputation.add_intake(for_campaigns)
    return recomputation.finish(partitions)
