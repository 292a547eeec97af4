"""Sorting the records of the source topics: accepted events here, expected dead letters there."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from xinghe.audit.judge import RejectedError, accepted
from xinghe.audit.record import Place, SourceRecord
from xinghe.domain.events import JOURNEY_EVENTS, CampaignConfigured

JOURNEY_TOPICS: Final = frozenset(event.topic for event in JOURNEY_EVENTS)  # type: ignore[attr-defined]  # all have one


class DeadLetter(NamedTuple):
    """A record that did not fit: why, and its key and value as they came.

    The value is kept as its ``hash``, good within this process: ten megabytes each would not stay in memory.
    """

    reason: str
    key: bytes | None
    value_hash: int


class Intake:
    """The judgement of records, in the order of each partition.

    ``too_late`` holds the places that the dead letters call so: of records of the journeys topics only, since
    no other record can be too late. ``accepted`` is what came in since the last ``take_accepted``;
    ``too_late_ms`` is the event time of each record that was believed to be too late; ``settings_places`` are the
    records of the settings' topic, which loses some to compaction.
    """

    def __init__(self, too_late: Collection[Place] = ()) -> None:
        self.too_late = too_late
        self.events_in = 0
        self.accepted: list[Any] = []
        self.dead_letters: dict[Place, DeadLetter] = {}
        self.too_late_ms: dict[Place, int] = {}
        self.settings_places: set[Place] = set()

    def add(self, records: Iterable[SourceRecord]) -> None:
        """Judge the records and sort them."""
        for record in records:
            self.events_in += 1
            if record.topic == CampaignConfigured.topic:
                self.settings_places.add(record.place)
            try:
                event = accepted(record)
            except RejectedError as rejected:
                self._reject(record, rejected.reason)
                continue
            if record.place in self.too_late and record.topic in JOURNEY_TOPICS:
                self._reject(record, "too_late")
                self.too_late_ms[record.place] = event.time_ms
            else:
                self.accepted.append(event)

    def take_accepted(self) -> list[Any]:
        """The accepted events so far, which are then forgotten here."""
        events, self.accepted = self.accepted, []
        return events

    def _reject(self, record: SourceRecord, reason: str) -> None:
        self.dead_letters[record.place] = DeadLetter(reason, record.key, hash(record.value))
