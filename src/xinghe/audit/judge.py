"""What is accepted (ARCHITECTURE.md, R1): rules 1 to 7, which look at one record only.

Rule 8, ``too_late``, depends on the order of arrival; it is taken from the dead letters and checked in
`audit/truth.py`.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from xinghe.audit.record import SourceRecord
from xinghe.domain.events import SOURCE_EVENTS, AdSpent, CampaignConfigured
from xinghe.domain.windows import FUTURE_MS

VALUE_BYTES_MAX: Final = 65_536
SEPARATORS: Final = (":", "|")

_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    topic: msgspec.json.Decoder(event) for topic, event in SOURCE_EVENTS.items()
}


class SettingsDeleted(NamedTuple):
    """A null value for a campaign's settings; ``campaign_id`` is ``None`` where the key is no UTF-8."""

    campaign_id: str | None


class RejectedError(Exception):
    """The record belongs to the dead letters; ``reason`` is the one of the first rule that applies."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def accepted(record: SourceRecord) -> Any:
    """The event that the record carries, or ``SettingsDeleted``.

    Raises ``RejectedError`` where one of the rules 1 to 7 applies.
    """
    if record.value is None:
        if record.topic == CampaignConfigured.topic:
            return SettingsDeleted(_text(record.key))
        raise RejectedError("invalid")
    if len(record.value) > VALUE_BYTES_MAX:
        raise RejectedError("too_large")
    if not is_json_text(record.value):
        raise RejectedError("malformed")
    event = _decoded(record.topic, record.value)
    for name in (getattr(event, "shop_id", None), getattr(event, "campaign_id", None)):
        if name is not None and any(separator in name for separator in SEPARATORS):
            raise RejectedError("invalid")
    if _text(record.key) != (
        event.campaign_id if isinstance(event, (AdSpent, CampaignConfigured)) else event.person_id
    ):
        raise RejectedError("key_mismatch")
    time_ms = _time_ms(event)
    if time_ms is not None and time_ms - record.timestamp_ms > FUTURE_MS:
        raise RejectedError("future")
    return event


def is_json_text(value: bytes) -> bool:
    """Whether the bytes are one well-formed UTF-8 JSON document.

    >>> is_json_text(b'{"a": 1}'), is_json_text(b'{"a": 1} {}'), is_json_text(b'{"a": NaN}')
    (True, False, False)
    """
    try:
        text = value.decode("utf-8")
        # Numbers stay text: how large one may be is not a question of form.
        document = json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
        if "\\ud" in text.lower():
            # An escape may name half a character, which no UTF-8 text can hold.
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _decoded(topic: str, value: bytes) -> Any:
    try:
        return _DECODERS[topic].decode(value)
    except msgspec.ValidationError as error:
        raise RejectedError("invalid") from error
    except msgspec.DecodeError as error:
        # Of a field that is there twice the check of the form sees the second only.
        raise RejectedError("malformed") from error


def _text(key: bytes | None) -> str | None:
    if key is None:
        return None
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _time_ms(event: Any) -> int | None:
    """The time that rule 7 looks at; ``None`` for settings, which may lie ahead."""
    if isinstance(event, CampaignConfigured):
        return None
    times_ms = (
        (event.hour_start_ms, event.reported_ms or 0) if isinstance(event, AdSpent) else (event.time_ms,)
    )
    return max(times_ms)
