"""The live position of a guarantee as the fields of a Redis hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from xinghe.domain.outputs import GuaranteePosition


def position_fields(value: bytes) -> dict[str, str]:
    """The fields of a record of ``xinghe.guarantee.position.v1``; what is unknown has none, what is nested is JSON.

    >>> position_fields(b'{"campaign_id":"c1","spend_fen":7,"payout_fen":null,"gates":[{"name":"edits"}]}')
    {'campaign_id': 'c1', 'spend_fen': '7', 'gates': '[{"name":"edits"}]'}
    """
    fields: dict[str, Any] = orjson.loads(value)
    return {name: _shown(field) for name, field in fields.items() if field is not None}


def position_of(fields: Mapping[str, str]) -> GuaranteePosition:
    """The record that `position_fields` made the fields of; raises ``msgspec.MsgspecError`` or ``ValueError`` if it is none."""
    return msgspec.convert(
        {**fields, "gates": orjson.loads(fields.get("gates", "null"))}, GuaranteePosition, strict=False
    )


def _shown(field: Any) -> str:
    return field if isinstance(field, str) else orjson.dumps(field).decode()
