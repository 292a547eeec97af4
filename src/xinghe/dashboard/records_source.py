"""What a viewer may see of the records that Redis holds besides figures; as `Source` does, every query asks for the viewer."""

from __future__ import annotations

from typing import NamedTuple

import structlog
from msgspec.structs import replace

from xinghe.dashboard.access import Viewer
from xinghe.dashboard.books import Books, BooksReader
from xinghe.dashboard.source import NotVisibleError, Source, kind_of
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.outputs import LedgerEntry, OrderAttributed
from xinghe.serving import ServingError
from xinghe.serving.records import DeadLetters, WorkerReport
from xinghe.serving.records_reader import RecordsReader

log = structlog.get_logger()


class Reports(NamedTuple):
    """What the stream says of itself: the workers that should run, the reports that have not expired, dead letters."""

    instances: list[str]
    workers: list[WorkerReport]
    dead_letters: DeadLetters


class RecordsSource:
    """The records, by viewer; while Redis is away those that were read before, as in `Source`."""

    def __init__(self, source: Source, reader: RecordsReader) -> None:
        self._source = source
        self._reader = reader
        self._books = BooksReader(reader)

    async def orders(self, viewer: Viewer, order_id: str) -> list[OrderAttributed]:
        """The orders with this id of the viewer's shops, by person; raises `NotVisibleError` where there is none."""
        found = await self._source.read(("order", order_id), lambda: self._reader.orders(order_id))
        seen = [order for order in found if viewer.may_see(order.shop_id)]
        if not seen:
            raise NotVisibleError(order_id)
        return seen

    async def ledger(self, viewer: Viewer, campaign_id: str) -> list[LedgerEntry]:
        """The campaign's ledger, by number; empty while nothing is booked. Raises `NotVisibleError`."""
        await self._source.campaign(viewer, campaign_id)
        return await self._source.read(("ledger", campaign_id), lambda: self._reader.ledger(campaign_id))

    async def settings(self, viewer: Viewer) -> dict[str, CampaignConfigured]:
        """The newest settings of the campaigns of the viewer's shops."""
        found = await self._source.read(("settings",), self._reader.settings)
        return {id_: setting for id_, setting in found.items() if viewer.may_see(setting.shop_id)}

    async def settings_if_read(self, viewer: Viewer) -> dict[str, CampaignConfigured]:
        """The same for pages that can do without: empty where they cannot be read."""
        try:
            return await self.settings(viewer)
        except ServingError as error:
            log.warning(
                "the settings of campaigns cannot be read; pages have ids without names", error=str(error)
            )
            return {}

    async def names(self, viewer: Viewer) -> dict[str, str]:
        """The names of campaigns by id, where these are known."""
        return {id_: setting.name for id_, setting in (await self.settings_if_read(viewer)).items()}

    async def books(self, viewer: Viewer) -> list[Books]:
        """What the ledgers of the viewer's campaigns come to, by id, of those that have any entry."""
        await self._source.board.refresh()
        ids = [id_ for id_ in self._source.board.totals if kind_of(id_) == "campaign"]
        found = await self._source.read(("books",), lambda: self._books.read(ids))
        seen = [books for books in found if self._source.sees(viewer, books.campaign_id)]
        positions = await self._source.positions(viewer, [books.campaign_id for books in seen])
        return [
            replace(books, expected_payout_fen=positions[books.campaign_id].expected_payout_fen)
            if books.campaign_id in positions and positions[books.campaign_id].payout_fen is None
            else books
            for books in seen
        ]

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
