"""Reading the links of ids, before the orders that were told anew because of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.agents.intake import Refusal, judged
from streams.index.persons import Persons
from xinghe.domain.events import PersonLinked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import ConsumerRecord

POLL_MS: Final = 500
RECORDS_MAX: Final = 5_000
PROGRESS_S_MAX: Final = 10.0
"""Without a record or marker for so long, what is said to be there does not come."""

_decode_linked = msgspec.json.Decoder(PersonLinked).decode


class Links:
    """The links of the log, read by the index's consumer from partitions that are beside those of the index.

    They are kept in memory and read whole at a start: the topic has no more of them than of the orders that need them.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.persons = Persons()
        self._consumer = consumer
        self._positions: dict[TopicPartition, int] = {}

    @property
    def partitions(self) -> list[TopicPartition]:
        """Those of the topic, as of the last `seek`."""
        return list(self._positions)

    def seek(self, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> None:
        """Go on where reading stopped, in all partitions of the topic; in a topic made anew from its beginning."""
        for partition, begin in begins.items():
            position = max(self._positions.get(partition, begin), begin)
            self._positions[partition] = position = begin if position > ends[partition] else position
            self._consumer.seek(partition, position)

    async def catch_up(self) -> None:
        """Read what there is now: a link is in the log before any order that is told anew because of it.

        Raises ``TimeoutError`` where no more of it comes, as when the topic is being deleted.
        """
        ends = await self._consumer.end_offsets(list(self._positions))
        while behind := [each for each, position in self._positions.items() if position < ends[each]]:
            async with asyncio.timeout(PROGRESS_S_MAX):
                await self._advance(behind)

    async def _advance(self, behind: Sequence[TopicPartition]) -> None:
        """Read on until a position moves. The position also passes the markers of transactions, which are no records."""
        before = dict(self._positions)
        while self._positions == before:
            found = await self._consumer.getmany(*behind, timeout_ms=POLL_MS, max_records=RECORDS_MAX)
            for records in found.values():
                self._take(records)
            for partition in behind:
                self._positions[partition] = await self._consumer.position(partition)

    def _take(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            link = judged(record, _decode_linked)
            if not isinstance(link, Refusal) and record.key == link.person_id.encode():
                self.persons.join(link.person_id, link.linked_person_id)
