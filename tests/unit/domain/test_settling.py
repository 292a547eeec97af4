"""Whenever a journey is settled, it counts the same: after each event, now and then, or once for all (R2 to R8)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack

from tests.unit.domain.test_journey_rules import KEY, START_MS
from tests.unit.domain.test_moving import STEPS, counted, play
from tests.unit.domain.test_order_rules import Shopper, Step, assert_recovers
from xinghe.domain.identity import MovedJourney
from xinghe.domain.journey import UNCREDITED, Journey, conversions_in
from xinghe.domain.moving import add, take_out
from xinghe.domain.order import Order
from xinghe.domain.windows import DAY_MS


class Patient(Shopper):
    """A person whose events wait until they are settled."""

    def commits(self, added: bool) -> bool:
        return added

    def settles(self) -> None:
        super().commits(added=True)


def derived(shopper: Shopper) -> list[tuple[Any, ...]]:
    """What follows for the orders, by their ids and the names of sources."""
    sources = shopper.directory.sources

    def one(order: Order) -> tuple[Any, ...]:
        credited = [[sources[number] for number in numbers] for numbers in order.first_credited]
        refunds = [(refund.refund_id, refund.is_refused) for refund in order.refunds]
        return (order.event_id, order.is_new, order.repurchase_days, credited, refunds, len(order.people))

    return sorted(one(order) for order in shopper.orders())


@given(
    order=st.permutations(STEPS),
    copies=st.lists(st.sampled_from(STEPS), max_size=4),
    settled=st.sets(st.integers(0, len(STEPS)), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_it_does_not_matter_when_a_journey_is_settled(
    order: list[Step], copies: list[Step], settled: set[int]
) -> None:
    each, some = Shopper(), Patient()
    for at, step in enumerate([*order, *copies]):
        play(each, [step])
        play(some, [step])
        if at in settled:
            some.settles()
    some.settles()
    assert counted(some) == counted(each)
    assert derived(some) == derived(each)
    # What did not fit for a while only is not refused where nobody saw it.
    assert set(some.refusals()) <= set(each.refusals())
    assert {refusal for refusal in each.refusals() if _is_refused(some, *refusal)} <= set(some.refusals())
    assert_recovers(some)


def _is_refused(shopper: Shopper, refund_id: str, _reason: str) -> bool:
    return any(
        one.refund_id == refund_id and one.is_refused for each in shopper.orders() for one in each.refunds
    )


@given(
    order=st.permutations(STEPS),
    of_old=st.lists(st.booleans(), min_size=len(STEPS), max_size=len(STEPS)),
    before=st.integers(0, len(STEPS)),
    settled=st.sets(st.integers(0, len(STEPS)), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_a_journey_moves_with_what_waits_in_it_to_one_in_which_something_waits(
    order: list[Step], of_old: list[bool], before: int, settled: set[int]
) -> None:
    old, new, one = Patient(), Patient(), Shopper()
    for at, (step, is_old) in enumerate(zip(order, of_old, strict=True)):
        if at == before:
            _move_at_once(old, new)
        play(old if is_old and at < before else new, [step])
        if at in settled:
            old.settles()
            new.settles()
    if before == len(order):
        _move_at_once(old, new)
    old.settles()
    new.settles()
    play(one, order)
    assert counted(old, new) == counted(one)
    assert derived(new) == derived(one)
    assert_recovers(new)


def _move_at_once(old: Shopper, new: Shopper) -> None:
    data = msgpack.encode(take_out(old.rules, KEY, old.journey, 0))
    old.journey = Journey([])
    add(new.rules, KEY, new.journey, msgpack.decode(data, type=MovedJourney), 0)


def test_until_it_is_settled_nothing_is_shared_or_told() -> None:
    person = Patient()
    play(person, [("pays", 2), ("happens", 2, "V"), ("touches", 1, "v"), ("refunds", 3, 100)])
    assert not person.rules.changes.orders
    assert [
        one.credited for segment in person.journey.conversions or () for one in conversions_in(segment)
    ] == [UNCREDITED]
    person.settles()
    assert list(person.rules.changes.orders) == [(KEY, 0)]
    assert person.counts("view")["store_visits"] == 1
    assert person.counts("view")["refund_fen"] == 100


def test_an_order_its_refund_and_a_late_touch_in_one_commit_are_counted_once() -> None:
    person = Patient()
    play(person, [("refunds", 3, 100), ("pays", 2), ("touches", 1, "v")])
    person.settles()
    changed = {cell: n for cell, n in person.rules.changes.counts.items() if n}
    unattributed = person.directory.unattributed(person.orders()[0].target)
    assert not [cell for cell in changed if cell[0] == unattributed], "nobody was credited before the touch"
    assert person.counts("view")["gmv_fen"] == 900
    assert person.counts("view")["refund_fen"] == 100


def test_a_journey_in_which_something_waits_is_cut_after_that_was_told() -> None:
    person = Patient()
    person.pays(0)
    person.rules.event_time_ms_max = START_MS + 400 * DAY_MS
    person.rules.expire(KEY, person.journey)
    assert len(person.orders()) == 1
    person.rules.settle()
    assert list(person.rules.changes.orders) == [(KEY, 0)]
    assert len(person.orders()) == 1, "its attribution is still to be sent"
    person.rules.trim()
    assert not person.orders()


def test_an_order_that_was_moved_here_is_not_dropped_before_it_was_told() -> None:
    old, new = Patient(), Patient()
    for shopper in (old, new):
        shopper.pays(0)
        shopper.settles()
    new.rules.changes.clear()
    _move_at_once(old, new)
    new.rules.event_time_ms_max = START_MS + 400 * DAY_MS
    new.rules.expire(KEY, new.journey)
    assert list(new.rules.changes.orders) == [(KEY, 0)]
    assert len(new.orders()) == 1


def test_far_more_than_the_bound_in_one_commit_is_counted_and_then_cut_to_it() -> None:
    person = Patient(journey_events_max=40)
    for number in range(300):
        person.happens(3 - number / 100, "kVP"[number % 3], event_id=f"{number}", order_id=f"o{number}")
    person.settles()
    assert person.journey.events <= 40
    assert person.rules.changes.evicted == 300 - person.journey.events
    assert person.counts("click")["ad_clicks"] == 100
    # Only before the last that came, which is the first in time, there is no click.
    for name, orders in (("click", 99), ("unattributed:s1", 1)):
        assert person.counts(name)["orders_micros"] == orders * 1_000_000


def test_a_conversion_whose_touch_was_dropped_stays_with_it() -> None:
    person = Shopper(journey_events_max=12)
    person.happens(1, "k")
    person.happens(2, "V")
    for number in range(40):
        person.happens(3, "l", event_id=f"l{number}")
    assert person.counts("click")["store_visits"] == 1
    for day, letter in ((2.2, "V"), (2.1, "v")):
        person.happens(day, letter)
    assert person.counts("click")["store_visits"] == 1
    assert person.counts("view")["store_visits"] == 1
