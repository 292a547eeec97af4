"""A record of ``xinghe.dead-letter.v1`` as data, and as text that harms neither a terminal nor a page."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from xinghe.serving.records import DeadLetterSample

TEXT_MAX: Final = 400
"""Characters of a key, value or detail that are shown where not all of it is asked for."""


class DeadLetter(Struct, frozen=True):
    """One record of the dead-letter topic: what came, and why and from where it was put there."""

    partition: int
    offset: int
    time_ms: int
    reason: str
    detail: str
    source_topic: str
    source_partition: str
    source_offset: str
    key: bytes | None
    value: bytes | None


def dead_letter_of(record: Any) -> DeadLetter:
    """The dead letter of a client's record; what a header does not tell is ``unknown``."""
    headers = {
        name: value.decode("utf-8", "backslashreplace") for name, value in record.headers if value is not None
    }
    return DeadLetter(
        partition=record.partition,
        offset=record.offset,
        time_ms=record.timestamp,
        reason=headers.get("reason", "unknown"),
        detail=headers.get("detail", ""),
        source_topic=headers.get("source_topic", "unknown"),
        source_partition=headers.get("source_partition", "unknown"),
        source_offset=headers.get("source_offset", "unknown"),
        key=record.key,
        value=record.value,
    )


def sample_of(letter: DeadLetter) -> DeadLetterSample:
    """The dead letter as it is shown: each text cut at ``TEXT_MAX``, a key or value that is null as an empty one."""
    return DeadLetterSample(
        time_ms=letter.time_ms,
        reason=safe_text(letter.reason, TEXT_MAX),
        detail=safe_text(letter.detail, TEXT_MAX),
        source_topic=safe_text(letter.source_topic, TEXT_MAX),
        source_partition=safe_text(letter.source_partition, TEXT_MAX),
        source_offset=safe_text(letter.source_offset, TEXT_MAX),
        key=safe_text(letter.key or b"", TEXT_MAX),
        value=safe_text(letter.value or b"", TEXT_MAX),
    )


def safe_text(data: bytes | str, length_max: int | None) -> str:
    r"""Text that changes nothing in a terminal: what cannot be printed is escaped, what is long is cut.

    >>> safe_text(b"ok \x1b[31m \xff", None)
    'ok \\x1b[31m \\xff'
    >>> safe_text("abcdef", 3)
    'abc... (3 more characters)'
    """
    text = data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
    shown = text if length_max is None else text[:length_max]
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    left = len(text) - len(shown)
    return f"{escaped}... ({left} more characters)" if left else escaped
