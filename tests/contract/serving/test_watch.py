"""``xinghe watch`` as people run it: against a real Redis, in a pipe and in a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.waiting import PATIENCE_S, wait_until
from xinghe.serving import CommitWrite, FunnelWriter, WindowWrite, open_redis

COMMAND = [sys.executable, "-m", "xinghe", "watch"]


def fill(url: str, **views: int) -> None:
    """Make the figures of Redis those of the campaigns named."""

    async def write() -> None:
        async with open_redis(url) as redis:
            writer = FunnelWriter(redis, stage="campaigns", partition=0, partitions=1, incarnation="i1")
            totals = [
                WindowWrite(
                    campaign_id,
                    "total",
                    0,
                    {
                        "views": count,
                        "gmv_fen": count * 100,
                        "version": 1,
                        "updated_ms": at,
                        "watermark_ms": 1,
                    },
                )
                for at, (campaign_id, count) in enumerate(views.items())
            ]
            await writer.rebuild(1, [CommitWrite(totals, [], [], 0)])

    asyncio.run(write())


def watch(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--redis-url", url, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@contextmanager
def following(url: str, output: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*COMMAND, "--redis-url", url, "--interval", "0.1", *arguments], stdout=file, stderr=file
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(PATIENCE_S)


def test_once(own_redis: Any) -> None:
    fill(own_redis.url, small=5, large=7000, newest=6)
    result = watch(own_redis.url, "--once")
    assert result.returncode == 0
    assert result.stderr == ""
    assert result.stdout.index("newest") < result.stdout.index("large") < result.stdout.index("small")
    assert "7,000" in result.stdout
    assert "\x1b" not in result.stdout


def test_once_json_by_gmv_and_by_campaign(own_redis: Any) -> None:
    fill(own_redis.url, small=5, large=7000, newest=6)
    value = orjson.loads(watch(own_redis.url, "--once", "--json", "--sort", "gmv").stdout)
    assert [campaign["campaign_id"] for campaign in value["campaigns"]] == ["large", "newest", "small"]
    assert value["totals"] == {
        "campaigns": 3,
        "metrics": {"views": 7011, "gmv_fen": 701_100},
        "roi": None,
        "roi_net": None,
    }
    value = orjson.loads(
        watch(own_redis.url, "--once", "--json", "--campaign", "small", "--campaign", "none").stdout
    )
    assert [(campaign["campaign_id"], campaign["metrics"]) for campaign in value["campaigns"]] == [
        ("small", {"views": 5, "gmv_fen": 500}),
        ("none", {}),
    ]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_outlives_redis_and_ends_with_0(own_redis: Any, tmp_path: Path, stop: signal.Signals) -> None:
    fill(own_redis.url, c1=5)
    output = tmp_path / "output"

    def lines() -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in output.read_bytes().split(b"\n")[:-1]]

    with following(own_redis.url, output, "--json") as process:
        wait_until(lambda: bool(lines()), "there are figures")
        own_redis.stop()
        wait_until(lambda: lines()[-1]["problem"] is not None, "it says that Redis is away")
        assert "not available" in lines()[-1]["problem"]
        assert lines()[-1]["campaigns"][0]["metrics"]["views"] == 5
        own_redis.start()
        fill(own_redis.url, c1=6)
        wait_until(lambda: lines()[-1]["problem"] is None, "Redis is back")
        assert lines()[-1]["campaigns"][0]["metrics"]["views"] == 6
        process.send_signal(stop)
        assert process.wait(PATIENCE_S) == 0


def test_without_a_terminal_a_table_for_each_change(own_redis: Any, tmp_path: Path) -> None:
    fill(own_redis.url, c1=5)
    output = tmp_path / "output"
    with following(own_redis.url, output) as process:
        wait_until(lambda: "c1" in output.read_text(), "there is a table")
        time.sleep(0.5)
        fill(own_redis.url, c1=6)
        wait_until(lambda: output.read_text().count("c1") == 2, "there is another")
        own_redis.stop()
        wait_until(lambda: "OLD FIGURES" in output.read_text(), "the figures are said to be old")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    assert "Traceback" not in output.read_text()


def test_in_a_terminal_the_table_is_redrawn_in_place(own_redis: Any) -> None:
    fill(own_redis.url, c1=5)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--redis-url", own_redis.url, "--interval", "0.1"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
    )
    os.close(theirs)
    seen = b""
    try:
        while seen.count(b"c1") < 3:
            seen += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        while chunk := _read_rest(ours):
            seen += chunk
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        os.close(ours)
    assert b"\x1b[1A" in seen  # the cursor goes up to draw over the last table
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")  # and is visible again in the end


def _read_rest(terminal: int) -> bytes:
    """What is left to read; nothing once the other side is closed, which Linux tells as an error."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""


def test_a_redis_that_is_away_before_once_is_a_message(own_redis: Any, tmp_path: Path) -> None:
    own_redis.stop()
    output = tmp_path / "output"
    with following(own_redis.url, output, "--once"):
        wait_until(lambda: "is not reachable" in output.read_text(), "it says so")
    assert "Traceback" not in output.read_text()
