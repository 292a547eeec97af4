"""The live position of a guarantee as the fields of a Redis hash."""

from __future__ import annotations

from typing import Any

import orjson


def position_fields(value: bytes) -> dict[str, str]:
    """The fields of a record of ``xinghe.guarantee.position.v1``; what is unknown has none, what is nested is JSON.

    >>> position_fields(b'{"campaign_id":"c1","spend_fen":7,"payout_fen":null,"gates":[{"name":"edits"}]}')
    {'campaign_id': 'c1', 'spend_fen': '7', 'gates': '[{"name":"edits"}]'}
    """
    fields: dict[str, Any] = orjson.loads(value)
    return {name: _shown(field) for name, field in fields.items() if field is not None}


def _shown(field: Any) -> str:
    return field if isinstance(field, str) else orjson.dumps(field).decode()
