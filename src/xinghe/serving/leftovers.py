"""What Redis holds of a partition's campaigns beyond what a rebuild writes, found to be removed."""

from __future__ import annotations

from typing import Any, Final, Self

import orjson
from aiokafka.partitioner import murmur2
from redis.asyncio import Redis

from xinghe.serving import keys
from xinghe.serving.client import text
from xinghe.serving.commit import (
    AlertWrite,
    CommitWrite,
    ModelsWrite,
    NoteWrite,
    PositionWrite,
    WindowWrite,
)

SCAN_COUNT: Final = 500
"""Campaigns per step of the scan; hashing an id costs some microseconds, so a step some milliseconds."""


def partition_of(name: str, partitions: int) -> int:
    """The partition of the records of a campaign or shop: Kafka's default partitioner.

    >>> partition_of("c1", 16)
    3
    """
    hashed: int = murmur2(name.encode())
    return (hashed & 0x7FFF_FFFF) % partitions


def _partition_of_alert(record: Any, partitions: int) -> int:
    """The partition of an open alert by its JSON: that of its campaign, the first for those about no campaign."""
    campaign_id = orjson.loads(record)["campaign_id"]
    return 0 if campaign_id is None else partition_of(campaign_id, partitions)


class Leftovers:
    """The campaigns, shops and open alerts that a partition had in Redis before a rebuild, less what the rebuild wrote.

    After a FLUSHALL there are none, and keeping track costs nothing.
    """

    def __init__(
        self, redis: Redis, campaign_ids: frozenset[str], shop_ids: set[str], alert_ids: set[str]
    ) -> None:
        self.campaign_ids = campaign_ids
        self.shop_ids = shop_ids
        self.alert_ids = alert_ids
        self._redis = redis
        self._positions: set[str] = set()
        self._windows: dict[str, set[tuple[str, int]]] = {campaign_id: set() for campaign_id in campaign_ids}
        self._notes: dict[str, set[tuple[int | None, str]]] = {
            campaign_id: set() for campaign_id in campaign_ids
        }

    @classmethod
    async def of(cls, redis: Redis, partition: int, partitions: int) -> Self:
        """Find the partition's campaigns in the list of campaigns, its shops and open alerts in theirs."""
        found = set()
        async for member, _ in redis.zscan_iter(keys.CAMPAIGNS, count=SCAN_COUNT):
            campaign_id = text(member)
            if partition_of(campaign_id, partitions) == partition:
                found.add(campaign_id)
        shop_ids = set()
        async for member in redis.sscan_iter(keys.SHOPS, count=SCAN_COUNT):
            shop_id = text(member)
            if partition_of(shop_id, partitions) == partition:
                shop_ids.add(shop_id)
        open_alerts: Any = await redis.hgetall(keys.ALERTS_OPEN)
        alert_ids = {
            text(alert_id)
            for alert_id, record in open_alerts.items()
            if _partition_of_alert(record, partitions) == partition
        }
        return cls(redis, frozenset(found), shop_ids, alert_ids)

    def keep(self, chunk: CommitWrite) -> None:
        """Note what the rebuild writes: it is no leftover."""
        for window in chunk.windows:
            if window.campaign_id in self.campaign_ids and window.fields is not None:
                self._windows[window.campaign_id].add((window.size, window.start_ms))
        for note in chunk.notes:
            if note.campaign_id in self.campaign_ids and note.fields is not None:
                self._notes[note.campaign_id].add((note.day_start_ms, note.note_id))
        self._positions |= {position.campaign_id for position in chunk.positions}
        self.shop_ids -= {models.shop_id for models in chunk.models}
        self.alert_ids -= {alert.alert_id for alert in chunk.alerts}

    def shops_removal(self) -> CommitWrite:
        """What removes the models of the shops that are left, and the alerts that are no longer open."""
        models = [ModelsWrite(shop_id, None) for shop_id in sorted(self.shop_ids)]
        alerts = [AlertWrite(0, alert_id, "", is_open=False) for alert_id in sorted(self.alert_ids)]
        return CommitWrite([], [], [], 0, models, alerts=alerts)

    async def removal(self, campaign_id: str) -> CommitWrite:
        """What removes the campaign's leftovers; the campaign itself, where no total was written."""
        windows = await self._windows_left(campaign_id)
        has_position = campaign_id in self._positions
        is_gone = ("total", 0) not in self._windows[campaign_id] and not has_position
        if is_gone:
            windows.append(WindowWrite(campaign_id, "total", 0, None))
        days, notes = await self._notes_left(campaign_id)
        # Being told of as changed gives a campaign a place in the list, which the end of its total takes away.
        changed = [campaign_id] if is_gone else []
        positions = [] if has_position else [PositionWrite(campaign_id, None)]
        return CommitWrite(windows + days, notes, changed, 0, positions=positions)

    async def _windows_left(self, campaign_id: str) -> list[WindowWrite]:
        pipeline = self._redis.pipeline(transaction=False)
        for size in keys.INDEXED_SIZES:
            pipeline.zrange(keys.windows(campaign_id, size), 0, -1)
        kept = self._windows[campaign_id]
        return [
            WindowWrite(campaign_id, size, int(start), None)
            for size, starts in zip(keys.INDEXED_SIZES, await pipeline.execute(), strict=True)
            for start in starts
            if (size, int(start)) not in kept
        ]

    async def _notes_left(self, campaign_id: str) -> tuple[list[WindowWrite], list[NoteWrite]]:
        """The days whose ranking of notes Redis let go by its age, and all notes that are left."""
        starts: Any = await self._redis.zrange(keys.windows(campaign_id, keys.NOTE_DAY), 0, -1)
        days = [int(start) for start in starts]
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zrange(keys.notes(campaign_id), 0, -1)
        for day in days:
            pipeline.zrange(keys.day_notes(campaign_id, day), 0, -1)
        to_date, *by_day = await pipeline.execute()
        kept = self._notes[campaign_id]
        notes = [
            NoteWrite(campaign_id, text(note_id), None, day)
            for day, note_ids in zip((None, *days), (to_date, *by_day), strict=True)
            for note_id in note_ids
            if (day, text(note_id)) not in kept
        ]
        empty = [day for day, note_ids in zip(days, by_day, strict=True) if not note_ids]
        return [WindowWrite(campaign_id, "noteday", day, None) for day in empty], notes
