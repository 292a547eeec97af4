"""Which days may lack what came late (ARCHITECTURE.md, R18)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.audit.events import paid, view
from tests.unit.audit.money import DAY, at_ms, setting, spent
from xinghe.audit.arrivals import Arrivals
from xinghe.audit.intake import Told
from xinghe.audit.judge import SettingsDeleted
from xinghe.audit.links import PlacedLink
from xinghe.audit.record import Place
from xinghe.domain.events import PersonLinked
from xinghe.domain.windows import HOUR_MS, MINUTE_MS

FAR_MS = at_ms(1, 7) + MINUTE_MS
"""From an event of this time on day 0 can be booked."""


def seen(event: Any, time_ms: int, person_id: str = "p1") -> Any:
    return msgspec.structs.replace(event, time_ms=time_ms, person_id=person_id)


V, P = view("v", 0), paid("P", 0)


def arrived(*events: tuple[Any, int], partition: int = 0, into: Arrivals | None = None) -> Arrivals:
    """Events and the timestamps of their records."""
    arrivals = Arrivals({}) if into is None else into
    arrivals.add_partition(partition, [event for event, _ in events], [at for _, at in events])
    return arrivals


def test_what_comes_after_its_day_could_be_booked_concerns_the_campaigns_of_its_person() -> None:
    # p1 saw a note of c1 in time; their order of day 0 comes after an event of 07:01 on day 1.
    arrivals = arrived(
        (seen(V, at_ms(0)), 10_000),
        (seen(V, FAR_MS, "p2"), 20_000),
        (seen(view("w", 0, campaign_id="c2"), FAR_MS, "p2"), 20_000),
        (seen(P, at_ms(0, 1)), 30_000),
    )
    assert arrivals.may_lack("c1", DAY)
    assert not arrivals.may_lack("c1", DAY - 1)
    assert not arrivals.may_lack("c1", DAY + 1)
    assert not arrivals.may_lack("c2", DAY)
    assert arrivals.came_after("c1", 30_000)
    assert not arrivals.came_after("c1", 30_001)


def test_what_comes_before_is_not_late_however_old_it_is() -> None:
    events = [(seen(V, at_ms(-20)), 10_000), (seen(V, FAR_MS - 1, "p2"), 5_000)]
    assert not arrived(*events).may_lack("c1", DAY)
    assert arrived(*events, (seen(V, FAR_MS, "p2"), 10_900)).may_lack("c1", DAY)
    assert not arrived(*events, (seen(V, FAR_MS, "p2"), 11_100)).may_lack("c1", DAY)


def test_a_report_is_late_once_every_partition_has_come_so_far() -> None:
    arrivals = arrived((seen(V, FAR_MS), 10_000))
    arrived((seen(V, FAR_MS), 20_000), partition=1, into=arrivals)
    early, late = (spent(0, 5)._replace(recorded_ms=recorded_ms) for recorded_ms in (15_000, 25_000))
    arrivals.add_campaigns([early], [])
    assert not arrivals.may_lack("c1", DAY)
    arrivals.add_campaigns([late], [])
    assert arrivals.may_lack("c1", DAY)
    assert (arrivals.may_lack("c1", DAY, DAY), arrivals.may_lack("c1", DAY, DAY - 1)) == (True, False)


def test_settings_are_late_likewise_and_a_deletion_is_for_ever() -> None:
    arrivals = arrived((seen(V, FAR_MS), 10_000))
    arrivals.add_campaigns([], [Told(setting(1), 25_000, after_gap=False)])
    assert not arrivals.may_lack("c1", DAY)
    arrivals.add_campaigns([], [Told(setting(0), 25_000, after_gap=False)])
    assert (arrivals.may_lack("c1", DAY), arrivals.may_lack("c1", DAY, DAY)) == (True, False)
    arrivals.add_campaigns([], [Told(SettingsDeleted("c3"), 25_000, after_gap=False)])
    assert arrivals.may_lack("c3", DAY + 300)


def test_a_link_concerns_what_all_ids_of_the_person_touched() -> None:
    arrivals = Arrivals({"p1": "p2", "p2": "p2"})
    arrived((seen(V, at_ms(0)), 10_000), (seen(P, FAR_MS, "p3"), 20_000), into=arrivals)
    link = PlacedLink(Place("t", 0, 0), PersonLinked("l", "p1", at_ms(0), "p2"), None, 0, 20_000)
    arrivals.add_links([link._replace(recorded_ms=15_000)])
    assert not arrivals.may_lack("c1", DAY)
    arrivals.add_links([link])
    assert arrivals.may_lack("c1", DAY)
    assert not arrivals.may_lack("c1", DAY - 2), "it changes nothing of what is known before its day"


@pytest.mark.parametrize(("hour", "may_lack"), [(5, True), (6, False)])
def test_a_link_early_in_its_day_may_come_before_something_of_the_day_before(
    hour: int, *, may_lack: bool
) -> None:
    arrivals = Arrivals({"p1": "p2", "p2": "p2"})
    arrived((seen(V, at_ms(0)), 10_000), into=arrivals)
    link = PersonLinked("l", "p1", at_ms(1, hour), "p2")
    arrivals.add_links([PlacedLink(Place("t", 0, 0), link, None, 0, 20_000)])
    assert (arrivals.may_lack("c1", DAY), arrivals.may_lack("c1", DAY + 1)) == (may_lack, False)


def test_nothing_lacks_without_events() -> None:
    arrivals = Arrivals({})
    arrivals.add_campaigns([spent(0, 5)], [])
    assert not arrivals.may_lack("c1", DAY)
    assert arrivals.came_after("c1", at_ms(0) + HOUR_MS)
