"""The credit and counts of people with several ids, before and after their link is known (R18)."""

from __future__ import annotations

from tests.unit.audit.money import DAY, at_ms
from xinghe.audit.cohorts import CohortKey, CohortSum
from xinghe.audit.money_facts import FactsByDay
from xinghe.audit.truth import truth_of
from xinghe.domain.events import (
    AdClicked,
    AdSpent,
    CampaignConfigured,
    OrderPaid,
    OrderRefunded,
    PersonLinked,
    StoreVisited,
)


def clicked(day: int, person_id: str, campaign_id: str) -> AdClicked:
    return AdClicked(f"click{day}{person_id}", person_id, at_ms(day), "n1", "s1", campaign_id)


EVENTS = [
    CampaignConfigured("c1", "s1", "Spring", at_ms(0)),
    AdSpent("spent", "c1", at_ms(0), 500, 0),
    AdSpent("other", "c2", at_ms(0), 500, 0),
    clicked(0, "p2", "c1"),
    clicked(1, "p1", "c2"),
    clicked(1, "p3", "c1"),
    StoreVisited("visit", "p2", at_ms(2), "s1"),
    OrderPaid("pay", "p2", at_ms(2), "s1", "o1", "i1", 900),
    OrderRefunded("refund", "p2", at_ms(3), "s1", "o1", "r1", 100),
    OrderPaid("alone", "p3", at_ms(2), "s1", "o2", "i1", 70),
    PersonLinked("link", "p1", at_ms(5, 6), "p2"),
    # The second link of an id is refused, whatever its day.
    PersonLinked("again", "p1", at_ms(1), "p3"),
]
ORDERED, REFUNDED = (
    CohortKey("last_touch", DAY, DAY + 2, DAY + 2),
    CohortKey("last_touch", DAY, DAY + 2, DAY + 3),
)


def test_before_the_link_the_ids_are_two_people_and_from_its_day_on_one() -> None:
    facts = FactsByDay(truth_of(EVENTS))
    before, after = facts.on(DAY + 4), facts.on(DAY + 5)
    assert before["c1"].cohorts[ORDERED] == CohortSum(1_000_000, 900)
    assert before["c1"].cohorts[REFUNDED] == CohortSum(refund_fen=100)
    assert before["c2"].cohorts == {}
    assert before["c1"].counts[DAY + 2]["store_visits"] == 1
    assert ORDERED not in after["c1"].cohorts
    assert after["c2"].cohorts[ORDERED._replace(touch_day=DAY + 1)] == CohortSum(1_000_000, 900)
    assert after["c1"].counts[DAY + 2].get("store_visits", 0) == 0
    assert after["c2"].counts[DAY + 2]["store_visits"] == 1
    alone = ORDERED._replace(touch_day=DAY + 1)
    assert before["c1"].cohorts[alone] == after["c1"].cohorts[alone] == CohortSum(1_000_000, 70)
    assert facts.on(DAY + 99) == facts.newest == after


def test_without_links_all_days_know_the_same() -> None:
    facts = FactsByDay(truth_of([event for event in EVENTS if not isinstance(event, PersonLinked)]))
    assert facts.on(DAY) is facts.newest
