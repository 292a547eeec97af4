"""A record of a source topic, and its place there."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where a record stands; names it for ever."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}@{self.offset}"


class SourceRecord(NamedTuple):
    """A record as Kafka gave it; ``timestamp_ms`` is the broker's time."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None

    @property
    def place(self) -> Place:
        """Where the record stands."""
        return Place(self.topic, self.partition, self.offset)
