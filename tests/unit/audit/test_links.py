"""Linked ids in the audit: who is whom, what they count together, and what becomes of the links (R17)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
import pytest
from msgspec.structs import replace

from tests.unit.audit.events import MIDNIGHT_MS, credit, paid, refunded, total, view
from xinghe.audit.attributions import FoundAttributions, compare_attributions
from xinghe.audit.dead_letters import FoundDeadLetters, compare_dead_letters
from xinghe.audit.figures import Truth
from xinghe.audit.findings import Findings
from xinghe.audit.links import people_of
from xinghe.audit.record import Place, SourceRecord
from xinghe.audit.truth import truth_of, truth_of_records
from xinghe.domain.events import OrderRefunded, PersonLinked
from xinghe.domain.windows import DAY_MS, MINUTE_MS


def link(old_id: str, new_id: str, event_id: str = "l", at_ms: int = 0) -> PersonLinked:
    return PersonLinked(event_id, old_id, MIDNIGHT_MS + at_ms, new_id)


def record(event: Any, offset: int, partition: int = 0) -> SourceRecord:
    value = msgspec.json.encode(event)
    timestamp_ms = MIDNIGHT_MS + 100 * DAY_MS
    return SourceRecord(type(event).topic, partition, offset, timestamp_ms, event.person_id.encode(), value)


class Output:
    """As much of a consumed record as is read."""

    def __init__(self, key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> None:
        self.topic, self.partition, self.offset = "out", 0, 0
        self.key, self.value = key, value
        self.headers = [(name, text.encode()) for name, text in headers.items()]


@pytest.mark.parametrize(
    ("targets", "people", "refused"),
    [
        ({"a": "b"}, {"a": "b", "b": "b"}, []),
        ({"a": "b", "c": "b"}, {"a": "b", "b": "b", "c": "b"}, []),
        ({"a": "a"}, {"a": "a"}, ["a"]),
        ({"b": "a", "a": "b"}, {"a": "a", "b": "a"}, ["a"]),
        ({"x": "c", "a": "b", "b": "c", "c": "a"}, {"x": "a", "a": "a", "b": "a", "c": "a"}, ["a"]),
        ({"é": "𝛆", "𝛆": "é"}, {"é": "é", "𝛆": "é"}, ["é"]),
    ],
)
def test_chains_lead_to_the_last_id_and_circles_to_the_smallest(
    targets: dict[str, str], people: dict[str, str], refused: list[str]
) -> None:
    for order in (list(targets), list(reversed(targets))):
        assert people_of({old_id: targets[old_id] for old_id in order}) == (people, refused)


def partition_of(person_id: str) -> int:
    return int(person_id == "p2")


def test_events_of_linked_ids_are_those_of_one_person_wherever_their_partitions_are() -> None:
    truth = truth_of(
        [
            view("v", 0, person_id="p2"),
            link("p2", "p1"),
            paid("o", 1),
            view("v", 0),
            view("w", 2, person_id="p2"),
        ],
        partition_of=partition_of,
        partitions=2,
    )
    assert credit(truth)["touch_event_id"] == "v"
    assert truth.orders.keys() == {("p1", "o1")}
    assert (total(truth, "c1")["views"], total(truth, "c1")["viewers"]) == (2, 1)
    assert (truth.events_in, truth.counted, truth.duplicates) == (5, 4, 1)


def test_each_event_and_link_moves_the_watermark_of_its_own_partition() -> None:
    truth = truth_of(
        [view("v", 5, person_id="p2"), link("p2", "p1"), link("p3", "p2", at_ms=9)],
        partition_of=partition_of,
        partitions=2,
    )
    assert truth.watermarks_ms == {0: MIDNIGHT_MS + 9 - MINUTE_MS, 1: MIDNIGHT_MS + 5 - MINUTE_MS}


def test_an_event_more_than_31_days_before_a_link_is_named() -> None:
    for more_ms, is_named in ((0, False), (1, True)):
        events = [view("v", 0), link("p1", "p2", at_ms=31 * DAY_MS + more_ms), view("u", 0, person_id="p3")]
        truth = truth_of(events)
        assert truth.apart.keys() == ({"p2"} if is_named else set())
        assert truth.apart_campaigns == ({"c1"} if is_named else set())


def test_a_link_to_itself_names_nobody() -> None:
    assert not truth_of([view("v", 0), link("p1", "p1", at_ms=40 * DAY_MS)]).apart
    around = [link("p1", "p2"), link("p2", "p1", at_ms=40 * DAY_MS)]
    assert truth_of([view("v", 0), *around]).apart.keys() == {"p1"}


RECORDS = [
    record(link("p1", "p2", "l1"), 0),
    record(link("p1", "p2", "l1"), 1),
    record(link("p1", "p3", "l2"), 2),
    record(link("p2", "p1", "l3"), 0, partition=1),
    record(link("p9", "p9", "l4"), 3),
    record(view("v", 0), 0),
    record(link("p8", "p9", "l5", at_ms=-40 * DAY_MS), 4),
]


def letter(each: SourceRecord, reason: str) -> Any:
    headers = {"source_topic": each.topic, "source_partition": str(each.partition)}
    return Output(each.key, each.value, headers | {"source_offset": str(each.offset), "reason": reason})


def letter_differences(truth: Truth, found: FoundDeadLetters) -> list[tuple[str, Any, Any]]:
    findings = Findings()
    compare_dead_letters(truth, found, findings)
    return [(each.where, each.expected, each.found) for each in findings.shown]


def found_letters(*letters: Any) -> FoundDeadLetters:
    found = FoundDeadLetters()
    for each in letters:
        found.add(each)
    return found


RIGHT = (
    letter(RECORDS[0], "link_circular"),
    letter(RECORDS[2], "link_repeated"),
    letter(RECORDS[4], "link_circular"),
    letter(RECORDS[6], "too_late"),
)


def test_refused_links_have_their_dead_letters_and_all_are_accounted_for() -> None:
    found = found_letters(*RIGHT)
    truth = truth_of_records(RECORDS, found.too_late, partitions=2)
    assert truth.person_of == {"p1": "p1", "p2": "p1", "p9": "p9"}
    assert (truth.events_in, truth.counted, truth.duplicates) == (7, 2, 1)
    assert letter_differences(truth, found) == []


def test_a_missing_or_wrong_letter_of_a_link_is_named() -> None:
    found = found_letters(letter(RECORDS[0], "link_repeated"), *RIGHT[1:])
    truth = truth_of_records(RECORDS, found.too_late, partitions=2)
    assert letter_differences(truth, found) == [(str(RECORDS[0].place), "link_circular", "link_repeated")]
    found = found_letters(*RIGHT[1:])
    truth = truth_of_records(RECORDS, found.too_late, partitions=2)
    assert letter_differences(truth, found)[0] == (str(RECORDS[0].place), "link_circular", None)


def test_a_refused_refund_of_two_ids_has_a_letter_under_one_or_both() -> None:
    refund = refunded("r", 1, amount_fen=5_000)
    records = [
        record(paid("o", 0), 0),
        record(refund, 0),
        record(replace(refund, person_id="p2"), 0, partition=1),
        record(link("p2", "p1"), 0, partition=1),
    ]
    truth = truth_of_records(records, partitions=2)
    first, second = (letter(each, "refund_exceeds_order") for each in records[1:3])
    assert letter_differences(truth, found_letters(first)) == []
    assert letter_differences(truth, found_letters(second)) == []
    assert letter_differences(truth, found_letters(first, second)) == []
    place = str(Place(OrderRefunded.topic, 0, 0))
    assert letter_differences(truth, found_letters())[0] == (place, "refund_exceeds_order", None)


def test_a_refund_of_two_ids_that_waited_too_long_waits_once_whatever_letters_it_has() -> None:
    refund = refunded("r", 0)
    records = [record(refund, 0), record(replace(refund, person_id="p2"), 0, partition=1)]
    others = [
        record(link("p2", "p1"), 0, partition=1),
        record(view("v", 30 * DAY_MS), 0),
        record(view("w", 40 * DAY_MS, person_id="p2"), 0, partition=1),
    ]
    truth = truth_of_records([*records, *others], partitions=2)
    first, second = (letter(each, "order_unknown") for each in records)
    for letters, still_waiting in (((), 1), ((first,), 0), ((second,), 0), ((first, second), 0)):
        findings = Findings()
        assert compare_dead_letters(truth, found_letters(*letters), findings) == still_waiting
        assert not findings.differences


def attribution_fields(*told: tuple[str, int]) -> list[tuple[str, Any]]:
    """The fields that differ where an order of p1 is told under ids with revisions; p2 is linked to it."""
    truth = truth_of([paid("o", 0), link("p2", "p1")])
    found, findings = FoundAttributions(truth.person_of, truth.refused_ids), Findings()
    for person_id, revision in told:
        value = truth.orders["p1", "o1"].as_json() | {"person_id": person_id, "revision": revision}
        found.add(Output(b"o1", orjson.dumps(value), {}))
    compare_attributions(truth, found, findings)
    return [(each.field, each.expected) for each in findings.shown]


def test_revisions_of_an_order_go_on_over_the_ids_of_a_person() -> None:
    assert attribution_fields(("p2", 1), ("p2", 2), ("p1", 3)) == []
    # Before the link each id counts by itself.
    assert attribution_fields(("p2", 1), ("p2", 2), ("p1", 1), ("p1", 3)) == []
    assert attribution_fields(("p2", 1), ("p2", 2), ("p1", 2)) == [("revision", "more than 2")]
    assert attribution_fields(("p2", 2), ("p2", 2), ("p1", 4)) == [("revision", 3)]
    assert attribution_fields(("p1", 1), ("p2", 2)) == [("person_id", "p1")]
