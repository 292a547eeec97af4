"""Laws of linked ids in the recomputation itself (R17)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.events import LINKED_IDS, linked_events
from tests.unit.audit.test_laws import bounded
from xinghe.audit.truth import truth_of
from xinghe.domain.events import OrderPaid, PersonLinked


def apart(events: list[Any]) -> tuple[list[Any], list[PersonLinked]]:
    """The events, and the links in their order."""
    links = [event for event in events if isinstance(event, PersonLinked)]
    return [event for event in events if not isinstance(event, PersonLinked)], links


@given(data=st.data(), events=linked_events())
@bounded
def test_only_the_order_of_the_links_of_one_id_matters(data: st.DataObject, events: list[Any]) -> None:
    others, links = apart(events)
    ids = data.draw(st.permutations(LINKED_IDS))
    links_by_id = sorted(links, key=lambda link: ids.index(link.person_id))
    one, other = truth_of(events), truth_of([*data.draw(st.permutations(others)), *links_by_id])
    assert (one.counts, one.note_counts, one.orders) == (other.counts, other.note_counts, other.orders)
    assert (one.refused, one.waiting, one.duplicates) == (other.refused, other.waiting, other.duplicates)
    assert one.person_of == other.person_of


@given(events=linked_events())
@bounded
def test_no_order_is_lost_or_counted_twice_and_all_events_are_accounted_for(events: list[Any]) -> None:
    truth = truth_of(events)
    paid = {
        (truth.person_of.get(event.person_id, event.person_id), event.order_id)
        for event in events
        if isinstance(event, OrderPaid)
    }
    assert truth.orders.keys() == paid
    totals = [truth.metrics((campaign_id, "total", 0)) for campaign_id in truth.campaigns]
    assert sum(each["orders_micros"] for each in totals) == 1_000_000 * len(paid)
    assert sum(each["gmv_fen"] for each in totals) == sum(each.amount_fen for each in truth.orders.values())
    assert truth.events_in == len(events)


@given(events=linked_events())
@bounded
def test_ids_without_links_count_as_if_there_were_no_links(events: list[Any]) -> None:
    others, links = apart(events)
    truth = truth_of(events)
    alone = truth_of([event for event in others if event.person_id not in truth.person_of])
    linked = truth_of([*links, *(event for event in others if event.person_id in truth.person_of)])
    assert truth.orders == alone.orders | linked.orders
    for key in truth.counts.keys() | alone.counts.keys() | linked.counts.keys():
        parts = alone.counts.get(key, {}), linked.counts.get(key, {})
        names = parts[0].keys() | parts[1].keys()
        sums = {name: sum(part.get(name, 0) for part in parts) for name in names}
        assert truth.counts.get(key, {}) == sums, key
