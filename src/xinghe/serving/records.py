"""Records that Redis holds besides figures: samples of dead letters, reports of workers, acknowledgements."""

from __future__ import annotations

from msgspec import Struct


class DeadLetterSample(Struct, frozen=True):
    """A dead letter as it is shown: where it came from, and the beginning of its key and value as text.

    Control characters and bytes that are not UTF-8 are written as ``\\\\x..``. ``time_ms`` is the broker's.
    """

    time_ms: int
    reason: str
    detail: str
    source_topic: str
    source_partition: str
    source_offset: str
    key: str
    value: str


class DeadLetters(Struct, frozen=True):
    """How many dead letters there are by reason, and the last samples of each, the last first."""

    counts: dict[str, int]
    samples: dict[str, list[DeadLetterSample]]


class StageReport(Struct, frozen=True):
    """What a stage's tasks did in a worker; commit times are of the commits since the report before, in seconds.

    ``commit_p50_s`` and ``commit_p99_s`` are absent where there was no commit.
    """

    stage: str
    partitions: list[int]
    records_per_s: float
    commits: int
    commit_p50_s: float | None
    commit_p99_s: float | None


class TopicLag(Struct, frozen=True):
    """Records of a topic that the worker has yet to take: in all, and of the partition with the most."""

    topic: str
    lag_records: int
    lag_records_max: int


class WorkerReport(Struct, frozen=True):
    """What a worker says of itself every two seconds.

    ``watermark_ms`` is the earliest of its journeys tasks; absent while none has one.
    """

    instance: str
    version: str
    started_ms: int
    reported_ms: int
    stages: list[StageReport]
    lags: list[TopicLag]
    watermark_ms: int | None
    redis_pending_keys: int
    recovering: list[str]
    """Tasks that read their changelog yet, as ``journeys-3``."""


class Acknowledgement(Struct, frozen=True):
    """Who has seen an alert; ``note`` may be empty."""

    alert_id: str
    by: str
    time_ms: int
    note: str
