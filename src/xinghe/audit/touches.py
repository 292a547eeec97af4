"""Touches (ARCHITECTURE.md, R3), and which of them reach a conversion (R4)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from xinghe.domain.events import (
    AdClicked,
    CouponClaimed,
    NoteCommented,
    NoteEngaged,
    NoteLiked,
    NoteViewed,
    TouchEvent,
)

TOUCH_TYPES: Final = (NoteViewed, NoteLiked, NoteCommented, NoteEngaged, AdClicked, CouponClaimed)

KIND_METRIC: Final = {
    "view": "views",
    "like": "likes",
    "comment": "comments",
    "collect": "collects",
    "share": "shares",
    "follow": "follows",
    "ad_click": "ad_clicks",
    "coupon_claim": "coupon_claims",
}
"""Kind of touch to the metric that it adds 1 to."""


@dataclass(frozen=True, slots=True)
class Touch:
    """A touch of one person; a coupon claim has neither note nor item, only a view has a surface."""

    time_ms: int
    event_id: str
    kind: str
    shop_id: str
    campaign_id: str
    note_id: str | None
    item_id: str | None
    surface: str | None = None
    note_type: str | None = None


def touch_of(event: TouchEvent) -> Touch:
    """The touch that the event is; without a campaign it belongs to ``organic:{shop_id}``."""
    return Touch(
        time_ms=event.time_ms,
        event_id=event.event_id,
        kind=_kind(event),
        shop_id=event.shop_id,
        campaign_id=event.campaign_id if event.campaign_id is not None else f"organic:{event.shop_id}",
        note_id=None if isinstance(event, CouponClaimed) else event.note_id,
        item_id=None if isinstance(event, CouponClaimed) else event.item_id,
        surface=event.surface if isinstance(event, NoteViewed) else None,
        note_type=None if isinstance(event, CouponClaimed) else event.note_type,
    )


def _kind(event: TouchEvent) -> str:
    match event:
        case NoteViewed():
            return "view"
        case NoteLiked():
            return "like"
        case NoteCommented():
            return "comment"
        case NoteEngaged():
            return event.action
        case AdClicked():
            return "ad_click"
        case CouponClaimed():
            return "coupon_claim"


@dataclass(slots=True)
class Line:
    """Touches ascending by ``(time_ms, event_id)``; text compares as its UTF-8 bytes do."""

    touches: list[Touch] = field(default_factory=list)

    def last(self, time_ms: int, window_ms: int) -> Touch | None:
        """The last touch at or before ``time_ms``, unless it is more than ``window_ms`` before it.

        The last touch before a conversion is the nearest: where it does not reach, none does.
        """
        before = bisect_right(self.touches, time_ms, key=lambda touch: touch.time_ms)
        if before == 0:
            return None
        touch = self.touches[before - 1]
        return touch if time_ms - touch.time_ms <= window_ms else None

    def within(self, time_ms: int, window_ms: int) -> list[Touch]:
        """The touches at or before ``time_ms`` and at most ``window_ms`` before it."""
        first = bisect_left(self.touches, time_ms - window_ms, key=lambda touch: touch.time_ms)
        return self.touches[first : bisect_right(self.touches, time_ms, key=lambda touch: touch.time_ms)]


class Touches:
    """All touches of one person, by shop; ``click_over_view`` prefers ad clicks where one touch wins."""

    def __init__(self, touches: Iterable[Touch], *, click_over_view: bool) -> None:
        self._click_over_view = click_over_view
        self._clicks: dict[str, Line] = {}
        self._all: dict[str, Line] = {}
        for touch in sorted(touches, key=lambda touch: (touch.time_ms, touch.event_id)):
            self._all.setdefault(touch.shop_id, Line()).touches.append(touch)
            if touch.kind == "ad_click":
                self._clicks.setdefault(touch.shop_id, Line()).touches.append(touch)

    def winner(self, shop_id: str, time_ms: int, window_ms: int) -> Touch | None:
        """The touch that a conversion at ``time_ms`` is credited to; ``None`` if none reaches it.

        With click over view the last ad click within ``window_ms``, else the last touch of any kind.
        """
        click = self._clicks.get(shop_id, Line()).last(time_ms, window_ms)
        if click is not None and self._click_over_view:
            return click
        return self._all.get(shop_id, Line()).last(time_ms, window_ms)

    def reaching(self, shop_id: str, time_ms: int, window_ms: int) -> list[Touch]:
        """All touches that reach a conversion at ``time_ms``, ascending by ``(time_ms, event_id)``."""
        return self._all.get(shop_id, Line()).within(time_ms, window_ms)

    def of_shop(self, shop_id: str) -> list[Touch]:
        """All touches of the shop, ascending by ``(time_ms, event_id)``."""
        return list(self._all.get(shop_id, Line()).touches)
