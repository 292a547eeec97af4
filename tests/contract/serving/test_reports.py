"""Reports of workers: the last of each that runs, and the names of those that are silent."""

from __future__ import annotations

from redis.asyncio import Redis

from xinghe.domain.windows import DAY_MS
from xinghe.serving import keys
from xinghe.serving.records import StageReport, TopicLag, WorkerReport
from xinghe.serving.records_reader import RecordsReader
from xinghe.serving.reports import REPORT_KEPT_S, remove_report, write_report


def report(instance: str, reported_ms: int = 1) -> WorkerReport:
    stages = [
        StageReport("journeys", [0, 3], 12.5, 4, 0.1, 0.2),
        StageReport("campaigns", [], 0.0, 0, None, None),
    ]
    lags = [TopicLag("taobao.order.paid.v1", 9, 5)]
    return WorkerReport(instance, "1.0", 1, reported_ms, stages, lags, None, 3, ["campaigns-1"])


async def test_the_last_report_of_each_worker_is_read(redis: Redis) -> None:
    for each in (report("w1", 1), report("w2", 1), report("w1", 2)):
        await write_report(redis, each)
    assert await RecordsReader(redis).workers() == [report("w1", 2), report("w2", 1)]
    assert 0 < await redis.ttl(keys.worker("w1")) <= REPORT_KEPT_S


async def test_a_worker_that_has_crashed_stays_on_the_list_for_a_day(redis: Redis) -> None:
    reader = RecordsReader(redis)
    for instance in ("w1", "w2"):
        await write_report(redis, report(instance))
    await redis.delete(keys.worker("w1"))  # by its age
    await write_report(redis, report("w2", DAY_MS))
    assert await reader.workers() == [report("w2", DAY_MS)]
    assert await reader.instances() == ["w1", "w2"]
    await write_report(redis, report("w2", DAY_MS + 1))
    assert await reader.instances() == ["w2"]


async def test_a_worker_that_ends_in_order_leaves_nothing(redis: Redis) -> None:
    await write_report(redis, report("w1"))
    await remove_report(redis, "w1")
    await remove_report(redis, "w1")
    assert await redis.keys() == []
