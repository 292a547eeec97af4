"""The forecast of a guarantee's GMV by Mack's formulas as he wrote them, age by age (ARCHITECTURE.md, R23).

T. Mack, Distribution-free calculation of the standard error of chain ladder reserve estimates, ASTIN Bulletin 23(2), 1993: the
factors and variances of page 217 and 218, and the mean square error of the corollary of theorem 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from xinghe.audit.campaign_settings import rule_model
from xinghe.audit.guarantee import ORDER_MICROS, first_days, outcome
from xinghe.audit.money_facts import MoneyFacts
from xinghe.domain.events import CampaignConfigured

COHORT_DAYS: Final = 90
COHORTS_MIN: Final = 3
ORDERS_MIN: Final = 30
WIDTH: Final = 1.96
ROUNDED: Final = 1e-6
"""By how large a part of itself a figure may differ that was summed in another order, besides 2 fen of rounding."""

Triangle = dict[int, list[int]]
"""By touch day the cumulative GMV by age in days, as far as it is known."""


class Growth(NamedTuple):
    """How GMV grows from an age to the next: Mack's f, sigma squared, and the sum of the cohorts that tell it."""

    factor: float
    variance: float
    base: int


class Expected(NamedTuple):
    """A final GMV and its standard error, in fen, and what was spent for it, ``None`` while that is unknown."""

    gmv_fen: float
    error_fen: float
    spend_fen: int | None

    def is_told_by(self, told: Sequence[int | None]) -> bool:
        """Whether GMV, lower and upper end and standard error are these, but for rounding, and the spend is."""
        *figures, spend_fen = told
        exact = (
            self.gmv_fen,
            self.gmv_fen - WIDTH * self.error_fen,
            self.gmv_fen + WIDTH * self.error_fen,
            self.error_fen,
        )
        return spend_fen == self.spend_fen and all(
            each is not None and math.isclose(each, wanted, rel_tol=ROUNDED, abs_tol=2)
            for each, wanted in zip(figures, exact, strict=True)
        )


def expected_forecast(facts: MoneyFacts, today: int) -> Expected | None:
    """Of a campaign's newest guarantee, where the watermark is in ``today``; ``None`` is too little data."""
    first_day = first_days(facts)[-1]
    if today <= first_day:
        return None
    terms = facts.terms(max(today, first_day))
    if terms is None:
        raise AssertionError("the terms of the first day are there")
    triangle = _triangle(facts, terms, min(first_day, today - COHORT_DAYS), today)
    lag = terms.roi_lag_days
    developed = [day for day, row in triangle.items() if len(row) == lag + 1]
    orders_micros = sum(_orders_micros(facts, terms, day) for day in developed)
    if len(developed) < COHORTS_MIN or orders_micros < ORDERS_MIN * ORDER_MICROS:
        return None
    growths = _growths(list(triangle.values()))
    if growths is None:
        return None
    days = range(first_day, outcome(facts, first_day, None).last_observed_day + 1)
    over = [day for day in days if day < today]
    is_known = any(facts.reports_by_day.get(day) for day in over)
    spend_fen = facts.spend_fen(over[0], over[-1], None) if is_known else None
    return _final([row for day, row in sorted(triangle.items()) if day in over], growths, spend_fen)


def _triangle(facts: MoneyFacts, terms: CampaignConfigured, from_day: int, today: int) -> Triangle:
    """What was in by the end of yesterday; a touch day without an order by then has no row."""
    model, triangle = rule_model(terms), Triangle()
    for day in range(from_day, today):
        ages = min(terms.roi_lag_days, today - 1 - day) + 1
        amounts = {
            (key.order_day, key.day): each.gmv_fen
            for key, each in facts.touched_on(day)
            if key.model == model and key.order_day - day < ages
        }
        if amounts:
            triangle[day] = [
                sum(gmv_fen for (order_day, _), gmv_fen in amounts.items() if order_day - day <= age)
                for age in range(ages)
            ]
    return triangle


def _orders_micros(facts: MoneyFacts, terms: CampaignConfigured, day: int) -> int:
    return sum(
        each.orders_micros
        for key, each in facts.touched_on(day)
        if key.model == rule_model(terms) and key.order_day - day <= terms.roi_lag_days
    )


def _growths(rows: Sequence[Sequence[int]]) -> list[Growth] | None:
    """From each age to the next; ``None`` where no cohort tells one, or the first is told by one alone."""
    growths: list[Growth] = []
    for age in range(max(map(len, rows), default=1) - 1):
        pairs = [(row[age], row[age + 1]) for row in rows if len(row) > age + 1 and row[age] > 0]
        if not pairs or (len(pairs) == 1 and not growths):
            return None
        base = sum(before for before, _ in pairs)
        factor = sum(after for _, after in pairs) / base
        if len(pairs) > 1:
            squares = sum(before * (after / before - factor) ** 2 for before, after in pairs)
            variance = squares / (len(pairs) - 1)
        else:
            variance = _continued([growth.variance for growth in growths])
        growths.append(Growth(factor, variance, base))
    return growths


def _continued(variances: Sequence[float]) -> float:
    """Mack's guess of the last: as much smaller than the one before as that was, and no larger than these two."""
    if len(variances) == 1:
        return variances[0]
    second, last = variances[-2:]
    return min(last * last / second, second, last) if second > 0 else 0.0


def _final(rows: Sequence[Sequence[int]], growths: Sequence[Growth], spend_fen: int | None) -> Expected:
    """The sum of all cohorts, older ones first, and the root of their common mean square error."""
    finals, square = [], 0.0
    grown = []
    for row in rows:
        ages = [float(fen) for fen in row]
        for growth in growths[len(row) - 1 :]:
            ages.append(ages[-1] * growth.factor)
        grown.append(ages)
        finals.append(ages[-1])
    for index, (row, ages) in enumerate(zip(rows, grown, strict=True)):
        if finals[index] <= 0:
            continue
        younger = sum(finals[index + 1 :])
        for age in range(len(row) - 1, len(growths)):
            growth = growths[age]
            relative = growth.variance / growth.factor**2
            square += finals[index] ** 2 * relative * (1 / ages[age] + 1 / growth.base)
            square += finals[index] * younger * 2 * relative / growth.base
    return Expected(sum(finals), math.sqrt(square), spend_fen)
