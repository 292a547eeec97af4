"""Writing a campaigns partition's figures to Redis, fenced by a sequence that only grows.

What is written is absolute and every commit carries the sequence of its transaction, so the order of
things is simple to see through:

- A stalled former owner of the partition is refused: Redis holds a newer sequence (``STALE``).
- A crash between Kafka's commit and Redis, a lost Redis, an old snapshot, topics made anew: the sequence
  in Redis is not the one that the table stands at, and the partition is rebuilt from its table.
- A commit too large for one script call goes in parts. Only the last moves the sequence; if the rest
  never comes, Redis still stands at the sequence before, and the same two ways out lead to right figures:
  the same writer sends the commit again, a new owner sees the old sequence and rebuilds.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, Literal

from redis.asyncio import Redis

from xinghe.serving import keys
from xinghe.serving.client import text
from xinghe.serving.commit import NOTHING, CommitWrite, parts
from xinghe.serving.errors import unavailable_as_one_error
from xinghe.serving.leftovers import Leftovers
from xinghe.serving.script import Script

SCRIPT: Final = Script("commit.lua")

Step = Literal["part", "last", "begin", "fill", "finish"]


class Outcome(enum.Enum):
    """What became of a write."""

    APPLIED = "applied"
    """Redis holds it."""
    STALE = "stale"
    """Nothing was written: what Redis holds is as new, or newer."""
    REBUILD_NEEDED = "rebuild"
    """Nothing (or only a part) was written: Redis lacks what came before; call ``rebuild``."""


class FunnelWriter:
    """Writes the figures of one campaigns partition; one call at a time.

    ``incarnation`` tells topics made anew from the old ones; ``partitions`` is their number. A
    sequence is a whole number from 0 that grows with each commit of the partition, whoever commits.

    Every method raises ``ServingUnavailableError`` when Redis does not answer or refuses; it is then
    unknown whether the write was done, and safe to send it again, alone or as part of a newer commit.
    """

    def __init__(
        self, redis: Redis, *, stage: str, partition: int, partitions: int, incarnation: str
    ) -> None:
        self._redis = redis
        self._key = keys.sink(stage, partition)
        self._partition = partition
        self._partitions = partitions
        self._incarnation = incarnation
        # The sequence that Redis is known to hold, None before check() or rebuild(). Should Redis
        # one day hold less, it lost commits that were written.
        self._known: int | None = None
        # The commit that was sent and not answered, which makes finding it in Redis a success.
        self._unanswered: int | None = None

    async def check(self) -> tuple[str, int] | None:
        """The incarnation and sequence that Redis stands at; ``None`` when it has none, or half a rebuild.

        If they are those of the table, go on with ``write``; else ``rebuild`` first.
        """
        with unavailable_as_one_error(self._redis):
            stored = await self._redis.hmget(self._key, ["incarnation", "sequence", "state"])
        self._known = None
        if None in stored:
            return None
        incarnation, sequence, state = map(text, stored)
        if state != "ready" or not sequence.isdecimal():
            return None
        if incarnation == self._incarnation:
            self._known = int(sequence)
        return incarnation, int(sequence)

    async def write(self, sequence: int, commit: CommitWrite) -> Outcome:
        """Write what a commit changed; it continues from what ``check``, ``write`` or ``rebuild`` last saw.

        Without any of them it answers ``REBUILD_NEEDED``.
        """
        if self._known is None:
            return Outcome.REBUILD_NEEDED
        retried = self._unanswered == sequence
        self._unanswered = sequence
        for part in parts(commit):
            answer = await self._run("last" if part.is_last else "part", sequence, part.payload)
            if answer != "applied":
                break
        self._unanswered = None
        if answer in {"applied", "held"}:
            self._known = sequence
        elif answer == "rebuild":
            self._known = None
        if answer == "held":
            return Outcome.APPLIED if retried else Outcome.STALE
        return Outcome(answer)

    async def rebuild(self, sequence: int, chunks: Iterable[CommitWrite]) -> Outcome:
        """Make the partition's figures what ``chunks`` say, all of them, as of ``sequence``.

        A chunk may be of any size, and a campaign may be spread over several. Old figures stay
        until they are overwritten, and what the chunks do not have is removed at the end, so a dashboard
        never goes blank. ``REBUILD_NEEDED`` when Redis was emptied meanwhile: begin again.
        """
        self._known = None
        answer = await self._run("begin", sequence, NOTHING)
        if answer == "applied":
            answer = await self._fill(sequence, chunks)
        if answer == "applied":
            answer = await self._run("finish", sequence, NOTHING)
        if answer == "applied":
            self._known = sequence
        return Outcome.STALE if answer == "held" else Outcome(answer)

    async def _fill(self, sequence: int, chunks: Iterable[CommitWrite]) -> str:
        with unavailable_as_one_error(self._redis):
            leftovers = await Leftovers.of(self._redis, self._partition, self._partitions)
        for chunk in chunks:
            leftovers.keep(chunk)
            if (answer := await self._fill_with(sequence, chunk)) != "applied":
                return answer
        for campaign_id in leftovers.campaign_ids:
            with unavailable_as_one_error(self._redis):
                removal = await leftovers.removal(campaign_id)
            if (answer := await self._fill_with(sequence, removal)) != "applied":
                return answer
        if leftovers.shop_ids or leftovers.alert_ids:
            return await self._fill_with(sequence, leftovers.shops_removal())
        return "applied"

    async def _fill_with(self, sequence: int, chunk: CommitWrite) -> str:
        for part in parts(chunk):
            if (answer := await self._run("fill", sequence, part.payload)) != "applied":
                return answer
        return "applied"

    async def _run(self, step: Step, sequence: int, payload: bytes) -> str:
        known = self._known or 0
        answer = await SCRIPT.run(self._redis, [self._key], step, self._incarnation, sequence, known, payload)
        return text(answer)
