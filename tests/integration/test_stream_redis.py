"""Redis emptied or away: it is rebuilt by itself, and the stream goes on without it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from tests.stream import TIMES, Stream, totals
from tests.workers import supervised

pytestmark = pytest.mark.integration

RATE = 500


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    with Stream(tmp_path_factory.mktemp("redis")) as running:
        yield running


def figures(redis: Redis) -> dict[str, Any]:
    """Every window and note in Redis."""
    return {
        key: {name: value for name, value in redis.hgetall(key).items() if name not in TIMES}
        for key in redis.scan_iter("xinghe:campaign:*", count=1_000, _type="hash")
    }


def test_redis_is_rebuilt_after_it_was_emptied(stream: Stream) -> None:
    with supervised(stream, "w1", "w2") as supervisor, stream.redis() as redis:
        with stream.traffic(RATE, 21):
            supervisor.run_for(4)
            before = totals(redis)
            redis.flushall()
            flushed_s = time.monotonic()
            supervisor.watch(lambda: totals(redis).get("views", 0) >= before["views"], "Redis is rebuilt")
            in_traffic_s = time.monotonic() - flushed_s
            supervisor.run_for(1)
        stream.audit(watch=supervisor.watch)

        shown = figures(redis)
        redis.flushall()
        flushed_s = time.monotonic()
        supervisor.watch(lambda: figures(redis) == shown, "Redis is rebuilt without traffic")
        idle_s = time.monotonic() - flushed_s
        report = stream.audit(watch=supervisor.watch)

        assert report["compared"]["windows"] > 0
        assert report["compared"]["shop_models"] > 0
        assert not supervisor.restarts
        print(f"rebuilt in {in_traffic_s:.1f} s under traffic, {idle_s:.1f} s without")  # noqa: T201


def test_the_stream_goes_on_while_redis_is_away(stream: Stream) -> None:
    with supervised(stream, "w1", "w2") as supervisor, stream.redis() as redis:
        with stream.traffic(RATE, 22):
            supervisor.run_for(1)
            stream.services.stop_redis()
            supervisor.run_for(3)
        supervisor.watch(lambda: stream.lag() == 0, "all is processed while Redis is away")
        with stream.traffic(RATE, 23):
            stream.services.start_redis()
            started_s = time.monotonic()
            supervisor.watch(lambda: bool(totals(redis)), "Redis is written again")
            back_s = time.monotonic() - started_s
        stream.audit(watch=supervisor.watch)

        assert not supervisor.restarts
        print(f"written again after {back_s:.1f} s")  # noqa: T201


def test_a_worker_starts_while_redis_is_away(stream: Stream) -> None:
    stream.services.stop_redis()
    with supervised(stream, "w1") as supervisor:
        with stream.traffic(RATE, 24):
            supervisor.run_for(1)
        supervisor.watch(lambda: stream.lag() == 0, "all is processed while Redis is away")
        stream.services.start_redis()
        stream.audit(watch=supervisor.watch)
        assert not supervisor.restarts
