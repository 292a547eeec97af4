"""The export has of each order the largest revision, and of each window the last upsert, whatever came before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.outputs import OutputRecord, attribution, credit, record_of, upsert
from xinghe.domain.events import CAMPAIGN_FUNNEL
from xinghe.domain.metrics import MODELS
from xinghe.export.attributions import Attributions
from xinghe.export.funnel import FunnelWindows

REVISIONS = st.tuples(st.sampled_from(["o1", "o2"]), st.integers(1, 4))
UPSERTS = st.tuples(st.sampled_from(["c1", "c2"]), st.integers(0, 2), st.none() | st.integers(0, 9))


@given(st.lists(REVISIONS, max_size=20))
def test_the_largest_revision_of_each_order(revisions: list[tuple[str, int]]) -> None:
    table = Attributions()
    for order_id, revision in revisions:
        # The amount tells the revision.
        table.add(record_of(attribution(order_id, [credit("c1", revision)], revision=revision)))

    expected = {
        (order_id, max(each[1] for each in revisions if each[0] == order_id)) for order_id, _ in revisions
    }
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.rows()]
    assert len(table) == len(expected)
    assert sorted((row["order_id"], row["gmv_fen"]) for row in rows) == sorted(
        order for order in expected for _ in MODELS
    )


@given(st.lists(UPSERTS, max_size=20))
def test_the_last_upsert_of_each_window(upserts: list[tuple[str, int, int | None]]) -> None:
    table = FunnelWindows()
    for version, (campaign_id, minute, views) in enumerate(upserts, 1):
        start_ms = minute * 60_000
        if views is None:
            table.add(OutputRecord(CAMPAIGN_FUNNEL, f"{campaign_id}|1m|{start_ms}".encode(), None))
        else:
            table.add(record_of(upsert(campaign_id, "1m", start_ms, version, views=views)))

    last = {(campaign_id, minute * 60_000): views for campaign_id, minute, views in upserts}
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.rows()]
    assert {(row["campaign_id"], row["start_ms"]): row["views"] for row in rows} == {
        window: views for window, views in last.items() if views is not None
    }
