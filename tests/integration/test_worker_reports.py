"""Workers tell of themselves in Redis while they run, and nothing of the stream depends on it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.stream import Stream
from tests.waiting import wait_until
from tests.workers import supervised
from xinghe.serving import open_redis
from xinghe.serving.records import WorkerReport
from xinghe.serving.records_reader import RecordsReader

pytestmark = pytest.mark.integration


async def _workers(url: str) -> dict[str, WorkerReport]:
    async with open_redis(url) as redis:
        return {report.instance: report for report in await RecordsReader(redis).workers()}


def test_workers_report_while_they_run_and_are_gone_when_they_have_ended(tmp_path: Path) -> None:
    with Stream(tmp_path) as stream:

        def workers() -> dict[str, WorkerReport]:
            return asyncio.run(_workers(stream.services.redis_url))

        def all_work() -> bool:
            reports = workers()
            return {"w1", "w2"} == set(reports) and all(
                stage.records_per_s > 0 and stage.commits and stage.commit_p50_s and stage.partitions
                for report in reports.values()
                for stage in report.stages
            )

        def all_lag() -> bool:
            """The lag is measured once a second, of topics that had something."""
            return all(
                "xinghe.campaign.delta.v1" in {lag.topic for lag in each.lags} for each in workers().values()
            )

        with supervised(stream, "w1", "w2") as supervisor:
            with stream.traffic(500, 61):
                supervisor.watch(lambda: all_work() and all_lag(), "both report of both stages")
                reports = workers()
            stream.services.stop_redis()
            supervisor.run_for(3)
            stream.services.start_redis()
            supervisor.watch(lambda: set(workers()) == {"w1", "w2"}, "they report again")
            stream.audit(watch=supervisor.watch)
            assert not supervisor.restarts
        wait_until(lambda: workers() == {}, "no worker is left")

        for stage in ("journeys", "campaigns"):
            partitions = [
                partition
                for report in reports.values()
                for told in report.stages
                if told.stage == stage
                for partition in told.partitions
            ]
            assert sorted(partitions) == [0, 1, 2, 3]
        now_ms = time.time() * 1000
        for report in reports.values():
            assert report.started_ms <= report.reported_ms <= now_ms
            assert report.watermark_ms is not None
            assert 0 < now_ms - report.watermark_ms < 300_000
            assert all(lag.lag_records >= lag.lag_records_max for lag in report.lags)
            assert report.recovering == []
            commits = [(stage.commit_p50_s, stage.commit_p99_s) for stage in report.stages]
            assert all(p50 is not None and p99 is not None and p50 <= p99 for p50, p99 in commits)

        with supervised(stream, "w3") as supervisor:
            supervisor.watch(lambda: set(workers()) == {"w3"}, "it reports")
            supervisor.workers["w3"].kill()
            wait_until(lambda: workers() == {}, "its last report expires")
            supervisor.watch(lambda: set(workers()) == {"w3"}, "the one started instead reports")
