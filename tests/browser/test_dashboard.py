"""What people see: right figures, live, of their own shops, in both languages, by keyboard, without a mistake in the console."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.stack import Stack, busiest
from tests.waiting import PATIENCE_S, wait_until
from xinghe.dashboard import numbers
from xinghe.dashboard.language import TEXTS

pytestmark = pytest.mark.integration

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
PAGES = ("overview", "campaign", "orders", "order", "settlement", "statement", "alerts", "health")
SHOWN: dict[str, Callable[[int], str]] = {
    "views": lambda value: numbers.count(value, "en"),
    "orders_micros": lambda value: numbers.orders(value, "en"),
    "gmv_fen": lambda value: numbers.money(value, "en"),
    "spend_fen": lambda value: numbers.money(value, "en"),
}
Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, stack: Stack) -> Iterator[Open]:
    """Opens a page of the dashboard, signed in, English; what the console says against it fails the test."""
    contexts, said = [], []

    def open_(
        path: str, token: str = stack.token, theme: Literal["light", "dark"] = "light", **options: Any
    ) -> Page:
        context = browser.new_context(locale="en-US", color_scheme=theme, **options)
        context.set_default_timeout(PATIENCE_S * 1_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{stack.address}/login#{token}")
        page.locator("form button").first.click()
        page.wait_for_selector("nav")
        if path != "/":
            page.goto(stack.address + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not said


def total(stack: Stack, campaign_id: str) -> dict[str, int]:
    """A campaign's figures to date, as Redis has them."""
    with stack.stream.redis() as redis:
        fields = cast("dict[str, str]", redis.hgetall(f"xinghe:campaign:{campaign_id}:total"))
    return {name: int(value) for name, value in fields.items()}


def table(page: Page) -> dict[str, dict[str, str]]:
    """The table of campaigns: id to the text of each column, by its metric."""
    ids = page.locator("table.campaigns thead th").evaluate_all(
        "heads => heads.map(head => head.querySelector('a')?.id.replace('sort-', '') ?? '')"
    )
    rows = page.locator("table.campaigns tbody tr").evaluate_all(
        "rows => rows.map(row => [row.querySelector('a').getAttribute('href'), [...row.cells].map(cell => cell.innerText.trim())])"
    )
    return {href.rpartition("/")[2]: dict(zip(ids, cells, strict=True)) for href, cells in rows}


def test_the_table_shows_what_redis_has_which_the_audit_has_recomputed(open_page: Open, stack: Stack) -> None:
    shown = table(open_page("/"))
    assert len(shown) > 1
    for campaign_id, cells in shown.items():
        figures = total(stack, campaign_id)
        for name, text_of in SHOWN.items():
            if name in cells:
                expected = text_of(figures[name]) if name in figures else numbers.UNKNOWN
                assert cells[name] == expected, (campaign_id, name)
    assert {"views", "gmv_fen"} <= set(next(iter(shown.values())))


def test_a_campaigns_page_shows_what_redis_has(open_page: Open, stack: Stack) -> None:
    page = open_page(stack.pages()["campaign"])
    with stack.stream.redis() as redis:
        figures = total(stack, busiest(redis))
    cards = page.locator(".card .figure").all_inner_texts()
    for name in ("views", "gmv_fen", "orders_micros"):
        assert SHOWN[name](figures[name]) in cards, name


def test_a_change_is_on_the_screen_without_loading_the_page(open_page: Open, stack: Stack) -> None:
    page = open_page(stack.pages()["campaign"])
    page.evaluate("window.isTheSamePage = true")
    before = page.locator(".card .figure").first.inner_text()
    with stack.stream.traffic(400, 77, "--campaigns", "6"):
        expect(page.locator(".card .figure").first).not_to_have_text(before)
    assert page.evaluate("window.isTheSamePage") is True
    stack.stream.audit("--alert-rules", str(stack.rules))
    with stack.stream.redis() as redis:
        campaign_id = busiest(redis)
    wait_until(
        lambda: (
            SHOWN["views"](total(stack, campaign_id)["views"])
            in page.locator(".card .figure").all_inner_texts()
        ),
        "the page shows the last figure",
    )


def test_while_redis_is_away_the_last_figures_stay_and_are_called_old(open_page: Open, stack: Stack) -> None:
    page = open_page("/")
    shown = page.locator("table.campaigns tbody tr").count()
    stack.stream.services.stop_redis()
    try:
        expect(page.locator("[role=alert]")).to_be_visible(timeout=60_000)
        assert page.locator("table.campaigns tbody tr").count() == shown
        expect(page.locator(".fresh.old")).to_be_visible()
    finally:
        stack.stream.services.start_redis()
        wait_until(lambda: bool(stack.rebuilt()), "Redis is filled again")
    expect(page.locator("[role=alert]")).to_have_count(0)
    wait_until(
        lambda: page.locator("table.campaigns tbody tr").count() == shown,
        "the figures are back on the page",
    )


def test_an_alert_is_acknowledged_with_a_note(open_page: Open, stack: Stack) -> None:
    page = open_page("/alerts", token=stack.shop_token)
    alert = page.locator("ul.alerts > li").first
    alert.locator("summary").click()
    alert.locator("textarea").fill("<b>seen</b> & called")
    alert.locator("form button").click()
    expect(page.locator(".seen blockquote")).to_have_text("<b>seen</b> & called")
    expect(page.locator(".seen p")).to_contain_text("lily")
    with stack.stream.redis() as redis:
        (told,) = cast("list[str]", redis.hvals("xinghe:alerts:acknowledged"))
    assert "<b>seen</b> & called" in told


def test_a_viewer_of_one_shop_sees_nothing_of_another(open_page: Open, stack: Stack) -> None:
    with stack.stream.redis() as redis:
        shops = cast("dict[str, str]", redis.hgetall("xinghe:campaigns:shops"))
    others = [id_ for id_, shop_id in shops.items() if shop_id != stack.shop_id and ":" not in id_]
    assert others
    page = open_page("/", token=stack.shop_token)
    assert {shops[id_] for id_ in table(page)} == {stack.shop_id}
    for path in ("/", "/settlement", "/alerts", "/orders"):
        page.goto(stack.address + path)
        text = page.locator("body").inner_text()
        assert not [id_ for id_ in others if id_ in text], path
    for path in (f"/campaigns/{others[0]}", f"/campaigns/{others[0]}/settlement", "/health"):
        answer = page.request.get(stack.address + path)
        assert answer.status == 404, path


@pytest.mark.parametrize("name", PAGES)
def test_a_page_speaks_both_languages(open_page: Open, stack: Stack, name: str) -> None:
    page = open_page(stack.pages()[name])
    english = page.locator("h1").inner_text()
    assert page.locator("html").get_attribute("lang") == "en"
    page.locator("header .menu summary").click()
    page.select_option("select[name=language]", "zh-CN")
    page.locator("header .menu form button").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    assert TEXTS["zh-CN"]["app.settings"] in page.locator("header").inner_text()
    if name in {"overview", "alerts", "health", "settlement", "orders"}:
        assert page.locator("h1").inner_text() != english


def test_the_page_is_usable_by_keyboard(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "live"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("c0001")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=c0001**")
    assert set(table(page)) == {"c0001"}
    page.locator("#pause").focus()
    page.keyboard.press("Space")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    page.locator("header .menu summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("header .menu select").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("header .menu select").first).not_to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(
    open_page: Open, stack: Stack, name: str, theme: Literal["light", "dark"]
) -> None:
    page = open_page(stack.pages()[name], theme=theme)
    page.wait_for_load_state("networkidle" if name == "orders" else "load")
    page.evaluate(AXE)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert len(result["passes"]) > 10, "axe has looked at the page"
    serious = [
        {
            "rule": each["id"],
            "help": each["help"],
            "where": [node["html"][:200] for node in each["nodes"][:4]],
        }
        for each in result["violations"]
        if each["impact"] in {"serious", "critical"}
    ]
    assert not serious, json.dumps(serious, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("width", [390, 700, 820, 1000])
def test_no_page_is_wider_than_its_screen(open_page: Open, stack: Stack, width: int) -> None:
    page = open_page("/", viewport={"width": width, "height": 844})
    wide = {}
    for name, path in stack.pages().items():
        page.goto(stack.address + path)
        if (needed := page.evaluate("document.documentElement.scrollWidth")) > width:
            wide[name] = needed
    assert not wide
