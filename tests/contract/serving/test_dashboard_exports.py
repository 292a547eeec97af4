"""Files of what pages show: the same rows, order and columns, by the same rights, and nothing in them that runs."""

from __future__ import annotations

import csv
import html as entities
import io
import re
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pyarrow.parquet as pq
import pytest
from redis.asyncio import Redis

from tests.contract.serving.test_dashboard import (
    HOUR,
    SETTINGS,
    SHOPS,
    TOKENS,
    address,
    client,
    serving,
    show,
    until_away,
)
from tests.waiting import until
from xinghe.dashboard import numbers
from xinghe.domain.windows import start_ms

__all__ = ["address"]  # a fixture of the other file

NAMES = {"c1": '=HYPERLINK("http://x.test","+1")', "c2": "Zwei", "a/b": "Autumn"}
OF_A_CAMPAIGN = [f"{what}.{form}" for what in ("notes", "windows") for form in ("csv", "parquet")]


@pytest.fixture
async def named(address: str, redis: Redis) -> str:
    """The dashboard, with settings of the campaigns."""
    for id_, name in NAMES.items():
        settings = {**SETTINGS, "campaign_id": id_, "shop_id": SHOPS[id_], "name": name}
        await redis.hset("xinghe:campaigns:settings", id_, orjson.dumps(settings))
    return address


def table(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


def parquet(answer: httpx.Response) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(io.BytesIO(answer.content)).to_pylist()
    return found


def page_rows(html: str) -> list[list[str]]:
    """The campaign table of a page: id, shop and figures to the last digit."""
    body = re.search(r'<table class="campaigns">.*?<tbody>(.*?)</tbody>', html, re.DOTALL)
    if body is None:
        return []
    rows = []
    for row in body[1].split("</tr>")[:-1]:
        found = re.search(r'href="/campaigns/([^"]+)"', row)
        assert found is not None
        cells = re.findall(r'<td class="n" title="([^"]*)">', row)
        rows.append([found[1], *map(entities.unescape, cells)])
    return rows


QUERIES = [
    "",
    "kind=all&sort=name",
    "kind=all&sort=-campaign_id&columns=views",
    "columns=roi,gmv_fen,orders_micros,viewers,cost_per_order&sort=-roi",
    "columns=roi&columns=spend_fen&sort=spend_fen",
    "q=AUTUMN",
    "q=hyper&columns=views",
    "kind=all&shop_id=s2&sort=views",
    "q=nothing",
]


@pytest.mark.parametrize("query", QUERIES)
async def test_the_file_has_the_rows_columns_and_figures_of_the_table(named: str, query: str) -> None:
    async with client(named, "all") as asked:
        shown = page_rows((await asked.get(f"/?{query}")).text)
        answer = await asked.get(f"/export/campaigns.csv?{query}")
        rows = table(answer.text)
        whole = parquet(await asked.get(f"/export/campaigns.parquet?{query}"))
    assert [quote(row["campaign_id"], safe="") for row in rows] == [row[0] for row in shown]
    assert [row["campaign_id"] for row in whole] == [row["campaign_id"] for row in rows]
    for drawn, told, exact in zip(shown, rows, whole, strict=True):
        names = [*told][4:-1]
        assert list(exact) == list(told)
        assert len(drawn) == len(names) + 1
        for name, cell in zip(names, drawn[1:], strict=True):
            value = exact[name]
            assert told[name] == ("" if value is None else str(value))
            if value is None:
                assert cell == numbers.UNKNOWN
            elif name.endswith("_fen"):
                assert cell == numbers.exact(value, "fen")
            elif name == "orders_micros":
                assert cell == numbers.exact(value, "millionths of an order")
            elif name == "roi":
                assert cell == f"{value:,.2f}"


async def test_names_are_on_the_pages_found_by_search_and_no_formula_in_a_file(named: str) -> None:
    async with client(named, "one") as asked:
        html = (await asked.get("/?q=hyperlink")).text
        assert re.search(r'href="/campaigns/c1">=HYPERLINK\(&#34;', html)
        assert "<small>c1</small>" in html
        assert "Autumn" in (await asked.get("/campaigns/a%2Fb")).text
        assert "Zwei" not in (await asked.get("/?kind=all")).text
        (row,) = table((await asked.get("/export/campaigns.csv?q=c1")).text)
        assert row["name"] == "'" + NAMES["c1"]
        (exact,) = parquet(await asked.get("/export/campaigns.parquet?q=c1"))
        assert exact["name"] == NAMES["c1"]
        found = (await asked.get("/api/v1/campaigns?q=AUTUMN")).json()["campaigns"]
        assert [(each["campaign_id"], each["name"]) for each in found] == [("a/b", "Autumn")]


@pytest.mark.parametrize("token", list(TOKENS))
async def test_a_file_has_what_is_of_ones_own_shops_only(named: str, token: str) -> None:
    viewer = TOKENS[token]
    async with client(named, token) as asked:
        for rows in (
            table((await asked.get("/export/campaigns.csv?kind=all")).text),
            parquet(await asked.get("/export/campaigns.parquet?kind=all")),
        ):
            assert {row["campaign_id"] for row in rows} == {
                id_ for id_, shop_id in SHOPS.items() if viewer.may_see(shop_id)
            }
        for id_ in ("c1", "c2", "a/b"):
            for end in OF_A_CAMPAIGN:
                answer = await asked.get(f"/export/campaigns/{quote(id_, safe='')}/{end}")
                assert answer.status_code == (200 if viewer.may_see(SHOPS[id_]) else 404), (id_, end)
                if answer.status_code == 404:
                    nobodys = await asked.get(f"/export/campaigns/nobodys/{end}")
                    assert nobodys.status_code == 404


async def test_without_a_token_there_is_no_file(named: str) -> None:
    async with client(named, None) as asked:
        for path in ("/export/campaigns.csv", *(f"/export/campaigns/c1/{end}" for end in OF_A_CAMPAIGN)):
            answer = await asked.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login")


async def test_notes_and_windows_are_those_of_the_api_and_hide_few_people(named: str) -> None:
    async with client(named, "one") as asked:
        notes = (await asked.get("/api/v1/campaigns/c1/notes")).json()["notes"]
        for rows in (
            parquet(await asked.get("/export/campaigns/c1/notes.parquet")),
            table((await asked.get("/export/campaigns/c1/notes.csv")).text),
        ):
            assert [(row["note_id"], str(row["gmv_fen"])) for row in rows] == [
                (note["note_id"], str(note["metrics"]["gmv_fen"])) for note in notes
            ]
        windows = (await asked.get("/api/v1/campaigns/c1/windows?size=1d")).json()["windows"]
        (day,) = parquet(await asked.get("/export/campaigns/c1/windows.parquet?size=1d"))
        (told,) = table((await asked.get("/export/campaigns/c1/windows.csv?size=1d")).text)
    (window,) = windows
    assert day["start"].timestamp() * 1000 == window["start_ms"] == start_ms("1d", HOUR)
    assert told["start"] == numbers.clock(window["start_ms"], "%Y-%m-%dT%H:%M:%S.000+08:00")
    assert told["final"] == "false"
    for name, value in window["metrics"].items():
        if ":" not in name:
            assert (day[name], told[name]) == (value, str(value))
    # Sixty saw it, ten bought: the ten are too few to be told by day.
    assert (day["viewers"], day["buyers"], told["buyers"]) == (60, None, "")
    assert day["hidden"].split() == told["hidden"].split()
    assert "buyers" in day["hidden"].split()


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/", "columns=x"),
        ("/", "columns=views,aware_people"),
        ("/", "size=total"),
        ("/", "measure=viewers"),
        ("/", "mode=x"),
        ("/campaigns/c1", "mode=x"),
        ("/export/campaigns.csv", "limit=5"),
        ("/export/campaigns.csv", "sort=x"),
        ("/export/campaigns.parquet", "columns=gmv_fen:linear"),
        ("/export/campaigns/c1/notes.csv", "limit=5"),
        ("/export/campaigns/c1/windows.csv", "size=2h"),
        ("/export/campaigns/c1/windows.csv", "from_ms=-1"),
    ],
)
async def test_a_wrong_parameter_is_told(named: str, path: str, wrong: str) -> None:
    async with client(named, "one") as asked:
        answer = await asked.get(f"{path}?{wrong}")
    assert answer.status_code == 400
    assert wrong.partition("=")[0] in answer.text


async def test_a_file_is_named_by_when_its_figures_were_read(named: str) -> None:
    async with client(named, "one") as asked:
        for path, name in (
            ("/export/campaigns.csv", r"campaigns-\d{8}-\d{6}\.csv"),
            ("/export/campaigns/c1/windows.parquet?size=1m", r"c1-1m-\d{8}-\d{6}\.parquet"),
            ("/export/campaigns/a%2Fb/notes.csv", r"a_b-notes-\d{8}-\d{6}\.csv"),
        ):
            disposition = (await asked.get(path)).headers["content-disposition"]
            assert re.match(rf'attachment; filename="{name}"', disposition), disposition
        assert (await asked.get("/export/campaigns.txt")).status_code == 404


async def test_columns_are_chosen_and_moved_by_links_and_forms_alone(named: str) -> None:
    async with client(named, "one") as asked:
        html = (await asked.get("/?columns=roi,views&sort=views")).text
        assert re.findall(r'id="sort-([a-z_]+)"', html) == ["name", "roi", "views", "updated_ms"]
        chosen = re.findall(r'name="columns" value="([a-z_0-9]+)" checked', html)
        assert chosen == ["roi", "views"]
        moved = entities.unescape(re.findall(r'<a href="([^"]+)#columns" aria-label', html)[0])
        again = (await asked.get(moved)).text
        assert re.findall(r'name="columns" value="([a-z_0-9]+)" checked', again) == ["views", "roi"]
        # What else was chosen is kept, by links and by forms.
        assert 'name="sort" value="views"' in again
        assert 'name="columns" value="views,roi"' in again
        assert 'href="/export/campaigns.csv?sort=views&amp;columns=views,roi"' in again


def drawn(html: str) -> list[list[float | None]]:
    """The values of each line of a page's charts."""
    return [orjson.loads(values) for values in re.findall(r'"values":(\[.*?\])', html)]


async def test_while_redis_is_away_lines_and_files_stay_and_parts_never_read_are_missing(
    own_redis: Any,
) -> None:
    paths = ("/?size=1m", "/?size=1d", "/?size=1h&mode=cumulative", "/export/campaigns.csv")
    async with serving(own_redis.url) as address, client(address, "one") as asked:
        async with Redis.from_url(own_redis.url) as redis:
            await show(redis)

        before: dict[str, str] = {}

        async def all_is_read() -> bool:
            """Minutes and days are read beside the pages; what was not read is a gap before the line's first value."""
            before.update({path: (await asked.get(path)).text for path in paths})
            return all(values[0] is not None for text in before.values() for values in drawn(text))

        await until(all_is_read, "all lines are read")
        own_redis.stop()
        await until_away(asked)
        for path, text in before.items():
            answer = await asked.get(path)
            assert answer.status_code == 200
            if path.endswith("csv"):
                assert table(answer.text) == table(text)
                continue
            assert 'role="alert"' in answer.text
            assert drawn(answer.text) == drawn(text)
        # A campaign whose page nobody has seen yet: what the overview had of it stays, the rest is told as missing.
        html = (await asked.get("/campaigns/c1")).text
        assert "¥1,234.50" in html
        assert html.count('role="alert"') == 2
        assert "these parts were not read before" in html
        assert (await asked.get("/export/campaigns/c1/notes.csv")).status_code == 503
