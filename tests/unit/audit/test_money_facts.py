"""Terms of a day, and what is known when (ARCHITECTURE.md, R18)."""

from __future__ import annotations

import pytest

from tests.unit.audit.money import DAY, at_ms, facts, setting, spent
from xinghe.audit.intake import SpendReport
from xinghe.audit.money_facts import MoneyFacts, money_facts
from xinghe.audit.truth import truth_of
from xinghe.domain.counted import day_start_ms
from xinghe.domain.events import AdSpent
from xinghe.domain.windows import HOUR_MS


def test_an_edit_counts_from_the_next_midnight_on_and_the_first_setting_from_its_own_day() -> None:
    # day  0        1      2        3
    #      a at 5h         b at 9h  c at midnight
    #                      and at 10h, which holds when day 3 begins, were c not there
    known = facts(
        [
            setting(0, 5, model="linear"),
            setting(2, 9, model="first_touch"),
            setting(2, 10, model="markov"),
            setting(3, 0, model="time_decay"),
        ]
    )
    assert known.terms(DAY - 1) is None
    models = [known.model(DAY + day) for day in (-1, 0, 1, 2, 3, 4)]
    assert models == ["last_touch", "linear", "linear", "linear", "time_decay", "time_decay"]
    assert facts([setting(2, 10, model="markov")]).model(DAY + 3) == "last_touch"
    assert known.first_day == DAY


def test_of_two_first_settings_within_a_day_the_earlier_one_holds() -> None:
    assert (
        facts([setting(0, 5, model="linear"), setting(0, 4, model="first_touch")]).model(DAY) == "first_touch"
    )


@pytest.mark.parametrize(("late_hours", "day"), [(0, 0), (6, 0), (29, 0), (30, 1), (54, 2), (-1, 0)])
def test_a_report_is_known_by_how_much_later_than_the_first_it_comes(late_hours: int, day: int) -> None:
    # The first report comes 100 days after its hour: a log that was loaded later. Its hour is midnight.
    first = SpendReport(AdSpent("a", "c1", at_ms(0), 1, 0), at_ms(100))
    late = AdSpent("b", "c1", at_ms(0), 2, 1)
    known = MoneyFacts("c1", [], [first, SpendReport(late, at_ms(100) + late_hours * HOUR_MS)], {}, {})
    assert known.report_day(known.reports[1]) == DAY + day
    assert known.report_day(SpendReport(AdSpent("c", "c1", at_ms(3), 2, 1), at_ms(100))) == DAY + 3


def test_of_an_hour_the_known_report_of_the_largest_revision_counts() -> None:
    known = facts(
        [],
        [
            spent(0, 100),
            spent(0, 10, hour=23),
            spent(0, 300, revision=2, late_days=3),
            spent(0, 200, revision=1, late_days=5),
            spent(1, 7),
        ],
    )
    assert [known.spend_fen(DAY, DAY, day) for day in (None, DAY - 1, DAY, DAY + 2, DAY + 3)] == [
        310, 0, 110, 110, 310,
    ]  # fmt: skip
    assert known.spend_fen(DAY, DAY + 1, DAY + 1) == 117


def test_the_facts_of_a_truth_are_those_of_campaigns_with_spend_or_terms() -> None:
    truth = truth_of(
        [
            AdSpent("e", "c2", day_start_ms(DAY), 50, 0),
            AdSpent("e", "c2", day_start_ms(DAY), 50, 0),
            AdSpent("f", "c2", day_start_ms(DAY), 60, 1),
            setting(0),
        ]
    )
    found = money_facts(truth)
    assert found.keys() == {"c2"}
    assert [report.event.spend_fen for report in found["c2"].reports] == [50, 60]
