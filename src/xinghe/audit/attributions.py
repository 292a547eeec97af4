"""Comparing the last attribution of every order, and that its revisions run 1, 2, 3 … (R12)."""

from __future__ import annotations

from typing import Any

import orjson
from aiokafka import ConsumerRecord

from xinghe.audit.fields import differing, flat
from xinghe.audit.figures import OrderKey, Truth
from xinghe.audit.findings import Difference, Findings
from xinghe.audit.record import Place


class FoundAttributions:
    """The records of ``xinghe.order.attributed.v1``: the last of each order, kept as it came."""

    def __init__(self) -> None:
        self.last: dict[OrderKey, bytes] = {}
        self.wrong: list[tuple[OrderKey | None, Difference]] = []
        self.records = 0
        self._revisions: dict[OrderKey, int] = {}

    def add(self, record: ConsumerRecord) -> None:
        """Take one attribution; those of one order come in their order."""
        self.records += 1
        where = str(Place(record.topic, record.partition, record.offset))
        try:
            value = orjson.loads(record.value)
            order = (value["person_id"], value["order_id"])
            revision = value["revision"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            self._wrong(None, where, "value", "an attribution", "something else")
            return
        if record.key != value["order_id"].encode():
            self._wrong(order, where, "key", value["order_id"], repr(record.key))
        next_revision = self._revisions.get(order, 0) + 1
        if revision != next_revision:
            self._wrong(order, where, "revision", next_revision, revision)
        self._revisions[order] = revision if isinstance(revision, int) else next_revision
        self.last[order] = record.value

    def _wrong(self, order: OrderKey | None, where: str, field: str, expected: Any, found: Any) -> None:
        self.wrong.append((order, Difference("attribution", where, field, expected, found)))


def compare_attributions(truth: Truth, found: FoundAttributions, findings: Findings) -> None:
    """Compare every order's last attribution, field by field."""
    for order, difference in found.wrong:
        findings.add(difference, person_id=order[0] if order is not None else None)
    for order in sorted(truth.orders.keys() | found.last.keys()):
        findings.compared["orders"] += 1
        for field, expected, value in _differing(truth, found, order):
            where = f"order {order[1]} of person {order[0]}"
            findings.add(Difference("attribution", where, field, expected, value), person_id=order[0])


def _differing(truth: Truth, found: FoundAttributions, order: OrderKey) -> list[tuple[str, Any, Any]]:
    if order not in truth.orders:
        return [("attribution", "none: the order was not paid", "one")]
    if order not in found.last:
        return [("attribution", "one", None)]
    # Revisions are checked one by one.
    value = {name: part for name, part in orjson.loads(found.last[order]).items() if name != "revision"}
    return list(differing(flat(truth.orders[order].as_json()), flat(value)))
