from __future__ import annotations

import msgspec
import pytest

from tests.outputs import LAG_MS, TIME_MS, OutputRecord, attribution, credit, record_of
from xinghe.domain.events import ORDER_ATTRIBUTED
from xinghe.domain.metrics import MODELS
from xinghe.domain.outputs import Credits, OrderAttributed
from xinghe.export.attributions import Attributions
from xinghe.export.errors import UnreadableRecordError


def rows(*orders: OrderAttributed) -> list[dict[str, object]]:
    table = Attributions()
    for order in orders:
        table.add(record_of(order))
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows()]


def test_a_row_for_each_model_and_credit() -> None:
    both = [credit("c1", 300, 600_000, refund_fen=3), credit("c2", 200, 400_000, refund_fen=2)]
    found = rows(attribution("o1", both, last_touch=[credit("c2", 500, refund_fen=5)]))

    assert [(row["model"], row["credit_index"], row["campaign_id"], row["gmv_fen"]) for row in found] == [
        ("last_touch", 0, "c2", 500),
        *((model, *part) for model in MODELS[1:] for part in ((0, "c1", 300), (1, "c2", 200))),
    ]
    assert found[1] == {
        "order_id": "o1",
        "person_id": "p1",
        "shop_id": "s1",
        "time_ms": TIME_MS,
        "time": TIME_MS,
        "amount_fen": 500,
        "refunded_fen": 5,
        "refunds": 1,
        "new_customer": True,
        "revision": 1,
        "model": "first_touch",
        "credit_index": 0,
        "campaign_id": "c1",
        "note_id": "note-of-c1",
        "touch_event_id": "e1",
        "touch_time_ms": TIME_MS - LAG_MS,
        "touch_time": TIME_MS - LAG_MS,
        "kind": "ad_click",
        "direct": True,
        "orders_micros": 600_000,
        "gmv_fen": 300,
        "refund_fen": 3,
    }


def test_the_last_revision_of_each_order_wins_whenever_it_is_read() -> None:
    first, second = (
        attribution("o1", [credit(campaign, 500)], revision=revision)
        for revision, campaign in enumerate(("c1", "c2"), 1)
    )
    other = attribution("o2", [credit("c3", 7)], person_id="p2")
    for order in ((first, other, second), (first, second, first, other)):
        campaigns = {(row["person_id"], row["campaign_id"]) for row in rows(*order)}
        assert campaigns == {("p1", "c2"), ("p2", "c3")}


def test_an_order_that_was_told_under_two_ids_of_its_person_is_one() -> None:
    old = attribution("o1", [credit("c1", 500)], revision=2, person_id="old")
    new = attribution("o1", [credit("c2", 500)], revision=3, person_id="new")
    assert {(row["person_id"], row["campaign_id"]) for row in rows(old, new)} == {("new", "c2")}


def test_what_an_older_version_did_not_write_is_null() -> None:
    order = attribution("o1", [credit("c1", 500)])
    bare = msgspec.structs.replace(order.credits.last_touch[0], refund_fen=None)
    old = msgspec.structs.replace(order, credits=Credits(last_touch=[bare]), refunds=None, new_customer=None)
    (row,) = rows(old)
    assert (row["model"], row["refund_fen"], row["refunds"], row["new_customer"]) == (
        "last_touch",
        None,
        None,
        None,
    )


@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"order_id": 1}', b"\xff"])
def test_a_record_that_is_none_is_named(value: bytes | None) -> None:
    with pytest.raises(UnreadableRecordError, match=r"xinghe\.order\.attributed\.v1-0@7"):
        Attributions().add(OutputRecord(ORDER_ATTRIBUTED, b"o1", value, offset=7))
