"""The table of ``xinghe watch`` and its JSON."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rich.console import Console

from xinghe.commands.funnel_table import Figures, as_json, as_table, sums, sums_with_spend
from xinghe.serving import Funnel

NOW_MS = 1_700_000_065_000


def funnel(campaign_id: str, **metrics: int) -> Funnel:
    return Funnel(campaign_id, "total", 0, None, metrics, 3, None, NOW_MS - 500, NOW_MS - 65_000)


def shown(figures: Figures | None, problem: str | None = None, rows_max: int = 10, width: int = 160) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(as_table(figures, problem, now_ms=NOW_MS, rows_max=rows_max, width=width))
    return capture.get()


def row(text: str, campaign_id: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if campaign_id in line)
    return re.split(r"  +", line.strip())


def test_a_row_shows_what_is_known_and_a_dash_for_the_rest() -> None:
    known = funnel(
        "c1",
        views=1234,
        engagements=5,
        ad_clicks=6,
        store_visits=7,
        viewers=28,
        cart_adds=8,
        orders_micros=1_500_000,
        gmv_fen=123_456_05,
        refund_fen=23_456_05,
        net_gmv_fen=100_000_00,
        spend_fen=100_000_00,
    )
    text = shown(Figures(NOW_MS, [known, funnel("c2", views=0)]))
    assert row(text, "c1") == [
        *("c1", "1,234", "5", "6", "7", "0.25", "8", "1.50", "123,456.05", "23,456.05", "100,000.00"),
        *("-", "1.23", "1.00", "0.5 s", "65 s"),
    ]
    assert row(text, "c2") == ["c2", "0", *(["-"] * 12), "0.5 s", "65 s"]
    assert "GMV 123,456.05   net 100,000.00   spend 100,000.00   ROI 1.23   net 1.00" in text
    assert "2 campaigns" in text
    assert "events complete up to 2023-11-15 06:13:20 Asia/Shanghai, 65 s ago" in text


def test_a_wide_terminal_shows_the_hours_reported_what_an_order_cost_and_the_click_through_rate() -> None:
    known = funnel(
        "c1", spend_fen=700, spend_hours=17, orders_micros=1_500_000, impressions=300, clicks=7, gmv_fen=0
    )
    text = shown(Figures(NOW_MS, [known, funnel("c2", spend_fen=700, spend_hours=1)]), width=220)
    assert row(text, "c1")[10:] == ["7.00", "17 h", "0.00", "-", "4.67", "2.33%", "0.5 s", "65 s"]
    assert row(text, "c2")[10:] == ["7.00", "1 h", "-", "-", "-", "-", "0.5 s", "65 s"]


def test_an_id_that_looks_like_markup_is_shown_as_it_is() -> None:
    assert "[red]c1" in shown(Figures(NOW_MS, [funnel("[red]c1", views=1)]))


def test_old_figures_are_marked() -> None:
    text = shown(
        Figures(NOW_MS - 7_000, [funnel("c1", views=1)]), "Redis at redis://r:1/0 is not available: gone"
    )
    assert "Redis at redis://r:1/0 is not available: gone. OLD FIGURES, read 7.0 s ago:" in text
    assert row(text, "c1")[1] == "1"


def test_no_figures_yet() -> None:
    assert "No campaign has any figures yet" in shown(Figures(NOW_MS, []))
    assert shown(None, "Redis is away").strip() == "Redis is away"


def test_rows_beyond_the_limit_count_in_the_totals() -> None:
    text = shown(Figures(NOW_MS, [funnel(f"c{i}", views=1) for i in range(5)]), rows_max=2)
    assert "views 5" in text
    assert "and 3 more" in text
    assert "c2" not in text


def test_roi_of_all_leaves_out_gmv_without_known_spend() -> None:
    funnels = [funnel("a", gmv_fen=300, net_gmv_fen=-50, spend_fen=100), funnel("b", gmv_fen=5_000)]
    assert sums_with_spend(funnels) == {"gmv_fen": 300, "net_gmv_fen": -50, "spend_fen": 100}
    totals = as_json(Figures(5, funnels), None)["totals"]
    assert (totals["roi"], totals["roi_net"]) == (3.0, -0.5)
    assert "net -0.50   spend 1.00   ROI 3.00   net -0.50" in shown(Figures(NOW_MS, funnels))
    assert sums(funnels) == {"gmv_fen": 5_300, "net_gmv_fen": -50, "spend_fen": 100}
    assert "spend_fen" not in sums([funnel("b", gmv_fen=5_000)])


def test_people_are_not_added_up() -> None:
    assert sums([funnel("a", buyers=1, views=2), funnel("b", buyers=1, views=2)]) == {"views": 4}


def test_json() -> None:
    known = funnel("c1", gmv_fen=250, spend_fen=100, new_buyers=3, repurchasers=2)
    value: dict[str, Any] = as_json(Figures(5, [known]), None)
    assert value["totals"] == {
        "campaigns": 1,
        "metrics": {"gmv_fen": 250, "spend_fen": 100},
        "roi": 2.5,
        "roi_net": None,
    }
    campaign = value["campaigns"][0]
    assert (campaign["roi"], campaign["roi_net"], campaign["repurchase_rate"]) == (2.5, None, 0.6667)
    assert as_json(None, "away") == {
        "read_ms": None,
        "problem": "away",
        "totals": {"campaigns": 0, "metrics": {}, "roi": None, "roi_net": None},
        "campaigns": [],
    }


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_no_figure_is_ever_cut(width: int) -> None:
    metrics = {
        "views": 12_345_678,
        "orders_micros": 123_456_000_000,
        "gmv_fen": 1_234_567_890,
        "spend_fen": 123_456_789,
    }
    text = shown(Figures(NOW_MS, [funnel("campaign-" + "x" * 50, **metrics)]), width=width)
    _, *cells = row(text, "campaign-xxx")
    whole = {"12,345,678", "-", "123,456", "12,345,678.90", "1,234,567.89", "10.00", "0.5 s", "65 s"}
    assert set(cells) <= whole
    assert {"123,456", "12,345,678.90", "1,234,567.89", "10.00"} <= set(cells)
