"""Reading campaign funnels from Redis, as dashboards, alerts and the audit do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import orjson
from redis.asyncio import Redis

from xinghe.domain.outputs import AlertRaised, GuaranteePosition, ShopModels
from xinghe.domain.windows import Size, end_ms
from xinghe.serving import keys
from xinghe.serving.client import text
from xinghe.serving.errors import ServingDataError, unavailable_as_one_error
from xinghe.serving.positions import position_of
from xinghe.serving.script import Script

PAGE: Final = 500
"""Hashes asked for in one round trip."""
WINDOWS: Final = Script("windows.lua")


class CampaignChange(NamedTuple):
    """A campaign and when its figures last changed."""

    campaign_id: str
    updated_ms: int


class Funnel(NamedTuple):
    """The figures of one window; for the size ``total`` those to date.

    ``metrics`` has what is known: a metric without an entry is unknown, which is not 0. ``end_ms``
    and ``final`` are ``None`` for ``total``, ``updated_ms`` and ``watermark_ms`` for all others.
    """

    campaign_id: str
    size: Size
    start_ms: int
    end_ms: int | None
    metrics: Mapping[str, int]
    version: int | None
    final: bool | None
    updated_ms: int | None
    watermark_ms: int | None

    def get(self, name: str) -> int | None:
        """A metric by its name in ``domain/metrics.py``; ``None`` while it is unknown."""
        return self.metrics.get(name)


class NoteFunnel(NamedTuple):
    """The figures of one note in a campaign, to date or of a day; what is unknown has no entry."""

    campaign_id: str
    note_id: str
    metrics: Mapping[str, int]

    def get(self, name: str) -> int | None:
        """A metric by its name in ``domain/metrics.py``; ``None`` while it is unknown."""
        return self.metrics.get(name)


class FunnelReader:
    """Reads what ``FunnelWriter`` writes.

    Every method raises ``ServingUnavailableError`` when Redis does not answer, and
    ``ServingDataError`` for a figure that is no whole number.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def campaigns(self, limit: int | None = None) -> list[CampaignChange]:
        """The campaigns, the last changed first; at most ``limit``."""
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.zrange(
                keys.CAMPAIGNS, 0, -1 if limit is None else limit - 1, desc=True, withscores=True
            )
        return [CampaignChange(text(campaign_id), int(updated_ms)) for campaign_id, updated_ms in found]

    async def shops_of_campaigns(self) -> dict[str, str]:
        """The shop of each campaign; a campaign whose shop is not known is not in it."""
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.hgetall(keys.CAMPAIGN_SHOPS)
        return {text(campaign_id): text(shop_id) for campaign_id, shop_id in found.items()}

    async def total(self, campaign_id: str) -> Funnel | None:
        """The campaign's figures to date; ``None`` when there are none."""
        (funnel,) = await self.totals([campaign_id])
        return funnel

    async def totals(self, campaign_ids: Sequence[str]) -> list[Funnel | None]:
        """The figures to date of several campaigns, in their order."""
        hashes = await self._hashes([keys.total(campaign_id) for campaign_id in campaign_ids])
        return [
            _funnel(campaign_id, "total", 0, fields) if fields else None
            for campaign_id, fields in zip(campaign_ids, hashes, strict=True)
        ]

    async def windows(
        self, campaign_id: str, size: Size, from_ms: int | None = None, to_ms: int | None = None
    ) -> list[Funnel]:
        """The windows of ``1m``, ``1h`` or ``1d`` that start in ``[from_ms, to_ms)``, oldest first.

        A bound that is ``None`` is open. Windows in which nothing happened are not there.
        """
        with unavailable_as_one_error(self._redis):
            starts: Any = await self._redis.zrange(
                keys.windows(campaign_id, size),
                "-inf" if from_ms is None else from_ms,
                "+inf" if to_ms is None else f"({to_ms}",
                byscore=True,
            )
        starts_ms = [int(start) for start in starts]
        hashes = await self._hashes([keys.window(campaign_id, size, start_ms) for start_ms in starts_ms])
        # A window that Redis let go by its age is still in the index until the stream drops it.
        return [
            _funnel(campaign_id, size, start_ms, fields)
            for start_ms, fields in zip(starts_ms, hashes, strict=True)
            if fields
        ]

    async def metrics(
        self, windows: Sequence[tuple[str, Size, int]], names: Sequence[str]
    ) -> list[dict[str, int]]:
        """Some metrics of many windows, each named by its campaign, size and start, in their order.

        Where a window or metric is not there, it has no entry.
        """
        found: list[dict[str, int]] = []
        for first in range(0, len(windows), PAGE):
            page = [keys.window(*window) for window in windows[first : first + PAGE]]
            answers = await WINDOWS.run(self._redis, page, *names)
            for key, values in zip(page, answers, strict=True):
                known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
                found.append(_numbers(key, known))
        return found

    async def notes(self, campaign_id: str, limit: int | None = None) -> list[NoteFunnel]:
        """The campaign's notes to date, the highest GMV first; at most ``limit``."""
        note_ids = await self._ranked(keys.notes(campaign_id), limit)
        hashes = await self._hashes([keys.note(campaign_id, note_id) for note_id in note_ids])
        return self._note_funnels(campaign_id, note_ids, hashes)

    async def note_days(self, campaign_id: str) -> list[int]:
        """The starts of the days of which the campaign's notes have figures, oldest first."""
        with unavailable_as_one_error(self._redis):
            starts: Any = await self._redis.zrange(keys.windows(campaign_id, keys.NOTE_DAY), 0, -1)
        return [int(start) for start in starts]

    async def notes_of_day(
        self, campaign_id: str, day_start_ms: int, limit: int | None = None
    ) -> list[NoteFunnel]:
        """The campaign's notes with figures of a day, the highest GMV of that day first; at most ``limit``."""
        note_ids = await self._ranked(keys.day_notes(campaign_id, day_start_ms), limit)
        hashes = await self._hashes(
            [keys.day_note(campaign_id, day_start_ms, note_id) for note_id in note_ids]
        )
        return self._note_funnels(campaign_id, note_ids, hashes)

    async def guarantee(self, campaign_id: str) -> GuaranteePosition | None:
        """Where the campaign's guarantee stands; ``None`` where it has none."""
        key = keys.guarantee(campaign_id)
        with unavailable_as_one_error(self._redis):
            fields: Any = await self._redis.hgetall(key)
        return position_of(key, fields) if fields else None

    async def guarantees(self, campaign_ids: Sequence[str]) -> dict[str, GuaranteePosition]:
        """Where the guarantees of those campaigns stand that have one."""
        with unavailable_as_one_error(self._redis):
            async with self._redis.pipeline(transaction=False) as pipeline:
                for campaign_id in campaign_ids:
                    pipeline.hgetall(keys.guarantee(campaign_id))
                found: list[Any] = await pipeline.execute()
        return {
            campaign_id: position_of(keys.guarantee(campaign_id), fields)
            for campaign_id, fields in zip(campaign_ids, found, strict=True)
            if fields
        }

    async def shops(self) -> list[str]:
        """The shops with models, by id."""
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.smembers(keys.SHOPS)
        return sorted(map(text, found))

    async def models(self, shop_id: str) -> ShopModels | None:
        """The shop's credits by the data-driven models; ``None`` while no touch has reached an order of it."""
        key = keys.models(shop_id)
        with unavailable_as_one_error(self._redis):
            found = await self._redis.get(key)
        if found is None:
            return None
        try:
            return msgspec.json.decode(found, type=ShopModels)
        except msgspec.DecodeError as error:
            raise ServingDataError(key, f"does not hold the models of a shop ({error})") from error

    async def alerts_open(self) -> list[AlertRaised]:
        """The last record of each alert that is raised or escalated, the last raised first."""
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.hvals(keys.ALERTS_OPEN)
        alerts = [_alert(keys.ALERTS_OPEN, record) for record in found]
        return sorted(alerts, key=lambda alert: (-alert.since_ms, alert.alert_id))

    async def alerts(self, limit: int) -> list[AlertRaised]:
        """What became of alerts, open or not, the last first; at most ``limit``.

        Redis keeps about 10,000 of these, fewer after it was emptied; the topic has all.
        """
        if not limit:
            return []  # Redis would take 0 for all
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.xrevrange(keys.ALERTS, count=limit)
        return [_alert(keys.ALERTS, fields.get(b"record", b"")) for _, fields in found]

    async def _ranked(self, ranking: str, limit: int | None) -> list[str]:
        """The members of a sorted set, the highest score first."""
        with unavailable_as_one_error(self._redis):
            found = await self._redis.zrange(ranking, 0, -1 if limit is None else limit - 1, desc=True)
        return [text(member) for member in found]

    @staticmethod
    def _note_funnels(
        campaign_id: str, note_ids: Sequence[str], hashes: Sequence[dict[str, int]]
    ) -> list[NoteFunnel]:
        return [
            NoteFunnel(campaign_id, note_id, _without_version(fields))
            for note_id, fields in zip(note_ids, hashes, strict=True)
            if fields
        ]

    async def changes(self, silence_s: float = 1.0) -> AsyncGenerator[list[str]]:
        """The campaigns that each commit changed; an empty list after every ``silence_s`` seconds without.

        Subscribed by the time of the first answer. Redis keeps no updates for those who are away: after
        an error read everything again.
        """
        with unavailable_as_one_error(self._redis):
            async with self._redis.pubsub() as subscription:
                await subscription.subscribe(keys.UPDATES)
                while True:
                    message = await subscription.get_message(timeout=silence_s)
                    if message is None:
                        yield []
                    elif message["type"] == "message":
                        yield _campaign_ids(message["data"])

    async def _hashes(self, names: Sequence[str]) -> list[dict[str, int]]:
        """The hashes of ``names``; an empty one where there is none."""
        hashes: list[dict[str, int]] = []
        for first in range(0, len(names), PAGE):
            page = names[first : first + PAGE]
            with unavailable_as_one_error(self._redis):
                pipeline = self._redis.pipeline(transaction=False)
                for name in page:
                    pipeline.hgetall(name)
                answers = await pipeline.execute()
            hashes += [_numbers(name, answer) for name, answer in zip(page, answers, strict=True)]
        return hashes


def _alert(key: str, record: bytes) -> AlertRaised:
    try:
        return msgspec.json.decode(record, type=AlertRaised)
    except msgspec.DecodeError as error:
        raise ServingDataError(key, f"does not hold alerts ({error})") from error


def _funnel(campaign_id: str, size: Size, start_ms: int, fields: dict[str, int]) -> Funnel:
    final = fields.pop("final", None)
    return Funnel(
        campaign_id=campaign_id,
        size=size,
        start_ms=start_ms,
        end_ms=end_ms(size, start_ms),
        version=fields.pop("version", None),
        final=None if final is None else bool(final),
        updated_ms=fields.pop("updated_ms", None),
        watermark_ms=fields.pop("watermark_ms", None),
        metrics=fields,
    )


def _without_version(fields: dict[str, int]) -> dict[str, int]:
    fields.pop("version", None)
    return fields


def _numbers(key: str, fields: Mapping[Any, Any]) -> dict[str, int]:
    try:
        # As `text`, whose call would take a third of the time of a thousand campaigns.
        return {
            name.decode() if isinstance(name, bytes) else name: int(value) for name, value in fields.items()
        }
    except ValueError as error:
        raise ServingDataError(key, f"has a figure that is no whole number ({error})") from error


def _campaign_ids(message: bytes | str) -> list[str]:
    try:
        campaign_ids: list[str] = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise ServingDataError(keys.UPDATES, f"carried a message that is no JSON ({error})") from error
    return campaign_ids
