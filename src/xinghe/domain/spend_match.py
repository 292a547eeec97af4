"""Spend match: what the platform adds, as credit, to the spend of a period (ARCHITECTURE.md, R21)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from xinghe.domain.counted import day_number
from xinghe.domain.dates import days_from
from xinghe.domain.due import Due, is_booked
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.money_facts import MoneyFacts, spend_of
from xinghe.domain.order import ORDER_MICROS
from xinghe.domain.terms import SpendMatch, model_of, terms_of


class Period(NamedTuple):
    """A period with a spend match, by its first and last day."""

    first_day: int
    last_day: int
    terms: SpendMatch

    @property
    def due_day(self) -> int:
        """The day on which it is settled."""
        return self.last_day + self.terms.settle_after_days


def matches_due(facts: MoneyFacts, day: int) -> list[Due]:
    """The matches of all periods that are booked or corrected on ``day``, ascending by period; none of 0."""
    dues = (
        _due(facts, period, day) for period in periods(facts.settings, day) if is_booked(period.due_day, day)
    )
    return sorted(due for due in dues if due.amount_fen > 0)


def periods(settings: Sequence[CampaignConfigured], day: int) -> Iterator[Period]:
    """All periods with a spend match that begin at or before ``day``.

    Where the terms of a period's first day have no match of that ``start_ms``, the days go on by the length of the period
    before, without a match: what takes it up again finds the periods where they would have been.
    """
    started: dict[int, SpendMatch] = {}
    for setting in settings:
        if setting.spend_match is not None:
            started.setdefault(setting.spend_match.start_ms, setting.spend_match)
    for start_ms, match in started.items():
        first_day, days = day_number(start_ms), match.days
        # Before the first setting there are no terms, however long ago the periods are said to begin.
        first_day += max(day_number(settings[0].effective_ms) - first_day, 0) // days * days
        while first_day <= day:
            terms = terms_of(settings, first_day)
            if terms is not None and terms.spend_match is not None and terms.spend_match.start_ms == start_ms:
                days = terms.spend_match.days
                yield Period(first_day, first_day + days - 1, terms.spend_match)
            first_day += days


def match_fen(terms: SpendMatch, spend_fen: int, orders_micros: int) -> int:
    """What a period's spend and credited orders (in millionths) earn.

    >>> terms = SpendMatch(0, 7, 10, 2, threshold_fen=50_000, orders_min=3, cap_fen=9_000)
    >>> [match_fen(terms, spend, 3_000_000) for spend in (49_999, 50_000, 50_009, 100_000)]
    [0, 5000, 5000, 9000]
    >>> match_fen(terms, 50_000, 2_999_999)
    0
    """
    if spend_fen < terms.threshold_fen or orders_micros < terms.orders_min * ORDER_MICROS:
        return 0
    amount_fen = spend_fen * terms.rate_percent // 100
    return amount_fen if terms.cap_fen is None else min(amount_fen, terms.cap_fen)


def _due(facts: MoneyFacts, period: Period, day: int) -> Due:
    first_day, last_day, terms = period
    spend = spend_of(facts, first_day, last_day, day)
    orders_micros = _orders_micros(facts, first_day, last_day)
    basis: dict[str, int | str] = {
        "spend_fen": spend.spend_fen,
        "hours_reported": spend.hours_reported,
        "hours": spend.hours,
        "orders_micros": orders_micros,
        "rate_percent": terms.rate_percent,
        "threshold_fen": terms.threshold_fen,
        "orders_min": terms.orders_min,
    }
    if terms.cap_fen is not None:
        basis["cap_fen"] = terms.cap_fen
    return Due(
        rule="match",
        period=days_from(first_day, terms.days),
        amount_fen=match_fen(terms, spend.spend_fen, orders_micros),
        debit="platform:match_expense",
        credit="merchant:ad_credit",
        basis=basis,
        due_day=period.due_day,
    )


def _orders_micros(facts: MoneyFacts, first_day: int, last_day: int) -> int:
    days = range(first_day, last_day + 1)
    return sum(facts.ordered_on(day, model_of(facts.settings, day)).orders_micros for day in days)
