"""What the engine and the application measure, for Prometheus. Updated per batch or commit, never per event."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 5.0, 10.0)

EVENTS = Counter(
    "xinghe_events", "Source records processed, duplicates and dead letters included.", ["topic"]
)
BATCHES = Counter("xinghe_batches", "Batches of source records processed.", ["topic"])
COMMIT_SECONDS = Histogram(
    "xinghe_commit_seconds",
    "From the start of a commit's transaction to its end.",
    ["stage"],
    buckets=_SECONDS,
)
COMMIT_PERIOD_SECONDS = Histogram(
    "xinghe_commit_period_seconds",
    "From one commit's start to the next of the same task, while there was something to commit.",
    ["stage"],
    buckets=_SECONDS,
)
COMMIT_RECORDS = Histogram(
    "xinghe_commit_records",
    "Changelog and output records of a commit.",
    ["stage"],
    buckets=(1, 10, 100, 1_000, 10_000, 100_000),
)
LAG_RECORDS = Gauge(
    "xinghe_lag_records", "Records between the log's end and the task.", ["topic", "partition"]
)
RECOVERY_SECONDS = Gauge(
    "xinghe_recovery_seconds", "Duration of a task's last recovery.", ["stage", "partition"]
)
RECOVERY_RECORDS = Counter("xinghe_recovery_records", "Changelog records read by recoveries.", ["stage"])
