"""What the application measures besides the engine (`streams/engine/metrics.py`)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

DEAD_LETTERS = Counter("xinghe_dead_letters", "Records sent to the dead letters.", ["reason"])
DUPLICATES = Counter("xinghe_duplicates", "Events that were known already.")
LATE_EVENTS = Counter("xinghe_late_events", "Events whose one-minute window was final already.")
EVICTED_EVENTS = Counter("xinghe_evicted_events", "Events dropped from journeys that were full.")
WATERMARK_SECONDS = Gauge(
    "xinghe_watermark_timestamp_seconds",
    "Watermark of a journeys task, seconds since the epoch.",
    ["partition"],
)
END_TO_END_SECONDS = Histogram(
    "xinghe_end_to_end_seconds",
    "From the broker's time of a source batch to its effect in Redis.",
    buckets=(
        0.05,
        0.1,
        0.15,
        0.2,
        0.25,
        0.3,
        0.35,
        0.4,
        0.45,
        0.5,
        0.6,
        0.7,
        0.8,
        0.9,
        1.0,
        1.5,
        2,
        5,
        10,
        60,
    ),
)
REDIS_WRITES = Counter("xinghe_redis_writes", "Writes to Redis by outcome.", ["outcome"])
REDIS_PENDING = Gauge("xinghe_redis_pending_keys", "Keys that wait for Redis.", ["partition"])
MODELS_SECONDS = Histogram(
    "xinghe_models_seconds",
    "Time of the models' thread for some shops together; each event waits longer meanwhile.",
    buckets=(0.01, 0.1, 1, 5, 10, 30, 60),
)
ALERTS_OPEN = Gauge("xinghe_alerts_open", "Alerts that are raised or escalated.", ["rule", "severity"])
ALERTS_RAISED = Counter("xinghe_alerts_raised", "Alerts that were raised.", ["rule", "severity"])
NOTIFICATIONS = Counter(
    "xinghe_notifications",
    "Alerts that a receiver is done with: delivered, or undeliverable after the last try.",
    ["receiver", "outcome"],
)
NOTIFICATION_FAILURES = Counter(
    "xinghe_notification_failures", "Tries to tell a receiver of an alert that failed.", ["receiver"]
)
NOTIFICATION_SECONDS = Histogram(
    "xinghe_notification_seconds",
    "From the record of an alert to its delivery.",
    ["receiver"],
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 3_600),
)
NOTIFICATIONS_EXPIRED = Counter(
    "xinghe_notifications_expired",
    "Alerts that nobody was told of: they were over a day old when their turn came.",
)
INDEX_RECORDS = Counter(
    "xinghe_index_records", "Records that the index has put into Redis or left out.", ["topic"]
)
INDEX_UNREADABLE = Counter(
    "xinghe_index_unreadable",
    "Records that the index left out because they are not what their topic holds.",
    ["topic"],
)
INDEX_WRITES = Counter(
    "xinghe_index_writes", "Batches that the index wrote to Redis, by outcome.", ["outcome"]
)
INDEX_LAG_RECORDS = Gauge(
    "xinghe_index_lag_records", "Records between the log's end and the index, all partitions.", ["topic"]
)
