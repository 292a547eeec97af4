"""Windows of all campaigns in memory: what was not read is unknown, and what was read follows changes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinghe.dashboard import spans as module
from xinghe.dashboard.spans import RECENT, Spans, Windows, starts_to
from xinghe.domain.windows import MINUTE_MS, Size
from xinghe.serving import FunnelReader, ServingUnavailableError

IDS = ("a", "b", "c")


class FakeReader(FunnelReader):
    """Windows of a dictionary, with how many were asked for."""

    def __init__(self) -> None:
        self.views: dict[tuple[str, int], int] = {}
        self.asked: list[tuple[str, int]] = []
        self.is_away = False

    async def metrics(
        self, windows: Sequence[tuple[str, Size, int]], names: Sequence[str]
    ) -> list[dict[str, int]]:
        if self.is_away:
            raise ServingUnavailableError("redis://x", "away")
        self.asked += [(id_, start // MINUTE_MS) for id_, _, start in windows]
        found = (self.views.get((id_, start // MINUTE_MS)) for id_, _, start in windows)
        return [{} if value is None else {"views": value} for value in found]


@pytest.fixture
def reader() -> FakeReader:
    reader = FakeReader()
    reader.views = {(id_, minute): minute for id_ in IDS for minute in range(20)}
    return reader


def minutes(last: int, count: int = 10) -> range:
    return starts_to("1m", last * MINUTE_MS, count)


def known(spans: Spans) -> list[int]:
    return [start // MINUTE_MS for start in spans.starts if spans.is_known(start)]


def views(spans: Spans, id_: str) -> dict[int, int]:
    return {start // MINUTE_MS: metrics["views"] for start, metrics in sorted(spans.of(id_).items())}


async def caught_up(spans: Spans) -> None:
    while spans.is_due or spans.is_partly:
        await spans.catch_up(IDS)


async def test_nothing_is_known_before_it_was_read_and_the_newest_is_read_first(
    reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2 * len(IDS))
    spans = Spans(reader, "1m")
    assert not spans.is_known(0)
    spans.turn(minutes(19))
    assert known(spans) == []
    await spans.read(IDS)
    assert known(spans) == [18, 19]
    await spans.catch_up(IDS)
    await spans.catch_up(IDS)
    assert known(spans) == [16, 17, 18, 19]
    await caught_up(spans)
    assert known(spans) == list(range(10, 20))
    assert views(spans, "b") == {minute: minute for minute in range(10, 20)}


async def test_of_what_changed_the_newest_is_read_at_once_and_the_rest_later(reader: FakeReader) -> None:
    spans = Spans(reader, "1m")
    spans.turn(minutes(19))
    await spans.read(IDS)
    await caught_up(spans)
    reader.asked.clear()
    reader.views |= {("a", 11): 100, ("a", 19): 100}
    del reader.views["a", 18]
    await spans.read(["a"])
    assert len(reader.asked) == RECENT
    assert (views(spans, "a")[11], views(spans, "a")[19]) == (11, 100)
    assert 18 not in views(spans, "a")
    await caught_up(spans)
    assert views(spans, "a")[11] == 100
    assert {id_ for id_, _ in reader.asked} == {"a"}


async def test_as_time_goes_on_the_new_is_known_by_what_changed_and_a_gap_is_read_of_all(
    reader: FakeReader,
) -> None:
    #  0         9 10  12 13  19     the first span is 0 to 9, the next 10 to 19: 11 to 17 lie in the gap
    spans = Spans(reader, "1m")
    spans.turn(minutes(9))
    await spans.read(IDS)
    await caught_up(spans)
    spans.turn(minutes(10))
    await spans.read(["a"])
    assert known(spans) == list(range(1, 11))
    assert (views(spans, "a")[10], 10 in views(spans, "b")) == (10, False)
    assert 0 not in views(spans, "a")
    # What a campaign had ahead of its time, and has not changed since, is read a little later.
    reader.asked.clear()
    await caught_up(spans)
    assert views(spans, "b")[10] == 10
    assert {minute for id_, minute in reader.asked if id_ != "a"} == {10}
    spans.turn(minutes(19))
    await spans.read(["b"])
    assert known(spans) == [10, 18, 19]
    await caught_up(spans)
    assert known(spans) == list(range(10, 20))
    assert views(spans, "c") == {minute: minute for minute in range(10, 20)}


async def test_a_reading_that_fails_is_owed(reader: FakeReader) -> None:
    spans = Spans(reader, "1m")
    spans.turn(minutes(9))
    await spans.read(IDS)
    await caught_up(spans)
    reader.is_away = True
    spans.turn(minutes(10))
    with pytest.raises(ServingUnavailableError):
        await spans.read(["a"])
    assert 10 not in known(spans)
    reader.is_away = False
    await spans.read(["b"])
    reader.is_away = True
    with pytest.raises(ServingUnavailableError):
        await spans.catch_up(IDS)
    assert spans.is_partly
    # Whoever asked says that all may have changed; what was read stays known until it is read again.
    reader.is_away = False
    spans.all_due()
    assert known(spans) == list(range(1, 11))
    await caught_up(spans)
    assert views(spans, "a") == {minute: minute for minute in range(1, 11)}


async def test_all_at_once_reads_new_campaigns_whole(reader: FakeReader) -> None:
    spans = Spans(reader, "1m")
    spans.turn(minutes(9))
    await spans.read_all({"a", "b"})
    assert known(spans) == list(range(10))
    reader.asked.clear()
    await spans.read_all({"a", "b", "c"})
    assert {id_ for id_, _ in reader.asked} == {"c"}
    assert views(spans, "c") == {minute: minute for minute in range(10)}
    spans.forget("c")
    assert views(spans, "c") == {}


METRICS = st.dictionaries(st.sampled_from(["views", "likes"]), st.integers(0, 3), max_size=2)
STARTS = st.builds(range, st.integers(0, 5), st.integers(0, 6))


@given(st.lists(st.tuples(st.integers(0, 5), METRICS) | STARTS, max_size=30))
def test_sums_are_those_of_the_windows_as_they_are(steps: list[tuple[int, dict[str, int]] | range]) -> None:
    """A window is put, or those out of a range are let go; after each step every sum is as counted anew."""
    windows = Windows()
    kept: dict[int, dict[str, int]] = {}
    for step in steps:
        if isinstance(step, range):
            windows.keep(step)
            kept = {start: metrics for start, metrics in kept.items() if start in step}
        else:
            windows.put(*step)
            kept[step[0]] = step[1]
        assert windows == {start: metrics for start, metrics in kept.items() if metrics}
        for starts in (range(6), range(2, 4), range(0, 6, 2)):
            found = [kept[start] for start in starts if start in kept]
            expected = {
                name: sum(metrics.get(name, 0) for metrics in found)
                for name in ("views", "likes")
                if any(name in metrics for metrics in found)
            }
            assert windows.summed(starts) == expected
