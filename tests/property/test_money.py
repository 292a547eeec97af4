"""The stream's money against the plain recomputation: ledger and positions, whatever the order, the commits, the crashes (R18-R23)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from tests.property.money import END_MS, Arrived, World, closing, seeds
from tests.property.test_stream import COMMIT_JOURNEYS, LINKED_STEPS, MOVE_ALL, PARTITIONS, TICK, Run
from xinghe.audit.arrivals import Arrivals, bookable_day
from xinghe.audit.compare_guarantees import FoundPositions, GuaranteeComparison
from xinghe.audit.compare_ledger import LedgerComparison
from xinghe.audit.figures import Truth
from xinghe.audit.findings import Findings
from xinghe.audit.intake import JOURNEY_TOPICS, Intake
from xinghe.audit.ledger_laws import FoundLedger, standing_of, unlawful
from xinghe.audit.money import amounts, expected_entries
from xinghe.audit.money_facts import FactsByDay
from xinghe.audit.truth import LIMITS
from xinghe.domain.events import (
    CAMPAIGN_EVENTS,
    GUARANTEE_POSITION,
    LEDGER_ENTRY,
    PersonLinked,
)
from xinghe.domain.windows import DAY_MS, HOUR_MS
from xinghe.serving.positions import position_fields

Schedule = Sequence[tuple[int, str]]
CAMPAIGN_TOPICS: Final = {each.topic for each in CAMPAIGN_EVENTS}  # type: ignore[attr-defined]  # all have one


class Found(NamedTuple):
    """A record as the audit reads it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def schedules(steps: Sequence[str]) -> st.SearchStrategy[Schedule]:
    """Sizes of batches and what happens after each."""
    return st.lists(st.tuples(st.integers(1, 40), st.sampled_from(steps)), min_size=1, max_size=12)


def feed(run: Run, arrived: Sequence[Arrived], schedule: Schedule) -> None:
    """In batches of the sizes given, with what happens after each, over and over."""
    at, turn = 0, 0
    while at < len(arrived):
        size, step = schedule[turn % len(schedule)]
        batch = arrived[at : at + size]
        run.feed([each.event for each in batch], [each.recorded_ms for each in batch])
        run.step(step)
        at, turn = at + size, turn + 1


def feed_in_step(run: Run, arrived: Sequence[Arrived], schedule: Schedule) -> None:
    """The same, but that of several links all that was moved has arrived before the next."""
    links = [at for at, each in enumerate(arrived) if isinstance(each.event, PersonLinked)]
    if len(links) < 2:
        return feed(run, arrived, schedule)
    for first, last in pairwise((0, *links, len(arrived))):
        feed(run, arrived[first:last], schedule)
        for step in (COMMIT_JOURNEYS, MOVE_ALL, COMMIT_JOURNEYS):
            run.step(step)
    return None


def finish(run: Run) -> None:
    """Let the stream book and tell all that there is: what a tick does is bounded."""
    before = -1
    while before < len(run.pipeline.log):
        before = len(run.pipeline.log)
        for _ in range(3):
            run.settle()


def arrivals_of(run: Run, truth: Truth) -> Arrivals:
    """When the records of the log came."""
    arrivals = Arrivals(truth.person_of)
    campaigns, links, records = Intake(), Intake(), run.records()
    for partition in range(PARTITIONS):
        intake = Intake()
        intake.add(each for each in records if each.topic in JOURNEY_TOPICS and each.partition == partition)
        arrivals.add_partition(partition, intake.accepted, intake.recorded_ms)
    campaigns.add(each for each in records if each.topic in CAMPAIGN_TOPICS)
    links.add(each for each in records if each.topic == PersonLinked.topic)
    arrivals.add_links(links.links)
    arrivals.add_campaigns(campaigns.spend, campaigns.told)
    return arrivals


def found_ledger(run: Run, booked_ms: int) -> FoundLedger:
    found, entries = FoundLedger(), run.pipeline.ledger()
    for campaign_id, values in entries.items():
        for offset, value in enumerate(values):
            record: Any = Found(LEDGER_ENTRY, 0, offset, booked_ms, campaign_id.encode(), value)
            found.add(record)
    return found


def assert_ledger(run: Run, truth: Truth, facts: FactsByDay) -> Findings:
    """No entry breaks a law, and what stands is what is due but for what came late; answers what may be late."""
    found, findings = found_ledger(run, END_MS + 99 * DAY_MS), Findings()
    LedgerComparison(facts.on, arrivals_of(run, truth), truth.watermark_ms).compare(found, findings)
    assert not findings.differences, findings.shown
    assert not found.wrong
    for campaign_id, entries in found.entries.items():
        assert not list(unlawful(campaign_id, entries))
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
        assert sum(entry.amount_fen for entry in entries) == 0
    return findings


def assert_positions(run: Run, truth: Truth, facts: FactsByDay) -> None:
    """The figures of each guarantee, in the topic and in the sink."""
    told, findings = FoundPositions(), Findings()
    for offset, (campaign_id, value) in enumerate(run.pipeline.told_positions()):
        record: Any = Found(GUARANTEE_POSITION, 0, offset, 0, campaign_id.encode(), value)
        told.add(record)
    shown = {
        campaign_id: position_fields(value)
        for sink in run.pipeline.sinks
        for campaign_id, value in sink.positions.items()
    }
    GuaranteeComparison(facts.newest, truth.watermark_ms, END_MS + 99 * DAY_MS).compare(told, shown, findings)
    assert not findings.differences, findings.shown


fast = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(
    seed=seeds,
    linked=st.booleans(),
    schedule=schedules((*LINKED_STEPS, TICK, TICK)),
    closed_hours=st.integers(32, 100),
)
@fast
def test_whatever_comes_late_the_books_are_right_in_the_end(
    seed: int, linked: bool, schedule: Schedule, closed_hours: int
) -> None:
    run = Run(LIMITS)
    feed(run, World(seed, late=True, linked=linked).arrived, schedule)
    finish(run)
    truth = run.truth()
    assume(not truth.apart)
    facts = FactsByDay(truth)
    assert_ledger(run, truth, facts)
    assert_positions(run, truth, facts)

    feed(run, closing(END_MS + closed_hours * HOUR_MS), schedule)
    finish(run)
    truth = run.truth()
    facts = FactsByDay(truth)
    assert_ledger(run, truth, facts)
    assert_positions(run, truth, facts)
    # After a day on which nothing came all is booked.
    entries = found_ledger(run, 0).entries
    last_day = bookable_day(truth.watermark_ms)
    known = facts.on(last_day)
    for campaign_id in known.keys() | entries.keys():
        due = amounts(known[campaign_id], last_day)
        standing = standing_of(entries.get(campaign_id, []))
        assert {key: stands[:3] for key, stands in standing.items()} == {
            key: one[1:] for key, one in due.items()
        }
        for key in due:
            event(key.rule)


@given(
    seed=seeds,
    linked=st.booleans(),
    schedule=schedules((*LINKED_STEPS, TICK, TICK)),
    other=schedules((*LINKED_STEPS, TICK, TICK)),
    closed_hours=st.integers(7, 100),
)
@fast
def test_without_late_events_the_entries_are_those_of_the_rules_and_of_any_replay(
    seed: int, linked: bool, schedule: Schedule, other: Schedule, closed_hours: int
) -> None:
    world = World(seed, late=False, linked=linked)
    arrived = [*world.arrived, *closing(END_MS + closed_hours * HOUR_MS)]
    run = Run(LIMITS)
    feed_in_step(run, arrived, schedule)
    finish(run)
    truth = run.truth()
    facts = FactsByDay(truth)
    ledger = run.pipeline.ledger()
    last_day = bookable_day(truth.watermark_ms)
    assert {name: [without_basis(value) for value in values] for name, values in ledger.items()} == {
        name: entries for name in facts.newest if (entries := expected(facts, name, last_day))
    }
    assert_positions(run, truth, facts)

    replay = Run(LIMITS)
    feed(replay, [each for each in arrived if each.event.topic in CAMPAIGN_TOPICS], other)
    feed_in_step(replay, [each for each in arrived if each.event.topic not in CAMPAIGN_TOPICS], other)
    finish(replay)
    # What is read again after a crash comes in another order, in which an event may be too late: then it is another log.
    for each in (run, replay):
        assume(not any(("reason", b"too_late") in sent.headers for sent in each.pipeline.dead_letters()))
    assert replay.pipeline.ledger() == ledger


def expected(facts: FactsByDay, campaign_id: str, last_day: int) -> list[dict[str, Any]]:
    """The entries of a campaign by the rules."""
    return expected_entries(lambda day: facts.on(day)[campaign_id], last_day)


def without_basis(value: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = msgspec.json.decode(value)
    del entry["basis"]
    return entry
