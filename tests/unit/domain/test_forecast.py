"""The chain ladder against the figures of Mack's paper, and against his recursion of 1999."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinghe.domain.cohorts import CohortRow
from xinghe.domain.forecast import Forecast, climbed, forecast, ladder, standard_error

TAYLOR_ASHE = [
    [357848, 1124788, 1735330, 2218270, 2745596, 3319994, 3466336, 3606286, 3833515, 3901463],
    [352118, 1236139, 2170033, 3353322, 3799067, 4120063, 4647867, 4914039, 5339085],
    [290507, 1292306, 2218525, 3235179, 3985995, 4132918, 4628910, 4909315],
    [310608, 1418858, 2195047, 3757447, 4029929, 4381982, 4588268],
    [443160, 1136350, 2128333, 2897821, 3402672, 3873311],
    [396132, 1333217, 2180715, 2985752, 3691712],
    [440832, 1288463, 2419861, 3483130],
    [359480, 1421128, 2864498],
    [376686, 1363294],
    [344014],
]
"""The triangle of Taylor and Ashe (1983), as in Mack (1993), made cumulative."""
FACTORS = [3.4906, 1.7473, 1.4574, 1.1739, 1.1038, 1.0863, 1.0539, 1.0766, 1.0177]
RESERVES = [0, 94634, 469511, 709638, 984889, 1419459, 2177641, 3920301, 4278972, 4625811]
ERRORS = [0, 75535, 121699, 133549, 261406, 411010, 558317, 875328, 971258, 1363155]
TOTAL_RESERVE, TOTAL_ERROR = 18_680_856, 2_447_095
"""Mack (1993) prints thousands; in full in England and Verrall, British Actuarial Journal 8(3), 2002."""
D0 = 20_000


def test_taylor_ashe_to_the_published_digits() -> None:
    steps = ladder(TAYLOR_ASHE)
    assert steps is not None
    assert [round(step.factor, 4) for step in steps] == FACTORS
    assert [round(climbed(row, steps)[-1] - row[-1]) for row in TAYLOR_ASHE] == RESERVES
    assert [round(standard_error([row], steps)) for row in TAYLOR_ASHE] == ERRORS
    assert round(sum(climbed(row, steps)[-1] - row[-1] for row in TAYLOR_ASHE)) == TOTAL_RESERVE
    assert round(standard_error(TAYLOR_ASHE, steps)) == TOTAL_ERROR
    assert standard_error(TAYLOR_ASHE[::-1], steps) == standard_error(TAYLOR_ASHE, steps)


def cohort(day: int, amounts: list[int], orders: int = 10) -> list[CohortRow]:
    """Touches of a day, from D0, and the GMV of the orders of each day after."""
    touch_day = D0 + day
    return [
        CohortRow(touch_day, touch_day + age, touch_day + age, 0, orders * 1_000_000 * (age == 0), gmv_fen, 0)
        for age, gmv_fen in enumerate(amounts)
    ]


def days_of(triangle: list[list[int]]) -> list[CohortRow]:
    """The triangle as the cohorts of a campaign."""
    return [
        row
        for day, ages in enumerate(triangle)
        for row in cohort(day, [after - before for before, after in zip([0, *ages], ages, strict=False)])
    ]


#         age 0    1     2        days 0 to 2 are over at the begin of day 5; of day 3 ages 0 and 1 are known, of 4 age 0
THREE = [*cohort(0, [100, 50, 0]), *cohort(1, [200, 100, 0]), *cohort(2, [100, 50, 0])]


def test_cohorts_that_all_grow_alike_leave_no_doubt() -> None:
    rows = [*THREE, *cohort(3, [40, 20]), *cohort(4, [1_000])]
    assert forecast(rows, D0 + 3, D0 + 4, 2, D0 + 5) == Forecast(1_560, 1_560, 1_560, 0)
    assert forecast(rows, D0, D0 + 4, 2, D0 + 5) == Forecast(150 + 300 + 150 + 1_560, 2_160, 2_160, 0)


def test_by_hand() -> None:
    # Growth from age 0 to 1 of 100, 100, 200: to 150, 170, 240, by 560 / 400 = 1.4. Variance: (10^2 / 100 + 30^2 / 100
    # + 40^2 / 200) / 2 = 9. A cohort of 400 comes to 560; error^2 = 560^2 * 9 / 1.4^2 * (1 / 400 + 1 / 400) = 7200.
    rows = [*cohort(0, [100, 50]), *cohort(1, [100, 70]), *cohort(2, [200, 40]), *cohort(3, [400])]
    found = forecast(rows, D0 + 3, D0 + 3, 1, D0 + 4)
    error = math.sqrt(7_200)
    assert found == Forecast(560, round(560 - 1.96 * error), round(560 + 1.96 * error), round(error))


def test_today_and_orders_after_the_lag_are_left_out() -> None:
    rows = [*THREE, *cohort(3, [40, 20]), *cohort(4, [1_000])]
    more = [
        CohortRow(D0 + 4, D0 + 5, D0 + 5, 0, 0, 777, 0),
        CohortRow(D0 + 5, D0 + 5, D0 + 5, 0, 0, 777, 0),
        CohortRow(D0, D0 + 3, D0 + 3, 0, 0, 777, 0),
    ]
    assert forecast([*rows, *more], D0, D0 + 9, 2, D0 + 5) == forecast(rows, D0, D0 + 9, 2, D0 + 5)


def test_too_little_data_says_so() -> None:
    assert forecast(THREE, D0, D0 + 2, 2, D0 + 5) is not None
    assert forecast(THREE, D0, D0 + 2, 2, D0 + 4) is None  # the third is not over
    assert forecast(THREE[3:], D0, D0 + 2, 2, D0 + 5) is None
    few = [row._replace(orders_micros=row.orders_micros - (row == THREE[0])) for row in THREE]
    assert forecast(few, D0, D0 + 2, 2, D0 + 5) is None  # 29.999999 orders
    assert forecast([], D0, D0, 2, D0) is None


def test_growth_from_nothing_tells_nothing() -> None:
    late = [*cohort(0, [0, 50, 0]), *cohort(1, [0, 100, 0]), *cohort(2, [0, 50, 0])]
    assert forecast(late, D0, D0 + 2, 2, D0 + 5) is None
    rows = [*THREE, *cohort(-1, [0, 70, 0]), *cohort(4, [1_000])]
    assert forecast(rows, D0 + 4, D0 + 4, 2, D0 + 5) == Forecast(1_500, 1_500, 1_500, 0)


def test_the_first_step_of_one_cohort_alone_is_not_known() -> None:
    assert ladder([[100, 150]]) is None
    assert ladder([[100]]) == []
    assert ladder([]) == []


@st.composite
def triangles(draw: st.DrawFn) -> list[list[int]]:
    """Cumulative cohorts, of which the older are known up to more ages; three or more are developed."""
    ages = draw(st.integers(2, 5))
    rows = []
    for missing in [0, 0, *range(ages)]:
        amounts = draw(st.lists(st.integers(0, 500), min_size=ages - missing, max_size=ages - missing))
        amounts[0] += 1
        rows.append([sum(amounts[: age + 1]) for age in range(len(amounts))])
    return rows


@given(triangles())
@settings(max_examples=200, deadline=None)
def test_the_standard_error_is_that_of_the_recursion(triangle: list[list[int]]) -> None:
    """The recursion of Mack, ASTIN Bulletin 29(2), 1999, for all cohorts together, in exact fractions."""
    total = square = Fraction(0)
    now: list[Fraction] = []
    last = max(map(len, triangle)) - 1
    for age in range(last):
        now += [Fraction(row[age]) for row in triangle if len(row) == age + 1]
        known = [row for row in triangle if len(row) > age + 1]
        base = sum(row[age] for row in known)
        factor = Fraction(sum(row[age + 1] for row in known), base)
        each = [row[age] * (Fraction(row[age + 1], row[age]) - factor) ** 2 for row in known]
        variance = sum(each, Fraction(0)) / (len(known) - 1)
        total = sum(now, Fraction(0))
        square = square * factor**2 + variance * total + total**2 * variance / base
        now = [amount * factor for amount in now]
    steps = ladder(triangle)
    assert steps is not None
    young = [row for row in triangle if len(row) <= last]
    assert math.isclose(sum(climbed(row, steps)[-1] for row in young), sum(now), rel_tol=1e-9)
    assert math.isclose(standard_error(triangle, steps), math.sqrt(square), rel_tol=1e-9, abs_tol=1e-6)


@given(triangles())
@settings(max_examples=200, deadline=None)
def test_developed_cohorts_are_forecast_as_what_is_there(triangle: list[list[int]]) -> None:
    lag = len(triangle[0]) - 1
    found = forecast(days_of(triangle), D0, D0 + 2, lag, D0 + len(triangle))
    there = sum(row[-1] for row in triangle[:3])
    assert found == Forecast(there, there, there, 0)


@given(data=st.data(), triangle=triangles())
@settings(max_examples=200, deadline=None)
def test_a_forecast_is_not_below_what_is_there_and_the_same_in_any_order(
    data: st.DataObject, triangle: list[list[int]]
) -> None:
    rows = days_of(triangle)
    lag, today = len(triangle[0]) - 1, D0 + len(triangle)
    found = forecast(rows, D0, today, lag, today)
    assert found is not None
    assert found.gmv_fen >= sum(row[-1] for row in triangle)
    assert found.low_fen <= found.gmv_fen <= found.high_fen
    assert forecast(data.draw(st.permutations(rows)), D0, today, lag, today) == found


@pytest.mark.parametrize("scale", [10, 1_000_000])
def test_an_amount_in_another_unit_has_the_same_forecast_in_it(scale: int) -> None:
    scaled = [[scale * value for value in row] for row in TAYLOR_ASHE]
    steps, larger = ladder(TAYLOR_ASHE), ladder(scaled)
    assert steps is not None
    assert larger is not None
    assert math.isclose(
        standard_error(scaled, larger), scale * standard_error(TAYLOR_ASHE, steps), rel_tol=1e-9
    )
