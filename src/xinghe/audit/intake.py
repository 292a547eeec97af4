"""Sorting the records of the source topics: accepted events here, expected dead letters there."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from xinghe.audit.judge import RejectedError, SettingsDeleted, accepted
from xinghe.audit.links import PlacedLink
from xinghe.audit.record import Place, SourceRecord
from xinghe.domain.events import JOURNEY_EVENTS, AdSpent, CampaignConfigured, OrderRefunded, PersonLinked

JOURNEY_TOPICS: Final = frozenset(event.topic for event in JOURNEY_EVENTS)  # type: ignore[attr-defined]  # all have one
DATED_TOPICS: Final = JOURNEY_TOPICS | {PersonLinked.topic}
"""Topics whose records may be too late."""


class DeadLetter(NamedTuple):
    """A record that did not fit: why, and its key and value as they came.

    The value is kept as its ``hash``, good within this process: ten megabytes each would not stay in memory.
    """

    reason: str
    key: bytes | None
    value_hash: int


class Told(NamedTuple):
    """A record of the settings' topic: what it tells, and when it was written.

    ``after_gap`` says that records before it are gone from its partition, its campaign's perhaps among them.
    """

    event: CampaignConfigured | SettingsDeleted
    told_ms: int
    after_gap: bool


class SpendReport(NamedTuple):
    """A report of spend and the timestamp of its record."""

    event: AdSpent
    recorded_ms: int

    @property
    def reported_ms(self) -> int:
        """R18: when it was made; that of its record where it does not say."""
        return self.recorded_ms if self.event.reported_ms is None else self.event.reported_ms


class PlacedRefund(NamedTuple):
    """An accepted refund's record, for the dead letter that it may need."""

    place: Place
    person_id: str
    event_id: str
    key: bytes | None
    value_hash: int


class Intake:
    """The judgement of records, in the order of each partition.

    ``too_late`` holds the places that the dead letters call so: of events of people and of links, since
    no other record can be too late. ``accepted`` is what came in since the last ``take_accepted``, ``recorded_ms`` the timestamp of each, but for what
    settings were ``told``, the ``spend`` and the ``links``; ``refunds`` are the records of the accepted refunds.
    ``too_late_ms`` is the event time of each record that was believed to be too late; ``settings_places`` are the
    records of the settings' topic, which loses some to compaction.
    """

    def __init__(self, too_late: Collection[Place] = ()) -> None:
        self.too_late = too_late
        self.events_in = 0
        self.accepted: list[Any] = []
        self.recorded_ms = array("q")
        self.told: list[Told] = []
        self.refunds: list[PlacedRefund] = []
        self.links: list[PlacedLink] = []
        self.spend: list[SpendReport] = []
        self.dead_letters: dict[Place, DeadLetter] = {}
        self.too_late_ms: dict[Place, int] = {}
        self.settings_places: set[Place] = set()
        self._settings_next: dict[int, int] = {}
        self._settings_gaps: set[int] = set()

    def add(self, records: Iterable[SourceRecord]) -> None:
        """Judge the records and sort them."""
        for record in records:
            self.events_in += 1
            if record.topic == CampaignConfigured.topic:
                self._look_for_gap(record.place)
            try:
                event = accepted(record)
            except RejectedError as rejected:
                self._reject(record, rejected.reason)
                continue
            if record.place in self.too_late and record.topic in DATED_TOPICS:
                self._reject(record, "too_late")
                self.too_late_ms[record.place] = event.time_ms
            elif isinstance(event, (CampaignConfigured, SettingsDeleted)):
                self.told.append(Told(event, record.timestamp_ms, record.partition in self._settings_gaps))
            elif isinstance(event, PersonLinked):
                link = PlacedLink(record.place, event, record.key, hash(record.value), record.timestamp_ms)
                self.links.append(link)
            elif isinstance(event, AdSpent):
                self.spend.append(SpendReport(event, record.timestamp_ms))
            else:
                self.accepted.append(event)
                self.recorded_ms.append(record.timestamp_ms)
                if isinstance(event, OrderRefunded):
                    ids = (event.person_id, event.event_id)
                    self.refunds.append(PlacedRefund(record.place, *ids, record.key, hash(record.value)))

    def take_accepted(self) -> list[Any]:
        """The accepted events so far, which are then forgotten here."""
        events, self.accepted, self.recorded_ms = self.accepted, [], array("q")
        return events

    def _look_for_gap(self, place: Place) -> None:
        """Compaction takes records from anywhere; the topic's first offset is 0."""
        self.settings_places.add(place)
        if place.offset != self._settings_next.get(place.partition, 0):
            self._settings_gaps.add(place.partition)
        self._settings_next[place.partition] = place.offset + 1

    def _reject(self, record: SourceRecord, reason: str) -> None:
        self.dead_letters[record.place] = DeadLetter(reason, record.key, hash(record.value))
