"""One run: start what is measured, watch it work off a data set, say what it cost."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from aiokafka.structs import TopicPartition
from msgspec import Struct

from bench import histograms, processes
from bench.cluster import PARTITIONS, Cluster
from xinghe.embedded import free_port
from xinghe.processes import stop_child

SAMPLE_S: Final = 0.5
READY_TIMEOUT_S: Final = 120.0
QUIET_S: Final = 1.5
"""A run is over when nothing is left to read and no offset has moved for this long; Redis is up to date then."""
STALLED_S: Final = 60.0
"""A run that commits nothing for this long has failed."""
STOP_S: Final = 20.0


class BenchError(Exception):
    """A measurement could not be made; the message says which and why."""


class Sample(Struct, frozen=True):
    """How far a run was at a moment, counted from its start."""

    elapsed_s: float
    events: int
    cpu_s: float
    rss_kb: int
    changelog_bytes: int


class CommitPeriod(Struct, frozen=True):
    """The time from one commit to the next of a task: mean and 99th percentile."""

    mean_s: float | None
    p99_s: float | None


class RunResult(Struct, frozen=True):
    """What a run cost. Start-up, which a short run would feel more than a long one, is apart in ``start_cpu_s``."""

    engine: str
    events: int
    workers: int
    wall_s: float
    cpu_s: float
    start_cpu_s: float
    events_per_cpu_s: float
    events_per_cpu_s_with_start: float
    events_per_s_by_tenth: list[float]
    rss_peak_mb: float
    changelog_bytes: int
    commit_period: dict[str, CommitPeriod]
    samples: list[Sample]

    @property
    def flatness(self) -> float:
        """The speed of the last tenth over that of the second."""
        return self.events_per_s_by_tenth[9] / self.events_per_s_by_tenth[1]


class Engine(Struct, frozen=True):
    """Something to measure: ``python <arguments>`` with ``env`` consumes ``sources`` as group ``group``.

    ``inner`` are topics between its stages, which must be worked off too. ``commit_period_s`` is the set period
    of an engine that does not measure its own.
    """

    name: str
    arguments: tuple[str, ...]
    env: Mapping[str, str]
    group: str
    sources: tuple[str, ...]
    inner: tuple[str, ...] = ()
    commit_period_s: float | None = None


class Worker:
    """A running process of an engine; stopped at the end of the ``with`` block."""

    def __init__(self, engine: Engine, cluster: Cluster, log_dir: Path, number: int = 1) -> None:
        self.metrics_url = ""
        self._engine = engine
        self._cluster = cluster
        self._log_path = log_dir / f"{engine.group}-{number}.log"
        self._number = number
        self._process: subprocess.Popen[bytes] | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        port = free_port()
        self.metrics_url = f"http://127.0.0.1:{port}/metrics"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("XINGHE_")}
        env = {
            **inherited,
            "XINGHE_KAFKA_BOOTSTRAP_SERVERS": self._cluster.bootstrap,
            "XINGHE_REDIS_URL": self._cluster.redis_url,
            "XINGHE_METRICS_PORT": str(port),
            "XINGHE_INSTANCE": f"bench-{self._number}",
            **self._engine.env,
        }
        log = self._open.enter_context(self._log_path.open("ab"))
        self._process = processes.start_on_engine_core(
            self._engine.arguments, env, self._log_path.parent, log
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            stop_child(self._process, STOP_S)
        self._open.close()

    @property
    def pid(self) -> int:
        """The process; raises ``BenchError`` with the end of its log when it has ended by itself."""
        assert self._process is not None
        if self._process.poll() is not None:
            last_lines = self._log_path.read_text(errors="replace").strip().splitlines()[-15:]
            raise BenchError(
                "\n".join(
                    [
                        f"{self._engine.name} ended with code {self._process.returncode}; its last words:",
                        *last_lines,
                    ]
                )
            )
        return self._process.pid

    async def metrics(self) -> histograms.Samples:
        """What its metrics endpoint says now."""
        return await asyncio.to_thread(histograms.scrape, self.metrics_url)

    async def wait_for(
        self, condition: Callable[[histograms.Samples], bool], timeout_s: float
    ) -> histograms.Samples:
        """Its metrics, once they meet the condition. Raises ``BenchError`` if it ends or does not in time."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            _ = self.pid
            try:
                samples = await self.metrics()
            except OSError:
                # Not listening yet; the deadline is what ends this.
                samples = {}
            if samples and condition(samples):
                return samples
            await asyncio.sleep(0.1)
        raise BenchError(
            f"{self._engine.name} did not get ready within {timeout_s:g} s; see {self._log_path}"
        )


async def run_to_end(engine: Engine, cluster: Cluster, log_dir: Path, *, workers: int = 1) -> RunResult:
    """Start ``workers`` processes, wait until every source record is committed, stop them; what it cost.

    Raises ``BenchError`` when a process ends early or nothing moves any more.
    """
    ends = await cluster.ends(engine.sources)
    goal = sum(ends.values())
    with ExitStack() as running:
        team = [
            running.enter_context(Worker(engine, cluster, log_dir, number + 1)) for number in range(workers)
        ]
        watch = _Watch(engine, cluster, team, ends)
        await watch.until_first_event()
        await watch.until_end()
        rss_peak_kb = sum(processes.rss_peak_kb(worker.pid) for worker in team)
        periods = (
            {"as set": CommitPeriod(engine.commit_period_s, None)}
            if engine.commit_period_s is not None
            else commit_periods(await team[0].metrics())
        )
    last = watch.samples[-1]
    return RunResult(
        engine=engine.name,
        events=goal,
        workers=workers,
        wall_s=watch.moved_s - watch.samples[0].elapsed_s,
        cpu_s=last.cpu_s,
        start_cpu_s=watch.samples[0].cpu_s,
        events_per_cpu_s=goal / (last.cpu_s - watch.samples[0].cpu_s),
        events_per_cpu_s_with_start=goal / last.cpu_s,
        events_per_s_by_tenth=_by_tenth(watch.samples, goal),
        rss_peak_mb=rss_peak_kb / 1024,
        changelog_bytes=last.changelog_bytes,
        commit_period=periods,
        samples=watch.samples,
    )


def at_events(samples: Sequence[Sample], events: float, what: Callable[[Sample], float]) -> float:
    """What a figure was when ``events`` were worked off: linear between two samples.

    >>> samples = [Sample(0, 0, 0, 0, 0), Sample(2, 100, 1, 0, 0)]
    >>> at_events(samples, 50, lambda sample: sample.elapsed_s)
    1.0
    """
    index = bisect_left(samples, events, key=lambda sample: sample.events)
    if index == 0:
        return what(samples[0])
    lower, upper = samples[index - 1], samples[index]
    share = (events - lower.events) / (upper.events - lower.events)
    return what(lower) + share * (what(upper) - what(lower))


def _by_tenth(samples: Sequence[Sample], goal: int) -> list[float]:
    marks = [at_events(samples, goal * tenth / 10, lambda sample: sample.elapsed_s) for tenth in range(11)]
    return [goal / 10 / (end - start) for start, end in pairwise(marks)]


class _Watch:
    """Samples of a team at work; the first one is from just before its first event."""

    def __init__(
        self, engine: Engine, cluster: Cluster, team: Sequence[Worker], ends: Mapping[TopicPartition, int]
    ) -> None:
        self.samples: list[Sample] = []
        self.moved_s = 0.0
        self._engine = engine
        self._cluster = cluster
        self._team = team
        self._ends = ends
        self._committed: dict[TopicPartition, int] = {}
        self._start_s = time.monotonic()

    async def until_first_event(self) -> None:
        """Return once every worker has processed something; keeps one sample, with the CPU seconds up to there."""
        cpu_s = await asyncio.gather(*(self._start_cpu_s(worker) for worker in self._team))
        await self._sample()
        # A sample cannot be taken before what it is before of is seen: events at zero say that it stands for then.
        self.samples = [
            msgspec.structs.replace(self.samples[0], events=0, cpu_s=sum(cpu_s), changelog_bytes=0)
        ]

    async def _start_cpu_s(self, worker: Worker) -> float:
        cpu_s = 0.0

        def has_worked(metrics: histograms.Samples) -> bool:
            nonlocal cpu_s
            if histograms.total(metrics, "xinghe_events_total"):
                return True
            cpu_s = processes.cpu_s(worker.pid)
            return False

        await worker.wait_for(has_worked, READY_TIMEOUT_S)
        return cpu_s

    async def until_end(self) -> None:
        """Sample until everything is committed and quiet; raises ``BenchError`` when it stalls."""
        goal = sum(self._ends.values())
        while True:
            started_s = time.monotonic()
            await self._sample()
            quiet_s = self.samples[-1].elapsed_s - self.moved_s
            if self.samples[-1].events == goal and quiet_s > QUIET_S and await self._is_worked_off():
                return
            if quiet_s > STALLED_S:
                raise BenchError(
                    f"{self._engine.name} has committed nothing for {STALLED_S:g} s, at "
                    f"{self.samples[-1].events:,} of {goal:,} events; {self._behind()}"
                )
            await asyncio.sleep(max(0.0, SAMPLE_S - (time.monotonic() - started_s)))

    def _behind(self) -> str:
        """The partitions that are not read to their end, each with the committed offset and the end."""
        lags = {tp: (self._committed.get(tp, 0), end) for tp, end in self._ends.items()}
        return (
            ", ".join(
                f"{tp.topic}[{tp.partition}] at {at} of {end}" for tp, (at, end) in lags.items() if at < end
            )
            or "the topics between its stages are not worked off"
        )

    async def _sample(self) -> None:
        committed = await self._cluster.committed(self._engine.group)
        elapsed_s = time.monotonic() - self._start_s
        if committed != self._committed:
            self._committed, self.moved_s = committed, elapsed_s
        self.samples.append(
            Sample(
                elapsed_s=elapsed_s,
                events=sum(min(committed.get(tp, 0), end) for tp, end in self._ends.items()),
                cpu_s=sum(processes.cpu_s(worker.pid) for worker in self._team),
                rss_kb=sum(processes.rss_kb(worker.pid) for worker in self._team),
                changelog_bytes=self._cluster.changelog_bytes(),
            )
        )

    async def _is_worked_off(self) -> bool:
        """Whether the topics between the stages are read, up to the control records that may end a partition."""
        ends = await self._cluster.ends(self._engine.inner)
        return all(end - self._committed.get(tp, 0) <= PARTITIONS for tp, end in ends.items())


def commit_periods(
    samples: histograms.Samples, before: histograms.Samples | None = None
) -> dict[str, CommitPeriod]:
    """The actual period of each stage's commits, without what ``before`` held already."""
    periods = {}
    for stage in sorted(histograms.by_label(samples, "xinghe_commit_period_seconds_count", "stage")):
        found = histograms.histogram(samples, "xinghe_commit_period_seconds", before, stage=stage)
        periods[stage] = CommitPeriod(found.mean(), found.quantile(0.99))
    return periods


def as_json(result: RunResult) -> dict[str, Any]:
    """The result without its samples, for a file."""
    return {name: getattr(result, name) for name in result.__struct_fields__ if name != "samples"} | {
        "flatness": result.flatness
    }
