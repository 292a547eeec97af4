"""What a viewer may see of the records that Redis holds besides figures; as `Source` does, every query asks for the viewer."""

from __future__ import annotations

from typing import NamedTuple

from xinghe.dashboard.access import Viewer
from xinghe.dashboard.source import NotVisibleError, Source
from xinghe.serving.records import DeadLetters, WorkerReport
from xinghe.serving.records_reader import RecordsReader


class Reports(NamedTuple):
    """What the stream says of itself: the instances that ever reported, the reports that have not expired, dead letters."""

    instances: list[str]
    workers: list[WorkerReport]
    dead_letters: DeadLetters


class RecordsSource:
    """The records, by viewer; while Redis is away those that were read before, as in `Source`."""

    def __init__(self, source: Source, reader: RecordsReader) -> None:
        self._source = source
        self._reader = reader

    async def reports(self, viewer: Viewer) -> Reports:
        """What the stream says of itself, which is of no shop; raises `NotVisibleError` unless the viewer sees all."""
        if not viewer.may_see(None):
            raise NotVisibleError("health")
        await self._source.board.refresh()
        return Reports(
            await self._source.read(("instances",), self._reader.instances),
            await self._source.read(("workers",), self._reader.workers),
            await self._source.read(("dead letters",), self._reader.dead_letters),
        )
