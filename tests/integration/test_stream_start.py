"""A worker whose Kafka is not there, or is not as it must be: it says so and what to do."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from tests.stream import Stream
from tests.waiting import PATIENCE_S, wait_until
from tests.workers import Worker, stack_traces, supervised
from xinghe.commands.options import EXIT_CONFIG, EXIT_UNAVAILABLE
from xinghe.domain.events import DEAD_LETTER, NoteViewed
from xinghe.embedded import HOST, EmbeddedServices, free_port

pytestmark = pytest.mark.integration


class BareStream(Stream):
    """Commands that are pointed at a Kafka of our own, or at none."""

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__(folder)
        self._address = address

    @property
    def kafka(self) -> str:
        return self._address


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    """A stream whose group is known already: the first start of all waits for the broker's own topics."""
    with Stream(tmp_path_factory.mktemp("start")) as stream:
        with supervised(stream, "w1"):
            pass
        yield stream


def test_a_kafka_that_is_not_there_is_tried_again_with_growing_pauses(tmp_path: Path) -> None:
    address = f"{HOST}:{free_port()}"
    done = BareStream(tmp_path, address).run("worker", "--wait-seconds", "3")

    assert done.exit_code == EXIT_UNAVAILABLE
    pauses_s = [float(pause) for pause in re.findall(r"trying again in ([\d.]+) s", done.err)]
    assert pauses_s[:3] == [0.25, 0.5, 1.0]
    last = done.err.strip().splitlines()[-1]
    assert f"Kafka at {address} is not reachable" in last
    assert "Gave up after 3 s" in last
    assert "xinghe up" in last
    assert "Traceback" not in done.err


def test_a_worker_waits_for_a_kafka_that_comes_later(tmp_path: Path) -> None:
    with Stream(tmp_path) as stream:
        stream.services.stop_kafka()
        worker = Worker(stream, "w1")
        worker.start()
        try:
            stream.services.start_kafka()
            wait_until(lambda: worker.opened() > 0, "the worker opens its tasks")
            assert worker.stop() == 0
        finally:
            if worker.exit_code is None:
                worker.kill()
        assert not stack_traces(worker)


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.6, 0.9, 1.2])
def test_sigterm_ends_a_worker_at_any_moment_of_its_start(joined: Stream, after_s: float) -> None:
    worker = Worker(joined, "w1", name=f"w1-{after_s}")
    worker.start()
    wait_until(lambda: bool(worker.events("worker starts")), "the worker starts")
    time.sleep(after_s)

    assert worker.stop() == 0, worker.lines()
    assert not stack_traces(worker), worker.lines()


def test_topics_that_are_missing_or_unequal_are_named(services: EmbeddedServices, tmp_path: Path) -> None:
    with EmbeddedServices(tmp_path / "bare", lib_dir=services.lib_dir) as bare:
        stream = BareStream(tmp_path, bare.kafka_bootstrap_servers)
        none = stream.run("worker")
        assert none.exit_code == EXIT_CONFIG
        assert NoteViewed.topic in none.err
        assert "create them with: xinghe topics create" in none.err
        assert "Traceback" not in none.err

        assert stream.run("topics", "create", "--partitions", "2").exit_code == 0
        asyncio.run(_grow(stream.kafka, DEAD_LETTER, 3))
        unequal = stream.run("worker")
        assert unequal.exit_code == EXIT_CONFIG
        assert f"most have 2, but {DEAD_LETTER} has 3" in unequal.err
        assert "xinghe topics create --partitions 2" in unequal.err


async def _grow(bootstrap: str, topic: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(partitions)})
        # The broker tells of them a moment later.
        async with asyncio.timeout(PATIENCE_S):
            while len((await admin.describe_topics([topic]))[0]["partitions"]) < partitions:
                await asyncio.sleep(0.1)
    finally:
        await admin.close()
