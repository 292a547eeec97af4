"""Puts records into Redis as the index does."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from redis.asyncio import Redis

from xinghe.domain.events import CampaignConfigured
from xinghe.domain.outputs import LedgerEntry, OrderAttributed
from xinghe.serving import keys


async def put_orders(redis: Redis, orders: Iterable[OrderAttributed]) -> None:
    """The last record of each order; those before it are overwritten."""
    for order in orders:
        await redis.hset(keys.order(order.order_id), order.person_id, msgspec.json.encode(order))


async def put_ledger(redis: Redis, entries: Iterable[LedgerEntry]) -> None:
    """The entries, each by its number."""
    for entry in entries:
        await redis.hset(keys.ledger(entry.campaign_id), str(entry.number), msgspec.json.encode(entry))


async def put_settings(redis: Redis, settings: Iterable[CampaignConfigured]) -> None:
    """The newest settings of campaigns."""
    for setting in settings:
        await redis.hset(keys.CAMPAIGN_SETTINGS, setting.campaign_id, msgspec.json.encode(setting))
