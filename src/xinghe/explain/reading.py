"""Reading what explains an order: its attributions, all links of ids, and the events of its person's partitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

import orjson
from aiokafka import TopicPartition

from xinghe.audit.dead_letters import FoundDeadLetters
from xinghe.audit.intake import JOURNEY_TOPICS, Intake
from xinghe.audit.journey import Limits
from xinghe.audit.links import Links
from xinghe.audit.log import Log
from xinghe.audit.record import SourceRecord
from xinghe.domain.events import DEAD_LETTER, ORDER_ATTRIBUTED, PersonLinked
from xinghe.explain.explain import explain
from xinghe.explain.explanation import Explanation
from xinghe.explain.revisions import Revision

TOPICS: Final = (*sorted(JOURNEY_TOPICS), PersonLinked.topic, ORDER_ATTRIBUTED, DEAD_LETTER)


class Told(NamedTuple):
    """The explanations of an order, one for each person with an order of that id, by ``person_id``.

    ``revisions`` is how many attributions the order has, of all of them.
    ``topics_cut`` are the source topics whose first records are gone by retention: events may be missing.
    """

    explanations: list[Explanation]
    revisions: int
    topics_cut: list[str]


async def explain_order(order_id: str, limits: Limits, kafka_options: Mapping[str, Any]) -> Told:
    """Read the topics from the beginning and explain the order; nothing where it is unknown.

    ``kafka_options`` go to every aiokafka client. Raises ``MissingTopicsError`` and what aiokafka raises.
    """
    log = await Log.open(TOPICS, **kafka_options)
    try:
        letters = await _letters(log)
        cut: set[str] = set()
        links = await _read(log, log.of([PersonLinked.topic]), letters, cut)
        person_of = Links(links.links).person_of
        revisions = await _revisions(log, order_id, person_of)
        explanations: list[Explanation] = []
        for person_id, theirs in sorted(revisions.items()):
            ids = {person_id, *(each for each, person in person_of.items() if person == person_id)}
            events = [link.event for link in links.links if link.event.person_id in ids]
            for each in sorted(ids):
                events += await _events(log, each, letters, cut)
            explanation = explain(order_id, events, theirs, limits)
            if explanation is not None:
                explanations.append(explanation)
    finally:
        await log.close()
    return Told(explanations, sum(map(len, revisions.values())), sorted(cut))


async def _revisions(log: Log, order_id: str, person_of: Mapping[str, str]) -> dict[str, list[Revision]]:
    """The order's attributions by person, under whichever id, in the order of the log."""
    key = order_id.encode()
    revisions: dict[str, list[Revision]] = {}
    partitions = log.of_key([ORDER_ATTRIBUTED], key)
    async for records in log.read(await log.begins(partitions), await log.ends(partitions)):
        for record in records:
            if record.key == key:
                value = orjson.loads(record.value)
                person_id = person_of.get(value["person_id"], value["person_id"])
                revisions.setdefault(person_id, []).append(value)
    return revisions


async def _letters(log: Log) -> FoundDeadLetters:
    letters = FoundDeadLetters()
    partitions = log.of([DEAD_LETTER])
    async for records in log.read(await log.begins(partitions), await log.ends(partitions)):
        for record in records:
            letters.add(record)
    return letters


async def _events(log: Log, person_id: str, letters: FoundDeadLetters, cut: set[str]) -> list[Any]:
    """The accepted events of an id."""
    key = person_id.encode()
    partitions = log.of_key(sorted(JOURNEY_TOPICS), key)
    return (await _read(log, partitions, letters, cut, key)).take_accepted()


async def _read(
    log: Log,
    partitions: Collection[TopicPartition],
    letters: FoundDeadLetters,
    cut: set[str],
    key: bytes | None = None,
) -> Intake:
    """What partitions hold, of a key if one is given; in ``cut`` come the topics whose beginning is gone."""
    begins = await log.begins(partitions)
    cut |= {partition.topic for partition, begin in begins.items() if begin > 0}
    intake = Intake(letters.too_late)
    async for records in log.read(begins, await log.ends(partitions)):
        intake.add(
            SourceRecord(
                record.topic, record.partition, record.offset, record.timestamp, record.key, record.value
            )
            for record in records
            if key is None or record.key == key
        )
    return intake
