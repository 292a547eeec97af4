"""``xinghe up`` as a process, and the services behind it: ready line, restarts, no process left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.topic_admin import create_topics
from streams.topics import TopicSpec
from tests.conftest import LIB_DIR
from tests.processes import processes_of, wait_until_gone
from tests.waiting import PATIENCE_S
from xinghe.commands.connect import wait_for_kafka, wait_for_redis
from xinghe.embedded import EmbeddedServices
from xinghe.serving import open_redis

pytestmark = pytest.mark.integration


@contextmanager
def up(data_dir: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and the line that said it is ready."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "xinghe", "up", "--kafka-port", "0", "--redis-port", "0"),
            *("--data-dir", str(data_dir), "--lib-dir", str(LIB_DIR), *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_up_says_ready_and_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path) as (process, line):
        ready = re.fullmatch(r"ready kafka=(127\.0\.0\.1:\d+) redis=(redis://127\.0\.0\.1:\d+/0)\n", line)
        assert ready is not None
        await wait_for_kafka(ready[1], 0)
        await wait_for_redis(ready[2], 0)

        process.send_signal(number)

        assert process.wait(PATIENCE_S) == 0
        assert not processes_of(tmp_path)


def test_up_says_ready_as_json_and_its_services_die_with_it(tmp_path: Path) -> None:
    with up(tmp_path, "--json") as (process, line):
        assert orjson.loads(line)["ready"] is True
        assert len(processes_of(tmp_path)) == 3

        process.kill()
        process.wait(PATIENCE_S)

        wait_until_gone(tmp_path)


def test_up_ends_when_a_service_ends(tmp_path: Path) -> None:
    with up(tmp_path) as (process, _):
        others = set(processes_of(tmp_path)) - {process.pid}
        broker = next(
            other for other in others if b"kafka.Kafka" in Path(f"/proc/{other}/cmdline").read_bytes()
        )
        os.kill(broker, signal.SIGKILL)

        _, errors = process.communicate(timeout=PATIENCE_S)

        assert process.returncode == 1
        assert "Kafka ended with code -9" in errors
        wait_until_gone(tmp_path)


async def test_kafka_keeps_its_data_over_a_restart_on_the_same_port(tmp_path: Path) -> None:
    async with EmbeddedServices(tmp_path, lib_dir=LIB_DIR) as services:
        bootstrap = services.kafka_bootstrap_servers
        await create_topics(bootstrap, [TopicSpec("kept", 1, {})])
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        await producer.send_and_wait("kept", b"before")
        await producer.stop()

        services.stop_kafka()
        services.start_kafka()

        assert services.kafka_bootstrap_servers == bootstrap
        consumer = AIOKafkaConsumer("kept", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        assert (await consumer.getone()).value == b"before"
        await consumer.stop()
    assert not processes_of(tmp_path)


async def test_redis_comes_back_empty_on_the_same_port(services: EmbeddedServices) -> None:
    redis = open_redis(services.redis_url)
    await redis.set("try-restart", "1")
    await redis.aclose()

    services.stop_redis()
    services.start_redis()

    redis = open_redis(services.redis_url)
    assert await redis.get("try-restart") is None
    await redis.aclose()


def test_reset_empties_the_data_folder(tmp_path: Path) -> None:
    with EmbeddedServices(tmp_path, lib_dir=LIB_DIR):
        (tmp_path / "kafka" / "mark").touch()
    with EmbeddedServices(tmp_path, lib_dir=LIB_DIR):
        assert (tmp_path / "kafka" / "mark").exists()
    with EmbeddedServices(tmp_path, lib_dir=LIB_DIR, reset=True):
        assert not (tmp_path / "kafka" / "mark").exists()
