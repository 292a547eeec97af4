"""Which report of an hour counts, and from which day on it is known (R18 and R19)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from xinghe.domain.counted import day_number
from xinghe.domain.spend import Report, anchor_of, counting, known_day, spent_of, with_report
from xinghe.domain.windows import DAY_MS, HOUR_MS

MIDNIGHT_MS = 1_740_758_400_000
DAY = day_number(MIDNIGHT_MS)


def report(event_id: str, revision: int, hour: float, recorded_hour: float, spend_fen: int = 5) -> Report:
    hour_start_ms = MIDNIGHT_MS + int(hour * HOUR_MS)
    reported_ms = MIDNIGHT_MS + int(recorded_hour * HOUR_MS)
    return Report(hour_start_ms, revision, event_id, spend_fen, None, None, reported_ms)


def kept(reports: Iterable[Report]) -> list[Report]:
    """The reports of all hours that are kept."""
    by_hour: defaultdict[int, list[Report]] = defaultdict(list)
    for one in reports:
        by_hour[one.hour_start_ms] = list(with_report(by_hour[one.hour_start_ms], one))
    return [one for hour in sorted(by_hour) for one in by_hour[hour]]


class TestKnownDay:
    @pytest.mark.parametrize(
        ("recorded_hour", "day"),
        # Recorded within 6 h (and the 1 h of the first report) after its day, it is known on that day.
        [(1, DAY), (30.99, DAY), (31, DAY + 1), (54.99, DAY + 1), (55, DAY + 2)],
    )
    def test_it_is_that_of_the_record_less_6_hours_and_the_anchor(
        self, recorded_hour: float, day: int
    ) -> None:
        assert known_day(report("a", 1, 23, recorded_hour), HOUR_MS) == day

    def test_it_is_never_before_the_day_of_the_hour(self) -> None:
        assert known_day(report("a", 1, 25, 26), HOUR_MS) == DAY + 1

    def test_the_anchor_is_how_late_the_first_report_was(self) -> None:
        first, later, same = report("b", 1, 0, 2), report("a", 1, 0, 9), report("c", 1, 1, 2)
        assert anchor_of([later, same, first]) == 2 * HOUR_MS
        assert anchor_of([report("a", 1, 5, 4)]) == 0
        with pytest.raises(ValueError, match="empty"):
            anchor_of([])

    def test_a_log_that_was_loaded_long_after_its_time_settles_as_one_in_time(self) -> None:
        in_time = [report("a", 1, 0, 1), report("b", 2, 0, 31), report("c", 1, 23, 24)]
        late = [structs.replace(one, reported_ms=one.reported_ms + 50 * DAY_MS) for one in in_time]
        days = [[known_day(one, anchor_of(reports)) for one in reports] for reports in (in_time, late)]
        assert days == [[DAY, DAY + 1, DAY]] * 2


class TestWhatIsKept:
    def test_what_came_later_and_ranks_lower_never_counts(self) -> None:
        first, second, lower = report("a", 1, 0, 1), report("b", 2, 0, 2), report("z", 1, 0, 3)
        assert kept([first, second, lower]) == kept([lower, second, first]) == [first, second]
        assert counting([first, second]) is second

    def test_a_copy_changes_nothing(self) -> None:
        known = [report("a", 1, 0, 1)]
        assert with_report(known, report("a", 1, 0, 2)) is known
        assert with_report(known, report("a", 1, 0, 1)) is known

    def test_of_copies_the_first_is_kept(self) -> None:
        assert kept([report("a", 1, 0, 2), report("a", 1, 0, 1)]) == [report("a", 1, 0, 1)]

    @given(
        reports=st.lists(
            st.builds(
                report,
                st.sampled_from("abcdef"),
                st.integers(0, 3),
                st.sampled_from([0, 1, 23, 30]),
                st.integers(0, 80),
            ),
            min_size=1,
            max_size=12,
            unique_by=lambda one: one.event_id,
        ),
        data=st.data(),
    )
    def test_whatever_the_order_what_is_kept_tells_all_that_all_reports_tell(
        self, reports: list[Report], data: st.DataObject
    ) -> None:
        few = kept(reports)
        assert kept(data.draw(st.permutations(reports))) == few
        anchor_ms = anchor_of(reports)
        assert anchor_of(few) == anchor_ms
        for day in range(DAY - 1, DAY + 5):
            assert counted_on(day, few, anchor_ms) == counted_on(day, reports, anchor_ms)


def counted_on(day: int, reports: Iterable[Report], anchor_ms: int) -> dict[int, Report]:
    """The report of each hour that counts by what is known on a day, looked for among all."""
    known: dict[int, Report] = {}
    for one in reports:
        if known_day(one, anchor_ms) <= day:
            other = known.get(one.hour_start_ms)
            if other is None or (one.revision, one.event_id) > (other.revision, other.event_id):
                known[one.hour_start_ms] = one
    return known


@pytest.mark.parametrize(
    ("impressions", "clicks", "expected"),
    [
        (30, 4, (5, 1, 30, 4, 1)),
        (0, 0, (5, 1, 0, 0, 1)),
        (30, None, (5, 1, 0, 0, 0)),
        (None, 4, (5, 1, 0, 0, 0)),
    ],
)
def test_impressions_and_clicks_count_where_both_are_known(
    impressions: int | None, clicks: int | None, expected: tuple[int, ...]
) -> None:
    assert spent_of(Report(MIDNIGHT_MS, 1, "a", 5, impressions, clicks, MIDNIGHT_MS)) == expected


def test_without_a_report_nothing_counts() -> None:
    assert not any(spent_of(None))
