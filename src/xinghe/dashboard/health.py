"""How the stream is, by what its workers report: figures, and what is bad with where to read what to do.

The limits are those of ``deploy/prometheus/alerts.yml``, whose rules look over minutes; a report is of two seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from xinghe.dashboard.records_source import Reports
from xinghe.serving.records import DeadLetterSample, StageReport, TopicLag, WorkerReport

SILENT_MS: Final = 6_000
"""Three reports that did not come."""
LAG_RECORDS_MAX: Final = 10_000
WATERMARK_MS_MAX: Final = 1_800_000
COMMIT_S_MAX: Final = 1.0
REDIS_KEYS_MAX: Final = 20_000

State = Literal["well", "look", "bad"]
Fault = Literal[
    "redis_away",
    "none",
    "silent",
    "recovering",
    "lag",
    "watermark",
    "commits",
    "redis_pending",
    "undelivered",
]


class Advice(NamedTuple):
    """How bad a fault is, and the section of the runbook that says what to do."""

    state: State
    section: str


ADVICE: Final[Mapping[Fault, Advice]] = {
    "redis_away": Advice("bad", "XingheRedisFailing"),
    "none": Advice("bad", "XingheWorkersGone"),
    "silent": Advice("bad", "XingheWorkerDown"),
    "recovering": Advice("look", "XingheRecoveryLong"),
    "lag": Advice("look", "XingheLagGrowing"),
    "watermark": Advice("look", "XingheWatermarkOld"),
    "commits": Advice("look", "XingheCommitsSlow"),
    "redis_pending": Advice("look", "XingheRedisPending"),
    "undelivered": Advice("look", "XingheAlertsUndelivered"),
}
DEAD_LETTERS_SECTION: Final = "XingheDeadLetters"


class Problem(Struct, frozen=True):
    """Something that is not as it should be."""

    fault: Fault
    state: State
    instance: Annotated[
        str | None, Meta(description="The worker that it is about; null where it is about none.")
    ]
    runbook: Annotated[str, Meta(description="The section of deploy/RUNBOOK.md that says what to do.")]


class WorkerHealth(Struct, frozen=True):
    """A worker; all but its name is null once its report has expired."""

    instance: str
    state: State
    age_ms: Annotated[int | None, Meta(description="Since its last report.")]
    report: WorkerReport | None
    watermark_age_ms: int | None


class ReasonHealth(Struct, frozen=True):
    """The dead letters of one reason; samples are as they came, and untrusted."""

    reason: str
    count: int
    share: Annotated[float | None, Meta(description="Of all dead letters; null where there are none.")]
    samples: list[DeadLetterSample]


class Health(Struct, frozen=True):
    """How the stream is; what is unknown is null."""

    now_ms: int
    state: State
    problems: list[Problem]
    workers: list[WorkerHealth]
    records_per_s: Annotated[float | None, Meta(description="Of the journeys stage, all workers together.")]
    lag_records: int | None
    lags: Annotated[list[TopicLag], Meta(description="By topic over all workers, the largest first.")]
    watermark_ms: Annotated[int | None, Meta(description="The earliest of the workers' watermarks.")]
    watermark_age_ms: int | None
    redis_pending_keys: int | None
    dead_letters: int
    reasons: Annotated[list[ReasonHealth], Meta(description="The most frequent first.")]
    problem: Annotated[str | None, Meta(description="Why all this is old; null while it is not.")]


def health_of(reports: Reports, now_ms: int, problem: str | None) -> Health:
    """All of it; ``problem`` is why Redis cannot be read now."""
    told = {report.instance: report for report in reports.workers}
    names = sorted(set(reports.instances) | set(told))
    faults: list[tuple[Fault, str | None]] = [("redis_away", None)] if problem is not None else []
    if not told:
        faults.append(("none", None))
    workers = []
    for name in names:
        report = told.get(name)
        found = faults_of(report, now_ms)
        if told:  # where no worker reports, that is said once
            faults += [(fault, name) for fault in found]
        workers.append(_worker(name, report, found, now_ms))
    watermark_ms = min(
        (each.watermark_ms for each in reports.workers if each.watermark_ms is not None), default=None
    )
    lags = _lags(reports.workers)
    reasons = _reasons(reports)
    if reports.dead_letters.counts.get("undeliverable"):
        faults.append(("undelivered", None))
    problems = [Problem(fault, ADVICE[fault].state, name, ADVICE[fault].section) for fault, name in faults]
    problems.sort(key=lambda each: each.state != "bad")
    return Health(
        now_ms=now_ms,
        state=_worst(each.state for each in problems),
        problems=problems,
        workers=workers,
        records_per_s=_sum(
            stage.records_per_s
            for each in reports.workers
            for stage in each.stages
            if stage.stage == "journeys"
        ),
        lag_records=None if not told else sum(lag.lag_records for lag in lags),
        lags=lags,
        watermark_ms=watermark_ms,
        watermark_age_ms=_age(watermark_ms, now_ms),
        redis_pending_keys=None if not told else sum(each.redis_pending_keys for each in reports.workers),
        dead_letters=sum(reports.dead_letters.counts.values()),
        reasons=reasons,
        problem=problem,
    )


def faults_of(report: WorkerReport | None, now_ms: int) -> list[Fault]:
    """What is not as it should be with a worker; a report that is old says nothing of how it is."""
    if report is None or now_ms - report.reported_ms > SILENT_MS:
        return ["silent"]
    watermark_age_ms = _age(report.watermark_ms, now_ms)
    found: dict[Fault, bool] = {
        "recovering": bool(report.recovering),
        "lag": sum(lag.lag_records for lag in report.lags) > LAG_RECORDS_MAX,
        "watermark": watermark_age_ms is not None and watermark_age_ms > WATERMARK_MS_MAX,
        "commits": any(_is_slow(stage) for stage in report.stages),
        "redis_pending": report.redis_pending_keys > REDIS_KEYS_MAX,
    }
    return [fault for fault, is_so in found.items() if is_so]


def _is_slow(stage: StageReport) -> bool:
    return stage.commit_p99_s is not None and stage.commit_p99_s > COMMIT_S_MAX


def _worker(name: str, report: WorkerReport | None, faults: Iterable[Fault], now_ms: int) -> WorkerHealth:
    state = _worst(ADVICE[fault].state for fault in faults)
    if report is None:
        return WorkerHealth(name, state, None, None, None)
    age_ms = max(0, now_ms - report.reported_ms)
    return WorkerHealth(name, state, age_ms, report, _age(report.watermark_ms, now_ms))


def _worst(states: Iterable[State]) -> State:
    found = set(states)
    return "bad" if "bad" in found else "look" if "look" in found else "well"


def _lags(workers: Iterable[WorkerReport]) -> list[TopicLag]:
    sums: dict[str, TopicLag] = {}
    for lag in (lag for worker in workers for lag in worker.lags):
        before = sums.get(lag.topic, TopicLag(lag.topic, 0, 0))
        sums[lag.topic] = TopicLag(
            lag.topic, before.lag_records + lag.lag_records, max(before.lag_records_max, lag.lag_records_max)
        )
    return sorted(sums.values(), key=lambda lag: (-lag.lag_records, lag.topic))


def _reasons(reports: Reports) -> list[ReasonHealth]:
    counts, samples = reports.dead_letters.counts, reports.dead_letters.samples
    total = sum(counts.values())
    found = [
        ReasonHealth(reason, count, round(count / total, 6) if total else None, samples.get(reason, []))
        for reason, count in counts.items()
    ]
    return sorted(found, key=lambda each: (-each.count, each.reason))


def _sum(values: Iterable[float]) -> float | None:
    known = list(values)
    return sum(known) if known else None


def _age(time_ms: int | None, now_ms: int) -> int | None:
    return None if time_ms is None else max(0, now_ms - time_ms)
