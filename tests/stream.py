"""A whole stream for a test: Kafka, Redis and the topics in a folder of its own, and the commands that act on it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError
from redis import Redis

from streams.settings import ENV_PREFIX
from streams.topic_admin import create_topics
from streams.topics import PARTITIONS_DEFAULT, TopicSpec, topic_specs
from tests.conftest import LIB_DIR
from tests.waiting import PATIENCE_S, wait_until
from xinghe.commands.lag import unprocessed_records
from xinghe.domain.events import SOURCE_EVENTS
from xinghe.embedded import EmbeddedServices
from xinghe.processes import start_child, stop_child

GROUP = "xinghe"
TIMES = {"updated_ms", "watermark_ms"}
"""What windows in Redis have besides their figures: when they were written, and the watermark of then."""
PAST_TOPICS = [
    TopicSpec(
        spec.name,
        spec.partitions,
        {
            **spec.config,
            "message.timestamp.type": "CreateTime",
            "cleanup.policy": "delete",
            "retention.ms": "-1",
        }
        if spec.name in SOURCE_EVENTS
        else spec.config,
    )
    for spec in topic_specs()
]
"""For days in seconds: the log looks as if it had been written in those days, and no settings are lost to compaction."""

Watch = Callable[[Callable[[], bool], str], None]
"""Waits until something is true; says what it was if it does not come true."""
AUDIT_WAIT_S = PATIENCE_S / 2
"""How long an audit waits until all is processed, so that it says itself what is not."""


class Finished(NamedTuple):
    """How a command ended, and what it said."""

    exit_code: int
    out: str
    err: str


class Traffic:
    """A running simulator; ``truth`` is what it knows of what it sent, once it was stopped."""

    def __init__(self, process: subprocess.Popen[bytes], truth_file: Path, log: Path) -> None:
        self._process = process
        self._truth_file = truth_file
        self._log = log
        self.truth: dict[str, Any] = {}

    def stop(self) -> None:
        """Everything handed over is acknowledged when this returns."""
        assert stop_child(self._process, PATIENCE_S) == 0, self._log.read_text()
        self.truth = json.loads(self._truth_file.read_bytes())


class Stream:
    """Use it as a context manager, on the main thread: its processes die with the thread that starts them."""

    def __init__(self, folder: Path, topics: Sequence[TopicSpec] | None = None) -> None:
        self.folder = folder
        self._topics = topic_specs() if topics is None else topics
        self.services = EmbeddedServices(folder / "services", lib_dir=LIB_DIR)
        self._runs = 0

    def __enter__(self) -> Self:
        self.services.__enter__()
        try:
            asyncio.run(create_topics(self.kafka, self._topics))
        except BaseException:
            self.services.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.services.close()

    @property
    def kafka(self) -> str:
        return self.services.kafka_bootstrap_servers

    def redis(self) -> Redis:
        return Redis.from_url(self.services.redis_url, decode_responses=True)

    def start(self, *arguments: str, out: Path, err: Path, **env: str) -> subprocess.Popen[bytes]:
        """Start ``xinghe`` with its output added to files; settings of the surroundings do not reach it."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
        with out.open("ab") as out_file, err.open("ab") as err_file:
            return start_child(
                [sys.executable, "-m", "xinghe", *arguments],
                stdout=out_file,
                stderr=err_file,
                env={
                    **plain,
                    "XINGHE_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
                    "XINGHE_REDIS_URL": self.services.redis_url,
                    "XINGHE_MODEL_PERIOD_S": "1",
                    **env,
                },
            )

    def run(self, *arguments: str, watch: Watch = wait_until) -> Finished:
        """Run a command to its end."""
        self._runs += 1
        out, err = (self.folder / f"run-{self._runs}.{name}" for name in ("out", "err"))
        process = self.start(*arguments, out=out, err=err)
        try:
            watch(lambda: process.poll() is not None, " ".join(arguments))
        finally:
            stop_child(process, 0)
        return Finished(process.returncode, out.read_text(), err.read_text())

    @contextmanager
    def traffic(self, rate: float, seed: int, *options: str) -> Iterator[Traffic]:
        """Live traffic while the block runs, stopped in order at its end."""
        self._runs += 1
        truth_file, log = self.folder / f"truth-{self._runs}.json", self.folder / f"traffic-{self._runs}.log"
        arguments = ("simulate", "--rate", f"{rate:g}", "--seed", str(seed), "--truth", str(truth_file))
        process = self.start(*arguments, *options, out=log, err=log)
        traffic = Traffic(process, truth_file, log)
        try:
            # A signal before that would end it as any process.
            wait_until(lambda: process.poll() is not None or "Sending" in log.read_text(), "records are sent")
            yield traffic
            traffic.stop()
        finally:
            stop_child(process, 0)

    def audit(self, *options: str, watch: Watch = wait_until) -> dict[str, Any]:
        """Wait until all is processed and recompute it; asserts that nothing differs. Answers the report."""
        arguments = ("audit", "--json", "--wait-s", f"{AUDIT_WAIT_S:g}", *options)
        done = self.run(*arguments, watch=watch)
        assert done.exit_code == 0, f"{done.out[:5_000]}\n{done.err[-3_000:]}"
        report: dict[str, Any] = json.loads(done.out)
        assert report["differences"] == 0
        assert not report["notices"]["people"], "the audit must compare everybody"
        assert not report["notices"]["campaigns"], "the audit must compare every campaign"
        return report

    def forget(self) -> None:
        """All that the stream wrote is gone, and the source topics are to be read from their start. No worker may run."""
        asyncio.run(_delete_outputs(self.kafka))
        asyncio.run(create_topics(self.kafka, self._topics))
        asyncio.run(_rewind(self.kafka))
        with self.redis() as redis:
            redis.flushall()

    def lag(self) -> int:
        """Source records and deltas that are not committed yet."""
        return asyncio.run(unprocessed_records(self.kafka, GROUP))


async def _delete_outputs(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        outputs = {topic for topic in await admin.list_topics() if topic.startswith("xinghe.")}
        await admin.delete_topics(list(outputs))
        async with asyncio.timeout(PATIENCE_S):
            # The broker does not say when a topic is gone, it has to be asked.
            while outputs & set(await admin.list_topics()):
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def _rewind(kafka: str) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=GROUP, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic, number) for topic in SOURCE_EVENTS for number in range(PARTITIONS_DEFAULT)
        ]
        consumer.assign(partitions)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await consumer.commit(dict.fromkeys(partitions, 0))
                    break
                except CommitFailedError:
                    # A worker that ended in a hurry is a member of the group until its session has run out.
                    await asyncio.sleep(0.5)
    finally:
        await consumer.stop()


def totals(redis: Redis) -> dict[str, int]:
    """The figures to date of all campaigns, and their versions, added up."""
    added: Counter[str] = Counter()
    with redis.pipeline(transaction=False) as asked:
        for campaign_id in cast("list[str]", redis.zrange("xinghe:campaigns", 0, -1)):
            asked.hgetall(f"xinghe:campaign:{campaign_id}:total")
        for total in asked.execute():
            added.update({name: int(value) for name, value in total.items() if name not in TIMES})
    return added
