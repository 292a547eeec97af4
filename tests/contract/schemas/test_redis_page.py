"""The page of the Redis keys names every key and every metric."""

from __future__ import annotations

import re
from pathlib import Path

from xinghe.domain.catalogue import PLAIN
from xinghe.domain.metrics import AUDIENCE, COUNTED, MODEL_COUNTED, MODEL_PEOPLE, PEOPLE, SPENT
from xinghe.serving import keys

PAGE = (Path(__file__).parents[3] / "schemas" / "REDIS.md").read_text()
ROWS = {
    match[1]: [cell.strip() for cell in match[2].split("|")]
    for match in re.finditer(r"\| `(\S+)` \|(.*)\|", PAGE)
}


def test_every_key_is_there() -> None:
    names = {name for name in ROWS if name.startswith("xinghe:")}
    built = {
        keys.CAMPAIGNS,
        keys.CAMPAIGN_SHOPS,
        keys.UPDATES,
        keys.ALERTS,
        keys.ALERTS_OPEN,
        keys.ACKNOWLEDGED,
        keys.SHOPS,
        keys.CAMPAIGN_SHOPS,
        keys.models("{shop_id}"),
        keys.total("{id}"),
        *(keys.window("{id}", size, 7).replace("7", "{start_ms}") for size in keys.INDEXED_SIZES),
        *(keys.windows("{id}", size) for size in keys.INDEXED_SIZES),
        keys.guarantee("{id}"),
        keys.notes("{id}"),
        keys.note("{id}", "{note_id}"),
        *(keys.order("{order_id}"), keys.ledger("{id}"), keys.CAMPAIGN_SETTINGS, keys.INDEX),
        *(keys.DEAD_LETTERS, keys.dead_letters("{reason}"), keys.ACKNOWLEDGED),
        *(keys.WORKERS, keys.worker("{instance}")),
        keys.sink("{stage}", 7).replace("7", "{partition}"),
    }
    note_days = {
        "xinghe:campaign:{id}:noteday:{start_ms}",
        "xinghe:campaign:{id}:noteday:{start_ms}:{note_id}",
        "xinghe:campaign:{id}:windows:noteday",
    }
    assert names == built | note_days


def test_every_metric_of_the_domain_is_there_with_its_unit() -> None:
    domain = {**COUNTED, **MODEL_COUNTED, **PEOPLE, **MODEL_PEOPLE, **AUDIENCE, **SPENT}
    assert {metric.name for metric in PLAIN} == domain.keys() | {"engagements", "net_gmv_fen"}
    for name, meaning in domain.items():
        assert ROWS[name][0] == meaning
        assert (ROWS[name][1] == "fen") == name.endswith("_fen")


def test_amounts_are_said_to_be_gross_or_net() -> None:
    assert ROWS["coupon_gmv_fen"][2] == "gross"
    assert ROWS["net_gmv_fen"][2] == "net"
    assert {name for name, row in ROWS.items() if "gmv" in name and row[2] == "-"} == set()


def test_people_and_spend_are_in_their_windows_only() -> None:
    assert ROWS["buyers"][3] == "1d, total"
    assert ROWS["spend_fen"][3] == "1h, 1d, total"
    assert ROWS["gmv_fen"][3] == "1m, 1h, 1d, total"
