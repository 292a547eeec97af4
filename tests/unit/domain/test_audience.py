"""Audience depth on drawn timelines (R15), each in every order of arrival; see `test_journey_rules.py`.

v is a view, l a like, k an ad click, c a coupon claim, s a share, each of a campaign of its own; V, F, A are a store visit,
favourite and cart, P a payment.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest as hash64

from tests.unit.domain.test_journey_rules import KEY, START_MS, drawn, in_every_order
from tests.unit.domain.test_order_rules import Shopper
from xinghe.domain.audience import audience_row, facts_of, row_at, shop_key, with_row
from xinghe.domain.journey import JourneyCodec
from xinghe.domain.metrics import AUDIENCE_NAMES, FIRST_AUDIENCE
from xinghe.domain.touch import KIND_NUMBER
from xinghe.domain.windows import DAY_MS

SHORT = {name.removesuffix("_people"): name for name in AUDIENCE_NAMES}


def audience(person: Any) -> dict[str, str]:
    """The stage in which each campaign counts the person; it must be one."""
    counted: dict[str, dict[str, int]] = {}
    for (campaign, day, metric), change in person.rules.changes.people.items():
        if metric >= FIRST_AUDIENCE and change:
            assert day == 0, "to date only"
            name = AUDIENCE_NAMES[metric - FIRST_AUDIENCE].removesuffix("_people")
            counted.setdefault(person.directory.campaigns[campaign], {})[name] = change
    assert all(list(stages.values()) == [1] for stages in counted.values()), counted
    return {campaign: next(iter(stages)) for campaign, stages in counted.items()}


class Visitor(Shopper):
    """A person with touches of any campaign, shop and kind; ``batched`` commits only before a restart."""

    def __init__(self, journey_events_max: int = 2_000, *, batched: bool = False) -> None:
        super().__init__(journey_events_max)
        self._batched = batched
        self._changelog: dict[int, bytes] = {}

    def commits(self, added: bool) -> bool:
        return added if self._batched else super().commits(added)

    def touch(self, kind: str, campaign_id: str | None = "c1", shop: str = "s1", day: float = 0) -> bool:
        name = f"{kind}{campaign_id}{shop}{day}".encode()
        source = self.directory.number((shop, campaign_id, "n1", None))
        at_ms = self._at(day)
        args = (hash64(name), at_ms, source, KIND_NUMBER[kind], name)
        return self.commits(self.rules.touch(KEY, self.journey, *args))

    def restart(self) -> None:
        """What comes back are the parts that were marked, as they were at the last commit."""
        super().commits(added=True)
        codec = JourneyCodec()
        for _, part in self.marked:
            if (data := codec.encode(self.journey, part)) is None:
                self._changelog.pop(part, None)
            else:
                self._changelog[part] = data
        self.marked.clear()
        self.journey = codec.assemble(self._changelog)
        self.rules.recover(self.journey)


@pytest.mark.parametrize(
    ("timeline", "view"),
    [
        ("v", "aware"),
        ("vv", "aware"),
        ("vl", "interest"),
        ("lv", "interest"),
        ("vlk", "deep_interest"),
        ("vc", "deep_interest"),
        ("vV", "deep_interest"),
        ("Fv", "deep_interest"),
        ("vA", "deep_interest"),
        ("vkP", "purchase"),
        ("Pv", "purchase"),
        ("vlAP", "purchase"),
    ],
)
def test_the_deepest_stage_counts_in_every_order_of_arrival(timeline: str, view: str) -> None:
    for person in in_every_order(drawn(timeline)):
        assert audience(person)["view"] == view


def test_who_never_touched_is_in_no_audience() -> None:
    for person in in_every_order(drawn("VFAP")):
        assert audience(person) == {}


def test_each_campaign_of_the_shop_counts_its_own() -> None:
    # v and l are campaigns "view" and "like": what happens in the shop moves both.
    for person in in_every_order(drawn("vlV")):
        assert audience(person) == {"view": "deep_interest", "like": "deep_interest"}


def test_what_happens_in_another_shop_says_nothing() -> None:
    for person in in_every_order(drawn("vkP"), shop_of_touches="s2"):
        assert audience(person) == {"view": "deep_interest", "click": "deep_interest"}


@pytest.mark.parametrize(
    ("steps", "stage"),
    [
        ([("touch", "share")], "interest"),
        ([("touch", "view"), ("touch", "share"), ("happens", 1, "V")], "deep_interest"),
        ([("touch", "view"), ("touch", "share"), ("pays", 1)], "share"),
        ([("touch", "comment"), ("touch", "follow"), ("touch", "collect")], "interest"),
        ([("touch", "view"), ("touch", "share", "c2", "s2"), ("pays", 1)], "purchase"),
        ([("touch", "view"), ("pays", 1), ("refunds", 2, 900)], "purchase"),
    ],
)
def test_only_buyers_share_and_a_refund_takes_nothing_back(steps: list[Any], stage: str) -> None:
    for order in permutations(steps):
        person = Visitor()
        for what, *args in order:
            person.step(what, *args)
        assert audience(person)["c1"] == stage


def test_without_a_campaign_it_is_the_organic_one() -> None:
    person = Visitor()
    person.touch("like", None)
    assert audience(person) == {"organic:s1": "interest"}


def test_over_the_shops_of_a_campaign_the_deepest_counts() -> None:
    steps: list[Any] = [
        ("touch", "view"),
        ("touch", "view", "c1", "s2"),
        ("happens", 1, "V"),
        ("pays", 2, "o1", 9, None, "s2"),
    ]
    for order in permutations(steps):
        person = Visitor()
        for what, *args in order:
            person.step(what, *args)
        assert audience(person) == {"c1": "purchase"}


def test_a_payment_that_does_not_count_is_one_of_its_shop_in_either_order() -> None:
    payments = [("pays", 2, "o1", 9, None, "s1"), ("pays", 1, "o1", 9, None, "s2")]
    for order in permutations(payments):
        person = Visitor()
        person.touch("view")
        person.touch("view", "c2", "s2")
        for what, *args in order:
            person.step(what, *args)
        person.restart()
        person.touch("view", "c3")
        assert audience(person) == {"c1": "purchase", "c2": "purchase", "c3": "purchase"}


@pytest.mark.parametrize(
    ("step", "days", "stage"),
    [(("touch", "like"), 500, "interest"), (("happens", 0, "V"), 40, "deep_interest")],
)
def test_what_was_dropped_stays_counted_over_restarts(step: Any, days: int, stage: str) -> None:
    person = Visitor()
    person.step(*step)
    person.rules.event_time_ms_max = START_MS + days * DAY_MS
    person.rules.expire(KEY, person.journey)
    assert not person.journey.events
    person.restart()
    person.touch("view", day=days)
    person.touch("view", "c2", day=days)
    assert audience(person) == {"c1": stage, "c2": stage}


def test_views_that_were_evicted_from_among_others_stay_counted_over_restarts() -> None:
    person = Visitor(12)
    steps = [("like" if number % 3 == 2 else "view", f"c{number}") for number in range(18)]
    for day, (kind, campaign_id) in enumerate(steps):
        person.touch(kind, campaign_id, day=day)
    assert person.journey.events < len(steps)
    person.restart()
    for _, campaign_id in steps:
        person.touch("view", campaign_id, day=20)
    assert audience(person) == {campaign_id: "interest" for _, campaign_id in steps}


STEPS = st.one_of(
    st.tuples(
        st.just("touch"),
        st.sampled_from(("view", "view", "like", "share", "ad_click")),
        st.sampled_from([f"c{n}" for n in range(9)]),
        st.sampled_from(("s1", "s1", "s2")),
        st.integers(0, 200),
    ),
    st.tuples(st.just("happens"), st.integers(0, 200), st.sampled_from("VFA")),
    st.tuples(st.just("pays"), st.integers(0, 200), st.sampled_from(("o1", "o2"))),
)


# Touches so old that they are dropped at the commit that they came with, and the first of their segment.
PAST_VIEW: list[Any] = [
    *[("happens", 0, "V")] * 10,
    ("happens", 75, "V"),
    *(("touch", "view", "c0", "s1", day) for day in (0, 0, 10, 11, 12, 13)),
    ("touch", "ad_click", "c0", "s1", 0),
    *[("touch", "view", "c1", "s1", 0)] * 2,
]
PAST_SHARE: list[Any] = [
    ("touch", "like", "c0", "s1", 50),
    ("touch", "like", "c1", "s2", 71),
    ("happens", 181, "V"),
    ("touch", "ad_click", "c0", "s1", 50),
    ("touch", "view", "c0", "s1", 71),
    ("touch", "ad_click", "c1", "s2", 50),
    ("touch", "share", "c0", "s1", 50),
    ("touch", "share", "c1", "s1", 71),
    ("pays", 71, "o1"),
]
# The shop's row comes first and the view of c5 finds no place; from the events the views would come first.
NO_PLACE: list[Any] = [
    ("happens", 0, "V"),
    *(("touch", "view", f"c{number}", "s1", 0) for number in range(6)),
    ("pays", 1, "o1"),
]


@given(
    steps=st.lists(STEPS, max_size=40),
    restarts=st.sets(st.integers(0, 39)),
    bound=st.sampled_from((3, 2_000)),
    batched=st.booleans(),
)
@example(steps=PAST_VIEW, restarts={18}, bound=3, batched=False)
@example(steps=PAST_VIEW, restarts={18}, bound=3, batched=True)
@example(steps=PAST_SHARE, restarts={7}, bound=3, batched=False)
@example(steps=PAST_SHARE, restarts={7}, bound=3, batched=True)
@example(steps=NO_PLACE, restarts={6}, bound=3, batched=False)
@settings(max_examples=200, deadline=None)
def test_one_person_is_one_whatever_is_dropped_and_restarted(
    steps: list[Any], restarts: set[int], bound: int, batched: bool
) -> None:
    """Also where a journey is so small that rows find no place: nobody counts twice, and no stage falls.

    When events are committed, and so dropped, makes no difference either.
    """
    straight, restarted = Visitor(bound), Visitor(bound, batched=batched)
    before: dict[str, str] = {}
    order = list(SHORT)
    for at, (what, *args) in enumerate(steps):
        for person in (straight, restarted):
            person.step(what, *args)
        if at in restarts:
            restarted.restart()
        now = audience(straight)
        assert audience(restarted) == now
        assert all(order.index(now[campaign]) >= order.index(stage) for campaign, stage in before.items())
        assert len(straight.journey.audience) <= (2 * bound) * 5
        before = now


def test_rows_are_found_at_their_places_only() -> None:
    # The key of audience 127 is 256: its bytes stand across rows as well.
    rows = audience_row(0) + audience_row(127) + shop_key(3) + b"\x05"
    assert [row_at(rows, audience_row(number)) for number in (0, 127, 1)] == [0, 5, -1]
    assert row_at(b"\0" + audience_row(0), audience_row(0)) == -1
    assert facts_of(rows, shop_key(3)) == 5
    assert facts_of(with_row(rows, shop_key(3) + b"\x02"), shop_key(3)) == 7
    assert facts_of(rows, shop_key(4)) == 0
