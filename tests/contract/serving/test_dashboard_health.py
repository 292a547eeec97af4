"""The page of health as it is served, on what workers and the index put into Redis."""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from tests.contract.serving.test_dashboard import client, csrf, serving, signed_in
from tests.waiting import PATIENCE_S
from xinghe.dashboard.api import PREFIX
from xinghe.serving import keys
from xinghe.serving.records import DeadLetterSample, StageReport, TopicLag, WorkerReport


async def report(redis: Redis) -> WorkerReport:
    """A worker of two that still reports, and dead letters."""
    now_ms = time.time_ns() // 1_000_000
    stages = [
        StageReport("journeys", [0, 1, 2], 1234.4, 9, 0.0412, None),
        StageReport("campaigns", [5], 7, 0, None, 1.5),
    ]
    found = WorkerReport(
        "w<1>",
        "0.1.0",
        now_ms - 3_700_000,
        now_ms,
        stages,
        [TopicLag("taobao.order.paid.v1", 12, 7)],
        None,
        3,
        ["journeys-2"],
    )
    await redis.zadd(keys.WORKERS, {found.instance: found.reported_ms, "gone": found.reported_ms})
    await redis.set(keys.worker(found.instance), msgspec.json.encode(found))
    await redis.hset(keys.DEAD_LETTERS, mapping={"invalid": 3, "new<b>": 1})
    sample = DeadLetterSample(
        now_ms, "invalid", "$.<i>x</i>", "t<b>", "0", "17", "<k>", "</pre><script>alert(1)</script>{{7*7}}"
    )
    await redis.rpush(keys.dead_letters("invalid"), msgspec.json.encode(sample))
    return found


@pytest.fixture
async def address(redis: Redis, shared_redis: Any) -> AsyncIterator[str]:
    async with serving(shared_redis.url) as address:
        yield address


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["reads its changelog yet", "section XingheRecoveryLong", "no report", "a field is missing"]),
        ("zh-CN", ["正在读取变更日志", "XingheRecoveryLong", "没有上报", "字段缺失或有误"]),
    ],
)
async def test_it_tells_what_is_reported_what_is_unknown_and_what_to_do(
    address: str, redis: Redis, language: str, said: list[str]
) -> None:
    await report(redis)
    async with signed_in(address, "all") as asked:
        await asked.post("/look", data={"csrf": await csrf(asked, "/"), "language": language})
        page = (await asked.get("/health")).text
    assert all(text in page for text in said)
    assert all(text in page for text in ("1,234", "41 ms", "1.50 s", "0-2", "75.0%", "25.0%", "gone"))
    assert page.count("–") > 10


async def test_what_others_sent_is_text(address: str, redis: Redis) -> None:
    await report(redis)
    async with client(address, "all") as asked:
        page = (await asked.get("/health")).text
    assert "<pre" in page
    for tag in ("<script>", "<i>", "<k>", "t<b>", "new<b>", "w<1>", ">49<"):
        assert tag not in page, tag
    assert "</pre><script>alert(1)</script>{{7*7}}" in html.unescape(page)


async def test_the_api_has_the_same(address: str, redis: Redis) -> None:
    worker = await report(redis)
    async with client(address, "all") as asked:
        health = (await asked.get(f"{PREFIX}/health")).json()
    assert [(each["fault"], each["instance"]) for each in health["problems"]] == [
        ("silent", "gone"),
        ("recovering", worker.instance),
        ("commits", worker.instance),
    ]
    assert health["state"] == "bad"
    assert health["workers"][1]["report"] == msgspec.to_builtins(worker)
    assert health["watermark_ms"] is health["watermark_age_ms"] is health["workers"][0]["report"] is None
    assert [(each["reason"], each["share"]) for each in health["reasons"]] == [
        ("invalid", 0.75),
        ("new<b>", 0.25),
    ]


async def test_an_empty_redis_is_a_stream_that_does_not_run(address: str) -> None:
    async with client(address, "all") as asked:
        page = (await asked.get("/health")).text
        health = (await asked.get(f"{PREFIX}/health")).json()
    assert "section XingheWorkersGone" in page
    assert [each["fault"] for each in health["problems"]] == ["none"]
    assert health["lag_records"] is None


async def test_while_redis_is_away_the_last_reports_stay_and_are_said_to_be_old(own_redis: Any) -> None:
    async with serving(own_redis.url) as address, client(address, "all") as asked:
        async with Redis.from_url(own_redis.url) as redis:
            await report(redis)
        assert "1,234" in (await asked.get("/health")).text
        own_redis.stop()
        async with asyncio.timeout(PATIENCE_S):
            while "section XingheRedisFailing" not in (page := (await asked.get("/health")).text):
                await asyncio.sleep(0.05)
        assert "1,234" in page
        assert 'role="alert"' in page
