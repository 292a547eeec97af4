"""What Redis holds of a partition's campaigns beyond what a rebuild writes, found to be removed."""

from __future__ import annotations

from typing import Final, Self

from aiokafka.partitioner import murmur2
from redis.asyncio import Redis

from xinghe.serving import keys
from xinghe.serving.client import text
from xinghe.serving.commit import CommitWrite, NoteWrite, WindowWrite

SCAN_COUNT: Final = 500
"""Campaigns per step of the scan; hashing an id costs some microseconds, so a step some milliseconds."""


def partition_of(campaign_id: str, partitions: int) -> int:
    """The partition of a campaign's records: Kafka's default partitioner.

    >>> partition_of("c1", 16)
    3
    """
    hashed: int = murmur2(campaign_id.encode())
    return (hashed & 0x7FFF_FFFF) % partitions


class Leftovers:
    """The campaigns that a partition had in Redis before a rebuild, less what the rebuild wrote.

    After a FLUSHALL there are none, and keeping track costs nothing.
    """

    def __init__(self, redis: Redis, campaign_ids: frozenset[str]) -> None:
        self.campaign_ids = campaign_ids
        self._redis = redis
        self._kept: dict[str, set[tuple[str, int] | str]] = {
            campaign_id: set() for campaign_id in campaign_ids
        }

    @classmethod
    async def of(cls, redis: Redis, partition: int, partitions: int) -> Self:
        """Find the partition's campaigns in the list of campaigns."""
        found = set()
        async for member, _ in redis.zscan_iter(keys.CAMPAIGNS, count=SCAN_COUNT):
            campaign_id = text(member)
            if partition_of(campaign_id, partitions) == partition:
                found.add(campaign_id)
        return cls(redis, frozenset(found))

    def keep(self, chunk: CommitWrite) -> None:
        """Note what the rebuild writes: it is no leftover."""
        kept = self._kept
        for window in chunk.windows:
            if window.campaign_id in kept and window.fields is not None:
                kept[window.campaign_id].add((window.size, window.start_ms))
        for note in chunk.notes:
            if note.campaign_id in kept and note.fields is not None:
                kept[note.campaign_id].add(note.note_id)

    async def removal(self, campaign_id: str) -> CommitWrite:
        """What removes the campaign's leftovers; the campaign itself, where no total was written."""
        pipeline = self._redis.pipeline(transaction=False)
        for size in keys.INDEXED_SIZES:
            pipeline.zrange(keys.windows(campaign_id, size), 0, -1)
        pipeline.zrange(keys.notes(campaign_id), 0, -1)
        *starts_by_size, note_ids = await pipeline.execute()
        kept = self._kept[campaign_id]
        windows = [
            WindowWrite(campaign_id, size, int(start), None)
            for size, starts in zip(keys.INDEXED_SIZES, starts_by_size, strict=True)
            for start in starts
            if (size, int(start)) not in kept
        ]
        is_gone = ("total", 0) not in kept
        if is_gone:
            windows.append(WindowWrite(campaign_id, "total", 0, None))
        notes = [
            NoteWrite(campaign_id, note_id, None) for note_id in map(text, note_ids) if note_id not in kept
        ]
        # Being told of as changed gives a campaign a place in the list, which the end of its total takes away.
        return CommitWrite(windows, notes, [campaign_id] if is_gone else [], 0)
