"""The orders of people with several ids, by the links of ids that are known on a day (ARCHITECTURE.md, R17 and R18)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import msgspec

from xinghe.audit.figures import Counts, Truth, WindowKey
from xinghe.audit.journey import Journey, Limits
from xinghe.audit.links import Links, PlacedLink
from xinghe.domain.counted import day_number


class LinkedPeople:
    """The first link of each id, and the events of all ids that links name, under these."""

    def __init__(self, links: Sequence[PlacedLink], events: Sequence[Any], limits: Limits) -> None:
        self._links = links
        self._events = events
        self._limits = limits

    @property
    def days(self) -> list[int]:
        """The days of the links, ascending."""
        return sorted({day_number(link.event.time_ms) for link in self._links})

    @cached_property
    def all_known(self) -> Truth:
        """What these people count by all links."""
        return self.known_on(self.days[-1])

    def known_on(self, day: int) -> Truth:
        """What these people count, if no link of a later day has come."""
        person_of = Links(link for link in self._links if day_number(link.event.time_ms) <= day).person_of
        people: dict[str, list[Any]] = defaultdict(list)
        for event in self._events:
            person_id = person_of.get(event.person_id, event.person_id)
            people[person_id].append(msgspec.structs.replace(event, person_id=person_id))
        known = Truth(model_channel=self._limits.model_channel)
        for person_id, events in people.items():
            Journey(person_id, events, self._limits).add_to(known, 0)
        return known


def truth_known_on(truth: Truth, day: int) -> Truth:
    """The truth with its orders, their refunds and the counts of days as they are without the links of later days."""
    if truth.linked is None:
        return truth
    known, people = truth.linked.known_on(day), set(truth.person_of.values())
    return replace(
        truth,
        counts=_counts(truth.counts, truth.linked.all_known, known),
        orders={key: order for key, order in truth.orders.items() if key[0] not in people} | known.orders,
        refunds={key: theirs for key, theirs in truth.refunds.items() if key[0] not in people}
        | known.refunds,
    )


def _counts(counts: Mapping[WindowKey, Counts], all_known: Truth, known: Truth) -> dict[WindowKey, Counts]:
    """The counts of days with what linked people count by some links in the place of what they count by all."""
    days = dict(counts)
    for key in all_known.counts.keys() | known.counts.keys():
        if key[1] == "1d":
            sums = Counter(counts.get(key, {}))
            sums.subtract(all_known.counts.get(key, {}))
            sums.update(known.counts.get(key, {}))
            days[key] = dict(sums)
    return days
