"""What a task gathers between two commits."""

from __future__ import annotations

from aiokafka.structs import TopicPartition

from streams.engine.batch import Batch
from streams.engine.transaction import NO_HEADERS, Buffer, OutputRecord
from tests.pipeline import FakeRecord


def test_an_empty_buffer_is_no_commit() -> None:
    assert not Buffer()
    assert Buffer().record_count() == 0


def test_offsets_alone_are_a_commit_without_records() -> None:
    buffer = Buffer()
    buffer.offsets[TopicPartition("t", 0)] = 5
    assert buffer
    assert buffer.record_count() == 0


def test_changelog_and_outputs_are_counted() -> None:
    buffer = Buffer()
    buffer.changelog += [(b"k", b"v"), (b"l", None)]
    buffer.outputs["out", 0].append(OutputRecord(b"k", None, NO_HEADERS))
    buffer.outputs["out", 1].append(OutputRecord(None, b"v", NO_HEADERS))
    assert buffer
    assert buffer.record_count() == 4


def test_the_offset_to_commit_is_behind_the_last_record_whatever_the_gaps() -> None:
    batch = Batch("t", 0, [FakeRecord(offset, 0, None, b"") for offset in (3, 4, 9)], 0)
    assert batch.next_offset == 10
