"""What a worker says of itself in Redis, every two seconds, from what it measures anyway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from streams import metric_defs
from streams.engine import metrics
from xinghe.serving.errors import ServingError
from xinghe.serving.records import StageReport, TopicLag, WorkerReport
from xinghe.serving.reports import REPORT_S, remove_report, write_report

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams.engine.engine import Engine

log = structlog.get_logger()

CLOSE_S_MAX: Final = 0.4
"""For each of two steps: a worker that is told to end has 5 s in all."""

Buckets = list[tuple[float, float]]
"""Upper bound of a bucket, in seconds, and how many were up to it; ascending, the last bound is infinite."""


class Measured(NamedTuple):
    """What grows from the start of the process on, at a moment."""

    at_s: float
    records: Mapping[str, float]
    """By topic."""
    commits: Mapping[str, Buckets]
    """By stage."""


class WorkerReporter:
    """Reports beside the stream: nothing waits for it, and a Redis that is away is told of by others."""

    def __init__(self, engine: Engine, redis: Redis, instance: str) -> None:
        self._engine = engine
        self._redis = redis
        self._instance = instance
        self._version = metadata.version("xinghe")
        self._started_ms = int(time.time() * 1000)
        self._before = measured()
        self._closing = asyncio.Event()
        self._reporting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Report until `close`."""
        self._reporting = asyncio.create_task(self._report_forever())
        self._reporting.add_done_callback(_tell_why)

    async def close(self) -> None:
        """Take the worker off. Tasks are not cancelled: the Redis client can swallow that."""
        self._closing.set()
        if self._reporting is not None:
            await asyncio.wait([self._reporting], timeout=CLOSE_S_MAX)
        removing = asyncio.create_task(self._remove())
        await asyncio.wait([removing], timeout=CLOSE_S_MAX)

    async def _remove(self) -> None:
        try:
            await remove_report(self._redis, self._instance)
        except ServingError as error:
            log.info("the last report expires by itself", error=str(error))

    async def _report_forever(self) -> None:
        while not self._closing.is_set():
            now = measured()
            report = self._report(now, self._before)
            self._before = now
            try:
                await write_report(self._redis, report)
            except ServingError as error:
                log.debug("a report was not written", error=str(error))
            try:
                async with asyncio.timeout(REPORT_S):
                    await self._closing.wait()
            except TimeoutError:
                continue

    def _report(self, now: Measured, before: Measured) -> WorkerReport:
        partitions: dict[str, list[int]] = {stage: [] for stage in self._engine.stages}
        for stage, partition in self._engine.open_tasks:
            partitions[stage].append(partition)
        return WorkerReport(
            instance=self._instance,
            version=self._version,
            started_ms=self._started_ms,
            reported_ms=int(time.time() * 1000),
            stages=[
                stage_report(stage.name, partitions[stage.name], stage.topics, now, before)
                for stage in self._engine.stages.values()
            ],
            lags=topic_lags(_by_label(metrics.LAG_RECORDS, "topic")),
            watermark_ms=_watermark_ms(partitions["journeys"]),
            redis_pending_keys=int(sum(_of(metric_defs.REDIS_PENDING, partitions["campaigns"]))),
            recovering=[f"{stage}-{partition}" for stage, partition in self._engine.recovering_tasks],
        )


def measured() -> Measured:
    """What the process has measured so far."""
    commits: dict[str, Buckets] = {}
    for name, labels, value in _samples(metrics.COMMIT_SECONDS):
        if name.endswith("_bucket"):
            commits.setdefault(labels["stage"], []).append((float(labels["le"]), value))
    records = {
        labels["topic"]: value for name, labels, value in _samples(metrics.EVENTS) if name.endswith("_total")
    }
    return Measured(time.monotonic(), records, commits)


def stage_report(
    stage: str, partitions: list[int], topics: Iterable[str], now: Measured, before: Measured
) -> StageReport:
    """What a stage did between two moments."""
    seconds = now.at_s - before.at_s
    records = sum(now.records.get(topic, 0) - before.records.get(topic, 0) for topic in topics)
    ended = now.commits.get(stage, [])
    counts_before = dict(before.commits.get(stage, ()))
    commits = [(bound, count - counts_before.get(bound, 0)) for bound, count in ended]
    return StageReport(
        stage=stage,
        partitions=partitions,
        records_per_s=round(records / seconds, 1) if seconds > 0 else 0.0,
        commits=int(commits[-1][1]) if commits else 0,
        commit_p50_s=quantile(commits, 0.5),
        commit_p99_s=quantile(commits, 0.99),
    )


def quantile(buckets: Buckets, share: float) -> float | None:
    """The value that this share of the values is up to, taking them to lie evenly in their buckets; ``None`` without any.

    Beyond the last finite bound nothing is known but that it is more; then it is that bound.

    >>> quantile([(0.1, 2), (0.2, 6), (float("inf"), 6)], 0.5)
    0.125
    >>> quantile([(0.1, 0), (float("inf"), 3)], 0.5), quantile([(0.1, 0), (float("inf"), 0)], 0.5)
    (0.1, None)
    """
    if not buckets or buckets[-1][1] == 0:
        return None
    wanted = share * buckets[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted and count > below:
            if bound == float("inf"):
                return lower
            return round(lower + (bound - lower) * (wanted - below) / (count - below), 4)
        lower, below = bound, count
    return lower


def topic_lags(lags: Mapping[str, Sequence[float]]) -> list[TopicLag]:
    """The lag of each topic, from those of its partitions, by name.

    >>> topic_lags({"t": [1.0, 3.0]})
    [TopicLag(topic='t', lag_records=4, lag_records_max=3)]
    """
    return [TopicLag(topic, int(sum(lags[topic])), int(max(lags[topic]))) for topic in sorted(lags)]


def _watermark_ms(partitions: Sequence[int]) -> int | None:
    found = _of(metric_defs.WATERMARK_SECONDS, partitions)
    return round(min(found) * 1000) if found else None


def _of(metric: Any, partitions: Sequence[int]) -> list[float]:
    """A metric of these partitions; those that went to another worker keep their last value here."""
    by_partition = _by_label(metric, "partition")
    return [value for partition in partitions for value in by_partition.get(str(partition), ())]


def _by_label(metric: Any, label: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for _, labels, value in _samples(metric):
        found.setdefault(labels[label], []).append(value)
    return found


def _samples(metric: Any) -> Iterable[tuple[str, Mapping[str, str], float]]:
    return (sample[:3] for collected in metric.collect() for sample in collected.samples)


def _tell_why(reporting: asyncio.Task[None]) -> None:
    if not reporting.cancelled() and (error := reporting.exception()) is not None:
        log.error("the worker reports no more; the stream goes on", error=f"{type(error).__name__}: {error}")
