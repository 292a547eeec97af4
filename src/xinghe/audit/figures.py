"""What must be shown: the figures that the audit recomputed, in the form in which topics and Redis show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xinghe.audit.campaign_settings import DEFAULT_MODEL, CampaignSettings
from xinghe.audit.credit import Attribution
from xinghe.audit.intake import DeadLetter, SpendReport
from xinghe.audit.record import Place
from xinghe.audit.shop_models import PathSum
from xinghe.domain.events import AdSpent, ModelChannel, OrderRefunded
from xinghe.domain.metrics import (
    AUDIENCE_NAMES,
    COUNTED_NAMES,
    ENGAGEMENT_NAMES,
    MODEL_COUNTED_NAMES,
    MODEL_PEOPLE_NAMES,
    MODELS,
    PEOPLE_NAMES,
)
from xinghe.domain.windows import (
    ALLOWED_LATENESS_MS,
    DAY_MS,
    MINUTE_MS,
    RETENTION_MS,
    SHANGHAI_OFFSET_MS,
    SIZE_MS,
)

if TYPE_CHECKING:
    from xinghe.audit.known_links import LinkedPeople

WindowKey = tuple[str, str, int]
"""Campaign, size, start in ms."""
NoteKey = tuple[str, str]
"""Campaign, note."""
NoteDayKey = tuple[str, int, str]
"""Campaign, start of the day in ms, note."""
OrderKey = tuple[str, str]
"""Person, order: an order id names one order of one person."""
RefundKey = tuple[str, str]
"""Person, ``event_id`` of a refund."""
Counts = dict[str, int]
"""Amounts by metric; those of orders by ``name:model``. What is 0 is absent."""


SIZES: Final = ("1m", "1h", "1d", "total")
PEOPLE_SIZES: Final = ("1d", "total")
SPEND_SIZES: Final = ("1h", "1d", "total")
NOTE_DAY_RETENTION_MS: Final = 35 * DAY_MS

NOTELESS_NAMES: Final = frozenset(
    {
        "coupon_claims",
        "coupon_redemptions",
        "coupon_gmv_fen",
        "refunds",
        "repurchases",
        "repurchases_30d",
    }
)
"""Metrics that belong to no note (R11)."""


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


# asyncio writes the result of what it ran into a text that nobody reads; of this one that took seconds.
@dataclass(repr=False)
class Truth:
    """What must be shown once all events are in. Absent amounts are 0, absent spend is unknown.

    ``model_channel`` is what ``paths`` are told in.
    ``chosen`` has, window by window, the counted metrics of orders by the models that the campaign's settings chose
    for its minutes. ``refunds`` are those of an order that count, in the order in which they do. ``spent`` has what spend
    reports tell, ``spend_reports`` those of which the hour counts, ``all_spend_reports`` those before them too, by campaign. ``partitions`` is how
    many the journeys stage has, ``watermarks_ms`` of those that have accepted an event. ``impossible_too_late`` are the dead letters
    (by place, the event's time) refused as too late that cannot have been,
    ``settings_places`` the records that the settings' compacted topic still has.

    ``refused`` are the refunds that need a dead letter, ``waiting`` those without an order and whether its time is
    past; ``unsure`` may have been refused by the order in which records came. ``dead_letters`` are those that must be there,
    ``waiting_letters`` those that may (``waiting_of`` has the refund of each), ``unsure_letters`` those that may and are named. ``either_letters`` are of refunds that
    came under several ids of a person: of each at least one of its letters must be there.

    ``person_of`` has the person of each id that a link names; ``refused_ids`` are the ids whose own link closes a circle,
    ``linked`` has the events of all these people, ``None`` where there are none.

    ``apart`` names the people whose figures may rightly differ, and why, ``apart_places`` their refunds' records,
    ``apart_settings`` the campaigns whose settings are not known well enough; ``apart_campaigns`` are all in which
    either may show, ``apart_shops`` those of apart people's orders, ``apart_orders`` are orders whose refunds may have other dead letters.
    """

    model_channel: ModelChannel = "campaign"
    counts: dict[WindowKey, Counts] = field(default_factory=dict)
    chosen: dict[WindowKey, Counts] = field(default_factory=dict)
    spent: dict[WindowKey, Counts] = field(default_factory=dict)
    note_counts: dict[NoteKey, Counts] = field(default_factory=dict)
    note_day_counts: dict[NoteDayKey, Counts] = field(default_factory=dict)
    orders: dict[OrderKey, Attribution] = field(default_factory=dict)
    refunds: dict[OrderKey, list[OrderRefunded]] = field(default_factory=dict)
    paths: dict[str, dict[tuple[str, ...], PathSum]] = field(default_factory=dict)
    settings: defaultdict[str, CampaignSettings] = field(
        default_factory=lambda: defaultdict(CampaignSettings)
    )
    shops_configured: dict[str, set[str]] = field(default_factory=dict)
    shops_seen: dict[str, set[str]] = field(default_factory=dict)
    spend_reports: dict[tuple[str, int], AdSpent] = field(default_factory=dict)
    all_spend_reports: dict[str, list[SpendReport]] = field(default_factory=dict)
    refused: set[RefundKey] = field(default_factory=set)
    waiting: dict[RefundKey, bool] = field(default_factory=dict)
    unsure: set[RefundKey] = field(default_factory=set)
    dead_letters: dict[Place, DeadLetter] = field(default_factory=dict)
    waiting_letters: dict[Place, DeadLetter] = field(default_factory=dict)
    waiting_of: dict[Place, RefundKey] = field(default_factory=dict)
    unsure_letters: dict[Place, DeadLetter] = field(default_factory=dict)
    either_letters: list[dict[Place, DeadLetter]] = field(default_factory=list)
    person_of: dict[str, str] = field(default_factory=dict)
    refused_ids: set[str] = field(default_factory=set)
    linked: LinkedPeople | None = None
    impossible_too_late: dict[Place, int] = field(default_factory=dict)
    settings_places: set[Place] = field(default_factory=set)
    partitions: int = 0
    watermarks_ms: dict[int, int] = field(default_factory=dict)
    apart: dict[str, str] = field(default_factory=dict)
    apart_places: set[Place] = field(default_factory=set)
    apart_settings: dict[str, str] = field(default_factory=dict)
    apart_campaigns: set[str] = field(default_factory=set)
    apart_shops: set[str] = field(default_factory=set)
    apart_orders: dict[OrderKey, str] = field(default_factory=dict)
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
        return {campaign_id for campaign_id, _, _ in self.counts.keys() | self.spent.keys()}

    def shops_of(self, campaign_id: str) -> set[str]:
        """The shops that a campaign can have been said to be of."""
        if campaign_id.startswith(("organic:", "unattributed:")):
            return {campaign_id.partition(":")[2]}
        return self.shops_configured.get(campaign_id, set()) | self.shops_seen.get(campaign_id, set())

    @property
    def window_keys(self) -> set[WindowKey]:
        """The windows in which something was counted or spent and whose retention has not passed.

        What only another model than the chosen one counted makes a window as well: a setting may yet choose it.
        """
        return {key for key in self.counts.keys() | self.spent.keys() if not self.is_expired(key)}

    @property
    def windows(self) -> dict[WindowKey, dict[str, int]]:
        """The metrics of each of ``window_keys``."""
        return {key: self.metrics(key) for key in self.window_keys}

    @property
    def notes(self) -> dict[NoteKey, dict[str, int]]:
        """The metrics of each note of each campaign, to date."""
        return {key: self.note_metrics(key) for key in self.note_counts}

    @property
    def note_day_keys(self) -> set[NoteDayKey]:
        """The days of notes on which something was counted and whose retention has not passed."""
        return {key for key in self.note_day_counts if not self.is_note_day_expired(key)}

    @property
    def note_days(self) -> dict[NoteDayKey, dict[str, int]]:
        """The metrics of each of ``note_day_keys``."""
        return {key: self.note_day_metrics(key) for key in self.note_day_keys}

    def metrics(self, key: WindowKey) -> dict[str, int]:
        """The metrics of a window as topics and Redis show them; all 0 where nothing was counted."""
        counts = self.counts.get(key, {})
        shown = _counted(counts) | _of_orders(self.chosen.get(key, {}))
        if key[1] in PEOPLE_SIZES:
            shown |= {name: counts.get(name, 0) for name in PEOPLE_NAMES}
            model = self._people_model(key)
            shown |= {name: counts.get(f"{name}:{model}", 0) for name in MODEL_PEOPLE_NAMES}
            shown |= _by_model(counts)
        if key[1] == "total":
            shown |= {name: counts.get(name, 0) for name in AUDIENCE_NAMES}
        return shown | self.spent.get(key, {})

    def note_metrics(self, key: NoteKey) -> dict[str, int]:
        """The metrics of a note of a campaign, to date; all 0 where nothing was counted."""
        return self._of_note(key[0], self.note_counts.get(key, {}))

    def note_day_metrics(self, key: NoteDayKey) -> dict[str, int]:
        """The metrics of a note of a campaign on one day; all 0 where nothing was counted."""
        return self._of_note(key[0], self.note_day_counts.get(key, {}))

    def is_expired(self, key: WindowKey) -> bool:
        """Whether the retention of the window has passed; never for ``total``."""
        _, size, start_ms = key
        return size != "total" and self.watermark_ms >= start_ms + SIZE_MS[size] + RETENTION_MS[size]

    def is_note_day_expired(self, key: NoteDayKey) -> bool:
        """Whether the retention of a note's day has passed."""
        return self.watermark_ms >= key[1] + DAY_MS + NOTE_DAY_RETENTION_MS

    def is_final(self, key: WindowKey) -> bool:
        """Whether the allowed lateness of the window has passed; never for ``total``."""
        _, size, start_ms = key
        return size != "total" and self.watermark_ms >= start_ms + SIZE_MS[size] + ALLOWED_LATENESS_MS

    def choose_models(self) -> None:
        """R10: add up, in ``chosen``, the counted metrics of orders by the model of each minute."""
        self.chosen = {}
        for (campaign_id, size, start_ms), counts in self.counts.items():
            if size != "1m":
                continue
            model = self._model_at(campaign_id, start_ms)
            amounts = {name: counts.get(f"{name}:{model}", 0) for name in MODEL_COUNTED_NAMES}
            for each in SIZES:
                into = self.chosen.setdefault((campaign_id, each, window_start_ms(each, start_ms)), {})
                for name, amount in amounts.items():
                    into[name] = into.get(name, 0) + amount

    def _model_at(self, campaign_id: str, time_ms: int) -> str:
        settings = self.settings.get(campaign_id)
        return DEFAULT_MODEL if settings is None else settings.model_at(time_ms)

    def _people_model(self, key: WindowKey) -> str:
        """The model of a window's last minute; for ``total`` that of the newest setting."""
        campaign_id, size, start_ms = key
        if size == "total":
            return self._newest_model(campaign_id)
        return self._model_at(campaign_id, start_ms + SIZE_MS[size] - MINUTE_MS)

    def _newest_model(self, campaign_id: str) -> str:
        settings = self.settings.get(campaign_id)
        return DEFAULT_MODEL if settings is None else settings.newest_model()

    def _of_note(self, campaign_id: str, counts: Mapping[str, int]) -> dict[str, int]:
        model = self._newest_model(campaign_id)
        of_model = {name: counts.get(f"{name}:{model}", 0) for name in MODEL_COUNTED_NAMES}
        shown = _counted(counts) | _of_orders(of_model)
        return {name: value for name, value in shown.items() if name not in NOTELESS_NAMES}


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    shown = {name: counts.get(name, 0) for name in COUNTED_NAMES}
    shown["engagements"] = sum(shown[name] for name in ENGAGEMENT_NAMES)
    return shown


def _of_orders(counts: Mapping[str, int]) -> dict[str, int]:
    shown = {name: counts.get(name, 0) for name in MODEL_COUNTED_NAMES}
    shown["net_gmv_fen"] = shown["gmv_fen"] - shown["refund_fen"]
    return shown


def _by_model(counts: Mapping[str, int]) -> dict[str, int]:
    """The fields ``name:model`` of all rule models: all of them once one is not 0, else none."""
    shown: dict[str, int] = {}
    for model in MODELS:
        of_model = _of_orders({name: counts.get(f"{name}:{model}", 0) for name in MODEL_COUNTED_NAMES})
        of_model |= {name: counts.get(f"{name}:{model}", 0) for name in MODEL_PEOPLE_NAMES}
        shown |= {f"{name}:{model}": value for name, value in of_model.items()}
    return shown if any(shown.values()) else {}
