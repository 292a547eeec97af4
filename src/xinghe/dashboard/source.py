"""What a viewer may see of the figures: every query has the viewer in it, and answers nothing of other shops.

What is not there and what may not be seen are the same `NotVisibleError`, so that nobody learns which ids there are.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar, cast

from xinghe.dashboard.access import Viewer
from xinghe.dashboard.board import Board
from xinghe.dashboard.spans import Spans, Windows
from xinghe.dashboard.updates import PERIOD_S
from xinghe.domain.outputs import AlertRaised, GuaranteePosition, ShopModels
from xinghe.domain.windows import Size
from xinghe.serving import Funnel, FunnelReader, NoteFunnel, ServingUnavailableError

KEPT_MAX: Final = 200
"""Answers kept for other pages, and for when Redis is away."""
ALERTS_READ: Final = 1_000
"""Turns of alerts looked through for those that a viewer may see."""

Kind = Literal["campaign", "organic", "unattributed"]
Answer = TypeVar("Answer")


class NotVisibleError(LookupError):
    """There is no such thing, or it belongs to a shop that the viewer may not see."""


class Campaign(NamedTuple):
    """A campaign to date, with its shop where that is known and its hours of today and yesterday."""

    funnel: Funnel
    shop_id: str | None
    hours: Windows

    @property
    def campaign_id(self) -> str:
        """The id, as in `Funnel`."""
        return self.funnel.campaign_id

    @property
    def kind(self) -> Kind:
        """Whether it is a campaign, touches without one, or conversions without a touch."""
        return kind_of(self.campaign_id)


class Lines(NamedTuple):
    """Windows of one size by campaign, and which of ``starts`` were read of all of these; others are unknown."""

    starts: range
    known: frozenset[int]
    windows: Sequence[Mapping[int, Mapping[str, int]]]


def kind_of(campaign_id: str) -> Kind:
    """What an id stands for.

    >>> kind_of("c1"), kind_of("organic:s1"), kind_of("unattributed:s1")
    ('campaign', 'organic', 'unattributed')
    """
    prefix = campaign_id.partition(":")[0] if ":" in campaign_id else ""
    if prefix == "organic":
        return "organic"
    return "unattributed" if prefix == "unattributed" else "campaign"


class Source:
    """The figures, by viewer.

    Every method raises ``ServingUnavailableError`` while Redis is away and nothing was read before; what was is answered
    again, and `Board.problem` says so.
    """

    def __init__(self, board: Board, reader: FunnelReader) -> None:
        self.board = board
        self._reader = reader
        self._kept: OrderedDict[Hashable, tuple[int, float, Any]] = OrderedDict()

    async def campaigns(self, viewer: Viewer) -> list[Campaign]:
        """All campaigns of the viewer's shops, by id."""
        await self.board.refresh()
        return [
            self._campaign(campaign_id)
            for campaign_id in sorted(self.board.totals)
            if viewer.may_see(self.board.shops.get(campaign_id))
        ]

    async def campaign(self, viewer: Viewer, campaign_id: str) -> Campaign:
        """One campaign of the viewer's shops; raises `NotVisibleError`."""
        await self.board.refresh()
        if campaign_id not in self.board.totals or not self.sees(viewer, campaign_id):
            raise NotVisibleError(campaign_id)
        return self._campaign(campaign_id)

    def sees(self, viewer: Viewer, campaign_id: str) -> bool:
        """Whether the campaign is of one of the viewer's shops."""
        return viewer.may_see(self.board.shops.get(campaign_id))

    async def lines(self, viewer: Viewer, size: Size) -> Lines:
        """The last minutes or days, or the hours since yesterday, of the campaigns of the viewer's shops, without organic notes."""
        board = self.board
        if size == "1m" or size == "1d":  # noqa: PLR1714 - so the type checker sees which it is
            await board.refresh_line(size)
            span: Spans = board.lines[size]
        else:
            await board.refresh()
            span = board.hours
        shown = [
            span.of(campaign_id)
            for campaign_id in board.totals
            if kind_of(campaign_id) == "campaign" and self.sees(viewer, campaign_id)
        ]
        return Lines(span.starts, frozenset(filter(span.is_known, span.starts)), shown)

    async def windows(
        self, viewer: Viewer, campaign_id: str, size: Size, from_ms: int | None, to_ms: int | None
    ) -> list[Funnel]:
        """The windows of one size that start in ``[from_ms, to_ms)``, oldest first; raises `NotVisibleError`."""
        await self.campaign(viewer, campaign_id)
        return await self.read(
            ("windows", campaign_id, size, from_ms, to_ms),
            lambda: self._reader.windows(campaign_id, size, from_ms, to_ms),
        )

    async def notes(self, viewer: Viewer, campaign_id: str, limit: int | None) -> list[NoteFunnel]:
        """The notes with the highest GMV to date, ``None`` for all; raises `NotVisibleError`."""
        await self.campaign(viewer, campaign_id)
        return await self.read(("notes", campaign_id, limit), lambda: self._reader.notes(campaign_id, limit))

    async def position(self, viewer: Viewer, campaign_id: str) -> GuaranteePosition | None:
        """Where the guarantee stands, ``None`` where there is none; raises `NotVisibleError`."""
        await self.campaign(viewer, campaign_id)
        return await self.read(("position", campaign_id), lambda: self._reader.guarantee(campaign_id))

    async def positions(self, viewer: Viewer, campaign_ids: Sequence[str]) -> dict[str, GuaranteePosition]:
        """Where the guarantees of those campaigns stand that have one and may be seen."""
        seen = tuple(id_ for id_ in campaign_ids if self.sees(viewer, id_))
        return await self.read(("positions", seen), lambda: self._reader.guarantees(seen))

    async def alerts_open(self, viewer: Viewer) -> list[AlertRaised]:
        """The open alerts of the viewer's shops, the last raised first; those about the data are for viewers of all."""
        await self.board.refresh()
        alerts = await self.read(("alerts open",), self._reader.alerts_open)
        return [alert for alert in alerts if self._sees_alert(viewer, alert)]

    async def alerts(self, viewer: Viewer) -> list[AlertRaised]:
        """What became of alerts of the viewer's shops, the last first; of the last `ALERTS_READ` of all shops."""
        await self.board.refresh()
        alerts = await self.read(("alerts",), lambda: self._reader.alerts(ALERTS_READ))
        return [alert for alert in alerts if self._sees_alert(viewer, alert)]

    async def shops(self, viewer: Viewer) -> list[str]:
        """The shops with models that the viewer may see, by id."""
        shops = await self.read(("shops",), self._reader.shops)
        return [shop_id for shop_id in shops if viewer.may_see(shop_id)]

    async def shop_models(self, viewer: Viewer, shop_id: str) -> ShopModels:
        """The shop's data-driven models; raises `NotVisibleError`, also where it has none yet."""
        if not viewer.may_see(shop_id):
            raise NotVisibleError(shop_id)
        models = await self.read(("models", shop_id), lambda: self._reader.models(shop_id))
        if models is None:
            raise NotVisibleError(shop_id)
        return models

    def _campaign(self, campaign_id: str) -> Campaign:
        board = self.board
        return Campaign(board.totals[campaign_id], board.shops.get(campaign_id), board.hours.of(campaign_id))

    def shop_of(self, alert: AlertRaised) -> str | None:
        """The shop of the alert's campaign today, else that of its time."""
        now = None if alert.campaign_id is None else self.board.shops.get(alert.campaign_id)
        return now if now is not None else alert.shop_id

    def _sees_alert(self, viewer: Viewer, alert: AlertRaised) -> bool:
        return viewer.may_see(self.shop_of(alert))

    async def read(self, key: Hashable, read: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask Redis, or answer what it said since the last change and within `PERIOD_S`, or, while it is away, what it said last."""
        kept = self._kept.get(key)
        version = self.board.version
        if kept is not None and kept[0] == version and time.monotonic() < kept[1] + PERIOD_S:
            return cast(Answer, kept[2])
        try:
            answer = await read()
        except ServingUnavailableError:
            if kept is None:
                raise
            return cast(Answer, kept[2])
        self._kept[key] = (version, time.monotonic(), answer)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return answer

    def expire(self, key: Hashable) -> None:
        """Have the next `read` of a key ask Redis, where it can be reached."""
        if (kept := self._kept.get(key)) is not None:
            self._kept[key] = (-1, *kept[1:])
