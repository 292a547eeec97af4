from __future__ import annotations

import pytest

from tests.outputs import OutputRecord, record_of, upsert
from xinghe.domain.catalogue import METRICS
from xinghe.domain.events import CAMPAIGN_FUNNEL
from xinghe.domain.outputs import FunnelUpsert
from xinghe.export.errors import UnreadableRecordError
from xinghe.export.funnel import FunnelWindows

MINUTE_MS = 60_000


def rows(table: FunnelWindows) -> list[dict[str, object]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows()]


def table_of(*upserts: FunnelUpsert) -> FunnelWindows:
    table = FunnelWindows()
    for each in upserts:
        table.add(record_of(each))
    return table


def test_a_row_for_each_window_with_a_column_for_each_metric() -> None:
    table = table_of(
        upsert("c1", "total", 0, 5, views=9, **{"net_gmv_fen:linear": -3}),
        upsert("c1", "1m", MINUTE_MS, 1, views=2),
    )
    minute, total = rows(table)
    metrics = {metric.name: None for metric in METRICS}
    window = {"campaign_id": "c1", "shop_id": "s1", "final": False}
    assert minute == {
        **window,
        **metrics,
        "size": "1m",
        "start_ms": MINUTE_MS,
        "start_time": MINUTE_MS,
        "end_ms": 2 * MINUTE_MS,
        "end_time": 2 * MINUTE_MS,
        "version": 1,
        "views": 2,
    }
    assert (total["end_ms"], total["end_time"], total["views"], total["net_gmv_fen:linear"]) == (
        None,
        None,
        9,
        -3,
    )


def test_the_last_upsert_counts_and_a_window_that_is_gone_has_no_row() -> None:
    table = table_of(upsert("c1", "total", 0, 1, views=1), upsert("c2", "total", 0, 1, views=1))
    table.add(record_of(upsert("c1", "total", 0, 2, views=4)))
    table.add(OutputRecord(CAMPAIGN_FUNNEL, b"c2|total|0", None))
    table.add(OutputRecord(CAMPAIGN_FUNNEL, b"c3|total|0", None))

    assert [(row["campaign_id"], row["version"], row["views"]) for row in rows(table)] == [("c1", 2, 4)]
    assert len(table) == 1


def test_a_metric_of_a_later_version_has_a_column_too() -> None:
    table = table_of(upsert("c1", "total", 0, 1, bounces=3), upsert("c2", "total", 0, 1))
    assert [column.name for column in table.columns][-1] == "bounces"
    assert [row["bounces"] for row in rows(table)] == [3, None]


def test_a_record_that_is_none_is_named() -> None:
    with pytest.raises(UnreadableRecordError, match=r"xinghe\.campaign\.funnel\.v1-0@7.*campaign_id"):
        FunnelWindows().add(OutputRecord(CAMPAIGN_FUNNEL, b"c1|total|0", b"{}", offset=7))
