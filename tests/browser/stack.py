"""A whole Xinghe with some weeks of traffic, and the dashboard on it, for the browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, cast
from urllib.parse import quote

from redis import Redis

from tests.stream import PAST_TOPICS, Stream
from tests.waiting import PATIENCE_S, wait_until
from tests.workers import supervised
from xinghe.dashboard.access import new_token, token_hash
from xinghe.processes import stop_child

CAMPAIGNS = 6
DAYS = 24
"""Enough for guarantees to be settled."""
RULES = """
[[rule]]
name = "roi-below-3"
kind = "roi_below"
ratio = 3.0
basis = "net"
window = "total"
orders_min = 1

[[rule]]
name = "data-late"
kind = "data_late"
minutes = 10
severity = "critical"
"""
"""Alerts that such traffic raises: its events end half an hour ago."""


class Stack(NamedTuple):
    """What runs: ``address`` of the dashboard, a token for all shops, and one for the shop ``shop_id`` alone."""

    stream: Stream
    rules: Path
    address: str
    token: str
    shop_token: str
    shop_id: str

    def rebuilt(self) -> bool:
        """Whether Redis has figures, books and orders."""
        with self.stream.redis() as redis:
            ids = cast("list[str]", redis.zrange("xinghe:campaigns", 0, -1))
            return (
                bool(ids)
                and bool(redis.exists(f"xinghe:campaign:{busiest(redis)}:ledger"))
                and bool(order_with_many_touches(redis))
            )

    def pages(self) -> dict[str, str]:
        """Each kind of page by its name, as paths."""
        with self.stream.redis() as redis:
            campaign_id = busiest(redis)
            return {
                "overview": "/",
                "campaign": f"/campaigns/{quote(campaign_id)}",
                "orders": "/orders",
                "order": f"/orders/{quote(order_with_many_touches(redis))}",
                "settlement": "/settlement",
                "statement": f"/campaigns/{quote(campaign_id)}/settlement",
                "alerts": "/alerts",
                "health": "/health",
            }


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """Start everything, have it work off `DAYS` days, and check them by the audit; all of it is stopped at the end."""
    with ExitStack() as open_until_end:
        stream = open_until_end.enter_context(Stream(folder, PAST_TOPICS))
        rules = folder / "rules.toml"
        rules.write_text(RULES)
        options = ("--alert-rules", str(rules))
        supervisor = open_until_end.enter_context(supervised(stream, "w1", options=options))
        index_log = folder / "index.log"
        index = stream.start("index", "--instance", "index", out=index_log, err=index_log)
        open_until_end.callback(stop_child, index, PATIENCE_S)
        simulated = stream.run(
            *("simulate", "--days-per-second", "2", "--duration", f"{DAYS / 2:g}", "--rate", "1500"),
            *("--campaigns", str(CAMPAIGNS), "--seed", "5"),
            watch=supervisor.watch,
        )
        assert simulated.exit_code == 0, simulated.err
        stream.audit(*options, watch=supervisor.watch)
        with stream.redis() as redis:
            wait_until(
                lambda: (
                    bool(order_with_many_touches(redis)) and bool(redis.hlen("xinghe:campaigns:settings"))
                ),
                "the index has caught up",
            )
            shops = cast("dict[str, str]", redis.hgetall("xinghe:campaigns:shops"))
            shop_id = shops[busiest(redis)]
        yield open_until_end.enter_context(_dashboard(stream, rules, shop_id))


@contextmanager
def _dashboard(stream: Stream, rules: Path, shop_id: str) -> Iterator[Stack]:
    token, shop_token = new_token(), new_token()
    access = stream.folder / "access.toml"
    access.write_text(
        "".join(
            f'[[token]]\nname = "{name}"\nsha256 = "{token_hash(each)}"\nshops = {shops}\n'
            for name, each, shops in (("ops", token, '"*"'), ("lily", shop_token, f'["{shop_id}"]'))
        )
    )
    log = stream.folder / "dashboard.log"
    process = stream.start("dashboard", "--port", "0", "--access", str(access), out=log, err=log)
    try:
        wait_until(lambda: "http://" in log.read_text(), "the dashboard says where it is")
        address = re.findall(r"http://[\d.:]+", log.read_text())[0]
        yield Stack(stream, rules, address, token, shop_token, shop_id)
    finally:
        stop_child(process, PATIENCE_S)


def busiest(redis: Redis) -> str:
    """The campaign with the highest GMV that has an owner of its own."""
    ids = [id_ for id_ in cast("list[str]", redis.zrange("xinghe:campaigns", 0, -1)) if ":" not in id_]
    return max(
        ids, key=lambda id_: int(cast("str", redis.hget(f"xinghe:campaign:{id_}:total", "gmv_fen")) or 0)
    )


def order_with_many_touches(redis: Redis) -> str:
    """The order whose record is the longest; an empty text while there is none."""
    longest, order_id = 0, ""
    for key in cast("list[str]", list(redis.scan_iter("xinghe:order:*", count=1_000))):
        record = max(cast("list[str]", redis.hvals(key)), key=len, default="")
        if len(record) > longest:
            longest, order_id = len(record), key.removeprefix("xinghe:order:")
    return order_id
