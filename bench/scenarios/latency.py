"""End to end: from the broker's time of a record to the moment its effect is in Redis, at half the capacity."""

from __future__ import annotations

import asyncio

import msgspec
import orjson
from msgspec import Struct

from bench import histograms, processes
from bench.plan import Bench
from bench.runs import BenchError, CommitPeriod, Worker, commit_periods
from bench.scenarios.recovery import READY_S, is_ready


class LatencyResult(Struct, frozen=True):
    """Quantiles of the worker's histogram over the measured time, and the load they belong to."""

    rate: int
    events: int
    p50_s: float
    p99_s: float
    mean_s: float
    cpu_share: float
    commit_period: dict[str, CommitPeriod]


async def measure(bench: Bench) -> LatencyResult:
    """Live traffic on top of the loaded tables, from a writer of its own on the broker's core."""
    loaded = await bench.ensure_loaded()
    rate = round(loaded.run.events_per_cpu_s / 2)
    plan = bench.plan
    # Ids of their own: the loaded journeys would take the same ids for duplicates.
    world = msgspec.structs.replace(plan.world, id_prefix="live", seed=plan.world.seed + 1)
    with Worker(loaded.engine, bench.cluster, bench.log_dir) as worker:
        await worker.wait_for(is_ready, READY_S)
        duration_s = plan.latency_warmup_s + plan.latency_s
        writer = bench.cluster.start_writer(world, "live", "--rate", str(rate), "--duration", str(duration_s))
        try:
            await asyncio.sleep(plan.latency_warmup_s)
            before, cpu_before_s = await worker.metrics(), processes.cpu_s(worker.pid)
            await asyncio.sleep(plan.latency_s - 1.0)
            after, cpu_after_s = await worker.metrics(), processes.cpu_s(worker.pid)
            output, _ = await asyncio.to_thread(writer.communicate)
        finally:
            if writer.poll() is None:
                writer.kill()
    summary = orjson.loads(output)
    if summary["behind_s"] > 0.5:
        raise BenchError(
            f"the writer was {summary['behind_s']:.1f} s behind at {rate:,} events/s: its core is too slow for this load"
        )
    return _result(rate, before, after, (cpu_after_s - cpu_before_s) / (plan.latency_s - 1.0))


def _result(
    rate: int, before: histograms.Samples, after: histograms.Samples, cpu_share: float
) -> LatencyResult:
    found = histograms.histogram(after, "xinghe_end_to_end_seconds", before)
    p50_s, p99_s, mean_s = found.quantile(0.5), found.quantile(0.99), found.mean()
    if p50_s is None or p99_s is None or mean_s is None:
        raise BenchError("the worker measured no end-to-end times (xinghe_end_to_end_seconds is empty)")
    return LatencyResult(
        rate=rate,
        events=int(found.count),
        p50_s=p50_s,
        p99_s=p99_s,
        mean_s=mean_s,
        cpu_share=cpu_share,
        commit_period=commit_periods(after, before),
    )
