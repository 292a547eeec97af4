"""Memory per person and changelog bytes per event, and both for one person with very many events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import msgspec
from msgspec import Struct

from bench import contenders, processes
from bench.plan import Bench
from bench.runs import RunResult, Sample, Worker, at_events, run_to_end
from bench.scenarios.recovery import READY_S, SETTLED_S, RecoveryResult, is_ready


class MemoryResult(Struct, frozen=True):
    """Bytes; the one person's by tenth of that run."""

    people: int
    events: int
    bytes_per_person: float
    bytes_per_event: float
    changelog_bytes_per_event: float
    one_person_events: int
    one_person_rss_mb: list[float]
    one_person_changelog_bytes_per_event: list[float]
    one_person_events_per_s: list[float]


async def measure(bench: Bench, recoveries: list[RecoveryResult]) -> MemoryResult:
    """What the loaded tables take, from ``recoveries``, less what an empty worker takes; then the one person."""
    loaded = await bench.ensure_loaded()
    rss_full_kb = median(recovery.rss_kb for recovery in recoveries)
    await bench.empty()
    table_bytes = (rss_full_kb - await _empty_rss_kb(bench)) * 1024
    one_person = await _one_person(bench)
    return MemoryResult(
        people=loaded.people,
        events=loaded.run.events,
        bytes_per_person=table_bytes / loaded.people,
        bytes_per_event=table_bytes / loaded.run.events,
        changelog_bytes_per_event=loaded.run.changelog_bytes / loaded.run.events,
        one_person_events=one_person.events,
        one_person_rss_mb=[mark / 1024 for mark in _marks(one_person, lambda sample: sample.rss_kb)[1:]],
        one_person_changelog_bytes_per_event=_per_event(one_person),
        one_person_events_per_s=one_person.events_per_s_by_tenth,
    )


async def _empty_rss_kb(bench: Bench) -> int:
    with Worker(contenders.ours(), bench.cluster, bench.log_dir) as worker:
        await worker.wait_for(is_ready, READY_S)
        await asyncio.sleep(SETTLED_S)
        return processes.rss_kb(worker.pid)


async def _one_person(bench: Bench) -> RunResult:
    await bench.empty()
    world = msgspec.structs.replace(bench.plan.world, people=1)
    summary = await bench.write(bench.plan.one_person_events, world=world)
    run = await run_to_end(contenders.ours(), bench.cluster, bench.log_dir)
    await bench.check_figures(run, summary["totals"])
    await bench.empty()
    return run


def _marks(run: RunResult, what: Callable[[Sample], float]) -> list[float]:
    """A figure of the run at its start and after each tenth."""
    return [at_events(run.samples, run.events * tenth / 10, what) for tenth in range(11)]


def _per_event(run: RunResult) -> list[float]:
    written = _marks(run, lambda sample: sample.changelog_bytes)
    return [(end - start) / (run.events / 10) for start, end in pairwise(written)]
