"""What both stages do with a source record before it counts: judge it, or send it to the dead letters (R1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Protocol

import msgspec

from streams import metric_defs
from xinghe.domain.events import DEAD_LETTER

if TYPE_CHECKING:
    from streams.engine.batch import Batch, Record
    from streams.engine.task import Task

DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)
"""What decoding a value can raise; the type error is that of a null value, the recursion that of deep nesting."""
VALUE_BYTES_MAX: Final = 65_536
"""Source events are hundreds of bytes; what is a hundred times that is not an event."""


class KeyAndValue(Protocol):
    """What a record is judged by, whichever client read it."""

    @property
    def key(self) -> bytes | None:
        """Key bytes as they came."""

    @property
    def value(self) -> bytes | None:
        """Value bytes as they came; ``None`` is a tombstone."""


class Refusal(NamedTuple):
    """Why a record does not count."""

    reason: str
    detail: str


def judged(record: KeyAndValue, decode: Callable[[bytes], Any]) -> Any:
    """The event of a record, or the `Refusal` of what is none."""
    try:
        if record.value is not None and len(record.value) > VALUE_BYTES_MAX:
            return Refusal(*too_large(record.value))
        if record.value is not None:
            record.value.decode()  # the decoder does not look into fields that it ignores
        return decode(record.value)  # type: ignore[arg-type]  # null raises TypeError, handled below
    except DECODE_ERRORS as error:
        return Refusal(*rejection(record, error))


def judged_of_campaign(record: KeyAndValue, decode: Callable[[bytes], Any]) -> Any:
    """The event of a record whose key is its campaign's, or the `Refusal` of what is none."""
    event = judged(record, decode)
    if isinstance(event, Refusal):
        return event
    problem = separator_in(shop_id=getattr(event, "shop_id", None), campaign_id=event.campaign_id)
    if problem is None and record.key != event.campaign_id.encode():
        problem = key_mismatch("campaign_id", event.campaign_id)
    return event if problem is None else Refusal(*problem)


def rejection(record: KeyAndValue, error: Exception) -> tuple[str, str]:
    """Reason and detail for a record whose decoding raised ``error``."""
    if record.value is None:
        return "invalid", "value: null, expected a JSON object"
    if isinstance(error, msgspec.ValidationError):
        # The decoder stops at the first wrong field; whether the rest is JSON at all comes first.
        fault = _form_fault(record.value)
        return ("invalid", _detail(error)) if fault is None else ("malformed", fault)
    return "malformed", str(error)


def _detail(error: msgspec.ValidationError) -> str:
    """Which field is wrong, and why.

    A rule of several fields (``domain/terms.py``) raises a message that begins with the field's name; the decoder puts
    the path of the struct that holds it behind: both are put together here.
    """
    if error.__cause__ is None:
        return str(error)
    path = str(error).removeprefix(f"{error.__cause__} - at `").removesuffix("`")
    return f"{path}.{error.__cause__}"


def _form_fault(value: bytes) -> str | None:
    """Why the bytes are not one JSON document in UTF-8; ``None`` if they are."""
    try:
        # Numbers stay text: how large one may be is not a question of form.
        document = json.loads(value.decode(), parse_int=str, parse_float=str, parse_constant=_refuse)
        # Half a character can be written as an escape, and in no UTF-8.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        return str(error)
    return None


def _refuse(constant: str) -> NoReturn:
    message = f"{constant} is not JSON"
    raise ValueError(message)


def too_large(value: bytes) -> tuple[str, str]:
    """Reason and detail for a value over the bound."""
    return "too_large", f"value: {len(value)} bytes, expected at most {VALUE_BYTES_MAX}"


def key_mismatch(field: str, expected: str) -> tuple[str, str]:
    """Reason and detail for a record whose key is not the field it is partitioned by."""
    return "key_mismatch", f"key: expected {field} {expected!r}"


def separator_in(**ids: str | None) -> tuple[str, str] | None:
    """Reason and detail if an id holds a separator of our keys and names."""
    for field, value in ids.items():
        if value is not None and (":" in value or "|" in value):
            return "invalid", f"$.{field}: {value!r} contains ':' or '|'"
    return None


class DeadLetters:
    """Sends records to the dead letters of a task, in the task's transaction."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.sent = 0
        """How many records it has sent."""

    def decoded(self, batch: Batch, record: Record, decode: Callable[[bytes], Any]) -> Any | None:
        """The event of a record; ``None`` after sending what is none to the dead letters."""
        return self.accepted(batch, record, judged(record, decode))

    def accepted(self, batch: Batch, record: Record, verdict: Any) -> Any | None:
        """The event that was judged; ``None`` after sending what was refused to the dead letters."""
        if isinstance(verdict, Refusal):
            self.send(batch, record, *verdict)
            return None
        return verdict

    def send(self, batch: Batch, record: Record, reason: str, detail: str) -> None:
        """Send one record as it came, with where it came from and why."""
        place = batch.topic, batch.partition, record.offset
        self.send_held(place, record.key, record.value, reason, detail)

    def send_held(
        self, place: tuple[str, int, int], key: bytes | None, value: bytes | None, reason: str, detail: str
    ) -> None:
        """Send a record that was taken first, and then did not fit; ``place`` is its topic, partition and offset."""
        topic, partition, offset = place
        headers = [
            ("reason", reason.encode()),
            ("detail", detail.encode("utf-8", "replace")),
            ("source_topic", topic.encode()),
            ("source_partition", b"%d" % partition),
            ("source_offset", b"%d" % offset),
        ]
        # A record without key and value cannot be written; an empty key stands for both.
        kept_key = b"" if key is None and value is None else key
        self.sent += 1
        self._task.send(DEAD_LETTER, self._task.partition, kept_key, value, headers)
        metric_defs.DEAD_LETTERS.labels(reason).inc()
