"""What goes from stage 1 to stage 2 comes back as it went."""

from __future__ import annotations

from msgspec import msgpack

from xinghe.domain.cohorts import CohortRow
from xinghe.domain.delta import Changes, Delta, Watermark
from xinghe.domain.recounts import Recount


def test_a_delta_comes_back() -> None:
    delta = Delta(
        *(3, 1_000, [7, 8], "s1"),
        counts=[("n1", 29_000_000, 0, -1), (None, 29_000_001, 10, 1_000_000)],
        people=[(0, 3, 1)],
        cohorts=[CohortRow(20_000, 20_001, 20_030, 4, -1_000_000, -5, 2**40)],
        recounts=[Recount(20_000, 3, 20_009, -1)],
    )
    assert msgpack.decode(msgpack.encode(delta), type=Delta) == delta


def test_a_watermark_before_the_epoch_comes_back() -> None:
    watermark = Watermark(1, -60_000, -70_000)
    assert msgpack.decode(msgpack.encode(watermark), type=Watermark) == watermark


def test_changes_are_there_once_something_was_counted() -> None:
    assert not Changes()
    counted, people, cohorts = Changes(), Changes(), Changes()
    counted.counts[0, 1, 2] += 1
    people.people[0, 0, 1] -= 1
    assert counted
    assert people
    cohorts.cohorts[0, 1, 2, 2, 0, 0] = (1, 0, 0)
    assert cohorts
