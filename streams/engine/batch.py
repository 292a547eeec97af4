"""A batch: consecutive records of one topic partition, delivered to an agent as one message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

CAME_HEADER: Final = "came_ms"
"""Of a record that a task sends to another of its stage: the broker's time, in decimal digits, of the record that it came of."""


class Record(Protocol):
    """One Kafka record as the client's parser made it, without a wrapper object per record."""

    @property
    def offset(self) -> int:
        """Position in its partition."""

    @property
    def timestamp(self) -> int:
        """The record's time in milliseconds, the broker's where the topic says so."""

    @property
    def key(self) -> bytes | None:
        """Key bytes as they came."""

    @property
    def value(self) -> bytes | None:
        """Value bytes as they came; ``None`` is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Headers as they came."""


class Batch(NamedTuple):
    """At least one record, offsets ascending (with gaps where control records or compaction made them).

    ``epoch`` counts the times the consumer went back to its committed offsets; a batch of an earlier epoch is read
    again and must not be processed.
    """

    topic: str
    partition: int
    records: Sequence[Record]
    epoch: int

    @property
    def next_offset(self) -> int:
        """The offset to commit once the whole batch is processed."""
        return self.records[-1].offset + 1
