"""Attributions as a table: one row for each order, model and credit, of the order's last revision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from aiokafka import ConsumerRecord

from xinghe.domain.events import ORDER_ATTRIBUTED
from xinghe.domain.outputs import Credit, OrderAttributed
from xinghe.export.column import Column
from xinghe.export.errors import UnreadableRecordError

COLUMNS: Final = (
    Column("order_id", "text"),
    Column("person_id", "text"),
    Column("shop_id", "text"),
    Column("time_ms", "whole"),
    Column("time", "time"),
    Column("amount_fen", "whole"),
    Column("refunded_fen", "whole"),
    Column("refunds", "whole"),
    Column("new_customer", "truth"),
    Column("revision", "whole"),
    Column("model", "text"),
    Column("credit_index", "whole"),
    Column("campaign_id", "text"),
    Column("note_id", "text"),
    Column("touch_event_id", "text"),
    Column("touch_time_ms", "whole"),
    Column("touch_time", "time"),
    Column("kind", "text"),
    Column("direct", "truth"),
    Column("orders_micros", "whole"),
    Column("gmv_fen", "whole"),
    Column("refund_fen", "whole"),
)
"""Of the order up to ``revision``, of the credit from ``credit_index`` (0 is the first touch) on."""


class Attributions:
    """The last revision of each order among the records that were added."""

    topic: Final = ORDER_ATTRIBUTED

    def __init__(self) -> None:
        # By order alone: ids of one person that are linked later may each have told it (ARCHITECTURE.md, R17).
        self._last: dict[str, tuple[int, bytes]] = {}
        self._decode = msgspec.json.Decoder(OrderAttributed).decode

    def __len__(self) -> int:
        return len(self._last)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of ``rows``."""
        return COLUMNS

    def add(self, record: ConsumerRecord) -> None:
        """Take one record; raises ``UnreadableRecordError`` if it is no attribution."""
        try:
            order = self._decode(record.value or b"")
        except msgspec.DecodeError as error:
            raise UnreadableRecordError(record, error) from error
        revision, _ = self._last.get(order.order_id, (0, b""))
        if order.revision > revision:
            self._last[order.order_id] = (order.revision, record.value)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows, by order."""
        for order_id in sorted(self._last):
            order = self._decode(self._last[order_id][1])
            for model, credits_ in msgspec.structs.asdict(order.credits).items():
                for index, credit in enumerate(credits_ or ()):
                    yield (*_of_order(order), model, index, *_of_credit(credit))


def _of_order(order: OrderAttributed) -> tuple[Any, ...]:
    return (
        order.order_id,
        order.person_id,
        order.shop_id,
        order.time_ms,
        order.time_ms,
        order.amount_fen,
        order.refunded_fen,
        order.refunds,
        order.new_customer,
        order.revision,
    )


def _of_credit(credit: Credit) -> tuple[Any, ...]:
    return (
        credit.campaign_id,
        credit.note_id,
        credit.touch_event_id,
        credit.touch_time_ms,
        credit.touch_time_ms,
        credit.kind,
        credit.direct,
        credit.orders_micros,
        credit.gmv_fen,
        credit.refund_fen,
    )
