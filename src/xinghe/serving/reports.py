"""What workers say of themselves, in Redis for a short while."""

from __future__ import annotations

from typing import Final

import msgspec
from redis.asyncio import Redis

from xinghe.domain.windows import DAY_MS
from xinghe.serving import keys
from xinghe.serving.errors import unavailable_as_one_error
from xinghe.serving.records import WorkerReport

REPORT_S: Final = 2.0
"""How often a worker reports."""
REPORT_KEPT_S: Final = 10
"""A worker that has said nothing for so long is silent: it has crashed, or its network has."""


async def write_report(redis: Redis, report: WorkerReport) -> None:
    """Replace what the worker said before, and take workers off the list that have been silent for a day.

    Raises ``ServingUnavailableError``.
    """
    with unavailable_as_one_error(redis):
        pipeline = redis.pipeline(transaction=False)
        pipeline.set(keys.worker(report.instance), msgspec.json.encode(report), ex=REPORT_KEPT_S)
        pipeline.zadd(keys.WORKERS, {report.instance: report.reported_ms})
        pipeline.zremrangebyscore(keys.WORKERS, "-inf", report.reported_ms - DAY_MS)
        await pipeline.execute()


async def remove_report(redis: Redis, instance: str) -> None:
    """Take the worker off, which has ended in order; raises ``ServingUnavailableError``."""
    with unavailable_as_one_error(redis):
        pipeline = redis.pipeline(transaction=False)
        pipeline.delete(keys.worker(instance))
        pipeline.zrem(keys.WORKERS, instance)
        await pipeline.execute()
