"""The live position of a guarantee as the fields of a Redis hash, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from xinghe.domain.outputs import GuaranteePosition
from xinghe.serving.client import text
from xinghe.serving.errors import ServingDataError


def position_fields(value: bytes) -> dict[str, str]:
    """The fields of a record of ``xinghe.guarantee.position.v1``; what is unknown has none, what is nested is JSON.

    >>> position_fields(b'{"campaign_id":"c1","spend_fen":7,"payout_fen":null,"gates":[{"name":"edits"}]}')
    {'campaign_id': 'c1', 'spend_fen': '7', 'gates': '[{"name":"edits"}]'}
    """
    fields: dict[str, Any] = orjson.loads(value)
    return {name: _shown(field) for name, field in fields.items() if field is not None}


def _shown(field: Any) -> str:
    return field if isinstance(field, str) else orjson.dumps(field).decode()


def position_of(key: str, fields: Mapping[bytes, bytes]) -> GuaranteePosition:
    """The position of which ``key`` holds the fields; raises ``ServingDataError`` for others."""
    values: dict[str, Any] = {text(name): text(field) for name, field in fields.items()}
    try:
        values["gates"] = orjson.loads(values.get("gates", ""))
        return msgspec.convert(values, GuaranteePosition, strict=False)
    except (msgspec.ValidationError, orjson.JSONDecodeError) as error:
        raise ServingDataError(key, f"does not hold where a guarantee stands ({error})") from error
