"""Comparing the last attribution of every order, and that its revisions run 1, 2, 3 … (R12, for linked ids R17)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson
from aiokafka import ConsumerRecord

from xinghe.audit.fields import differing, flat
from xinghe.audit.figures import OrderKey, Truth
from xinghe.audit.findings import Difference, Findings
from xinghe.audit.record import Place


class FoundAttributions:
    """The records of ``xinghe.order.attributed.v1``: the last of each order, kept as it came.

    ``person_of`` has the person of each linked id (R17): an order's records under older ids are its earlier revisions.
    ``refused_ids`` are ids at which a circle ended: until what left such an id is back, it counts revisions anew.
    """

    def __init__(self, person_of: Mapping[str, str], refused_ids: Collection[str]) -> None:
        self.last: dict[OrderKey, bytes] = {}
        self.wrong: list[tuple[OrderKey | None, Difference]] = []
        self.records = 0
        self.before: dict[OrderKey, int] = {}
        """Of orders of linked ids, the largest revision before the last record."""
        self._person_of = person_of
        self._refused_ids = refused_ids
        self._revisions: dict[OrderKey, int] = {}
        self._newest: dict[OrderKey, int] = {}

    def add(self, record: ConsumerRecord) -> None:
        """Take one attribution; those of one order come in their order."""
        self.records += 1
        where = str(Place(record.topic, record.partition, record.offset))
        try:
            value = orjson.loads(record.value)
            told = (value["person_id"], value["order_id"])
            revision = value["revision"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            self._wrong(None, where, "value", "an attribution", "something else")
            return
        is_linked = told[0] in self._person_of
        order = (self._person_of.get(told[0], told[0]), told[1])
        if record.key != value["order_id"].encode():
            self._wrong(order, where, "key", value["order_id"], repr(record.key))
        next_revision = self._revisions.get(told, 0) + 1
        if not self._may_follow(revision, next_revision, told[0]):
            self._wrong(order, where, "revision", next_revision, revision)
            revision = next_revision
        self._revisions[told] = revision
        if is_linked:
            # Until their link the ids count the order's revisions each by itself.
            self.before[order] = max(self.before.get(order, 0), self._newest.get(order, 0))
            self._newest[order] = revision
        self.last[order] = record.value

    def _may_follow(self, revision: Any, next_revision: int, person_id: str) -> bool:
        """Whether an id may tell a revision where without links ``next_revision`` would be due."""
        if not isinstance(revision, int):
            return False
        if person_id in self._refused_ids:
            return revision >= 1
        return revision >= next_revision if person_id in self._person_of else revision == next_revision

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
    # Revisions are checked one by one, and of linked ids that the last is the largest of all.
    value = orjson.loads(found.last[order])
    revision, before = value.pop("revision"), found.before.get(order, 0)
    differences = list(differing(flat(truth.orders[order].as_json()), flat(value)))
    if before and revision <= before:
        differences.append(("revision", f"more than {before}", revision))
    return differences
