"""A Redis of the test's own, which it may stop and empty, and a client of it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.waiting import PATIENCE_S, wait_until
from xinghe.embedded import free_port
from xinghe.serving import FunnelReader, FunnelWriter, open_redis

NewWriter = Callable[..., FunnelWriter]


class RedisServer:
    """A Redis on a free port, keeping nothing over a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                "redis-server",
                "--bind",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--save",
                "",
                "--appendonly",
                "no",
            ],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._listens, f"redis-server listens on {self.port}")

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
            self.process = None


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the test may stop."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def redis(shared_redis: RedisServer) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    async with open_redis(shared_redis.url) as client:
        await client.flushall()
        yield client


@pytest.fixture
def new_writer(redis: Redis) -> NewWriter:
    """Makes writers of one partition, as successive owners would."""

    def new(incarnation: str = "i1", partition: int = 0, partitions: int = 1) -> FunnelWriter:
        return FunnelWriter(
            redis, stage="campaigns", partition=partition, partitions=partitions, incarnation=incarnation
        )

    return new


@pytest.fixture
def writer(new_writer: NewWriter) -> FunnelWriter:
    return new_writer()


@pytest.fixture
def reader(redis: Redis) -> FunnelReader:
    return FunnelReader(redis)
