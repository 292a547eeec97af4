"""The order that shows most of how credit is given, for the end of the demonstration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from xinghe.audit.log import Log
from xinghe.domain.events import ORDER_ATTRIBUTED
from xinghe.domain.outputs import OrderAttributed

TOUCHES_MAX: Final = 5
"""A longer path does not read better."""


async def telling_order(bootstrap_servers: str) -> OrderAttributed | None:
    """The most telling order attributed so far; ``None`` if no order has several touches."""
    decode = msgspec.json.Decoder(OrderAttributed).decode
    log = await Log.open([ORDER_ATTRIBUTED], bootstrap_servers=bootstrap_servers)
    try:
        partitions = log.of([ORDER_ATTRIBUTED])
        read = log.read(await log.begins(partitions), await log.ends(partitions))
        # Each revision replaces those before it.
        last: dict[tuple[str, str], OrderAttributed] = {}
        async for records in read:
            orders = [decode(record.value) for record in records]
            last |= {(order.person_id, order.order_id): order for order in orders}
        return most_telling(last.values())
    finally:
        await log.close()


def most_telling(orders: Iterable[OrderAttributed]) -> OrderAttributed | None:
    """That with most campaigns in its path, of those the one with most refunds, then touches."""
    several = [order for order in orders if 1 < len(order.credits.linear or ()) <= TOUCHES_MAX]
    return max(several, key=_tells, default=None)


def _tells(order: OrderAttributed) -> tuple[int, int, int]:
    path = order.credits.linear or []
    return len({credit.campaign_id for credit in path}), order.refunds or 0, len(path)
