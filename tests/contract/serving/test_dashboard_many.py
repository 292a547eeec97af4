"""The dashboard over hundreds of campaigns whose minutes, hours and days are all there: what it shows is their sum."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from redis.asyncio import Redis

from tests.contract.serving.test_dashboard import client, serving
from tests.waiting import PATIENCE_S
from xinghe.dashboard.board import DAYS, MINUTES
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, start_ms

CAMPAIGNS = 300
CHANGED = CAMPAIGNS + 10_000.0
"""The GMV of a window in yuan once a campaign has 10,000 yuan more in it."""
DAY = start_ms("1d", 1_790_000_000_000)
WATERMARK = DAY + 10 * HOUR_MS + 30 * MINUTE_MS
FILL = """
local campaigns, watermark, names = tonumber(ARGV[1]), ARGV[2], cjson.decode(ARGV[3])
for number = 0, campaigns - 1 do
  local id = string.format('c%04d', number)
  local base = 'xinghe:campaign:' .. id .. ':'
  redis.call('ZADD', 'xinghe:campaigns', watermark, id)
  redis.call('HSET', 'xinghe:campaigns:shops', id, 's' .. math.floor(number / 4))
  redis.call('HSET', base .. 'total', 'version', 1, 'updated_ms', watermark, 'watermark_ms', watermark)
  for at, name in ipairs(names) do redis.call('HSET', base .. 'total', name, at * (number + 1)) end
  for size, starts in pairs(cjson.decode(ARGV[4])) do
    for _, start in ipairs(starts) do
      redis.call('HSET', base .. size .. ':' .. start, 'version', 1, 'final', 1, 'views', number + 1, 'gmv_fen', 100,
        'engagements', 3, 'ad_clicks', 2, 'store_visits', 2, 'cart_adds', 1, 'orders_micros', 1000000,
        'net_gmv_fen', 90, 'spend_fen', 50)
    end
  end
end
"""
"""Each window of campaign n has n + 1 views and a GMV of 1 yuan."""


def starts(size: str, last_ms: int, count: int, step_ms: int) -> list[str]:
    return [str(start_ms(size, last_ms) - number * step_ms) for number in range(count)]


@pytest.fixture
async def address(redis: Redis, shared_redis: Any) -> AsyncIterator[str]:
    windows = {
        "1m": starts("1m", WATERMARK, MINUTES + 10, MINUTE_MS),
        "1h": starts("1h", WATERMARK, 48, HOUR_MS),
        "1d": starts("1d", WATERMARK, DAYS + 10, DAY_MS),
    }
    names = [f"metric_{number}" for number in range(140)] + ["views", "gmv_fen", "spend_fen", "orders_micros"]
    filled = redis.eval(FILL, 0, str(CAMPAIGNS), str(WATERMARK), orjson.dumps(names), orjson.dumps(windows))
    await filled
    async with serving(shared_redis.url) as address:
        yield address


def chart(html: str) -> Any:
    found = re.search(r'data-chart="chart-trend">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return orjson.loads(found[1])


async def shown(asked: httpx.AsyncClient, query: str, count: int) -> Any:
    """The trend's chart, once all of its windows were read."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await asked.get(f"/?{query}", headers={"hx-request": "true"})
            print(query, answer.headers["server-timing"])  # noqa: T201 - how long a page takes, for whoever measures
            drawn = chart(answer.text)
            values = drawn["series"][0]["values"]
            # What was not read is a gap; it is never shown as less than it is.
            assert {value for value in values if value is not None} <= {0.0, CAMPAIGNS, CHANGED}
            if sum(value is not None for value in values) == count:
                return drawn
            await asyncio.sleep(1)


async def test_lines_of_hundreds_of_campaigns_are_their_sums_and_follow_changes(
    address: str, redis: Redis
) -> None:
    async with client(address, "all") as asked:
        # Minutes go on to that of the newest events, which are up to a minute ahead of the watermark.
        for size, count in (("1h", 11), ("1d", DAYS), ("1m", MINUTES - 1)):
            drawn = await shown(asked, f"size={size}", count)
            assert len(drawn["series"]) == (2 if size == "1h" else 1)
        await asyncio.sleep(0)
        # A campaign changes: its newest minute at once, an old one a little later.
        newest, old = start_ms("1m", WATERMARK), start_ms("1m", WATERMARK) - 100 * MINUTE_MS
        for start in (newest, old):
            await redis.hset(f"xinghe:campaign:c0007:1m:{start}", "gmv_fen", 1_000_100)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await redis.publish("xinghe:updates", b'["c0007"]')
                values = (await shown(asked, "size=1m", MINUTES - 1))["series"][0]["values"]
                if values.count(CHANGED) == 2:
                    break
                await asyncio.sleep(0.1)
        # Everything changes over and over, as under load.
        for _ in range(5):
            await redis.publish(
                "xinghe:updates", orjson.dumps([f"c{number:04d}" for number in range(CAMPAIGNS)])
            )
            await asyncio.sleep(0.6)
            for query in ("size=1h", "size=1m", "size=1d", "limit=1000"):
                answer = await asked.get(f"/?{query}")
                assert answer.status_code == 200
                print("all changed", query, answer.headers["server-timing"])  # noqa: T201 - as above
        for path in ("/export/campaigns.csv", "/export/campaigns.parquet", "/campaigns/c0007"):
            answer = await asked.get(path)
            print(path, answer.status_code, answer.headers["server-timing"])  # noqa: T201 - as above
            assert answer.status_code == 200
