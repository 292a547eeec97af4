"""A journey that moves to another id: together they count what one person with all events counts (R17)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack

from tests.unit.domain.test_journey_rules import KEY, START_MS, round_trip
from tests.unit.domain.test_order_rules import Shopper, Step, assert_recovers
from xinghe.domain.counted import day_number, pack_cell
from xinghe.domain.identity import MovedJourney
from xinghe.domain.journey import Journey
from xinghe.domain.metrics import COUNTED_NAMES, FIRST_AUDIENCE
from xinghe.domain.moving import add, take_out
from xinghe.domain.windows import DAY_MS, MINUTE_MS

STEPS: tuple[Step, ...] = (
    ("touches", 0, "v"),
    ("touches", 1, "l"),
    ("touches", 2, "k"),
    ("touches", 4, "v"),
    ("claims", 1, 5),
    ("claims", 3, 5, "other"),
    ("happens", 2.5, "V"),
    ("happens", 3, "A"),
    ("happens", 4.5, "F"),
    ("pays", 3, "o1", 1_000, None, "s1"),
    ("pays", 5, "o2", 501, None, "s1"),
    ("pays", 6, "o1", 1_000, "later", "s1"),
    ("pays", 5, "o3", 77, None, "s2"),
    ("refunds", 6, 400, "r1", "o1"),
    ("refunds", 7, 500, "r2", "o1"),
    ("refunds", 4, 10, "r3", "o2"),
    ("refunds", 8, 10, "r4", "unknown"),
)


def play(shopper: Shopper, steps: Sequence[Step]) -> None:
    for what, *args in steps:
        getattr(shopper, what)(*args)


def counted(*shoppers: Shopper) -> tuple[dict[Any, int], ...]:
    """What they count in sum, by names: the numbers of sources differ."""
    counts: Counter[Any] = Counter()
    people: Counter[Any] = Counter()
    paths: Counter[Any] = Counter()
    cohorts: Counter[Any] = Counter()
    for shopper in shoppers:
        sources, campaigns = shopper.directory.sources, shopper.directory.campaigns
        for (source, minute, metric), amount in shopper.rules.changes.counts.items():
            note = sources[source].note_id or None
            counts[campaigns[shopper.directory.campaign_of[source]], note, minute, metric] += amount
        for (campaign, day, metric), amount in shopper.rules.changes.people.items():
            people[campaigns[campaign], day, metric] += amount
        for (shop_id, path), (orders, fen) in shopper.rules.changes.paths.items():
            paths[shop_id, path, "orders"] += orders
            paths[shop_id, path, "gmv_fen"] += fen
        for (campaign, *days_and_model, _), amounts in shopper.rules.changes.cohorts.items():
            for name, amount in zip(("orders_micros", "gmv_fen", "refund_fen"), amounts, strict=True):
                cohorts[campaigns[campaign], *days_and_model, name] += amount
    return tuple({cell: n for cell, n in each.items() if n} for each in (counts, people, paths, cohorts))


def move(old: Shopper, new: Shopper, linked_day: int = 0) -> None:
    """The journey of one to the other, as it travels."""
    data = msgpack.encode(take_out(old.rules, KEY, old.journey, linked_day))
    old.journey = Journey([])
    add(new.rules, KEY, new.journey, msgpack.decode(data, type=MovedJourney), linked_day)
    new.commits(added=True)


def known_before(day: int, *shoppers: Shopper) -> dict[Any, int]:
    """Their cohorts of the days before ``day`` by what is known then."""
    cohorts: Counter[Any] = Counter()
    for shopper in shoppers:
        for (campaign, *days, model, known_day), amounts in shopper.rules.changes.cohorts.items():
            if max(days[-1], known_day) < day:
                for place, amount in enumerate(amounts):
                    cohorts[shopper.directory.campaigns[campaign], *days, model, place] += amount
    return {cell: amount for cell, amount in cohorts.items() if amount}


def counts_before(day: int, *shoppers: Shopper) -> dict[Any, int]:
    """Their counts of the days before ``day`` that no order changes, by what is known then."""
    counts: Counter[Any] = Counter()
    for shopper in shoppers:
        directory, changes = shopper.directory, shopper.rules.changes
        for (source, minute, metric), change in changes.counts.items():
            is_counted = metric < len(COUNTED_NAMES) and directory.sources[source].campaign_id is not None
            if is_counted and (of_day := day_number(minute * MINUTE_MS)) < day:
                counts[directory.campaigns[directory.campaign_of[source]], of_day, metric] += change
        for (campaign, of_day, metric, known_day), change in changes.recounts.items():
            if of_day < day <= known_day:
                counts[directory.campaigns[campaign], of_day, metric] -= change
    return {cell: change for cell, change in counts.items() if change}


@given(order=st.permutations(STEPS), of_old=st.lists(st.booleans(), min_size=len(STEPS), max_size=len(STEPS)))
@settings(max_examples=300, deadline=None)
def test_what_a_link_changes_is_known_from_its_own_day_on(order: list[Step], of_old: list[bool]) -> None:
    old, new, old_alone, new_alone, one = (Shopper() for _ in range(5))
    linked_day = day_number(START_MS + 5 * DAY_MS)
    is_of_old = dict(zip(order, of_old, strict=True))
    before = [step for step in order if day_number(START_MS + round(step[1] * DAY_MS)) < linked_day]
    after = [step for step in order if step not in before]
    for step in before:
        play(old if is_of_old[step] else new, [step])
        play(old_alone if is_of_old[step] else new_alone, [step])
    move(old, new, linked_day)
    play(new, after)
    play(one, order)
    for day in range(linked_day - 5, linked_day + 1):
        assert known_before(day, old, new) == known_before(day, old_alone, new_alone)
        assert counts_before(day, old, new) == counts_before(day, old_alone, new_alone)
    assert counted(old, new)[-1] == counted(one)[-1]
    last_days = {cell[-1] for shopper in (old, new) for cell in shopper.rules.changes.cohorts}
    assert last_days <= {0, linked_day}


@given(
    order=st.permutations(STEPS),
    of_old=st.lists(st.booleans(), min_size=len(STEPS), max_size=len(STEPS)),
    copies=st.lists(st.sampled_from(STEPS), max_size=3),
    before=st.integers(0, len(STEPS)),
)
@settings(max_examples=300, deadline=None)
def test_two_ids_that_are_joined_count_what_one_person_counts(
    order: list[Step], of_old: list[bool], copies: list[Step], before: int
) -> None:
    old, new, one = Shopper(), Shopper(), Shopper()
    # The sources of the new id's partition have other numbers.
    new.directory.number(("s9", "c9", "n9", None))
    for at, (step, is_old) in enumerate(zip(order, of_old, strict=True)):
        if at == before:
            move(old, new)
        play(old if is_old and at < before else new, [step])
    if before == len(order):
        move(old, new)
    play(new, copies)
    play(one, order)
    assert counted(old, new) == counted(one)
    assert sorted(new.refusals()) == sorted({*new.refusals()})
    assert_recovers(new)
    assert_recovers(old)


def test_what_both_have_counts_once() -> None:
    old, new = Shopper(), Shopper()
    for shopper in (old, new):
        play(shopper, STEPS)
    move(old, new)
    one = Shopper()
    play(one, STEPS)
    assert counted(old, new) == counted(one)


def test_what_was_dropped_from_either_stays_counted_once() -> None:
    old, new = Shopper(), Shopper()
    for shopper in (old, new):
        play(shopper, [("touches", 0, "v"), ("happens", 1, "V"), ("pays", 2)])
        shopper.rules.event_time_ms_max = START_MS + 500 * DAY_MS
        shopper.rules.expire(KEY, shopper.journey)
        shopper.happens(500, "v", event_id="view again")
    assert old.journey.kept
    move(old, new)
    _, people, *_ = counted(old, new)
    # Both were counted for the same days and to date before they were known to be one.
    assert set(people.values()) == {1}


def test_a_cell_whose_day_was_forgotten_counts_to_date_only() -> None:
    old, new = Shopper(), Shopper()
    campaign = old.directory.campaign_of[old.directory.number(("s1", "c1", "n1", None))]
    old.journey.kept = [pack_cell(campaign, 0, 0)]
    old.rules.changes.people[campaign, 0, 0] += 1
    move(old, new)
    assert counted(old, new) == ({}, {("c1", 0, 0): 1}, {}, {})


def test_depth_of_what_was_dropped_moves_and_is_kept_over_a_restart() -> None:
    old, new = Shopper(), Shopper()
    old.touches(0, "l")
    old.rules.event_time_ms_max = START_MS + 500 * DAY_MS
    old.rules.expire(KEY, old.journey)
    assert not old.journey.touches
    move(old, new)
    new.journey = round_trip(new)
    new.rules.recover(new.journey)
    new.happens(500, "v")
    new.happens(500, "l")
    _, people, *_ = counted(old, new)
    depths = {cell: count for cell, count in people.items() if cell[2] >= FIRST_AUDIENCE}
    assert depths == {("like", 0, FIRST_AUDIENCE + 1): 1, ("view", 0, FIRST_AUDIENCE + 1): 1}


def test_revisions_go_on_from_the_larger() -> None:
    for old_revision, new_revision in ((3, 1), (1, 3)):
        old, new = Shopper(), Shopper()
        for shopper, revision in ((old, old_revision), (new, new_revision)):
            shopper.pays(0)
            shopper.orders()[0].revision = revision
        new.rules.changes.clear()
        move(old, new)
        (order,) = new.orders()
        assert order.revision == 3
        assert list(new.rules.changes.orders) == [(KEY, 0)], "it is told anew, under this id"


def test_revisions_go_on_from_the_larger_where_the_moved_payment_takes_the_place_of_the_known_one() -> None:
    for old_revision, new_revision in ((3, 1), (1, 3)):
        old, new = Shopper(), Shopper()
        old.pays(0, event_id="first")
        new.pays(1, event_id="second")
        old.orders()[0].revision, new.orders()[0].revision = old_revision, new_revision
        move(old, new)
        (order,) = new.orders()
        assert (order.event_id, order.revision) == (b"first", 3)


def test_an_order_keeps_touches_and_claims_that_are_gone_from_the_journey() -> None:
    old, new = Shopper(), Shopper()
    old.touches(0, "v")
    old.claims(0, 5)
    old.pays(1, coupons=(5,))
    old.rules.event_time_ms_max = START_MS + 100 * DAY_MS
    old.rules.expire(KEY, old.journey)
    assert not old.journey.claims
    assert not old.journey.touches
    move(old, new)
    assert new.counts("view")["gmv_fen"] + new.counts("coupon").get("gmv_fen", 0) == 900
    assert new.counts("coupon")["coupon_redemptions"] == 1
