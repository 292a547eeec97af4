"""Stage 1: a person's journey. Judges, deduplicates, attributes, and adds up what changed per campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
from xxhash import xxh3_64_intdigest as hash64

from streams import metric_defs
from streams.agents.identities import Identities
from streams.agents.intake import (
    DECODE_ERRORS,
    VALUE_BYTES_MAX,
    DeadLetters,
    key_mismatch,
    rejection,
    separator_in,
    too_large,
)
from streams.agents.shop_models import check_model_channel
from streams.partitions import partition_of
from xinghe.domain import events
from xinghe.domain.attribution.order_credit import Credit, credits_of
from xinghe.domain.cohorts import CohortRow
from xinghe.domain.delta import Changes, Delta, PathDelta, Watermark
from xinghe.domain.directory import Directory, Names, Source
from xinghe.domain.identity import Forwarded
from xinghe.domain.journey import CART_ADD, FAVORITE, STORE_VISIT, Journey
from xinghe.domain.journey_rules import JourneyRules
from xinghe.domain.metrics import MODELS
from xinghe.domain.order import Order, Refund, counting_refunds, refunded_fen
from xinghe.domain.order_rules import Windows
from xinghe.domain.recounts import Recount
from xinghe.domain.touch import KIND_NUMBER, KINDS, NOTE_TYPE_FORM, SURFACE_FORM, VIEW, Touch
from xinghe.domain.windows import (
    ALLOWED_LATENESS_MS,
    FUTURE_MS,
    JOURNEY_RETENTION_MS,
    MINUTE_MS,
    watermark_ms,
)

if TYPE_CHECKING:
    from streams.engine.batch import Batch, Record
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task

JOURNEYS: Final = "journeys"
DIRECTORY: Final = "directory"
CLOCK: Final = "journeys_clock"
_CLOCK_KEY: Final = b"clock"
SWEEP_JOURNEYS: Final = 500
"""Journeys looked at per tick for what can be dropped; a million take half an hour."""

_TOUCH_KINDS: Final[dict[type, int]] = {
    events.NoteLiked: KIND_NUMBER["like"],
    events.NoteCommented: KIND_NUMBER["comment"],
    events.AdClicked: KIND_NUMBER["ad_click"],
}
_CONVERSION_KINDS: Final[dict[type, int]] = {
    events.StoreVisited: STORE_VISIT,
    events.ItemFavorited: FAVORITE,
    events.CartAdded: CART_ADD,
}
_EVENT_OF_TOPIC: Final = {
    topic: event for topic, event in events.SOURCE_EVENTS.items() if event in events.JOURNEY_EVENTS
}
TOPICS: Final = (*_EVENT_OF_TOPIC, events.PersonLinked.topic, events.JOURNEY_MOVED)
Adder = Callable[[bytes, Journey, Any, int, Any], bool]
"""Adds an event to a journey: person, journey, event, number of its source, record."""


class Clock(msgspec.Struct, array_like=True):
    """What a task keeps over restarts.

    The highest event time that it has accepted, what it has counted paths in, and how many records it took and refused.
    """

    event_time_ms_max: int
    model_channel: events.ModelChannel
    taken: int = 0
    refused: int = 0


class _Deltas(dict[int, Delta]):
    """The deltas of a commit by number of the campaign, each made when it is asked for first."""

    def __init__(self, new: Callable[[int], Delta]) -> None:
        self._new = new

    def __missing__(self, campaign: int) -> Delta:
        delta = self[campaign] = self._new(campaign)
        return delta


class JourneysProcessor:
    """The journeys of one partition."""

    def __init__(
        self,
        task: Task,
        *,
        windows: Windows,
        journey_events_max: int,
        partitions: int,
        model_channel: events.ModelChannel = "campaign",
    ) -> None:
        self._task = task
        self._partitions = partitions
        self._journeys: MemoryStore[Journey] = task.store(JOURNEYS)
        self._entries: MemoryStore[Source] = task.store(DIRECTORY)
        self._clock: MemoryStore[Clock] = task.store(CLOCK)
        self._dead_letters = DeadLetters(task)
        self._directory = Directory()
        self._model_channel = model_channel
        self._rules = JourneyRules(
            self._directory, windows, journey_events_max, self._journeys.mark, model_channel
        )
        self._kept_sources = 0
        self._settled_ms = watermark_ms(0)
        self._kept_clock = Clock(0, model_channel)
        self._taken = 0
        self._told: Watermark | None = None
        self._arrived_ms: list[int] = []
        self._sweep: Iterator[tuple[bytes, Journey]] = iter(())
        self._decoders: dict[str, Callable[[bytes], Any]] = {
            topic: msgspec.json.Decoder(event).decode for topic, event in _EVENT_OF_TOPIC.items()
        }
        self._adders = {topic: self._adder(event) for topic, event in _EVENT_OF_TOPIC.items()}
        self._names = {topic: _names_of(event) for topic, event in _EVENT_OF_TOPIC.items()}
        self._decode_linked = msgspec.json.Decoder(events.PersonLinked).decode
        self._identities = Identities(
            task, self._journeys, self._rules, self._dead_letters, partitions, self._add_forwarded
        )
        self._encode = msgspec.msgpack.Encoder().encode

    def opened(self, last_offset: int) -> None:  # noqa: ARG002 - the sequence matters to stage 2 only
        """Number the sources as before and take up the clock; raises `SettingsError` for another channel of models."""
        self._directory.restore(
            (int.from_bytes(key, "little"), source) for key, source in self._entries.items()
        )
        self._kept_sources = len(self._directory.sources)
        for entry in self._journeys.items():
            self._rules.recover(entry[1])
        clock = self._clock.get(_CLOCK_KEY)
        if clock is not None:
            check_model_channel(clock.model_channel, self._model_channel)
            self._kept_clock = clock
            self._rules.event_time_ms_max = clock.event_time_ms_max
            self._settled_ms = watermark_ms(clock.event_time_ms_max)
            self._taken, self._dead_letters.sent = clock.taken, clock.refused

    # Events

    def process(self, batch: Batch) -> None:
        """Work off a batch: events, links, or what was moved here from other ids."""
        if batch.topic == events.JOURNEY_MOVED:
            self._identities.process_moved(batch)
            return
        self._taken += len(batch.records)
        if batch.topic in _EVENT_OF_TOPIC:
            self._process_events(batch)
        else:
            self._process_links(batch)

    def _process_events(self, batch: Batch) -> None:  # noqa: C901 - one loop: a call more per event costs a percent
        """Judge each record and add the accepted ones to their journeys."""
        decode, add = self._decoders[batch.topic], self._adders[batch.topic]
        names_of, known_source = self._names[batch.topic], self._directory.get
        rules, get_journey, new_journey = self._rules, self._journeys.get, self._journeys.add
        target_of = self._identities.target_of
        # One in the middle stands for the batch: the first has waited longest for its fetch.
        self._arrived_ms.append(batch.records[len(batch.records) // 2].timestamp)
        time_ms_max = rules.event_time_ms_max
        too_late_ms = watermark_ms(time_ms_max) - JOURNEY_RETENTION_MS
        final_ms = watermark_ms(time_ms_max) - ALLOWED_LATENESS_MS - MINUTE_MS
        duplicates = late = 0
        records: Sequence[Any] = batch.records
        for record in records:
            value = record.value
            try:
                if len(value) > VALUE_BYTES_MAX:  # null raises TypeError
                    self._dead_letters.send(batch, record, *too_large(value))
                    continue
                if not value.isascii():
                    value.decode()  # the decoder does not look into fields that it ignores
                event = decode(value)
            except DECODE_ERRORS as error:
                self._dead_letters.send(batch, record, *rejection(record, error))
                continue
            key, time_ms = record.key, event.time_ms
            if key != event.person_id.encode() or not too_late_ms <= time_ms <= record.timestamp + FUTURE_MS:
                self._dead_letters.send(batch, record, *self._misfit(event, record))
                continue
            names = names_of(event)
            number = known_source(names)
            if number is None and (number := self._new_source(names)) is None:
                self._dead_letters.send(batch, record, *self._misfit(event, record))
                continue
            if time_ms > time_ms_max:
                rules.event_time_ms_max = time_ms_max = time_ms
                too_late_ms = watermark_ms(time_ms) - JOURNEY_RETENTION_MS
                final_ms = watermark_ms(time_ms) - ALLOWED_LATENESS_MS - MINUTE_MS
            journey = get_journey(key)
            if journey is None:
                if (target := target_of(key)) is not None:
                    self._identities.forward(key, target, batch, record)
                    continue
                journey = Journey([])
                new_journey(key, journey)
            if not add(key, journey, event, number, record):
                duplicates += 1
            elif time_ms <= final_ms:
                late += 1
        metric_defs.DUPLICATES.inc(duplicates)
        metric_defs.LATE_EVENTS.inc(late)

    def _process_links(self, batch: Batch) -> None:
        """Judge each link as any event, and take the accepted ones."""
        duplicates = 0
        for record in batch.records:
            event = self._dead_letters.decoded(batch, record, self._decode_linked)
            if event is None:
                continue
            horizon_ms = watermark_ms(self._rules.event_time_ms_max) - JOURNEY_RETENTION_MS
            is_in_time = horizon_ms <= event.time_ms <= record.timestamp + FUTURE_MS
            if record.key != event.person_id.encode() or not is_in_time:
                self._dead_letters.send(batch, record, *self._misfit(event, record))
                continue
            self._rules.event_time_ms_max = max(self._rules.event_time_ms_max, event.time_ms)
            duplicates += not self._identities.link(event, batch, record)
        metric_defs.DUPLICATES.inc(duplicates)

    def _add_forwarded(self, person: bytes, journey: Journey, forwarded: Forwarded) -> None:
        """Add an event that came under another id of the person."""
        event = self._decoders[forwarded.topic](forwarded.value)
        number = self._directory.number(self._names[forwarded.topic](event))
        self._adders[forwarded.topic](person, journey, event, number, forwarded)

    def _misfit(self, event: Any, record: Record) -> tuple[str, str]:
        """Reason and detail for an event that decodes but has a wrong id, key or time."""
        wrong_id = separator_in(
            shop_id=getattr(event, "shop_id", None), campaign_id=getattr(event, "campaign_id", None)
        )
        if wrong_id is not None:
            return wrong_id
        if record.key != event.person_id.encode():
            return key_mismatch("person_id", event.person_id)
        if event.time_ms > record.timestamp + FUTURE_MS:
            return (
                "future",
                f"$.time_ms: {event.time_ms} is over 10 minutes ahead of the record's {record.timestamp}",
            )
        watermark = watermark_ms(self._rules.event_time_ms_max)
        return "too_late", f"$.time_ms: {event.time_ms} is over 31 days behind the watermark {watermark}"

    def _new_source(self, names: Names) -> int | None:
        """The number of a source seen for the first time; ``None`` where an id in it may not be used."""
        shop_id, campaign_id, _, _ = names
        if separator_in(shop_id=shop_id, campaign_id=campaign_id) is not None:
            return None
        return self._directory.add(names)

    # Outputs

    def tick(self, now_ms: int) -> None:  # noqa: ARG002 - event time rules here
        """Tell the campaigns stage how far event time is and what came, and look for journeys that can shrink."""
        watermark = watermark_ms(self._rules.event_time_ms_max)
        told = Watermark(
            self._task.partition, watermark, self._settled_ms, self._taken, self._dead_letters.sent
        )
        if (self._rules.event_time_ms_max or self._taken) and told != self._told:
            self._told = told
            value = self._encode(told)
            for partition in range(self._partitions):
                self._task.send(events.CAMPAIGN_DELTA, partition, None, value)
        if self._rules.event_time_ms_max:
            metric_defs.WATERMARK_SECONDS.labels(str(self._task.partition)).set(watermark / 1000)
        for _ in range(SWEEP_JOURNEYS):
            entry = next(self._sweep, None)
            if entry is None:
                self._sweep = iter(list(self._journeys.items()))
                break
            if self._journeys.get(entry[0]) is entry[1]:
                self._rules.expire(*entry)

    def prepare(self) -> None:
        """Send attributions, refused refunds and deltas, and put the directory and the clock into their tables."""
        rules = self._rules
        changes, sources = rules.changes, self._directory.sources
        rules.settle()
        self._send_attributions(changes)
        rules.trim()
        for refund, reason, detail in changes.refusals:
            topic = events.OrderRefunded.topic
            # It came under the id in it, which may have been linked to this person since.
            person = self._decoders[topic](refund.value).person_id.encode()
            place = topic, refund.partition, refund.offset
            self._dead_letters.send_held(place, person, refund.value, reason, detail)
        metric_defs.EVICTED_EVENTS.inc(changes.evicted)
        if changes or self._kept_sources < len(sources):
            self._send_deltas(changes)
        self._send_path_deltas(changes)
        changes.clear()
        self._arrived_ms = []  # duplicates alone make no delta, and must not pile up for the next one
        for number in range(self._kept_sources, len(sources)):
            self._entries.put(number.to_bytes(4, "little"), sources[number])
        self._kept_sources = len(sources)
        clock = Clock(rules.event_time_ms_max, self._model_channel, self._taken, self._dead_letters.sent)
        if clock != self._kept_clock:
            self._kept_clock = clock
            self._clock.put(_CLOCK_KEY, clock)
        self._settled_ms = watermark_ms(rules.event_time_ms_max)

    def _send_attributions(self, changes: Changes) -> None:
        for person, number in changes.orders:
            journey = self._journeys.get(person)
            index = number - journey.first_orders if journey is not None else -1
            if journey is None or journey.orders is None or not 0 <= index < len(journey.orders):
                continue  # the order was dropped from a full journey within the commit
            order = journey.orders[index]
            order.revision += 1
            key = order.order_id.encode()
            value = orjson.dumps(self._attribution(person, order))
            self._task.send(events.ORDER_ATTRIBUTED, partition_of(key, self._partitions), key, value)

    def _attribution(self, person: bytes, order: Order) -> dict[str, object]:
        by_model = credits_of(order, self._rules.windows.half_life_ms)
        touches = {credit.touch for credits_ in by_model for credit in credits_}
        shown = {touch: self._shown(touch, order) for touch in touches}
        return {
            "order_id": order.order_id,
            "person_id": person.decode(),
            "shop_id": self._directory.sources[order.target].shop_id,
            "time_ms": order.time_ms,
            "amount_fen": order.amount_fen,
            "refunded_fen": refunded_fen(order),
            "refunds": sum(1 for _ in counting_refunds(order)),
            "new_customer": order.is_new,
            "revision": order.revision,
            "credits": {
                model: [_shown_credit(shown[credit.touch], credit) for credit in credits_]
                for model, credits_ in zip(MODELS, by_model, strict=True)
            },
        }

    def _shown(self, touch: Touch | None, order: Order) -> dict[str, object]:
        """What the attribution says of a touch, the same in each model."""
        directory = self._directory
        source = directory.unattributed(order.target) if touch is None else touch.source
        return {
            "campaign_id": directory.campaigns[directory.campaign_of[source]],
            "note_id": directory.sources[source].note_id or None,
            "touch_event_id": None if touch is None else touch.event_id.decode(),
            "touch_time_ms": None if touch is None else touch.time_ms,
            "kind": None if touch is None else KINDS[touch.kind],
            "direct": touch is not None and directory.is_direct(source, order.target),
        }

    def _send_deltas(self, changes: Changes) -> None:
        """One record per campaign that changed."""
        directory, deltas = self._directory, _Deltas(self._new_delta)
        for source in range(self._kept_sources, len(directory.sources)):
            if directory.sources[source].campaign_id is not None:
                # A coupon claim counts in no metric, yet its campaign's shop must be known.
                deltas[directory.campaign_of[source]]  # makes it
        campaign_of, note_of = directory.campaign_of, directory.note_of
        for (source, minute, metric), change in changes.counts.items():
            if change:
                deltas[campaign_of[source]].counts.append((note_of[source], minute, metric, change))
        for (campaign, day, metric), change in changes.people.items():
            if change:
                deltas[campaign].people.append((day, metric, change))
        _add_money(deltas, changes)
        for campaign, delta in deltas.items():
            key = directory.campaigns[campaign].encode()
            self._task.send(
                events.CAMPAIGN_DELTA, partition_of(key, self._partitions), key, self._encode(delta)
            )

    def _new_delta(self, campaign: int) -> Delta:
        watermark = watermark_ms(self._rules.event_time_ms_max)
        arrived_ms, self._arrived_ms = self._arrived_ms, []
        shop_id = self._directory.shop_of_campaign[campaign]
        return Delta(self._task.partition, watermark, arrived_ms, shop_id, [], [], [], [])

    def _send_path_deltas(self, changes: Changes) -> None:
        """One record per shop whose path counts changed."""
        deltas: dict[str, PathDelta] = {}
        for (shop_id, path), (orders, fen) in changes.paths.items():
            if orders or fen:
                deltas.setdefault(shop_id, PathDelta([])).paths.append((path, orders, fen))
        for shop_id, delta in deltas.items():
            key = shop_id.encode()
            self._task.send(events.PATH_DELTA, partition_of(key, self._partitions), key, self._encode(delta))

    def committed(self, last_offset: int | None) -> None:
        """Nothing waits for a commit here."""

    async def close(self) -> None:
        """Nothing is open here."""

    # One adder per event type

    def _adder(self, event_type: type[msgspec.Struct]) -> Adder:
        rules = self._rules
        adders: dict[type[msgspec.Struct], Adder] = {
            events.OrderPaid: self._pay,
            events.OrderRefunded: self._refund,
            events.CouponClaimed: self._claim,
            events.NoteEngaged: self._engage,
        }
        if event_type in adders:
            return adders[event_type]
        if event_type in _CONVERSION_KINDS:
            conversion_kind = _CONVERSION_KINDS[event_type]

            def add_conversion(key: bytes, journey: Journey, event: Any, number: int, _record: Any) -> bool:
                event_hash = hash64(event.event_id.encode())
                return rules.convert(key, journey, event_hash, event.time_ms, number, conversion_kind)

            return add_conversion
        note_type_form, surface_form = NOTE_TYPE_FORM, SURFACE_FORM
        if event_type is events.NoteViewed:

            def add_view(key: bytes, journey: Journey, event: Any, number: int, _record: Any) -> bool:
                event_id = event.event_id.encode()
                form = surface_form[event.surface] | note_type_form[event.note_type]
                return rules.touch(
                    key, journey, hash64(event_id), event.time_ms, number, VIEW, event_id, form
                )

            return add_view
        kind = _TOUCH_KINDS[event_type]

        def add_touch(key: bytes, journey: Journey, event: Any, number: int, _record: Any) -> bool:
            event_id, form = event.event_id.encode(), note_type_form[event.note_type]
            return rules.touch(key, journey, hash64(event_id), event.time_ms, number, kind, event_id, form)

        return add_touch

    def _engage(self, key: bytes, journey: Journey, event: Any, number: int, _record: Any) -> bool:
        event_id, kind = event.event_id.encode(), KIND_NUMBER[event.action]
        form = NOTE_TYPE_FORM[event.note_type]
        return self._rules.touch(key, journey, hash64(event_id), event.time_ms, number, kind, event_id, form)

    def _claim(self, key: bytes, journey: Journey, event: Any, number: int, _record: Any) -> bool:
        event_id, coupon_hash = event.event_id.encode(), hash64(event.coupon_id.encode())
        return self._rules.claim(key, journey, hash64(event_id), event.time_ms, number, event_id, coupon_hash)

    def _pay(self, key: bytes, journey: Journey, event: Any, number: int, _record: Any) -> bool:
        event_id = event.event_id.encode()
        order = Order(
            order_id=event.order_id,
            event_id=event_id,
            event_hash=hash64(event_id),
            time_ms=event.time_ms,
            target=number,
            amount_fen=event.amount_fen,
            new_customer=event.new_customer,
            coupons=tuple({hash64(coupon_id.encode()): None for coupon_id in event.coupon_ids or ()}),
        )
        return self._rules.pay(key, journey, order)

    def _refund(self, key: bytes, journey: Journey, event: Any, _number: int, record: Any) -> bool:
        event_id = event.event_id.encode()
        refund = Refund(
            refund_id=event.refund_id,
            order_id=event.order_id,
            event_id=event_id,
            event_hash=hash64(event_id),
            time_ms=event.time_ms,
            amount_fen=event.amount_fen,
            partition=record.partition if type(record) is Forwarded else self._task.partition,
            offset=record.offset,
            value=record.value,
        )
        return self._rules.refund(key, journey, refund)


def _add_money(deltas: _Deltas, changes: Changes) -> None:
    """Add what money is computed from to the deltas of its campaigns."""
    for (campaign, touch_day, order_day, day, model, known_day), amounts in changes.cohorts.items():
        if any(amounts):
            cohort = CohortRow(touch_day, order_day, day, model, *amounts, known_day)
            deltas[campaign].cohorts.append(cohort)
    for (campaign, day, metric, known_day), change in changes.recounts.items():
        if change:
            deltas[campaign].recounts.append(Recount(day, metric, known_day, change))


def _shown_credit(touch: dict[str, object], credit: Credit) -> dict[str, object]:
    amounts = {"orders_micros": credit.orders_micros, "gmv_fen": credit.gmv_fen}
    return touch | amounts | {"refund_fen": sum(credit.refund_fen)}


def _names_of(event_type: type[msgspec.Struct]) -> Callable[[Any], Names]:
    """How to name what an event of a type belongs to."""
    if event_type is events.CouponClaimed:
        return _coupon_names
    if event_type is events.OrderRefunded:
        return _shop_names
    is_touch = event_type in (*_TOUCH_KINDS, events.NoteViewed, events.NoteEngaged)
    return _touch_names if is_touch else _target_names


def _touch_names(event: Any) -> Names:
    """What a touch belongs to."""
    return event.shop_id, event.campaign_id, event.note_id, event.item_id


def _coupon_names(event: Any) -> Names:
    """What a coupon claim belongs to: without a campaign it is organic, by an empty note id."""
    return event.shop_id, event.campaign_id, None if event.campaign_id else "", None


def _target_names(event: Any) -> Names:
    """What a conversion was aimed at."""
    return event.shop_id, None, None, event.item_id


def _shop_names(event: Any) -> Names:
    """A refund is aimed at its shop."""
    return event.shop_id, None, None, None
