"""R15: audience depth as the audit recomputes it, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.audit.events import claim, click, paid, refunded, view, visit, who
from xinghe.audit.truth import truth_of
from xinghe.domain.events import NoteEngaged, NoteLiked
from xinghe.domain.metrics import AUDIENCE_NAMES
from xinghe.domain.windows import DAY_MS


def audience(events: list[Any], campaign_id: str = "c1") -> dict[str, int]:
    metrics = truth_of(events).metrics((campaign_id, "total", 0))
    return {name: metrics[name] for name in AUDIENCE_NAMES if metrics[name]}


def liked(event_id: str) -> NoteLiked:
    return NoteLiked(**who(event_id, 0, {"campaign_id": "c1", "note_id": "n1"}))


def shared(event_id: str, at_ms: int = 0) -> NoteEngaged:
    return NoteEngaged(**who(event_id, at_ms, {"campaign_id": "c1", "note_id": "n1", "action": "share"}))


@pytest.mark.parametrize(
    ("events", "metric"),
    [
        ([view("v", 0), view("w", 1)], "aware_people"),
        ([liked("l")], "interest_people"),
        ([shared("s")], "interest_people"),
        ([view("v", 0), click("k", 1)], "deep_interest_people"),
        ([claim("c", 0)], "deep_interest_people"),
        ([visit("V", 0), view("v", 1)], "deep_interest_people"),
        ([view("v", 0), visit("V", 400 * DAY_MS)], "deep_interest_people"),
        ([view("v", 0), click("k", 1), paid("P", 2)], "purchase_people"),
        ([view("v", 0), paid("P", 2), refunded("R", 3)], "purchase_people"),
        ([view("v", 0), shared("s"), paid("P", 2)], "share_people"),
        ([paid("P", 2), shared("s", 3)], "share_people"),
    ],
)
def test_a_person_counts_once_by_the_deepest_stage(events: list[Any], metric: str) -> None:
    assert audience(events) == {metric: 1}


def test_other_shops_and_people_say_nothing() -> None:
    events = [view("v", 0), paid("P", 1, shop_id="s2"), visit("V", 1, person_id="p2")]
    assert audience(events) == {"aware_people": 1}


def test_the_deepest_of_a_campaigns_shops_counts() -> None:
    events = [view("v", 0), view("w", 0, shop_id="s2"), paid("P", 1, shop_id="s2"), visit("V", 1)]
    assert audience(events) == {"purchase_people": 1}


def test_duplicate_orders_are_payments_of_their_shops() -> None:
    assert audience([view("v", 0), paid("P", 1, shop_id="s2"), paid("Q", 2)]) == {"purchase_people": 1}


def test_people_add_up_in_a_campaign_and_days_have_none() -> None:
    truth = truth_of([view("v", 0), view("w", 0, person_id="p2"), visit("V", 1)])
    metrics = truth.metrics(("c1", "total", 0))
    assert [metrics[name] for name in AUDIENCE_NAMES] == [1, 0, 1, 0, 0]
    for (_, size, _), shown in truth.windows.items():
        assert (size == "total") == ("aware_people" in shown)
