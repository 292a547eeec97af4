"""Identity links in the journeys stage: who is whom, and what goes from one task to another (ARCHITECTURE.md, R17).

A link deletes the journey of the old id, takes back what it counted, and sends it to the new id's task in the same
transaction; events that come under the old id later are sent after it. The other task adds what arrives in a
transaction of its own, so that whatever is killed, each is done once. What is sent says of what broker time the record
was that it came of, and is read in its turn: not before what the new id did until then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from streams.engine.batch import CAME_HEADER
from streams.partitions import partition_of
from xinghe.domain import events
from xinghe.domain.counted import day_number
from xinghe.domain.identity import Forwarded, Link, Moved, circle, stays
from xinghe.domain.journey import Journey
from xinghe.domain.journey_rules import JourneyRules
from xinghe.domain.moving import add, take_out

if TYPE_CHECKING:
    from streams.agents.intake import DeadLetters
    from streams.engine.batch import Batch, Record
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task

LINKS: Final = "links"
Adder = Callable[[bytes, Journey, Forwarded], None]


class Identities:
    """The links of the ids of one partition. ``add_event`` adds an event that was forwarded to a journey."""

    def __init__(
        self,
        task: Task,
        journeys: MemoryStore[Journey],
        rules: JourneyRules,
        dead_letters: DeadLetters,
        partitions: int,
        add_event: Adder,
    ) -> None:
        self._task = task
        self._journeys = journeys
        self._rules = rules
        self._dead_letters = dead_letters
        self._partitions = partitions
        self._add_event = add_event
        self._links: MemoryStore[Link] = task.store(LINKS)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Moved).decode

    def target_of(self, person: bytes) -> str | None:
        """The id that a person without a journey here was linked to."""
        link = self._links.get(person)
        return None if link is None or link.is_circular else link.target

    def forward(self, person: bytes, target: str, batch: Batch, record: Record) -> None:
        """Send an event after the journey; it was judged here and is not judged again."""
        event = Forwarded(batch.topic, batch.partition, record.offset, record.value or b"")
        self._send(target, Moved([person.decode()], 0, event=event), _came(record))

    def link(self, event: events.PersonLinked, batch: Batch, record: Record) -> bool:
        """Take a link; answers False for one that is known by its ``event_id``."""
        old, target, person = event.person_id, event.linked_person_id, event.person_id.encode()
        known = self._links.get(person)
        if known is not None:
            if known.event_id == event.event_id:
                return False
            detail = f"$.person_id: {old!r} was linked to {known.target!r} by {known.event_id!r} before"
            self._dead_letters.send(batch, record, "link_repeated", detail)
            return True
        link = Link(target, event.event_id, record.offset, record.value or b"")
        self._links.put(person, link)
        if old == target:
            self._refuse(person, link, [old])
            return True
        journey, linked_day = self._journeys.get(person), day_number(event.time_ms)
        moved = None
        if journey is not None:
            moved = take_out(self._rules, person, journey, linked_day)
            self._journeys.delete(person)
        # Without a journey too: what travels along the links is what finds a circle.
        self._send(target, Moved([old], linked_day, moved), _came(record))
        return True

    def process_moved(self, batch: Batch) -> None:
        """Add what other ids brought, or send it on to where this id was linked to."""
        for record in batch.records:
            person = record.key or b""
            moved = self._decode(record.value or b"")
            link = self._links.get(person)
            if link is not None and not link.is_circular:
                here = person.decode()
                around = circle(moved.lineage, here, link.target)
                if not around or here != stays(around):
                    on = msgspec.structs.replace(moved, lineage=[*moved.lineage, here])
                    self._send(link.target, on, list(record.headers))
                    continue
                self._refuse(person, link, around)
            self._receive(person, moved)

    def _receive(self, person: bytes, moved: Moved) -> None:
        if moved.journey is None and moved.event is None:
            return
        journey = self._journeys.get(person)
        if journey is None:
            journey = Journey([])
            self._journeys.add(person, journey)
        if moved.journey is not None:
            add(self._rules, person, journey, moved.journey, moved.linked_day)
        if moved.event is not None:
            self._add_event(person, journey, moved.event)

    def _refuse(self, person: bytes, link: Link, around: Sequence[str]) -> None:
        """Keep an id what it is: its link closes a circle. It remains the first link of the id."""
        link.is_circular = True
        self._links.put(person, link)
        place = events.PersonLinked.topic, self._task.partition, link.offset
        detail = f"$.linked_person_id: the links of {len(around)} ids close a circle"
        self._dead_letters.send_held(place, person, link.value, "link_circular", detail)

    def _send(self, target: str, moved: Moved, headers: list[tuple[str, bytes]]) -> None:
        key = target.encode()
        partition = partition_of(key, self._partitions)
        self._task.send(events.JOURNEY_MOVED, partition, key, self._encode(moved), headers)


def _came(record: Record) -> list[tuple[str, bytes]]:
    """The header of what is sent because of a record."""
    return [(CAME_HEADER, b"%d" % record.timestamp)]
