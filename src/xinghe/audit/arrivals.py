"""When records came, and which days could be booked by then (ARCHITECTURE.md, R18).

What comes after its day was booked is booked with the next day, so that what the last booked day has left standing may
lack it. The log does not tell when a day was booked, only from when on it could be: once events of every partition of
the journeys topics had reached 7 h past its end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from xinghe.audit.intake import SpendReport, Told
from xinghe.audit.judge import SettingsDeleted
from xinghe.audit.links import PlacedLink
from xinghe.audit.money import BOOKED_AGAIN_DAYS
from xinghe.domain.counted import day_number
from xinghe.domain.windows import HOUR_MS, OUT_OF_ORDERNESS_MS

BOOKED_AFTER_MS: Final = 7 * HOUR_MS
"""How far the watermark must be past a day's end for it to be booked."""
LATE_MS: Final = 6 * HOUR_MS
"""How much later than its time an event may come and still be known on its day."""
SLACK_MS: Final = 1_000
"""By how much records of different topics may overtake each other on their way."""


def bookable_day(watermark_ms: int) -> int:
    """The last day that is booked by the watermark.

    >>> from xinghe.domain.counted import day_start_ms
    >>> [bookable_day(day_start_ms(101) + 7 * 3_600_000 + ms) for ms in (-1, 0)]
    [99, 100]
    """
    return day_number(watermark_ms - BOOKED_AFTER_MS) - 1


class Span(NamedTuple):
    """Something that came late: each of these days, its own to the last that could be booked by then, may lack it."""

    first_day: int
    last_day: int


class Arrivals:
    """Late records by the campaigns that they concern, and when the last record of each came.

    ``person_of`` has the person of each id that a link names; their events may come by any partition.
    """

    def __init__(self, person_of: Mapping[str, str]) -> None:
        self._person_of = person_of
        self._rises: dict[int, list[tuple[int, int]]] = {}
        self._late: defaultdict[str, set[Span]] = defaultdict(set)
        self._late_spend: defaultdict[str, set[Span]] = defaultdict(set)
        self._last_ms: defaultdict[str, int] = defaultdict(int)
        self._linked = _People()

    def add_partition(self, number: int, events: Sequence[Any], recorded_ms: Sequence[int]) -> None:
        """Take all accepted events of a partition of the journeys topics, and the timestamp of the record of each."""
        order = sorted(range(len(events)), key=recorded_ms.__getitem__)
        rises: list[tuple[int, int]] = []
        newest_ms = ahead = 0
        people = _People()
        for index in order:
            while ahead < len(order) and recorded_ms[order[ahead]] <= recorded_ms[index] + SLACK_MS:
                newest_ms = max(newest_ms, events[order[ahead]].time_ms)
                ahead += 1
            day = bookable_day(newest_ms - OUT_OF_ORDERNESS_MS)
            if not rises or day > rises[-1][1]:
                rises.append((recorded_ms[index], day))
            person_id = self._person_of.get(events[index].person_id)
            into = people if person_id is None else self._linked
            into.add(person_id or events[index].person_id, events[index], recorded_ms[index], day)
        self._rises[number] = rises
        self._add_people(people)

    def add_links(self, links: Iterable[PlacedLink]) -> None:
        """Take the links, once all partitions are added: a link may come after its day was booked.

        In the first hours of its day it may come before something of the day before, which is then known with the link or
        without it by how far tasks had read.
        """
        for link in links:
            last_day = max((_day_at(rises, link.recorded_ms) for rises in self._rises.values()), default=0)
            first_day, day = day_number(link.event.time_ms - LATE_MS), day_number(link.event.time_ms)
            person_id = self._person_of[link.event.person_id]
            self._linked.late[person_id].add(Span(first_day, max(last_day, day - 1)))
            self._linked.last_ms[person_id] = max(self._linked.last_ms[person_id], link.recorded_ms)
        self._add_people(self._linked)

    def add_campaigns(self, reports: Iterable[SpendReport], told: Iterable[Told]) -> None:
        """Take spend and settings, once all partitions are added."""
        for report, recorded_ms in reports:
            span = Span(day_number(report.hour_start_ms), self._day_of_all(recorded_ms))
            self._late_spend[report.campaign_id].add(span)
            self._came(report.campaign_id, recorded_ms)
        for each in told:
            event, told_ms = each.event, each.told_ms
            if event.campaign_id is not None:
                first_day = 0 if isinstance(event, SettingsDeleted) else day_number(event.effective_ms)
                self._late[event.campaign_id].add(Span(first_day, self._day_of_all(told_ms)))
                self._came(event.campaign_id, told_ms)

    def may_lack(self, campaign_id: str, booked_day: int, spend_day: int | None = None) -> bool:
        """Whether something may have come too late for ``booked_day``; for the spend of ``spend_day`` if one is given.

        What came so late that nobody corrects the day any more is lacking for ever.
        """
        if spend_day is not None:
            spans = {span for span in self._late_spend[campaign_id] if span.first_day == spend_day}
        else:
            spans = self._late[campaign_id] | self._late_spend[campaign_id]
        return any(
            span.first_day <= booked_day <= span.last_day
            or span.last_day - span.first_day > BOOKED_AGAIN_DAYS
            for span in spans
        )

    def came_after(self, campaign_id: str, time_ms: int) -> bool:
        """Whether a record that concerns the campaign came at or after a time by the broker's clock."""
        return self._last_ms[campaign_id] >= time_ms

    def _add_people(self, people: _People) -> None:
        for person_id, campaign_ids in people.campaigns.items():
            for campaign_id in campaign_ids:
                self._late[campaign_id] |= people.late[person_id]
                self._came(campaign_id, people.last_ms[person_id])

    def _came(self, campaign_id: str, recorded_ms: int) -> None:
        self._last_ms[campaign_id] = max(self._last_ms[campaign_id], recorded_ms)

    def _day_of_all(self, recorded_ms: int) -> int:
        """The last day that could be booked when a record of another topic came."""
        return min((_day_at(rises, recorded_ms) for rises in self._rises.values()), default=0)


class _People:
    """By person: the campaigns that they touched, what of theirs came late, and when the last record came."""

    def __init__(self) -> None:
        self.campaigns: defaultdict[str, set[str]] = defaultdict(set)
        self.late: defaultdict[str, set[Span]] = defaultdict(set)
        self.last_ms: defaultdict[str, int] = defaultdict(int)

    def add(self, person_id: str, event: Any, recorded_ms: int, last_day: int) -> None:
        campaign_id = getattr(event, "campaign_id", None)
        if campaign_id is not None:
            self.campaigns[person_id].add(campaign_id)
        self.last_ms[person_id] = max(self.last_ms[person_id], recorded_ms)
        first_day = day_number(event.time_ms)
        if first_day <= last_day:
            self.late[person_id].add(Span(first_day, last_day))


def _day_at(rises: Sequence[tuple[int, int]], recorded_ms: int) -> int:
    """The day that could be booked at a time; 0 for none."""
    before = bisect_right(rises, recorded_ms, key=lambda rise: rise[0])
    return rises[before - 1][1] if before else 0
