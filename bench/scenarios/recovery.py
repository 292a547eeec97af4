"""Recovery: a worker that starts with the full tables in its changelogs."""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import Struct

from bench import histograms, processes
from bench.cluster import PARTITIONS
from bench.plan import Bench
from bench.runs import Worker

STAGES: Final = 2
READY_S: Final = 300.0
SETTLED_S: Final = 3.0
"""After this long, what recovery needed for itself is given back."""


class RecoveryResult(Struct, frozen=True):
    """What was read, how long the slowest task took (all recover at the same time), and memory once settled."""

    records: int
    seconds: float
    rss_kb: int

    @property
    def records_per_s(self) -> float:
        """Changelog records a second, all tasks together."""
        return self.records / self.seconds


async def measure(bench: Bench) -> list[RecoveryResult]:
    """Start the loaded application once a round."""
    return [await _recover(bench) for _ in range(bench.plan.rounds)]


def is_ready(metrics: histograms.Samples) -> bool:
    """Whether every task of both stages has recovered."""
    return sum(name == "xinghe_recovery_seconds" for name, _ in metrics) == STAGES * PARTITIONS


async def _recover(bench: Bench) -> RecoveryResult:
    loaded = await bench.ensure_loaded()
    with Worker(loaded.engine, bench.cluster, bench.log_dir) as worker:
        metrics = await worker.wait_for(is_ready, READY_S)
        await asyncio.sleep(SETTLED_S)
        seconds = histograms.by_label(metrics, "xinghe_recovery_seconds", "partition")
        return RecoveryResult(
            records=int(histograms.total(metrics, "xinghe_recovery_records_total")),
            seconds=max(max(values) for values in seconds.values()),
            rss_kb=processes.rss_kb(worker.pid),
        )
