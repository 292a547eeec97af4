"""Putting down who has seen an alert: the one thing that the dashboard writes."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson
from redis.asyncio import Redis

from xinghe.domain.windows import DAY_MS
from xinghe.serving import keys
from xinghe.serving.commit import told_as
from xinghe.serving.errors import unavailable_as_one_error
from xinghe.serving.records import Acknowledgement

KEPT_MS: Final = 90 * DAY_MS
"""So long an acknowledgement is kept at least; while its alert is open for ever."""
NOTE_LENGTH_MAX: Final = 500

# One step: between a look at an old entry and its removal somebody may acknowledge that alert anew.
_SCRIPT: Final = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
    if cjson.decode(entries[i + 1]).time_ms < tonumber(ARGV[3]) and redis.call('HEXISTS', KEYS[2], entries[i]) == 0 then
        redis.call('HDEL', KEYS[1], entries[i])
    end
end
redis.call('PUBLISH', KEYS[3], ARGV[4])
"""


class AlertsDesk:
    """Keeps the last acknowledgement of each alert, and tells the pages of it."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Put it down in place of the one before; those of `KEPT_MS` ago whose alerts are no longer open go.

        Raises ``ServingUnavailableError``: it is then unknown whether it was put down, and safe to do it again.
        """
        alert_id = acknowledgement.alert_id
        with unavailable_as_one_error(self._redis):
            await self._redis.eval(
                _SCRIPT,
                3,
                keys.ACKNOWLEDGED,
                keys.ALERTS_OPEN,
                keys.UPDATES,
                alert_id,
                msgspec.json.encode(acknowledgement),
                acknowledgement.time_ms - KEPT_MS,
                orjson.dumps([told_as(alert_id)]),
            )
