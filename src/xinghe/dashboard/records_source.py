"""What a viewer may see of orders, ledgers and settings; as `Source` does, every query asks for the viewer."""

from __future__ import annotations

import structlog

from xinghe.dashboard.access import Viewer
from xinghe.dashboard.source import Source
from xinghe.domain.events import CampaignConfigured
from xinghe.serving import ServingError
from xinghe.serving.records_reader import RecordsReader

log = structlog.get_logger()


class RecordsSource:
    """The records, by viewer; while Redis is away those that were read before, as in `Source`."""

    def __init__(self, source: Source, reader: RecordsReader) -> None:
        self._source = source
        self._reader = reader

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
