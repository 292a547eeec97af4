"""Comparing the dead letters with the records that must be there, each once, with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka import ConsumerRecord

from xinghe.audit.figures import Truth
from xinghe.audit.findings import Difference, Findings
from xinghe.audit.intake import DeadLetter
from xinghe.audit.record import Place
from xinghe.domain.events import CampaignConfigured


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
        """Take one dead letter."""
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
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


def compare_dead_letters(truth: Truth, found: FoundDeadLetters, findings: Findings) -> None:
    """Compare the exact set, reasons, keys and values, and the accounting of all events."""
    findings.compared["dead_letters"] += len(found.letters)
    present = {place: letter for place, letter in found.letters.items() if not _is_compacted(place, truth)}
    for place in found.unreadable:
        _add(findings, place, "headers", "reason, source_topic, source_partition, source_offset", "others")
    for place in found.repeated:
        _add(findings, place, "dead letters", 1, "more than 1")
    for place in sorted(truth.dead_letters.keys() - present.keys()):
        _add(findings, place, "reason", truth.dead_letters[place].reason, None)
    for place in sorted(present.keys() - truth.dead_letters.keys()):
        _add(findings, place, "reason", None, present[place].reason)
    for place in sorted(truth.dead_letters.keys() & present.keys()):
        _compare_letter(place, truth.dead_letters[place], present[place], findings)
    for place, time_ms in sorted(truth.impossible_too_late.items()):
        watermark_ms = truth.watermarks_ms.get(place.partition)
        _add(
            findings,
            place,
            "reason",
            f"not too_late: time_ms {time_ms}, watermark {watermark_ms}",
            "too_late",
        )
    _account(truth, present, findings)


def _compare_letter(place: Place, expected: DeadLetter, found: DeadLetter, findings: Findings) -> None:
    if found.reason != expected.reason:
        _add(findings, place, "reason", expected.reason, found.reason)
    if found.value_hash != expected.value_hash:
        _add(findings, place, "value", "as it came", "another")
    # A record of neither key nor value cannot be written; it comes with an empty key.
    stands_for_nothing = expected.key is None and expected.value_hash == hash(None) and found.key == b""
    if found.key != expected.key and not stands_for_nothing:
        _add(findings, place, "key", "as it came", "another")


def _is_compacted(place: Place, truth: Truth) -> bool:
    """Whether the record is gone from the settings' topic, which keeps only the newest of a campaign."""
    return place.topic == CampaignConfigured.topic and place not in truth.settings_places


def _account(truth: Truth, present: Mapping[Place, DeadLetter], findings: Findings) -> None:
    """Events in = counted + duplicates + dead letters."""
    accounted = truth.counted + truth.duplicates + len(present)
    if accounted != truth.events_in:
        findings.add(
            Difference(
                "accounting", "source topics", "events in", truth.events_in, f"{accounted} accounted for"
            )
        )


def _add(findings: Findings, place: Place, field: str, expected: Any, found: Any) -> None:
    findings.add(Difference("dead-letter", str(place), field, expected, found))
