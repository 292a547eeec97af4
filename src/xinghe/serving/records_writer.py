"""Writing records of Kafka's topics to Redis, together with the offsets that they go up to.

Each call of the script moves offsets from where the caller knows Redis to stand, so that nothing is counted twice, left out
or written by two: whoever finds Redis elsewhere reads where it stands and goes on from there. What was read from Redis
before such a call, to decide what to write, is therefore still so when it is written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from heapq import nlargest
from itertools import chain
from typing import Any, Final, Literal, NamedTuple
from uuid import uuid4

import msgspec
from redis.asyncio import Redis

from xinghe.domain.events import DEAD_LETTER, LEDGER_ENTRY, ORDER_ATTRIBUTED, CampaignConfigured
from xinghe.serving import keys
from xinghe.serving.client import text
from xinghe.serving.errors import ServingDataError, unavailable_as_one_error
from xinghe.serving.records import DeadLetterSample
from xinghe.serving.records_reader import SAMPLES
from xinghe.serving.script import Script

SCRIPT: Final = Script("index.lua")
SCAN_COUNT: Final = 1_000
"""Keys that a step of a scan looks at, and the most that are removed at once."""

TOPICS: Final = (ORDER_ATTRIBUTED, LEDGER_ENTRY, CampaignConfigured.topic, DEAD_LETTER)
"""The topics whose records are written."""
KEYS_OF: Final[Mapping[str, str]] = {
    ORDER_ATTRIBUTED: keys.order("*"),
    LEDGER_ENTRY: keys.ledger("*"),
    CampaignConfigured.topic: keys.CAMPAIGN_SETTINGS,
    DEAD_LETTER: f"{keys.DEAD_LETTERS}*",
}
"""Patterns of the keys that each topic fills."""

Step = Literal["write", "forget", "clear", "begin"]


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int

    @property
    def field(self) -> str:
        """Its field in ``xinghe:index``."""
        return f"{self.topic}:{self.partition}"


class Stand(NamedTuple):
    """Where Redis stands in a partition: the offset to go on from, and the last record before it.

    ``last_offset`` and ``last_ms``, that record's timestamp, tell a topic that was made anew; ``None`` before the first record.
    """

    offset: int
    last_offset: int | None = None
    last_ms: int | None = None


class OrderWrite(NamedTuple):
    """An order as last attributed to a person, until ``expire_at_ms``; ``stale`` are other ids of the person to forget."""

    order_id: str
    person_id: str
    json: str
    expire_at_ms: int
    stale: Sequence[str] = ()


class EntryWrite(NamedTuple):
    """An entry of a campaign's ledger."""

    campaign_id: str
    number: int
    json: str


class RecordsWrite(NamedTuple):
    """What a batch of records changes; of ``settings`` ``None`` deletes those of the campaign."""

    orders: Sequence[OrderWrite] = ()
    entries: Sequence[EntryWrite] = ()
    settings: Mapping[str, str | None] = {}
    letters: Sequence[DeadLetterSample] = ()


class RecordsWriter:
    """Writes records; one call at a time. Every method raises ``ServingUnavailableError`` when Redis does not answer or refuses.

    It is then unknown whether a write was done; `stands` tells.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def stands(self) -> dict[Place, Stand]:
        """Where Redis stands, by partition; a topic that it has nothing of, or that is being started over, is not there."""
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.hgetall(keys.INDEX)
        fields = {text(name): text(value) for name, value in found.items()}
        try:
            return {
                Place(topic, int(partition)): _stand(fields, name)
                for name in fields
                for topic, _, partition in (name.partition(":"),)
                if partition.isdecimal()
            }
        except ValueError as error:
            raise ServingDataError(keys.INDEX, f"does not hold where the index stands ({error})") from error

    async def write(
        self, known: Mapping[Place, Stand | None], up_to: Mapping[Place, Stand], records: RecordsWrite
    ) -> bool:
        """Write what was read from ``known`` up to ``up_to``, by partition; False, and nothing done, where Redis stands elsewhere."""
        moves = [(place.topic, place.field, *_moved(known[place], stand)) for place, stand in up_to.items()]
        payload = (
            moves,
            [(keys.order(order.order_id), *order[1:]) for order in records.orders],
            [(keys.ledger(entry.campaign_id), str(entry.number), entry.json) for entry in records.entries],
            [(campaign_id, json or "") for campaign_id, json in records.settings.items()],
            _by_reason(records.letters),
            SAMPLES,
        )
        return await self._run("write", payload)

    async def start_over(self, topic: str, begins: Mapping[int, int]) -> bool:
        """Remove all that was written of a topic, and stand at these offsets of its partitions; False if another does so too."""
        token = await self.forget(topic)
        async for names in self._keys_of(topic):
            if not await self._run("clear", (topic, token, names)):
                return False
        stands = ((Place(topic, partition).field, str(offset)) for partition, offset in begins.items())
        return await self._run("begin", (topic, token, list(chain.from_iterable(stands))))

    async def forget(self, topic: str) -> str:
        """Have nothing of a topic to go on from; answers the token of the one who did so last."""
        token = uuid4().hex
        await self._run("forget", (topic, token))
        return token

    async def _keys_of(self, topic: str) -> AsyncIterator[list[str]]:
        cursor = None
        pattern = KEYS_OF[topic]
        while cursor != 0:
            with unavailable_as_one_error(self._redis):
                cursor, found = await self._redis.scan(cursor or 0, match=pattern, count=SCAN_COUNT)
            # The id of a note may end like the name of a ledger; that of a campaign with books has no colon.
            names = [
                name
                for name in map(text, found)
                if topic != LEDGER_ENTRY or name.count(":") == pattern.count(":")
            ]
            for first in range(0, len(names), SCAN_COUNT):
                yield names[first : first + SCAN_COUNT]

    async def persons(self, order_ids: Sequence[str]) -> list[list[str]]:
        """The person ids that each of the orders is there under."""
        with unavailable_as_one_error(self._redis):
            pipeline = self._redis.pipeline(transaction=False)
            for order_id in order_ids:
                pipeline.hkeys(keys.order(order_id))
            found: Any = await pipeline.execute()
        return [[text(person_id) for person_id in order] for order in found]

    async def effective_ms(self, campaign_ids: Collection[str]) -> dict[str, int]:
        """From when on the settings of these campaigns hold that are there."""
        if not campaign_ids:
            return {}
        asked = list(campaign_ids)
        with unavailable_as_one_error(self._redis):
            found: Any = await self._redis.hmget(keys.CAMPAIGN_SETTINGS, asked)
        try:
            return {
                campaign_id: msgspec.json.decode(value, type=_Effective).effective_ms
                for campaign_id, value in zip(asked, found, strict=True)
                if value is not None
            }
        except msgspec.DecodeError as error:
            raise ServingDataError(
                keys.CAMPAIGN_SETTINGS, f"does not hold settings of campaigns ({error})"
            ) from error

    async def _run(self, step: Step, payload: Any) -> bool:
        answer = await SCRIPT.run(self._redis, [keys.INDEX], step, msgspec.msgpack.encode(payload))
        return text(answer) == "applied"


class _Effective(msgspec.Struct):
    effective_ms: int = 0


def _stand(fields: Mapping[str, str], name: str) -> Stand:
    last = fields.get(f"{name}:last")
    if last is None:
        return Stand(int(fields[name]))
    last_offset, _, last_ms = last.partition(":")
    return Stand(int(fields[name]), int(last_offset), int(last_ms))


def _moved(known: Stand | None, stand: Stand) -> tuple[str, str, str]:
    return (
        "" if known is None else str(known.offset),
        str(stand.offset),
        f"{stand.last_offset}:{stand.last_ms}",
    )


def _by_reason(letters: Iterable[DeadLetterSample]) -> list[tuple[str, int, list[tuple[int, str]]]]:
    """Of each reason the count, and the samples that may be among the last."""
    by_reason: dict[str, list[DeadLetterSample]] = {}
    for letter in letters:
        by_reason.setdefault(letter.reason, []).append(letter)
    return [(reason, len(samples), _last(samples)) for reason, samples in by_reason.items()]


def _last(samples: Sequence[DeadLetterSample]) -> list[tuple[int, str]]:
    """Those of the latest times, with the time; of one time those that are last as text, as the script has it."""
    oldest_ms = nlargest(SAMPLES, (sample.time_ms for sample in samples))[-1]
    late = (sample for sample in samples if sample.time_ms >= oldest_ms)
    return nlargest(SAMPLES, ((sample.time_ms, msgspec.json.encode(sample).decode()) for sample in late))
