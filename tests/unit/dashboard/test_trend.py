"""Lines over campaigns: sums of what adds up, gaps where something was not read, dashes where it was not reported."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from xinghe.dashboard.look import Look
from xinghe.dashboard.source import Lines
from xinghe.dashboard.spans import NAMES, starts_to
from xinghe.dashboard.trend import MEASURE, trend
from xinghe.domain.catalogue import PLAIN
from xinghe.domain.windows import HOUR_MS, MINUTE_MS, SIZE_MS, start_ms

LOOK = Look("en", "auto", "red")
DAY = start_ms("1d", 1_790_000_000_000)
WATERMARK = DAY + 3 * HOUR_MS + 30 * MINUTE_MS


def lines(
    size: Any, count: int, *campaigns: dict[int, dict[str, int]], unread: tuple[int, ...] = ()
) -> Lines:
    """Windows by their distance from the last one, which is that of the watermark."""
    last = start_ms(size, WATERMARK)
    starts = starts_to(size, last, count)

    def at(back: int) -> int:
        return last - back * SIZE_MS[size]

    return Lines(
        starts,
        frozenset(starts) - {at(back) for back in unread},
        [{at(back): metrics for back, metrics in each.items()} for each in campaigns],
    )


def values(found: Lines, size: Any, measure: str, mode: str = "running") -> list[list[float | None]]:
    chart = trend(found, size, measure, mode, WATERMARK, LOOK)
    assert chart is not None
    return [each.values for each in chart.series]


def test_only_what_adds_up_is_drawn() -> None:
    units = {metric.name: metric.unit for metric in PLAIN}
    assert set(MEASURE.choices) == set(NAMES)
    assert all(units[name] != "people" for name in MEASURE.choices)


def test_a_window_is_the_sum_of_the_campaigns() -> None:
    found = lines("1d", 4, {0: {"views": 1}, 2: {"views": 5}}, {0: {"views": 2}, 3: {"views": 7}})
    assert values(found, "1d", "views") == [[7, 5, 0, 3]]
    assert values(found, "1d", "views", "cumulative") == [[7, 12, 12, 15]]


def test_the_line_begins_where_something_happened_first() -> None:
    assert values(lines("1m", 100, {4: {"views": 1}}), "1m", "views") == [[1, 0, 0, 0, 0]]
    assert len(values(lines("1m", 100), "1m", "views")[0]) == 100


def test_what_was_not_read_is_a_gap_and_after_it_no_sum_is_known() -> None:
    found = lines("1d", 4, {0: {"views": 1}, 3: {"views": 7}}, unread=(2,))
    assert values(found, "1d", "views") == [[7, None, 0, 1]]
    assert values(found, "1d", "views", "cumulative") == [[7, None, None, None]]


def test_spend_that_was_not_reported_is_unknown_and_not_0() -> None:
    found = lines("1d", 4, {3: {"views": 1}, 2: {"spend_fen": 100}, 0: {"spend_fen": 0}})
    assert values(found, "1d", "spend_fen") == [[None, 1, None, 0]]
    assert values(found, "1d", "spend_fen", "cumulative") == [[None, 1, 1, 1]]
    assert trend(found, "1m", "spend_fen", "running", WATERMARK, LOOK) is None


def test_today_stands_beside_yesterday_and_ends_with_the_watermark() -> None:
    found = lines("1h", 48, {0: {"views": 1}, 3: {"views": 2}, 4: {"views": 8}, 24: {"views": 4}})
    today, yesterday = values(found, "1h", "views")
    assert today == [2, 0, 0, 1] + [None] * 20
    assert (yesterday[3], yesterday[23], len(yesterday)) == (4, 8, 24)
    chart = trend(found, "1h", "views", "running", WATERMARK, LOOK)
    assert chart is not None
    assert chart.labels[:2] == ["00:00", "01:00"]
    # An hour is final an hour after its end: at half past three the one from two on is not.
    assert chart.provisional_from == 2


def test_nothing_read_is_no_chart() -> None:
    assert trend(Lines(range(0), frozenset(), []), "1m", "views", "running", WATERMARK, LOOK) is None


windows = st.dictionaries(
    st.integers(0, 9), st.fixed_dictionaries({"views": st.integers(0, 100)}), max_size=10
)


@given(st.lists(windows, max_size=5))
def test_the_last_sum_is_that_of_all_windows(campaigns: list[dict[int, dict[str, int]]]) -> None:
    (sums,) = values(lines("1d", 10, *campaigns), "1d", "views", "cumulative")
    assert sums[-1] == sum(metrics["views"] for each in campaigns for metrics in each.values())
