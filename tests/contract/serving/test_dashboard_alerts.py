"""Acknowledging alerts on the dashboard as it is served: by whom, of what, and what others see of it."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from jsonschema import Draft202012Validator
from redis.asyncio import Redis

from tests.contract.serving.test_dashboard import client, csrf, serving, show, signed_in, told
from tests.waiting import PATIENCE_S
from xinghe.dashboard.api import PREFIX, openapi
from xinghe.serving import keys
from xinghe.serving.records_reader import RecordsReader

FIRST, SECOND, SYSTEM = "c1|budget|7", "c2|budget|8", "system|late|9"
SEEN = {"all": {FIRST, SECOND, SYSTEM}, "one": {FIRST}, "two": {SECOND}, "none": set[str]()}
FORM = "/alerts/acknowledge"


@pytest.fixture
async def address(redis: Redis, shared_redis: Any) -> AsyncIterator[str]:
    await show(redis)
    async with serving(shared_redis.url) as address:
        yield address


def by_api(alert_id: str) -> str:
    return f"{PREFIX}/alerts/{quote(alert_id, safe='')}/acknowledge"


async def send(asked: httpx.AsyncClient, alert_id: str, note: str = "", query: str = "") -> httpx.Response:
    fields = {"csrf": await csrf(asked, "/alerts"), "alert_id": alert_id, "note": note, "query": query}
    return await asked.post(FORM, data=fields)


async def test_everybody_acknowledges_what_they_see_and_nothing_else(address: str, redis: Redis) -> None:
    reader = RecordsReader(redis)
    for token, seen in SEEN.items():
        async with signed_in(address, token) as asked, client(address, token) as program:
            for alert_id in (FIRST, SECOND, SYSTEM, "c1|budget|8", ""):
                await redis.delete(keys.ACKNOWLEDGED)
                expected = (303, 200) if alert_id in seen else (404, 404)
                answers = await send(asked, alert_id), await program.post(by_api(alert_id))
                assert tuple(answer.status_code for answer in answers) == expected, (token, alert_id)
                assert set(await reader.acknowledged()) == {alert_id} & seen


async def test_who_and_when_and_what_is_shown_to_all_who_see_the_alert_and_the_last_one_stands(
    address: str, redis: Redis
) -> None:
    async with signed_in(address, "one") as lily, signed_in(address, "all") as ops:
        answer = await send(lily, FIRST, "  <b>broken</b>\r\nlink ", "severity=warning&shop_id=s1")
        assert answer.headers["location"] == "/alerts?severity=warning&shop_id=s1"
        for asked in (lily, ops):
            page = (await asked.get("/alerts")).text
            assert "Acknowledged by lily, 20" in page
            assert "<blockquote>&lt;b&gt;broken&lt;/b&gt;\nlink</blockquote>" in page
        await send(ops, FIRST)
        page = (await lily.get("/alerts")).text
        assert "Acknowledged by ops, 20" in page
        assert "broken" not in page
    assert (await RecordsReader(redis).acknowledged())[FIRST].by == "ops"


async def test_the_api_answers_with_it_as_the_document_says(address: str) -> None:
    document = openapi()
    described = document["paths"][f"{PREFIX}/alerts/{{alert_id}}/acknowledge"]["post"]
    body = described["requestBody"]["content"]["application/json"]["schema"]
    answered = described["responses"]["200"]["content"]["application/json"]["schema"]
    async with client(address, "one") as asked:
        sent = {"note": "on it"}
        Draft202012Validator({**document, **body}).validate(sent)
        answer = await asked.post(by_api(FIRST), json=sent)
        Draft202012Validator({**document, **answered}).validate(answer.json())
        listed = (await asked.get(f"{PREFIX}/alerts?acknowledged=yes")).json()["alerts"]
        assert listed == [answer.json()]
        assert {**listed[0]["acknowledgement"], "time_ms": 0} == {
            "alert_id": FIRST,
            "by": "lily",
            "time_ms": 0,
            "note": "on it",
        }
        assert (await asked.get(f"{PREFIX}/alerts?acknowledged=no")).json()["alerts"] == []


async def test_a_session_is_no_token_and_a_form_needs_its_secret(address: str, redis: Redis) -> None:
    async with signed_in(address, "one") as asked:
        answer = await asked.post(by_api(FIRST), json={"note": ""})
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
        secret = await csrf(asked, "/alerts")
        for fields in ({}, {"csrf": ""}, {"csrf": "x"}):
            assert (await asked.post(FORM, data={**fields, "alert_id": FIRST})).status_code == 403
        cross = await asked.post(
            FORM, data={"csrf": secret, "alert_id": FIRST}, headers={"sec-fetch-site": "cross-site"}
        )
        assert cross.status_code == 403
    for token in (None, "wrong"):
        async with client(address, token) as asked:
            assert (await asked.post(by_api(FIRST))).status_code == 401
            assert (await asked.post(FORM)).headers["location"] == "/login"
    assert await RecordsReader(redis).acknowledged() == {}


async def test_a_note_has_500_characters_at_most(address: str, redis: Redis) -> None:
    async with signed_in(address, "one") as asked, client(address, "one") as program:
        for note, status in (("字" * 500, 303), ("字" * 501, 400)):
            answer = await send(asked, FIRST, note)
            assert answer.status_code == status
        assert "500" in answer.text
        for body in (b'{"note":"' + b"x" * 501 + b'"}', b"{", b'{"other":1}', b"[]"):
            answer = await program.post(by_api(FIRST), content=body)
            assert (answer.status_code, answer.json()["error"]) == (400, "bad_parameter")
        assert (await program.post(by_api(FIRST), content=b"x" * 20_000)).status_code == 403
    assert (await RecordsReader(redis).acknowledged())[FIRST].note == "字" * 500


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_alerts_are_told_in_the_language_of_the_viewer(address: str, language: str) -> None:
    async with signed_in(address, "all") as asked:
        await asked.post("/look", data={"csrf": await csrf(asked, "/"), "language": language})
        page = html.unescape((await asked.get("/alerts")).text)
    sentences = {
        "en": "Figures are complete only up to – ago. The limit is 15 min.",
        "zh-CN": "数据只完整到 – 之前",
    }
    assert [name for name, sentence in sentences.items() if sentence in page] == [language]


async def test_the_filter_of_the_address_is_that_of_the_page_and_of_the_api(address: str) -> None:
    async def ids(query: str) -> set[str]:
        async with client(address, "all") as asked:
            listed = (await asked.get(f"{PREFIX}/alerts?{query}")).json()["alerts"]
            page = (await asked.get(f"/alerts?{query}")).text
        found = {each["alert_id"] for each in listed}
        assert set(re.findall(r'name="alert_id" value="([^"]+)"', page)) == found
        return found

    async with client(address, "all") as asked:
        await asked.post(by_api(SECOND))
    assert await ids("") == {FIRST, SECOND, SYSTEM}
    assert await ids("kind=data_late") == {SYSTEM}
    assert await ids("severity=critical") == set()
    assert await ids("campaign_id=c1&shop_id=") == {FIRST}
    assert await ids("shop_id=s2") == {SECOND}
    assert await ids("acknowledged=no&kind=budget_nearly_used") == {FIRST}
    async with client(address, "all") as asked:
        for query in ("severity=bad", "kind=", "acknowledged=1", "other=1"):
            for path in ("/alerts", f"{PREFIX}/alerts"):
                assert (await asked.get(f"{path}?{query}")).status_code == 400


async def test_an_alert_that_is_over_is_there_once_and_can_still_be_acknowledged(
    address: str, redis: Redis
) -> None:
    await redis.hdel(keys.ALERTS_OPEN, FIRST)
    async with signed_in(address, "one") as asked:
        page = (await asked.get("/alerts")).text
        assert page.count(f'value="{FIRST}"') == 1
        assert "No alert is open." in page
        await send(asked, FIRST, "was nothing")
        assert "was nothing" in (await asked.get("/alerts")).text


async def test_open_pages_are_told_how_many_nobody_has_acknowledged(address: str) -> None:
    async with (
        client(address, "all") as ops,
        client(address, "one") as one,
        client(address, "two") as two,
        ops.stream("GET", "/live") as to_ops,
        one.stream("GET", "/live") as to_one,
        two.stream("GET", "/live") as to_two,
        aclosing(told(to_ops, "alerts")) as of_ops,
        aclosing(told(to_one, "alerts")) as of_one,
        aclosing(told(to_two, "alerts")) as of_two,
        asyncio.timeout(PATIENCE_S),
    ):
        assert [await anext(each) for each in (of_ops, of_one, of_two)] == [
            {"unacknowledged": count} for count in (3, 1, 1)
        ]
        assert (await one.post(by_api(FIRST))).status_code == 200
        assert await anext(of_one) == {"unacknowledged": 0}
        assert await anext(of_ops) == {"unacknowledged": 2}
        assert (await ops.post(by_api(SYSTEM))).status_code == 200
        assert await anext(of_ops) == {"unacknowledged": 1}
        assert (await two.post(by_api(SECOND))).status_code == 200
        # Nothing in between: what others did with alerts of other shops was not told.
        assert await anext(of_two) == {"unacknowledged": 0}


async def test_while_redis_is_away_nothing_is_said_to_be_put_down(own_redis: Any) -> None:
    async with serving(own_redis.url) as address, signed_in(address, "one") as asked:
        async with Redis.from_url(own_redis.url) as redis:
            await show(redis)
        assert "budget" in (await asked.get("/alerts")).text
        secret = await csrf(asked, "/alerts")
        own_redis.stop()
        answer = await asked.post(FORM, data={"csrf": secret, "alert_id": FIRST})
        assert answer.status_code == 503
        assert "Not acknowledged" in answer.text
        assert "data-retry" not in answer.text
        headers = {"authorization": "Bearer one"}
        assert (await asked.post(by_api(FIRST), headers=headers)).json()["error"] == "unavailable"
        async with asyncio.timeout(PATIENCE_S):
            while 'role="alert"' not in (page := (await asked.get("/alerts")).text):
                await asyncio.sleep(0.05)
        assert "budget" in page
