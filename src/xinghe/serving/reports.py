"""What workers say of themselves, in Redis for a short while."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from xinghe.serving import keys
from xinghe.serving.client import text
from xinghe.serving.errors import unavailable_as_one_error
from xinghe.serving.records import WorkerReport

REPORT_S: Final = 2.0
"""How often a worker reports."""
REPORT_KEPT_S: Final = 10
"""A worker that has said nothing for so long is gone."""


async def write_report(redis: Redis, report: WorkerReport) -> None:
    """Replace what the worker said before, and take workers off the list that are gone.

    Raises ``ServingUnavailableError``.
    """
    with unavailable_as_one_error(redis):
        pipeline = redis.pipeline(transaction=False)
        pipeline.set(keys.worker(report.instance), msgspec.json.encode(report), ex=REPORT_KEPT_S)
        pipeline.sadd(keys.WORKERS, report.instance)
        pipeline.smembers(keys.WORKERS)
        *_, members = await pipeline.execute()
        instances = [text(member) for member in members]
        found: Any = await redis.mget([keys.worker(instance) for instance in instances])
        # One that is away for a moment puts itself on the list again.
        gone = [instance for instance, value in zip(instances, found, strict=True) if value is None]
        if gone:
            await redis.srem(keys.WORKERS, *gone)


async def remove_report(redis: Redis, instance: str) -> None:
    """Take the worker off, which has ended in order; raises ``ServingUnavailableError``."""
    with unavailable_as_one_error(redis):
        pipeline = redis.pipeline(transaction=False)
        pipeline.delete(keys.worker(instance))
        pipeline.srem(keys.WORKERS, instance)
        await pipeline.execute()
