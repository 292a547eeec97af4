"""The GMV that touches will have brought once all their orders are in: Mack's chain ladder (ARCHITECTURE.md, R23).

A cohort is the touches of one day; its cumulative GMV at age `k` is that of orders up to `k` days after. The ladder takes from the
older cohorts by how much the GMV of an age grows to the next, and lets the younger ones grow alike. The standard error has two
parts: how unlike cohorts grow, and how well their growth is known from so many. No distribution is assumed.

The method is that of T. Mack, Distribution-free calculation of the standard error of chain ladder reserve estimates, ASTIN Bulletin 23(2), 1993:
the factors, their variances and the last of these, and the standard errors of Theorem 3 and its corollary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from msgspec import Struct

from xinghe.domain.cohorts import CohortRow

STANDARD_ERRORS: Final = 1.96
"""Half the width of the interval, in standard errors: 95 percent of a normal distribution."""
COHORTS_MIN: Final = 3
ORDERS_MICROS_MIN: Final = 30_000_000

Row = Sequence[float]
"""The cumulative GMV of a cohort by age, as far as it is known."""


class Forecast(Struct, frozen=True):
    """A final GMV, and between what it lies with about 95 percent."""

    gmv_fen: int
    low_fen: int
    high_fen: int
    standard_error_fen: int


class Step(NamedTuple):
    """How cohorts grow from one age to the next."""

    factor: float
    variance: float
    """Of the growth of one fen."""
    base: float
    """The GMV from which both are known."""


def forecast(
    cohorts: Sequence[CohortRow], first_day: int, last_day: int, lag_days: int, today: int
) -> Forecast | None:
    """The final GMV of touches from ``first_day`` to ``last_day``, of orders up to ``lag_days`` after each.

    ``cohorts`` are all of the campaign by one model, in any order. What is known ends with the day before ``today``, and touches
    of today or later are left out. ``None`` is too little data: fewer than 3 cohorts are developed, all their days being over,
    or fewer than 30 orders are in them, or none has grown from some age to the next, or ``first_day`` is not over itself.
    """
    if today <= first_day:
        return None
    triangle = _triangle(cohorts, lag_days, today)
    developed = {day for day, row in triangle.items() if len(row) > lag_days}
    orders_micros = sum(
        row.orders_micros
        for row in cohorts
        if row.touch_day in developed and row.order_day - row.touch_day <= lag_days
    )
    if len(developed) < COHORTS_MIN or orders_micros < ORDERS_MICROS_MIN:
        return None
    steps = ladder(list(triangle.values()))
    if steps is None:
        return None
    wanted = [row for day, row in triangle.items() if first_day <= day <= last_day]
    final_fen = sum(climbed(row, steps)[-1] for row in wanted)
    error_fen = standard_error(wanted, steps)
    return Forecast(
        round(final_fen),
        round(final_fen - STANDARD_ERRORS * error_fen),
        round(final_fen + STANDARD_ERRORS * error_fen),
        round(error_fen),
    )


def ladder(triangle: Sequence[Row]) -> list[Step] | None:
    """The steps from each age to the next, up to the oldest known; ``None`` where the data do not tell one.

    A cohort without GMV at an age has no growth there and tells nothing of it.

    >>> [(step.factor, step.variance) for step in ladder([[100, 150, 150], [200, 280], [80]])]
    [(1.4333333333333333, 0.6666666666666666), (1.0, 0.6666666666666666)]
    """
    steps: list[Step] = []
    for age in range(1, max(map(len, triangle), default=1)):
        grown = [(row[age - 1], row[age]) for row in triangle if len(row) > age and row[age - 1] > 0]
        base = sum(before for before, _ in grown)
        if not grown:
            return None
        factor = sum(after for _, after in grown) / base
        if len(grown) > 1:
            squares = sum((after - factor * before) ** 2 / before for before, after in grown)
            variance = squares / (len(grown) - 1)
        elif steps:
            variance = _variance_after([step.variance for step in steps])
        else:
            return None
        steps.append(Step(factor, variance, base))
    return steps


def climbed(row: Row, steps: Sequence[Step]) -> list[float]:
    """The GMV of a cohort at all ages: as far as known, then as the ladder lets it grow."""
    ages = [float(value) for value in row]
    for step in steps[len(row) - 1 :]:
        ages.append(ages[-1] * step.factor)
    return ages


def standard_error(rows: Sequence[Row], steps: Sequence[Step]) -> float:
    """The standard error of the final GMV of cohorts together: the root of Mack's mean square error.

    What is not known of the factors is common to all cohorts that have yet to grow by them, so their errors add up.
    """
    square = 0.0
    younger_final = 0.0
    for row in sorted(rows, key=len):
        ages = climbed(row, steps)
        final = ages[-1]
        if final <= 0:
            continue  # without GMV there is nothing to grow
        own = shared = 0.0
        for age in range(len(row) - 1, len(steps)):
            relative = steps[age].variance / steps[age].factor ** 2
            own += relative * (1 / ages[age] + 1 / steps[age].base)
            shared += relative / steps[age].base
        square += final**2 * own + 2 * final * younger_final * shared
        younger_final += final
    return math.sqrt(square)


def _triangle(cohorts: Sequence[CohortRow], lag_days: int, today: int) -> dict[int, list[int]]:
    """By touch day, ascending, the cumulative GMV by age in days, up to the lag and to yesterday."""
    gmv_fen: dict[int, list[int]] = {}
    for row in sorted(cohorts):
        ages_known = min(lag_days, today - 1 - row.touch_day) + 1
        age = row.order_day - row.touch_day
        if age < ages_known:
            gmv_fen.setdefault(row.touch_day, [0] * ages_known)[age] += row.gmv_fen
    return {touch_day: list(accumulate(by_age)) for touch_day, by_age in gmv_fen.items()}


def _variance_after(variances: Sequence[float]) -> float:
    """The variance of a step that one cohort alone has gone: the earlier ones continued, and none of them exceeded.

    >>> _variance_after([9.0, 4.0, 2.0]), _variance_after([4.0, 0.0]), _variance_after([2.0, 4.0]), _variance_after([3.0])
    (1.0, 0.0, 2.0, 3.0)
    """
    *_, before, last = [math.inf, *variances]
    return min(last**2 / before if before else 0.0, before, last) if len(variances) > 1 else last
