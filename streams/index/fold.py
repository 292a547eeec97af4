"""A batch of records as what it changes in Redis: of what is overwritten within the batch, the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from streams import metric_defs
from streams.agents.intake import Refusal, judged_of_campaign
from xinghe.domain.events import DEAD_LETTER, LEDGER_ENTRY, ORDER_ATTRIBUTED, CampaignConfigured
from xinghe.domain.outputs import LedgerEntry, OrderAttributed
from xinghe.domain.windows import DAY_MS
from xinghe.serving.dead_letters import dead_letter_of, sample_of
from xinghe.serving.records_writer import EntryWrite, OrderWrite, RecordsWrite, RecordsWriter

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    from streams.index.persons import Persons
    from xinghe.serving.records import DeadLetterSample

log = structlog.get_logger()

_decode_order = msgspec.json.Decoder(OrderAttributed).decode
_decode_entry = msgspec.json.Decoder(LedgerEntry).decode
_decode_configured = msgspec.json.Decoder(CampaignConfigured).decode


class Fold:
    """What a batch of records changes. ``now_ms`` decides which orders are too old to be kept."""

    def __init__(self, persons: Persons, *, order_days: int, now_ms: int) -> None:
        self._persons = persons
        self._kept_ms = order_days * DAY_MS
        self._now_ms = now_ms
        self._orders: dict[str, dict[str, OrderWrite]] = {}
        self._entries: list[EntryWrite] = []
        self._settings: dict[str, list[tuple[CampaignConfigured, str] | None]] = {}
        self._letters: list[DeadLetterSample] = []
        self._takers: dict[str, Callable[[Any], None]] = {
            ORDER_ATTRIBUTED: self._take_order,
            LEDGER_ENTRY: self._take_entry,
            CampaignConfigured.topic: self._take_settings,
            DEAD_LETTER: self._take_letter,
        }

    def take(self, record: ConsumerRecord) -> None:
        """Add a record, after those before it in its partition; what is not readable is left out, logged and counted."""
        try:
            self._takers[record.topic](record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            metric_defs.INDEX_UNREADABLE.labels(record.topic).inc()
            log.warning(
                "a record cannot be read and is left out",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=str(error),
            )

    def _take_order(self, record: ConsumerRecord) -> None:
        order, json = _decode_order(record.value or b""), (record.value or b"").decode()
        expire_at_ms = order.time_ms + self._kept_ms
        if expire_at_ms <= self._now_ms:
            return
        by_person = self._orders.setdefault(order.order_id, {})
        for other in [other for other in by_person if self._persons.are_one(other, order.person_id)]:
            del by_person[other]
        by_person[order.person_id] = OrderWrite(order.order_id, order.person_id, json, expire_at_ms)

    def _take_entry(self, record: ConsumerRecord) -> None:
        entry = _decode_entry(record.value or b"")
        self._entries.append(EntryWrite(entry.campaign_id, entry.number, (record.value or b"").decode()))

    def _take_settings(self, record: ConsumerRecord) -> None:
        """Judge the record as the stream does; what that refuses is a dead letter there, and nothing here."""
        if record.value is None and record.key is not None:
            self._settings.setdefault(record.key.decode(), []).append(None)
            return
        event = judged_of_campaign(record, _decode_configured)
        if not isinstance(event, Refusal):
            self._settings.setdefault(event.campaign_id, []).append((event, (record.value or b"").decode()))

    def _take_letter(self, record: ConsumerRecord) -> None:
        self._letters.append(sample_of(dead_letter_of(record)))

    async def changes(self, writer: RecordsWriter) -> RecordsWrite:
        """What is to be written, given what Redis has."""
        return RecordsWrite(
            await self._orders_to_write(writer),
            self._entries,
            await self._settings_to_write(writer),
            self._letters,
        )

    async def _orders_to_write(self, writer: RecordsWriter) -> list[OrderWrite]:
        """The orders, and of those whose person has several ids the records that they replace."""
        linked = [
            order_id
            for order_id, by_person in self._orders.items()
            if any(map(self._persons.is_linked, by_person))
        ]
        there = dict(zip(linked, await writer.persons(linked), strict=True)) if linked else {}
        return [
            order._replace(
                stale=[
                    other
                    for other in there.get(order_id, ())
                    if other not in by_person and self._persons.are_one(other, order.person_id)
                ]
            )
            for order_id, by_person in self._orders.items()
            for order in by_person.values()
        ]

    async def _settings_to_write(self, writer: RecordsWriter) -> dict[str, str | None]:
        """The settings with the largest ``effective_ms``, of equal ones the later record (R10)."""
        newest_ms = await writer.effective_ms(self._settings)
        to_write: dict[str, str | None] = {}
        for campaign_id, told in self._settings.items():
            newest = newest_ms.get(campaign_id, -1)
            for setting in told:
                if setting is None:
                    newest, to_write[campaign_id] = -1, None
                elif setting[0].effective_ms >= newest:
                    newest, to_write[campaign_id] = setting[0].effective_ms, setting[1]
        return to_write
