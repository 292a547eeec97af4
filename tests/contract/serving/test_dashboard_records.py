"""Orders and settlement as the dashboard serves them, from the records that Redis holds."""

from __future__ import annotations

import csv
import io
import re
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import orjson
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from tests.contract.serving.test_dashboard import SETTINGS, TOKENS, address, client, csrf, ledger, signed_in
from tests.outputs import attribution, credit
from tests.records import put_ledger, put_orders, put_settings
from tests.unit.domain.test_statement import entries_of_november
from xinghe.commands import statement_text
from xinghe.dashboard.api import PREFIX
from xinghe.dashboard.board import Board
from xinghe.dashboard.books import BooksReader
from xinghe.dashboard.records_source import RecordsSource
from xinghe.dashboard.source import Source
from xinghe.dashboard.updates import Updates
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.metrics import MODELS
from xinghe.domain.outputs import LedgerEntry, OrderAttributed
from xinghe.domain.statement import booked_by, statement_of
from xinghe.serving import FunnelReader, ServingDataError, keys
from xinghe.serving.records_reader import RecordsReader

__all__ = ["address"]  # a fixture
SETTLEMENT = "/campaigns/c1/settlement"


def text_of(html: str) -> str:
    """What a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


# Orders


async def test_the_page_of_an_order_tells_its_journey_and_each_model(address: str) -> None:
    async with client(address, "one") as asked:
        html = (await asked.get("/orders/orderc10", headers={"accept-language": "en"})).text
        told = text_of(html)
        assert "2 Ad click wins c1 · nc1" in told
        assert 'href="/campaigns/c1#notes"' in html
        for model in MODELS:
            assert f'id="model-{model}-1"' in html
        assert "Adds up to 1 100% one order 1,000,000 ¥123.45 12,345 ¥0.00 ¥123.45" in told
        answer = (await asked.get(f"{PREFIX}/orders/orderc10/arithmetic")).json()
        (order,) = answer["orders"]
        assert [model["model"] for model in order["models"]] == list(MODELS)
        linear = order["models"][2]
        assert [each["fen"] for each in linear["credits"]] == [
            {"rounded_down": 6_172, "remainder": 1, "extra": 1, "got": 6_173},
            {"rounded_down": 6_172, "remainder": 1, "extra": 0, "got": 6_172},
        ]
        record = (await asked.get(f"{PREFIX}/orders/orderc10")).json()["orders"][0]
        assert msgspec.convert(record, OrderAttributed).amount_fen == 12_345


async def test_an_order_without_a_touch_is_nobodys(address: str) -> None:
    async with client(address, "one") as asked:
        told = text_of((await asked.get("/orders/order9", headers={"accept-language": "en"})).text)
        assert "No touch" in told
        assert "¥7.00" in told


async def test_the_search_leads_to_an_order_or_says_kindly_that_there_is_none(address: str) -> None:
    async with client(address, "one") as asked:
        empty = await asked.get("/orders", headers={"accept-language": "en"})
        assert (empty.status_code, "Look up an order" in empty.text) == (200, True)
        found = await asked.get("/orders?order_id=%20orderc10%20")
        assert (found.status_code, found.headers["location"]) == (303, "/orders/orderc10")
        for order_id in ("nobodys", "orderc20", "orderC10", "<img src=x>"):
            for path in (f"/orders?order_id={quote(order_id)}", f"/orders/{quote(order_id, safe='')}"):
                answer = await asked.get(path, headers={"accept-language": "en"})
                assert answer.status_code == 404
                assert "Check that all of the id was copied" in answer.text
                assert "<img" not in answer.text
        assert (await asked.get("/orders?order=1")).status_code == 400


async def test_orders_of_two_people_with_one_id_are_both_shown_each_to_its_shop(
    address: str, redis: Redis
) -> None:
    mine = attribution("both/1", [credit("c1", 700)], person_id="p1")
    yours = replace(attribution("both/1", [credit("c2", 900)], person_id="p2"), shop_id="s2")
    also_mine = attribution("both/1", [credit("c1", 500)], person_id="p3")
    await put_orders(redis, [mine, yours, also_mine])
    path = f"/orders/{quote('both/1', safe='')}"
    for token, amounts in (("all", [700, 900, 500]), ("one", [700, 500]), ("two", [900])):
        async with client(address, token) as asked:
            orders = (await asked.get(PREFIX + path)).json()["orders"]
            assert [order["amount_fen"] for order in orders] == amounts
            arithmetic = (await asked.get(f"{PREFIX}{path}/arithmetic")).json()["orders"]
            assert len(arithmetic) == len(amounts)
            html = (await asked.get(path, headers={"accept-language": "en"})).text
            assert html.count('<article class="order"') == len(amounts)
            assert ("people have an order with this id" in html) == (len(amounts) > 1)
            for amount_fen in (700, 900, 500):
                assert (f"¥{amount_fen // 100}.00" in html) == (amount_fen in amounts)
    async with client(address, "none") as asked:
        assert (await asked.get(path)).status_code == 404


async def test_what_does_not_follow_from_the_record_is_said(address: str, redis: Redis) -> None:
    whole = attribution("odd", [credit("c1", 700)])
    odd = attribution("odd", [credit("c1", 700)], linear=[replace(whole.credits.last_touch[0], gmv_fen=699)])
    await put_orders(redis, [odd])
    async with client(address, "one") as asked:
        (told,) = (await asked.get(f"{PREFIX}/orders/odd/arithmetic")).json()["orders"]
        assert told["differing"] == ["linear"]
        html = (await asked.get("/orders/odd", headers={"accept-language": "en"})).text
        assert html.count("shown as recorded, without arithmetic") == 1


async def test_names_of_others_are_text_on_these_pages(address: str, redis: Redis) -> None:
    name = '"><img src=x>#{{7*7}}'
    order = replace(
        attribution(name, [replace(credit("c1", 700), campaign_id=name, note_id=name)], person_id=name),
        shop_id="s1",
    )
    await put_orders(redis, [order])
    await put_ledger(redis, [replace(entry, period=name) for entry in ledger("c1")])
    async with client(address, "one") as asked:
        for path in (f"/orders/{quote(name, safe='')}", SETTLEMENT):
            html = (await asked.get(path)).text
            assert "<img" not in html
            assert "&#34;&gt;&lt;img" in html


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_every_page_is_in_the_chosen_language(address: str, redis: Redis, language: str) -> None:
    pages = ("/orders", "/orders?order_id=none", "/orders/orderc10", "/settlement", SETTLEMENT)
    async with signed_in(address, "one") as asked:
        form = {"csrf": await csrf(asked, "/"), "language": language}
        await asked.post("/look", data=form)
        for path in (*pages, f"{SETTLEMENT}?as_of=2026-11-01", f"{SETTLEMENT}?as_of=2020-01-01"):
            html = (await asked.get(path)).text
            assert f'<html lang="{language}"' in html
            assert ("订单" in html) == (language == "zh-CN")
            assert ("Settlement" in html) == (language == "en")


# Settlement


@pytest.mark.parametrize("as_of", [None, "2026-11-01", "2026-11-30"])
async def test_the_statement_is_that_of_xinghe_settle(address: str, as_of: str | None) -> None:
    query = "" if as_of is None else f"?as_of={as_of}"
    statement = statement_of(booked_by(entries_of_november(), as_of))
    printed = orjson.loads(statement_text.as_json(statement, None))
    del printed["guarantee"]  # has an answer of its own
    async with client(address, "one") as asked:
        answer = (await asked.get(f"{PREFIX}/campaigns/c1/statement{query}")).json()
        assert answer == {"campaign_id": "c1", "as_of": as_of, "statement": printed}
        html = (await asked.get(SETTLEMENT + query, headers={"accept-language": "en"})).text
        section = html[: html.index('id="ledger"')]
        for posting in printed["postings"]:
            assert f'<td class="n">¥{posting["amount_fen"] / 100:.2f}</td>' in section
        assert section.count('class="gone"') == sum(p["reversed_by"] is not None for p in printed["postings"])
        for fen in printed["owed"].values():
            assert f'<dd class="figure">¥{fen / 100:.2f}</dd>' in section
        for fen in printed["balances_fen"].values():
            assert f"<dd>{'−' if fen < 0 else ''}¥{abs(fen) / 100:.2f}</dd>" in section


async def test_before_the_first_day_and_without_books_the_page_says_so(address: str) -> None:
    async with client(address, "one") as asked:
        early = await asked.get(f"{SETTLEMENT}?as_of=2026-10-31", headers={"accept-language": "en"})
        assert "Nothing was booked by 2026-10-31" in early.text
        answer = (await asked.get(f"{PREFIX}/campaigns/c1/statement?as_of=2026-10-31")).json()
        assert answer["statement"] is None
        none = await asked.get("/campaigns/a%2Fb/settlement", headers={"accept-language": "en"})
        assert (none.status_code, "Nothing is booked for this campaign yet" in none.text) == (200, True)
        assert (await asked.get(f"{PREFIX}/campaigns/a%2Fb/ledger")).json() == {
            "campaign_id": "a/b",
            "count": 0,
            "entries": [],
        }
        wrong = await asked.get(f"{SETTLEMENT}?as_of=soon")
        assert (wrong.status_code, "2026-11-24" in wrong.text) == (400, True)


FILTERS = (
    "",
    "?rule=spend",
    "?account=merchant%3Acash",
    "?from_day=2026-11-02&to_day=2026-11-30",
    "?rule=share&account=merchant%3Acash",
)


@pytest.mark.parametrize("query", FILTERS)
async def test_page_api_and_files_have_the_lines_of_the_filter(address: str, query: str) -> None:
    async with client(address, "one") as asked:
        entries = (await asked.get(f"{PREFIX}/campaigns/c1/ledger{query}")).json()["entries"]
        numbers = [entry["number"] for entry in entries]
        html = (await asked.get(SETTLEMENT + query)).text
        shown = re.findall(r'<th scope="row" class="n">(\d+)</th>', html)
        assert sorted(map(int, shown)) == numbers
        files = [
            found.replace("&amp;", "&")
            for found in re.findall(r'href="(/campaigns/c1/settlement\.[^"]+)"', html)
        ]
        assert [path.partition("?")[0].rpartition(".")[2] for path in files] == ["csv", "parquet"]
        rows, table = await downloaded(asked, *files)
        assert [int(row["number"]) for row in rows] == numbers
        assert [int(row["amount_fen"]) for row in rows] == [entry["amount_fen"] for entry in entries]
        assert [row["number"] for row in table] == numbers
        assert [row["amount_fen"] for row in table] == [entry["amount_fen"] for entry in entries]
        assert [row["reverses"] for row in table] == [entry["reverses"] for entry in entries]


async def downloaded(
    asked: httpx.AsyncClient, csv_path: str, parquet_path: str
) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    as_csv, as_parquet = await asked.get(csv_path), await asked.get(parquet_path)
    assert as_csv.content.startswith(b"\xef\xbb\xbf")
    assert 'filename="c1-settlement.csv"' in as_csv.headers["content-disposition"]
    assert 'filename="c1-settlement.parquet"' in as_parquet.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(as_csv.content.decode("utf-8-sig"), newline="")))
    return rows, pq.read_table(io.BytesIO(as_parquet.content)).to_pylist()


async def test_a_formula_in_a_ledger_does_not_run_in_a_spreadsheet(address: str, redis: Redis) -> None:
    await put_ledger(redis, [replace(entry, period="=1+1") for entry in ledger("c1")])
    async with client(address, "one") as asked:
        rows = list(csv.DictReader(io.StringIO((await asked.get(f"{SETTLEMENT}.csv")).text)))
        assert {row["period"] for row in rows} == {"'=1+1"}
        assert rows[1]["amount_fen"] == "-700"


async def test_rows_beyond_the_limit_are_counted_and_in_the_files(address: str) -> None:
    async with client(address, "one") as asked:
        html = (await asked.get(f"{SETTLEMENT}?limit=3")).text
        assert len(re.findall(r'<th scope="row" class="n">(\d+)</th>', html)) == 3
        assert "14" in html
        assert len((await asked.get(f"{SETTLEMENT}.csv")).text.splitlines()) == 15
        answer = (await asked.get(f"{PREFIX}/campaigns/c1/ledger?limit=3")).json()
        assert (answer["count"], len(answer["entries"])) == (14, 3)


async def test_the_list_of_books_is_sorted_as_the_address_says(address: str, redis: Redis) -> None:
    entry = ledger("c2")[0]
    more = [
        replace(entry, number=15, amount_fen=50, account="merchant:ad_expense", day="2026-12-04"),
        replace(entry, number=16, amount_fen=-50, account="platform:ad_revenue", day="2026-12-04"),
    ]
    await put_ledger(redis, more)
    async with client(address, "all") as asked:

        async def ids(sort: str) -> list[str]:
            answer = (await asked.get(f"{PREFIX}/settlement?sort={sort}")).json()
            html = (await asked.get(f"/settlement?sort={sort}")).text
            found = re.findall(r'<th scope="row"><a href="/campaigns/([^/]+)/settlement"', html)
            assert found == [each["campaign_id"] for each in answer["books"]]
            return found

        assert await ids("-merchant_cash_fen") == ["c2", "c1"]
        assert await ids("merchant%3Aad_expense") == ["c1", "c2"]
        assert await ids("-last_day") == ["c2", "c1"]
        assert await ids("-expected_payout_fen") == ["c1", "c2"]
        c2 = (await asked.get(f"{PREFIX}/settlement?limit=1")).json()["books"][0]
        assert (c2["entries"], c2["last_day"]) == (16, "2026-12-04")
        assert c2["owed"]["merchant_cash_fen"] == 1_350
        assert sum(c2["balances_fen"].values()) == 0
        assert (await asked.get("/settlement?sort=x")).status_code == 400


async def test_a_campaign_links_to_its_settlement_and_what_is_none_does_not(address: str) -> None:
    async with client(address, "all") as asked:
        assert 'href="/campaigns/a%2Fb/settlement"' in (await asked.get("/campaigns/a%2Fb")).text
        assert "/settlement" not in (await asked.get("/campaigns/organic:s2")).text.replace(
            'href="/settlement"', ""
        )


# What is read


async def test_books_are_added_to_and_read_anew_where_the_ledger_is_another(redis: Redis) -> None:
    entries = entries_of_november()
    reader = BooksReader(RecordsReader(redis))
    ids = ["c1", "none"]
    assert await reader.read(ids) == []
    for count in (2, 6, 6, 14):
        await put_ledger(redis, entries[:count])
        (books,) = await reader.read(ids)
        statement = statement_of(entries[:count])
        assert books.balances_fen == statement.balances_fen
        assert (books.owed, books.entries, books.last_day) == (statement.owed, count, statement.last_day)
    # Of topics that were made anew: as many entries, and others.
    other = [replace(entry, amount_fen=entry.amount_fen * 3) for entry in entries]
    await put_ledger(redis, other)
    (books,) = await reader.read(ids)
    assert books.balances_fen == statement_of(other).balances_fen
    # Emptied, and filled from the beginning.
    await redis.flushall()
    assert await reader.read(ids) == []
    await put_ledger(redis, entries[:2])
    (books,) = await reader.read(ids)
    assert books.balances_fen == statement_of(entries[:2]).balances_fen
    assert await reader.read([]) == []


@pytest.mark.parametrize(("token", "seen"), [("all", [1, 2]), ("one", [1]), ("two", [2]), ("none", [])])
async def test_settings_are_those_of_ones_own_shops(redis: Redis, token: str, seen: list[int]) -> None:
    settings = {
        n: msgspec.convert({**SETTINGS, "campaign_id": f"c{n}", "shop_id": f"s{n}"}, CampaignConfigured)
        for n in (1, 2)
    }
    await put_settings(redis, settings.values())
    reader = FunnelReader(redis)
    source = RecordsSource(Source(Board(reader, Updates(reader)), reader), RecordsReader(redis))
    assert await source.settings(TOKENS[token]) == {f"c{n}": settings[n] for n in seen}


async def test_a_record_that_is_none_is_said_with_its_key(redis: Redis) -> None:
    await redis.hset(keys.ledger("c1"), "1", b"{}")
    reader = RecordsReader(redis)
    for read in (reader.ledger("c1"), reader.ledger_part("c1", [1]), reader.ledger_ends({"c1": 1})):
        with pytest.raises(ServingDataError, match="xinghe:campaign:c1:ledger"):
            await read


async def test_positions_of_several_campaigns_are_those_of_each(address: str, redis: Redis) -> None:
    reader = FunnelReader(redis)
    found = await reader.guarantees(["c1", "c2", "nobodys"])
    assert found == {"c1": await reader.guarantee("c1")}
    assert await reader.guarantees([]) == {}


async def test_parts_of_a_ledger_leave_out_what_is_not_there(redis: Redis) -> None:
    entries: list[LedgerEntry] = entries_of_november()
    await put_ledger(redis, entries)
    reader = RecordsReader(redis)
    assert await reader.ledger_part("c1", [2, 99, 1]) == [entries[1], entries[0]]
    assert await reader.ledger_ends({"c1": 14, "c9": 1}) == {"c1": (14, entries[13]), "c9": (0, None)}
