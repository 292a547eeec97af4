"""Reading what the index and the workers put into Redis: orders, ledgers, settings, dead letters, reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

import msgspec
from redis.asyncio import Redis

from xinghe.domain.events import CampaignConfigured
from xinghe.domain.outputs import LedgerEntry, OrderAttributed
from xinghe.serving import keys
from xinghe.serving.client import text
from xinghe.serving.errors import ServingDataError, unavailable_as_one_error
from xinghe.serving.records import Acknowledgement, DeadLetters, DeadLetterSample, WorkerReport

SAMPLES: Final = 20
"""Samples kept of each reason."""

Record = TypeVar("Record")


class RecordsReader:
    """Reads records; raises ``ServingUnavailableError`` and ``ServingDataError`` as `FunnelReader` does."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def orders(self, order_id: str) -> list[OrderAttributed]:
        """The orders with this id as last attributed, by person: two persons' orders may share one."""
        key = keys.order(order_id)
        found = await self._hash(key)
        return [_decoded(key, found[person], OrderAttributed) for person in sorted(found)]

    async def ledger(self, campaign_id: str) -> list[LedgerEntry]:
        """The campaign's ledger, by number."""
        key = keys.ledger(campaign_id)
        entries = [_decoded(key, value, LedgerEntry) for value in (await self._hash(key)).values()]
        return sorted(entries, key=lambda entry: entry.number)

    async def ledger_ends(self, numbers: Mapping[str, int]) -> dict[str, tuple[int, LedgerEntry | None]]:
        """By campaign how many entries its ledger has, and the entry of the number that is given, from 1, if there is one."""
        with unavailable_as_one_error(self._redis):
            async with self._redis.pipeline(transaction=False) as pipeline:
                for campaign_id, number in numbers.items():
                    pipeline.hlen(keys.ledger(campaign_id))
                    pipeline.hget(keys.ledger(campaign_id), str(number))
                found: list[Any] = await pipeline.execute()
        return {
            campaign_id: (
                length,
                None if value is None else _decoded(keys.ledger(campaign_id), value, LedgerEntry),
            )
            for campaign_id, length, value in zip(numbers, found[::2], found[1::2], strict=True)
        }

    async def ledger_part(self, campaign_id: str, numbers: Collection[int]) -> list[LedgerEntry]:
        """Those of the campaign's entries with these numbers, in their order, that are there."""
        key = keys.ledger(campaign_id)
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.hmget(key, [str(number) for number in numbers])
        return [_decoded(key, value, LedgerEntry) for value in found if value is not None]

    async def settings(self) -> dict[str, CampaignConfigured]:
        """The newest settings of each campaign that has any."""
        found = await self._hash(keys.CAMPAIGN_SETTINGS)
        return {
            campaign_id: _decoded(keys.CAMPAIGN_SETTINGS, value, CampaignConfigured)
            for campaign_id, value in found.items()
        }

    async def dead_letters(self) -> DeadLetters:
        """Dead letters by reason, with samples."""
        counts = {reason: int(count) for reason, count in (await self._hash(keys.DEAD_LETTERS)).items()}
        samples = {}
        for reason in sorted(counts):
            key = keys.dead_letters(reason)
            with unavailable_as_one_error(self._redis):
                found: Any = await self._redis.lrange(key, 0, SAMPLES - 1)
            samples[reason] = [_decoded(key, value, DeadLetterSample) for value in found]
        return DeadLetters(counts, samples)

    async def instances(self) -> list[str]:
        """The workers that have reported within a day and did not end in order, by name."""
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.zrange(keys.WORKERS, 0, -1)
        return sorted(map(text, found))

    async def workers(self) -> list[WorkerReport]:
        """The last report of each worker that runs, by instance."""
        names = await self.instances()
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.mget([keys.worker(name) for name in names]) if names else []
        return [
            _decoded(keys.worker(name), value, WorkerReport)
            for name, value in zip(names, found, strict=True)
            if value is not None
        ]

    async def acknowledged(self) -> dict[str, Acknowledgement]:
        """The acknowledgements, by the alert's id."""
        found = await self._hash(keys.ACKNOWLEDGED)
        return {
            alert_id: _decoded(keys.ACKNOWLEDGED, value, Acknowledgement) for alert_id, value in found.items()
        }

    async def _hash(self, key: str) -> dict[str, bytes]:
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.hgetall(key)
        return {text(name): value for name, value in found.items()}


def _decoded(key: str, value: bytes, kind: type[Record]) -> Record:
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.DecodeError as error:
        raise ServingDataError(key, f"does not hold what it should ({error})") from error
