"""What must be shown: the figures that the audit recomputed, in the form in which topics and Redis show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from xinghe.audit.intake import DeadLetter
from xinghe.audit.record import Place
from xinghe.domain.events import AdSpent, CampaignConfigured
from xinghe.domain.metrics import COUNTED_NAMES, ENGAGEMENT_NAMES, PEOPLE_NAMES
from xinghe.domain.windows import (
    ALLOWED_LATENESS_MS,
    DAY_MS,
    RETENTION_MS,
    SHANGHAI_OFFSET_MS,
    SIZE_MS,
)

WindowKey = tuple[str, str, int]
"""Campaign, size, start in ms."""
NoteKey = tuple[str, str]
"""Campaign, note."""
OrderKey = tuple[str, str]
"""Person, order: an order id names one order of one person."""

SIZES: Final = ("1m", "1h", "1d", "total")
PEOPLE_SIZES: Final = ("1d", "total")
SPEND_SIZES: Final = ("1h", "1d", "total")


def window_start_ms(size: str, time_ms: int) -> int:
    """The start of the window that holds ``time_ms``; a day begins at midnight in Shanghai.

    >>> window_start_ms("1h", 3_600_001), window_start_ms("1d", 0), window_start_ms("total", 5)
    (3600000, -28800000, 0)
    """
    if size == "total":
        return 0
    if size == "1d":
        return time_ms - (time_ms + SHANGHAI_OFFSET_MS) % DAY_MS
    return time_ms - time_ms % SIZE_MS[size]


@dataclass
class Truth:
    """What must be shown once all events are in. Absent amounts are 0, absent spend is unknown.

    ``orders`` holds each order as ``xinghe.order.attributed.v1`` has it, without ``revision``. ``partitions`` is how
    many the journeys stage has, ``watermarks_ms`` of those that have accepted an event. ``impossible_too_late`` are the dead letters
    (by place, the event's time) refused as too late that cannot have been,
    ``settings_places`` the records that the settings' compacted topic still has. ``apart`` names the people whose figures
    may rightly differ, and why; ``apart_campaigns`` are those in which that may show.
    """

    counts: dict[WindowKey, dict[str, int]] = field(default_factory=dict)
    spend_fen: dict[WindowKey, int] = field(default_factory=dict)
    note_counts: dict[NoteKey, dict[str, int]] = field(default_factory=dict)
    orders: dict[OrderKey, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, dict[int, CampaignConfigured]] = field(default_factory=dict)
    shops_configured: dict[str, set[str]] = field(default_factory=dict)
    shops_seen: dict[str, set[str]] = field(default_factory=dict)
    spend_reports: dict[tuple[str, int], AdSpent] = field(default_factory=dict)
    dead_letters: dict[Place, DeadLetter] = field(default_factory=dict)
    impossible_too_late: dict[Place, int] = field(default_factory=dict)
    settings_places: set[Place] = field(default_factory=set)
    partitions: int = 0
    watermarks_ms: dict[int, int] = field(default_factory=dict)
    apart: dict[str, str] = field(default_factory=dict)
    apart_campaigns: set[str] = field(default_factory=set)
    events_in: int = 0
    counted: int = 0
    duplicates: int = 0

    @property
    def watermark_ms(self) -> int:
        """The watermark of every campaign; 0 until each partition has accepted an event."""
        if len(self.watermarks_ms) < self.partitions:
            return 0
        return min(self.watermarks_ms.values(), default=0)

    @property
    def campaigns(self) -> set[str]:
        """Campaigns with something counted or spent."""
        return {campaign_id for campaign_id, _, _ in self.counts.keys() | self.spend_fen.keys()}

    @property
    def window_keys(self) -> set[WindowKey]:
        """The windows in which something was counted or spent and whose retention has not passed."""
        return {key for key in self.counts.keys() | self.spend_fen.keys() if not self.is_expired(key)}

    @property
    def windows(self) -> dict[WindowKey, dict[str, int]]:
        """The metrics of each of ``window_keys``."""
        return {key: self.metrics(key) for key in self.window_keys}

    @property
    def notes(self) -> dict[NoteKey, dict[str, int]]:
        """The metrics of each note of each campaign, to date."""
        return {key: self.note_metrics(key) for key in self.note_counts}

    def metrics(self, key: WindowKey) -> dict[str, int]:
        """The metrics of a window as topics and Redis show them; all 0 where nothing was counted."""
        counts = self.counts.get(key, {})
        shown = _counted(counts)
        if key[1] in PEOPLE_SIZES:
            shown |= {name: counts.get(name, 0) for name in PEOPLE_NAMES}
        if key in self.spend_fen:
            shown["spend_fen"] = self.spend_fen[key]
        return shown

    def note_metrics(self, key: NoteKey) -> dict[str, int]:
        """The metrics of a note of a campaign, to date; all 0 where nothing was counted."""
        return _counted(self.note_counts.get(key, {}))

    def is_expired(self, key: WindowKey) -> bool:
        """Whether the retention of the window has passed; never for ``total``."""
        _, size, start_ms = key
        return size != "total" and self.watermark_ms >= start_ms + SIZE_MS[size] + RETENTION_MS[size]

    def is_final(self, key: WindowKey) -> bool:
        """Whether the allowed lateness of the window has passed; never for ``total``."""
        _, size, start_ms = key
        return size != "total" and self.watermark_ms >= start_ms + SIZE_MS[size] + ALLOWED_LATENESS_MS


def _counted(counts: dict[str, int]) -> dict[str, int]:
    shown = {name: counts.get(name, 0) for name in COUNTED_NAMES}
    shown["engagements"] = sum(shown[name] for name in ENGAGEMENT_NAMES)
    return shown
