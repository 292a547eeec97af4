"""The dashboard as it is served, on a Redis that the real stages and the real sink have filled."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import orjson
import pytest
import uvicorn
from jsonschema import Draft202012Validator
from redis.asyncio import Redis

from streams.agents.campaign_alerts import ToldAlert
from streams.agents.campaigns import Committed
from streams.agents.changed import Changed
from streams.sink import RedisSink
from tests.pipeline import Pipeline
from tests.records import put_ledger, put_orders, put_settings
from tests.unit.domain.test_statement import entries_of_november
from tests.waiting import PATIENCE_S, until
from xinghe.dashboard import board
from xinghe.dashboard.access import Access, Viewer, token_hash
from xinghe.dashboard.api import OPERATIONS, PREFIX, openapi
from xinghe.dashboard.app import Settings, create_app
from xinghe.domain import events
from xinghe.domain.alerts import BudgetNearlyUsed, DataLate, Turn, record_of
from xinghe.domain.outputs import LedgerEntry, OrderAttributed
from xinghe.domain.windows import HOUR_MS
from xinghe.serving import FunnelReader

HOUR = 1_790_000_000_000 // HOUR_MS * HOUR_MS
SHOPS = {"c1": "s1", "a/b": "s1", "c2": "s2", "organic:s2": "s2", "unattributed:s1": "s1"}
SETTINGS = {
    "campaign_id": "c1",
    "shop_id": "s1",
    "name": "One",
    "effective_ms": HOUR,
    "guarantee": {"preset": "qianchuan_roi", "start_ms": HOUR, "target_roi": 2.5},
}
TOKENS = {
    "all": Viewer("all", "ops", None),
    "one": Viewer("one", "lily", frozenset({"s1"})),
    "two": Viewer("two", "max", frozenset({"s2"})),
    "none": Viewer("none", "new", frozenset()),
}


def traffic() -> list[Any]:
    """Views, jumps and orders of two shops, and spend."""
    found: list[Any] = [
        events.AdSpent("spend1", "c1", HOUR, 4_000, 1, 100, 7),
        events.OrderPaid("alone", "p9", HOUR + 9, "s1", "order9", "i1", 700),
        events.NoteViewed("organic", "p8", HOUR + 9, "n8", "s2"),
    ]
    for number in range(60):
        for campaign_id in ("c1", "c2", "a/b"):
            name, shop_id = f"{campaign_id}{number}", SHOPS[campaign_id]
            at = HOUR + number * 1_000
            found.append(
                events.NoteViewed(f"v{name}", name, at, f"n{campaign_id}", shop_id, campaign_id, "i1")
            )
            if number < 10:
                found += [
                    events.AdClicked(f"k{name}", name, at + 1, f"n{campaign_id}", shop_id, campaign_id, "i1"),
                    events.OrderPaid(f"o{name}", name, at + 2, shop_id, f"order{name}", "i1", 12_345),
                ]
    return found


def ledger(campaign_id: str) -> list[LedgerEntry]:
    """Books of a campaign: spend that was corrected, a match, a share, a payout."""
    return [
        msgspec.structs.replace(
            entry,
            campaign_id=campaign_id,
            shop_id=SHOPS[campaign_id],
            entry_id=entry.entry_id.replace("c1|", f"{campaign_id}|"),
            journal_id=entry.journal_id.replace("c1|", f"{campaign_id}|"),
            reverses=None if entry.reverses is None else entry.reverses.replace("c1|", f"{campaign_id}|"),
        )
        for entry in entries_of_november()
    ]


def alerts() -> list[ToldAlert]:
    """An open alert for each shop, and one about the data."""
    budget, late = BudgetNearlyUsed(name="budget", percent=90), DataLate(name="late", minutes=15)
    records = [
        record_of(budget, "c1", "s1", Turn("raised", 7, 8, None)),
        record_of(budget, "c2", "s2", Turn("raised", 8, 9, None)),
        record_of(late, None, None, Turn("raised", 9, 10, None)),
    ]
    return [
        ToldAlert(number, alert.alert_id, msgspec.json.encode(alert), is_open=True)
        for number, alert in enumerate(records, 1)
    ]


async def show(redis: Redis) -> None:
    """Have both stages work off the traffic, and the sink write what they have."""
    pipeline = Pipeline(partitions=1)
    pipeline.feed(traffic())
    pipeline.feed_records(events.CampaignConfigured.topic, 0, [(b"c1", orjson.dumps(SETTINGS))])
    for now_ms in (HOUR, HOUR + 60_000, HOUR + 120_000):
        pipeline.settle(now_ms)
    shown = pipeline.sinks[0]
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    everything = Committed(
        Changed({**shown.windows}, set(shown.windows)),
        Changed({**shown.notes}, set(shown.notes)),
        HOUR + 60_000,
        [],
        shown.models,
        alerts(),
        {**shown.positions},
        shown.shops,
    )
    sink.rebuild(1, everything)

    async def is_shown() -> bool:
        return bool(await redis.hget("xinghe:sink:campaigns:0", "state") == b"ready")

    await until(is_shown, "the sink has written everything")
    await sink.close()
    attributed = (sent.value for sent in pipeline.log if sent.topic == events.ORDER_ATTRIBUTED)
    await put_orders(redis, (msgspec.json.decode(value or b"", type=OrderAttributed) for value in attributed))
    for campaign_id in ("c1", "c2"):
        await put_ledger(redis, ledger(campaign_id))
    await put_settings(redis, [msgspec.convert(SETTINGS, events.CampaignConfigured)])


@asynccontextmanager
async def serving(redis_url: str) -> AsyncIterator[str]:
    """The address of a running dashboard."""
    access = Access(TOKENS.values(), map(token_hash, TOKENS))
    config = uvicorn.Config(
        create_app(Settings(redis_url, access, "secret")),
        port=0,
        log_level="error",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started, "the dashboard is served")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


@pytest.fixture
async def address(redis: Redis, shared_redis: Any) -> AsyncIterator[str]:
    await show(redis)
    async with serving(shared_redis.url) as address:
        yield address


@asynccontextmanager
async def client(address: str, token: str | None) -> AsyncIterator[httpx.AsyncClient]:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=PATIENCE_S) as asked:
        yield asked


@asynccontextmanager
async def signed_in(address: str, token: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client(address, None) as asked:
        answer = await asked.post("/login", data={"token": token, "csrf": await csrf(asked, "/login")})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        yield asked


async def csrf(asked: httpx.AsyncClient, path: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', (await asked.get(path)).text)
    assert found is not None
    return found[1]


def paths_of(campaign_id: str, shop_id: str) -> list[str]:
    """Every route that names a campaign, a shop or an order, with these; the order is one of the campaign."""
    ids = {"campaign_id": quote(campaign_id), "shop_id": shop_id, "order_id": f"order{quote(campaign_id)}0"}
    templates = [PREFIX + each.path for each in OPERATIONS if "{" in each.path and each.method == "GET"]
    assert len(templates) == 10
    templates += ["/campaigns/{campaign_id}", "/orders/{order_id}"]
    templates += [f"/campaigns/{{campaign_id}}/settlement{suffix}" for suffix in ("", ".csv", ".parquet")]
    return [each.replace(":path", "").format(**ids) for each in templates]


async def test_every_route_shows_what_is_of_ones_own_shop_and_nothing_of_another(address: str) -> None:
    first, second = ("one", "c1", "s1"), ("two", "c2", "s2")
    for own, other in ((first, second), (second, first)):
        token, campaign_id, shop_id = own
        _, other_campaign, other_shop = other
        async with client(address, token) as asked:
            for path in paths_of(campaign_id, shop_id):
                answer = await asked.get(path)
                assert answer.status_code == 200, path
                assert campaign_id.encode() in answer.content
            for path in paths_of(other_campaign, other_shop):
                answer = await asked.get(path)
                assert answer.status_code == 404, path
                missing = await asked.get(path.replace(other_campaign, "nobodys").replace(other_shop, "s9"))
                assert missing.text.replace("nobodys", "") == answer.text.replace(other_campaign, "")


async def test_health_is_for_viewers_of_all_shops_alone(address: str) -> None:
    for token, viewer in TOKENS.items():
        async with client(address, token) as asked:
            status = 200 if viewer.shops is None else 404
            for path in ("/health", f"{PREFIX}/health"):
                assert (await asked.get(path)).status_code == status, (token, path)
            assert ('href="/health"' in (await asked.get("/")).text) == (status == 200)


@pytest.mark.parametrize("token", list(TOKENS))
async def test_every_list_has_what_is_of_ones_own_shops_only(address: str, token: str) -> None:
    viewer = TOKENS[token]
    async with client(address, token) as asked:
        campaigns = (await asked.get(f"{PREFIX}/campaigns?kind=all")).json()["campaigns"]
        seen = {id_: shop_id for id_, shop_id in SHOPS.items() if viewer.may_see(shop_id)}
        assert {each["campaign_id"]: each["shop_id"] for each in campaigns} == seen
        for which in ("open", "all"):
            listed = (await asked.get(f"{PREFIX}/alerts?which={which}")).json()["alerts"]
            visible = {"c1": viewer.may_see("s1"), "c2": viewer.may_see("s2"), None: viewer.may_see(None)}
            assert {each["campaign_id"] for each in listed} == {id_ for id_, sees in visible.items() if sees}
        shops = (await asked.get(f"{PREFIX}/shops")).json()["shops"]
        assert shops == [shop_id for shop_id in ("s1", "s2") if viewer.may_see(shop_id)]
        assert (await asked.get(f"{PREFIX}/freshness")).json()["campaigns"] == len(seen)
        books = (await asked.get(f"{PREFIX}/settlement")).json()["books"]
        assert {each["campaign_id"] for each in books} == {"c1", "c2"} & seen.keys()
        for page in ("/?kind=all", "/alerts", "/settlement"):
            html = (await asked.get(page)).text
            for name in ("c1", "c2"):
                assert (f'href="/campaigns/{name}' in html) == viewer.may_see(SHOPS[name]), (page, name)


async def test_what_is_kept_of_pages_for_one_viewer_is_shown_to_no_other(address: str) -> None:
    for _ in range(2):
        for token, viewer in TOKENS.items():
            for path in ("/?kind=all", "/alerts", "/settlement", "/campaigns/c1", "/campaigns/c1/settlement"):
                async with client(address, token) as asked:
                    html = (await asked.get(path, headers={"hx-request": "true"})).text
                assert "<html" not in html or "/campaigns/" in path
                for name in ("c1", "c2"):
                    if not viewer.may_see(SHOPS[name]):
                        assert f"/campaigns/{name}" not in html


async def test_a_live_part_is_the_same_packed_and_plain(address: str) -> None:
    plain, packed = ({"hx-request": "true", "accept-encoding": named} for named in ("identity", "br, gzip"))
    async with client(address, "all") as asked:

        async def are_the_same() -> bool:
            # Twice, so that each is also asked for when the other has just been made.
            answers = [await asked.get(path, headers=headers) for headers in (plain, packed, plain, packed)]
            assert [each.headers.get("content-encoding") for each in answers] == [None, "gzip"] * 2
            assert all("Accept-Encoding" in each.headers["vary"] for each in answers)
            return len({each.text for each in answers}) == 1

        for path in ("/", "/campaigns/c1"):
            # Windows are read beside the pages, and their age passes: what changes between two answers does so seldom.
            await until(are_the_same, path)


async def test_nothing_is_shown_without_a_token(address: str) -> None:
    programs = [*(path for path in paths_of("c1", "s1") if path.startswith("/api")), "/live"]
    programs += [PREFIX + each.path for each in OPERATIONS if "{" not in each.path and each.method == "GET"]
    for token in (None, "wrong"):
        async with client(address, token) as asked:
            for path in programs:
                answer = await asked.get(path)
                assert (answer.status_code, answer.json()["error"]) == (401, "not_signed_in"), path
            pages = [path for path in paths_of("c1", "s1") if not path.startswith("/api")]
            for path in ("/", "/alerts", "/health", "/orders", "/settlement", *pages, "/campaigns/nobodys"):
                answer = await asked.get(path)
                assert (answer.status_code, answer.headers["location"]) == (303, "/login")


async def test_figures_are_those_of_redis_and_unknown_is_not_0(address: str, redis: Redis) -> None:
    reader = FunnelReader(redis)
    total = await reader.total("c1")
    assert total is not None
    async with client(address, "all") as asked:
        shown = (await asked.get(f"{PREFIX}/campaigns/c1")).json()
        hidden = {name: total.metrics[name] for name in shown["hidden"]}
        assert shown["metrics"] | hidden == total.metrics
        assert "buyers:linear" in hidden
        assert all(people < 50 for people in hidden.values())
        assert shown["metrics"]["gmv_fen"] == 123_450
        assert shown["rates"]["roi"] == round(123_450 / 4_000, 6)
        without_spend = (await asked.get(f"{PREFIX}/campaigns/a%2Fb")).json()
        assert "spend_fen" not in without_spend["metrics"]
        assert "roi" not in without_spend["rates"]
        hours = (await asked.get(f"{PREFIX}/campaigns/c1/windows?size=1h&from_ms={HOUR}")).json()["windows"]
        assert [(hour["start_ms"], hour["final"], hour["metrics"]["views"]) for hour in hours] == [
            (HOUR, False, 60)
        ]
        none = (await asked.get(f"{PREFIX}/campaigns/c1/windows?size=1h&to_ms={HOUR}")).json()["windows"]
        assert none == []
        notes = (await asked.get(f"{PREFIX}/campaigns/c1/notes")).json()["notes"]
        assert [(note["note_id"], note["metrics"]["gmv_fen"]) for note in notes] == [("nc1", 123_450)]
        position = (await asked.get(f"{PREFIX}/campaigns/c1/guarantee")).json()["position"]
        assert position["target_roi_micros"] == 2_500_000
        assert (await asked.get(f"{PREFIX}/campaigns/c2/guarantee")).json()["position"] is None
        models = (await asked.get(f"{PREFIX}/campaigns/c1/models")).json()["models"]
        assert len({model["metrics"]["gmv_fen"] for model in models}) == 1
        html = (await asked.get("/campaigns/c1")).text
        assert "¥1,234.50" in html
        assert "&lt;50" in html


async def test_the_table_is_sorted_filtered_and_searched_as_the_address_says(address: str) -> None:
    async def ids(query: str) -> list[str]:
        async with client(address, "all") as asked:
            answer = (await asked.get(f"{PREFIX}/campaigns?{query}")).json()
            html = (await asked.get(f"/?{query}")).text
        found = [each["campaign_id"] for each in answer["campaigns"]]
        rows = re.findall(r'<th scope="row"><a href="/campaigns/([^"]+)"', html)
        assert rows == [quote(id_, safe="") for id_ in found]
        return found

    assert await ids("") == ["a/b", "c1", "c2"]
    assert await ids("sort=-campaign_id") == ["c2", "c1", "a/b"]
    assert await ids("sort=spend_fen") == ["c1", "a/b", "c2"]
    assert await ids("sort=-roi&limit=1") == ["c1"]
    assert await ids("kind=organic") == ["organic:s2"]
    assert await ids("kind=all&q=S2") == ["c2", "organic:s2"]
    assert await ids("q=nothing") == []


@pytest.mark.parametrize(
    "query", ["sort=x", "limit=0", "limit=1001", "limit=x", "limit=²", "limit=--5", "kind=", "unknown=1"]
)
async def test_a_wrong_parameter_is_told(address: str, query: str) -> None:
    async with client(address, "all") as asked:
        answer = await asked.get(f"{PREFIX}/campaigns?{query}")
        assert answer.status_code == 400
        assert query.partition("=")[0] in answer.json()["message"]
        assert (await asked.get(f"/?{query}")).status_code == 400


async def test_answers_are_as_the_document_says(address: str) -> None:
    async with client(address, None) as asked:
        document = (await asked.get(f"{PREFIX}/openapi.json")).json()
    assert document == orjson.loads(orjson.dumps(openapi()))
    assert len(document["paths"]) == len(OPERATIONS)
    async with client(address, "all") as asked:
        for path, methods in document["paths"].items():
            if "post" in methods:
                continue  # tried in test_dashboard_alerts.py
            names = {"{campaign_id}": "c1", "{shop_id}": "s1", "{order_id}": "orderc10"}
            for name, value in names.items():
                path = path.replace(name, value)  # noqa: PLW2901 - the path as it is asked for
            answer = await asked.get(path)
            for status in ("200", "400", "401", "503"):
                assert status in methods["get"]["responses"]
            schema = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            Draft202012Validator({**document, **schema}).validate(answer.json())


async def test_forms_of_others_are_not_accepted(address: str) -> None:
    async with signed_in(address, "one") as asked:
        token = await csrf(asked, "/")
        for path in ("/look", "/logout", "/login"):
            for fields in ({}, {"csrf": "x"}, {"csrf": ""}):
                assert (await asked.post(path, data=fields)).status_code == 403
            cross = await asked.post(path, data={"csrf": token}, headers={"sec-fetch-site": "cross-site"})
            assert cross.status_code == 403
            assert (await asked.post(path, content=b"x" * 20_000)).status_code == 403
        assert (await asked.get("/")).status_code == 200
        looked = await asked.post("/look", data={"csrf": token, "language": "zh-CN", "theme": "dark"})
        assert looked.headers["location"] == "/"
        assert '<html lang="zh-CN" data-theme="dark" data-rise="red">' in (await asked.get("/")).text
        elsewhere = await asked.post(
            "/look", data={"csrf": token}, headers={"referer": "https://evil.test/x"}
        )
        assert elsewhere.headers["location"] == "/"
        await asked.post("/logout", data={"csrf": token})
        assert (await asked.get("/")).status_code == 303


async def test_a_session_is_signed_and_a_wrong_token_opens_none(address: str) -> None:
    async with client(address, None) as asked:
        answer = await asked.post("/login", data={"token": "wrong", "csrf": await csrf(asked, "/login")})
        assert answer.status_code == 401
    async with signed_in(address, "one") as asked:
        cookie = asked.cookies["xinghe_session"]
        headers = (await asked.get("/")).headers
        assert "xinghe_session" in headers["set-cookie"]
        assert {"httponly", "samesite=lax"} <= {
            part.strip().lower() for part in headers["set-cookie"].split(";")
        }
    async with client(address, None) as asked:
        forged = {"cookie": f"xinghe_session={cookie[:-4]}AAAA"}
        assert (await asked.get("/", headers=forged)).status_code == 303


async def test_every_answer_has_the_security_headers_and_no_page_has_inline_script_or_style(
    address: str,
) -> None:
    async with client(address, "all") as asked:
        for path in (
            "/",
            "/campaigns/c1",
            "/orders",
            "/orders/orderc10",
            "/settlement",
            "/campaigns/c1/settlement",
            "/campaigns/c1/settlement.csv",
            "/alerts",
            "/health",
            "/login",
            "/nowhere",
            f"{PREFIX}/freshness",
            "/static/dashboard.js",
        ):
            answer = await asked.get(path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["server-timing"].startswith("total;dur=")
            if "html" in answer.headers["content-type"]:
                assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", answer.text)
                scripts = re.findall(r"<script([^>]*)>", answer.text)
                assert all("src=" in script or 'type="application/json"' in script for script in scripts)
                assert "http" not in "".join(re.findall(r'(?:src|href)="([^"]*)"', answer.text))


async def test_what_others_named_is_text_on_a_page(redis: Redis, shared_redis: Any) -> None:
    name = '"><img src=x>?a=1#{{7*7}}'
    pipeline = Pipeline(partitions=1)
    pipeline.feed([events.NoteViewed("v", "p", HOUR, "</script><b>", "s1", name)])
    pipeline.settle()
    sink = RedisSink(redis, 0, 1)
    sink.opened("i1", -1, is_complete=True)
    shown = pipeline.sinks[0]
    sink.rebuild(
        1, Committed(Changed({**shown.windows}, set(shown.windows)), Changed(), 0, [], shops=shown.shops)
    )
    await until(lambda: redis.exists(f"xinghe:campaign:{name}:total"), "the sink has written the campaign")
    await sink.close()
    async with serving(shared_redis.url) as address, client(address, "all") as asked:
        for path in ("/", f"/campaigns/{quote(name, safe='')}"):
            html = (await asked.get(path)).text
            assert "<img" not in html
            assert "&#34;&gt;&lt;img" in html
        again = re.findall(r'(?:hx-get|href)="(/campaigns/[^"]*)"', html)
        assert len(again) > 10
        for path in again:
            assert (await asked.get(path.replace("&amp;", "&"))).status_code == 200


async def test_a_commit_is_told_live_to_those_who_may_see_it(address: str, redis: Redis) -> None:
    async with (
        client(address, "one") as one,
        client(address, "two") as two,
        one.stream("GET", "/live") as first,
        two.stream("GET", "/live") as second,
        aclosing(told(first)) as to_one,
        aclosing(told(second)) as to_two,
        asyncio.timeout(PATIENCE_S),
    ):
        for stream in (to_one, to_two):
            change = await anext(stream)
            while not change["connected"]:
                change = await anext(stream)
            assert change == {"campaigns": None, "connected": True}
        await redis.publish("xinghe:updates", orjson.dumps(["c2"]))
        assert await anext(to_two) == {"campaigns": ["c2"], "connected": True}
        await redis.publish("xinghe:updates", orjson.dumps(["c1", "c2", "organic:s2"]))
        assert await anext(to_two) == {"campaigns": ["c2", "organic:s2"], "connected": True}
        # Of the first nothing was told to those who may not see it.
        assert await anext(to_one) == {"campaigns": ["c1"], "connected": True}


async def until_away(asked: httpx.AsyncClient) -> None:
    """Wait until the dashboard has noticed that Redis is away."""

    async def is_noticed() -> bool:
        return (await asked.get(f"{PREFIX}/freshness")).json()["problem"] is not None

    await until(is_noticed, "the dashboard knows that Redis is away")


async def told(answer: httpx.Response, event: str = "change") -> AsyncGenerator[Any]:
    """The data of the events of one name."""
    name = ""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: ") and name == event:
            yield orjson.loads(line.removeprefix("data: "))


async def test_a_change_in_redis_is_on_the_page(address: str, redis: Redis) -> None:
    async with client(address, "one") as asked:
        assert "¥1,234.50" in (await asked.get("/campaigns/c1")).text
        await redis.hset("xinghe:campaign:c1:total", "gmv_fen", 999_999)

        async def is_on_the_page() -> bool:
            await redis.publish("xinghe:updates", b'["c1"]')
            return "¥9,999.99" in (await asked.get("/campaigns/c1", headers={"hx-request": "true"})).text

        await until(is_on_the_page, "the page shows it")
        # Another one right after: whoever is told of it must not be shown the figures of before.
        async with asked.stream("GET", "/live") as answer, aclosing(told(answer)) as changes:
            await anext(changes)
            for number in range(3):
                await redis.hset("xinghe:campaign:c1:total", "gmv_fen", 800_000 + number)
                await redis.publish("xinghe:updates", b'["c1"]')
                await anext(changes)
                html = (await asked.get("/campaigns/c1", headers={"hx-request": "true"})).text
                assert f"¥8,000.0{number}" in html


async def test_a_campaign_that_goes_to_another_shop_is_gone_for_the_old(
    address: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "SHOPS_S", 0.0)
    async with client(address, "one") as one, client(address, "two") as two:

        async def status_codes() -> list[int]:
            return [(await asked.get("/campaigns/c1")).status_code for asked in (one, two)]

        async def is_of_the_second() -> bool:
            return await status_codes() == [404, 200]

        async def is_of_none() -> bool:
            return await status_codes() == [404, 404]

        assert await status_codes() == [200, 404]
        await redis.hset("xinghe:campaigns:shops", "c1", "s2")
        await until(is_of_the_second, "the campaign is of the second shop")
        await redis.hdel("xinghe:campaigns:shops", "c1")
        await until(is_of_none, "the campaign is of no shop")


async def test_hours_that_late_events_correct_follow(address: str, redis: Redis) -> None:
    async with client(address, "one") as asked:
        await asked.get("/")
        # The hour before the last ones is late; only a whole reading finds it.
        late = HOUR - 5 * HOUR_MS
        await redis.hset(f"xinghe:campaign:c1:1h:{late}", "gmv_fen", 777_700)

        async def is_on_the_page() -> bool:
            await redis.publish("xinghe:updates", b'["c1"]')
            return "¥7,777.00" in (await asked.get("/")).text

        await until(is_on_the_page, "the page shows it")


async def test_today_has_what_is_newer_than_the_watermark(address: str, redis: Redis) -> None:
    ahead = HOUR + HOUR_MS
    await redis.hset(f"xinghe:campaign:c1:1h:{ahead}", "gmv_fen", 777_700)
    async with client(address, "one") as asked:
        # Of both campaigns 1,234.50 each, and this.
        assert 'title="¥10,246.00"' in (await asked.get("/")).text


async def test_while_redis_is_away_the_last_figures_stay_and_are_marked_old(own_redis: Any) -> None:
    async with serving(own_redis.url) as address, client(address, "one") as asked:
        async with Redis.from_url(own_redis.url) as redis:
            await show(redis)
        records = ("/orders/orderc10", "/settlement", "/campaigns/c1/settlement")
        fresh = {path: (await asked.get(path)).text for path in ("/", "/campaigns/c1", "/alerts", *records)}
        assert all('role="alert"' not in html for html in fresh.values())
        own_redis.stop()
        await until_away(asked)
        for path, before in fresh.items():
            answer = await asked.get(path)
            assert answer.status_code == 200
            assert 'role="alert"' in answer.text
            for figure in ("¥1,234.50", "¥123.45", "¥13.00"):
                assert (figure in answer.text) == (figure in before)
        assert (await asked.get(f"{PREFIX}/campaigns/c1")).json()["metrics"]["gmv_fen"] == 123_450
        assert (await asked.get(f"{PREFIX}/campaigns/c2")).status_code == 404
        own_redis.start()
        # Connections of before are found closed, one after another; the pages are told once all is read again.
        async with (
            asyncio.timeout(PATIENCE_S),
            asked.stream("GET", "/live") as answer,
            aclosing(told(answer)) as changes,
        ):
            async for change in changes:
                problem = (await asked.get(f"{PREFIX}/freshness")).json()["problem"]
                if change["connected"] and problem is None:
                    break


async def test_without_any_figures_a_page_says_that_redis_is_away() -> None:
    async with serving("redis://127.0.0.1:1/0") as address, client(address, "all") as asked:
        for path in (
            "/",
            "/campaigns/c1",
            "/alerts",
            "/orders/o1",
            "/settlement",
            "/campaigns/c1/settlement",
            "/health",
        ):
            answer = await asked.get(path)
            assert answer.status_code == 503
            assert "Redis" in answer.text
        assert (await asked.get(f"{PREFIX}/campaigns")).json()["error"] == "unavailable"
