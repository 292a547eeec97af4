"""Comparing the dead letters with the records that must be there, each once, with its reason."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aiokafka import ConsumerRecord

from xinghe.audit.figures import Truth
from xinghe.audit.findings import Difference, Findings
from xinghe.audit.intake import DeadLetter
from xinghe.audit.record import Place
from xinghe.domain.events import ALERT_RAISED, CampaignConfigured


class FoundDeadLetters:
    """The records of ``xinghe.dead-letter.v1`` by the place of the record that did not fit."""

    def __init__(self) -> None:
        self.letters: dict[Place, DeadLetter] = {}
        self.repeated: list[Place] = []
        self.unreadable: list[Place] = []

    @property
    def too_late(self) -> set[Place]:
        """The records that are said to be too late."""
        return {place for place, letter in self.letters.items() if letter.reason == "too_late"}

    def add(self, record: ConsumerRecord) -> None:
        """Take one dead letter; those of alerts that could not be delivered are none of the stream's."""
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        if headers.get("source_topic") == ALERT_RAISED:
            return
        try:
            place = Place(
                headers["source_topic"], int(headers["source_partition"]), int(headers["source_offset"])
            )
            letter = DeadLetter(headers["reason"], record.key, hash(record.value))
        except (KeyError, ValueError):
            self.unreadable.append(Place(record.topic, record.partition, record.offset))
            return
        if place in self.letters:
            self.repeated.append(place)
        self.letters[place] = letter


def compare_dead_letters(truth: Truth, found: FoundDeadLetters, findings: Findings) -> int:
    """Compare the set of letters, reasons, keys and values, and the accounting of all events.

    A letter of a refund that waited too long for its order may be there already or not (R5). Of a refund that came under
    several ids of a person each may have one, and one must. Those that only the order
    in which records came can tell are notices, and so is what differs of people apart. Answers how many
    refunds wait still.
    """
    findings.compared["dead_letters"] += len(found.letters)
    present = {place: letter for place, letter in found.letters.items() if not _is_compacted(place, truth)}
    waited = {place: letter for place, letter in truth.waiting_letters.items() if place in present}
    expected = truth.dead_letters | waited
    for letters in truth.either_letters:
        there = {place: letter for place, letter in letters.items() if place in present}
        expected |= there or dict([min(letters.items())])
    for place in found.unreadable:
        _add(
            truth,
            findings,
            place,
            "headers",
            "reason, source_topic, source_partition, source_offset",
            "others",
        )
    for place in found.repeated:
        _add(truth, findings, place, "dead letters", 1, "more than 1")
    for place in sorted(expected.keys() - present.keys()):
        _add(truth, findings, place, "reason", expected[place].reason, None)
    for place in sorted(present.keys() - expected.keys()):
        _superfluous(truth, findings, place, present[place])
    for place in sorted(expected.keys() & present.keys()):
        _compare_letter(truth, findings, place, expected[place], present[place])
    for place, time_ms in sorted(truth.impossible_too_late.items()):
        watermark_ms = truth.watermarks_ms.get(place.partition)
        could_not = f"not too_late: time_ms {time_ms}, watermark {watermark_ms}"
        _add(truth, findings, place, "reason", could_not, "too_late")
    again = {
        place for letters in truth.either_letters for place in sorted(letters.keys() & present.keys())[1:]
    }
    _account(truth, present.keys() - again, expected.keys() - again, findings)
    # Under each of its person's ids a refund may have waited too long, and is one refund.
    return len(truth.waiting) - len({truth.waiting_of[place] for place in waited})


def _superfluous(truth: Truth, findings: Findings, place: Place, found: DeadLetter) -> None:
    """A letter that need not be there: a notice where the refund may once not have fitted its order."""
    unsure = truth.unsure_letters.get(place)
    difference = Difference("dead-letter", str(place), "reason", None, found.reason)
    findings.add(difference, is_notice=found == unsure or place in truth.apart_places)


def _compare_letter(
    truth: Truth, findings: Findings, place: Place, expected: DeadLetter, found: DeadLetter
) -> None:
    if found.reason != expected.reason:
        _add(truth, findings, place, "reason", expected.reason, found.reason)
    if found.value_hash != expected.value_hash:
        _add(truth, findings, place, "value", "as it came", "another")
    # A record of neither key nor value cannot be written; it comes with an empty key.
    stands_for_nothing = expected.key is None and expected.value_hash == hash(None) and found.key == b""
    if found.key != expected.key and not stands_for_nothing:
        _add(truth, findings, place, "key", "as it came", "another")


def _is_compacted(place: Place, truth: Truth) -> bool:
    """Whether the record is gone from the settings' topic, which keeps only the newest of a campaign."""
    return place.topic == CampaignConfigured.topic and place not in truth.settings_places


def _account(
    truth: Truth, present: Collection[Place], expected: Collection[Place], findings: Findings
) -> None:
    """Events in = counted + duplicates + dead letters + refunds that wait.

    Letters of refunds that wait are among the waiting, and those that are notices count as recomputed.
    """
    excused = truth.unsure_letters.keys() | truth.apart_places
    letters = {place for place in present if place not in excused}
    letters |= {place for place in expected if place in excused}
    letters -= truth.waiting_letters.keys()
    accounted = truth.counted + truth.duplicates + len(letters) + len(truth.waiting)
    if accounted != truth.events_in:
        findings.add(
            Difference(
                "accounting", "source topics", "events in", truth.events_in, f"{accounted} accounted for"
            )
        )


def _add(truth: Truth, findings: Findings, place: Place, field: str, expected: Any, found: Any) -> None:
    difference = Difference("dead-letter", str(place), field, expected, found)
    findings.add(difference, is_notice=place in truth.apart_places)
