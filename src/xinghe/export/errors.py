"""What can be wrong with what is exported."""

from __future__ import annotations

from aiokafka import ConsumerRecord


class UnreadableRecordError(Exception):
    """A record is not what its topic's contract says; the message names its place."""

    def __init__(self, record: ConsumerRecord, error: Exception) -> None:
        super().__init__(
            f"the record at {record.topic}-{record.partition}@{record.offset} is not what this version knows: {error}"
        )
