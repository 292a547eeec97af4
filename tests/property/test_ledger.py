"""Laws of the books, on campaigns made up at random, against a plain reading of the rules."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.books import Bookkeeper, facts
from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.dates import day_of
from xinghe.domain.due import Due
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.ledger import amounts_due, days_that_matter
from xinghe.domain.money_facts import MoneyFacts
from xinghe.domain.outputs import LedgerEntry
from xinghe.domain.revenue_share import clawbacks_due, shares_due
from xinghe.domain.spend import Report, anchor_of, known_day
from xinghe.domain.spend_match import matches_due
from xinghe.domain.terms import (
    CustomGuarantee,
    RevenueShare,
    SpendMatch,
    Tier,
    XhsCost,
    model_of,
    terms_of,
)
from xinghe.domain.windows import DAY_MS, HOUR_MS

FIRST = day_of("2026-10-25")
LAST = FIRST + 150
DAYS = st.integers(FIRST, FIRST + 50)
STARTS_MS = st.sampled_from([day_start_ms(FIRST), day_start_ms(FIRST + 3) + 7, day_start_ms(FIRST - 9)])
AMOUNTS = st.integers(0, 30_000)

matches = st.builds(
    SpendMatch,
    STARTS_MS,
    st.sampled_from([1, 3, 7]),
    st.integers(1, 100),
    st.integers(0, 5),
    st.sampled_from([0, 9_000]),
    st.integers(0, 2),
    st.none() | st.integers(1, 5_000),
)
shares = st.builds(
    RevenueShare,
    st.lists(
        st.builds(Tier, AMOUNTS, st.integers(0, 10_000)),
        min_size=1,
        max_size=4,
        unique_by=lambda t: t.from_fen,
    ).map(lambda tiers: sorted(tiers, key=lambda tier: tier.from_fen)),
    st.integers(0, 20),
)
guarantees = st.builds(XhsCost, STARTS_MS, st.integers(1, 500)) | st.builds(
    lambda start_ms, bid_fen, form: CustomGuarantee(start_ms, "cost", 100, 90, 4, 6, form, bid_fen=bid_fen),
    STARTS_MS,
    st.integers(1, 500),
    st.sampled_from(["cash", "credit"]),
)
configured = st.builds(
    lambda day, at_ms, model, terms: CampaignConfigured(
        "c1", "s1", "n", day_start_ms(day) + at_ms, model, **terms
    ),
    DAYS,
    st.sampled_from([0, 0, 1, DAY_MS - 1]),
    st.sampled_from(["last_touch", "first_touch", "markov"]),
    st.fixed_dictionaries(
        {}, optional={"spend_match": matches, "revenue_share": shares, "guarantee": guarantees}
    ),
)
configurations = st.lists(configured, max_size=4, unique_by=lambda one: one.effective_ms).map(
    lambda them: sorted(them, key=lambda one: one.effective_ms)
)
reports = st.lists(
    st.builds(
        lambda day, hour, spend_fen, revision, late_ms: Report(
            day_start_ms(day) + hour * HOUR_MS,
            revision,
            f"{day}-{hour}-{revision}",
            spend_fen,
            None,
            None,
            day_start_ms(day) + hour * HOUR_MS + late_ms,
        ),
        DAYS,
        st.sampled_from([0, 12, 23]),
        AMOUNTS,
        st.integers(1, 3),
        st.sampled_from([HOUR_MS, 9 * HOUR_MS, 3 * DAY_MS, 95 * DAY_MS]),
    ),
    max_size=12,
    unique_by=lambda one: one.event_id,
)
orders = st.builds(
    lambda day, lag, model, orders, gmv_fen, linked_after: CohortRow(
        day - lag, day, day, model, orders * 500_000, gmv_fen, 0, day + linked_after if linked_after else 0
    ),
    DAYS,
    st.integers(0, 5),
    st.sampled_from([0, 1]),
    st.integers(1, 4),
    AMOUNTS,
    st.sampled_from([0, 0, 0, 1, 9]),
)
refunds = st.builds(
    lambda day, lag, model, refund_fen: CohortRow(day, day, day + lag, model, 0, 0, refund_fen),
    DAYS,
    st.integers(0, 70),
    st.sampled_from([0, 1]),
    AMOUNTS,
)
cohorts = st.lists(orders | refunds, max_size=12)
campaigns = st.builds(facts, configurations, reports, cohorts)


def day_date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day - 1)


def plain_spend(known: MoneyFacts, first: int, last: int, by: int) -> int:
    """Hour by hour the report of the largest revision that is known."""
    best: dict[int, Report] = {}
    for report in known.reports:
        hour = report.hour_start_ms
        if first <= day_number(hour) <= last and known_day(report, anchor_of(known.reports)) <= by:
            best[hour] = max(best.get(hour, report), report, key=lambda each: (each.revision, each.event_id))
    return sum(report.spend_fen for report in best.values())


def plain_matches(known: MoneyFacts, day: int) -> dict[str, int]:
    """Day by day of the calendar: does a period begin on it?"""
    found: dict[str, int] = {}
    told = [one.spend_match for one in known.settings if one.spend_match is not None]
    for start_ms in {match.start_ms for match in told}:
        days = next(match.days for match in told if match.start_ms == start_ms)
        next_first = day_number(start_ms)
        for first in range(next_first, day + 1):
            if first != next_first:
                continue
            terms = terms_of(known.settings, first)
            match = None if terms is None else terms.spend_match
            if match is not None and match.start_ms == start_ms:
                days = match.days
                last = first + days - 1
                if last + match.settle_after_days in range(day - 90, day + 1):
                    found[f"{day_date(first)}+{days}d"] = plain_match(known, match, first, last, day)
            next_first = first + days
    return {period: fen for period, fen in found.items() if fen}


def plain_match(known: MoneyFacts, match: SpendMatch, first: int, last: int, day: int) -> int:
    """By all reports that are known on ``day``: those after the settlement correct it."""
    spend_fen = plain_spend(known, first, last, day)
    credited = [
        Fraction(row.orders_micros, 1_000_000)
        for row in known.cohorts
        if first <= row.order_day <= last and row.model == model_of(known.settings, row.order_day)
    ]
    if spend_fen < match.threshold_fen or sum(credited) < match.orders_min:
        return 0
    return min(int(Fraction(spend_fen * match.rate_percent, 100)), match.cap_fen or 10**15)


def plain_shares(known: MoneyFacts, day: int) -> dict[str, int]:
    """Month by month, fen by fen of the net GMV; clawbacks have the day of the refunds in their period."""
    found: dict[str, int] = {}
    for year, month in ((2026, 9), (2026, 10), (2026, 11), (2026, 12), (2027, 1)):
        days = [day_of(f"{year}-{month:02d}-{n:02d}") for n in range(1, monthrange(year, month)[1] + 1)]
        with_share = [each for each in days if (t := terms_of(known.settings, each)) and t.revenue_share]
        if not with_share:
            continue
        terms = terms_of(known.settings, with_share[0])
        assert terms is not None
        assert terms.revenue_share is not None
        settled = days[-1] + terms.revenue_share.settle_after_days
        rows = [
            row
            for row in known.cohorts
            if row.order_day in with_share and row.model == model_of(known.settings, row.order_day)
        ]

        def by(end: int, rows: list[CohortRow] = rows, share: RevenueShare = terms.revenue_share) -> int:
            return plain_share(share, sum(row.gmv_fen - row.refund_fen for row in rows if row.day <= end))

        if day - 90 <= settled <= day:
            found[f"{year}-{month:02d}"] = by(settled)
        for refund_day in range(max(settled + 1, day - 90), day + 1):
            found[f"{year}-{month:02d}/{day_date(refund_day)}"] = by(refund_day - 1) - by(refund_day)
    return {period: fen for period, fen in found.items() if fen}


def plain_share(share: RevenueShare, net_fen: int) -> int:
    """Of each boundary: what lies above it changes from the rate before it to its own."""
    total, rate_before = 0, 0
    for tier in share.tiers:
        total += max(net_fen - tier.from_fen, 0) * (tier.rate_basis_points - rate_before)
        rate_before = tier.rate_basis_points
    return total // 10_000


def by_period(dues: list[Due]) -> dict[str, int]:
    assert [due.period for due in dues] == sorted(due.period for due in dues)
    return {due.period: due.amount_fen for due in dues}


def check_journals(entries: list[LedgerEntry]) -> None:
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    sums: Counter[str] = Counter()
    for entry in entries:
        sums[entry.journal_id] += entry.amount_fen
        assert (entry.amount_fen > 0) == (entry.line in {1, 3})
    assert set(sums.values()) <= {0}
    assert len({entry.entry_id for entry in entries}) == len(entries)


def amounts(dues: list[Due]) -> dict[tuple[str, str], Any]:
    return {(due.rule, due.period): (due.amount_fen, due.debit, due.credit) for due in dues}


@settings(deadline=None)
@given(campaigns, st.integers(FIRST, LAST))
def test_matches_and_shares_are_as_a_plain_reading_has_them(known: MoneyFacts, day: int) -> None:
    assert by_period(matches_due(known, day)) == plain_matches(known, day)
    due = by_period(shares_due(known, day)) | by_period(clawbacks_due(known, day))
    assert due == plain_shares(known, day)


@settings(deadline=None)
@given(campaigns, st.integers(FIRST, LAST), st.integers(0, 40))
def test_days_that_do_not_matter_change_nothing(known: MoneyFacts, day: int, later: int) -> None:
    spend_day, order_day = days_that_matter(known.settings, day)
    first = min(known.reports, key=lambda report: report.place, default=None)
    reports = [one for one in known.reports if day_number(one.hour_start_ms) >= spend_day or one is first]
    rows = [row for row in known.cohorts if row.order_day >= order_day]
    cut = facts(known.settings, reports, rows)
    assert amounts_due(cut, day + later) == amounts_due(known, day + later)


@settings(max_examples=25, deadline=None)
@given(campaigns, st.integers(0, 2**32))
def test_the_books_balance_and_do_not_depend_on_the_order_of_rows_or_on_what_comes_later(
    known: MoneyFacts, seed: int
) -> None:
    at_once, day_by_day = Bookkeeper(), Bookkeeper()
    at_once.book(known, range(FIRST, LAST))
    check_journals(at_once.entries)
    random = Random(seed)
    reports, rows = (
        random.sample(known.reports, len(known.reports)),
        random.sample(known.cohorts, len(known.cohorts)),
    )
    shuffled = Bookkeeper()
    shuffled.book(msgspec.structs.replace(known, reports=reports, cohorts=rows), range(FIRST, LAST))
    encode = msgspec.json.encode
    assert [encode(entry) for entry in shuffled.entries] == [encode(entry) for entry in at_once.entries]
    for day in range(FIRST, LAST):
        # No more than what can have come by the end of the day, in any order.
        rows = [row for row in known.cohorts if max(row.day, row.known_day) <= day]
        told = [one for one in known.reports if one.reported_ms <= day_start_ms(day + 1) + 7 * HOUR_MS]
        configured = [one for one in known.settings if day_number(one.effective_ms) <= day]
        random.shuffle(rows)
        random.shuffle(told)
        day_by_day.book(facts(configured, told, rows), [day])
    if known.reports and anchor_of(known.reports) == HOUR_MS:
        # A campaign whose first report was later is settled later than it was told.
        assert [encode(entry) for entry in day_by_day.entries] == [encode(e) for e in at_once.entries]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), campaigns), min_size=1, max_size=4))
def test_whatever_came_late_what_stands_is_what_is_due(steps: list[tuple[int, MoneyFacts]]) -> None:
    keeper = Bookkeeper()
    day = FIRST
    for days, known in steps:
        keeper.book(known, range(day, day + days))
        day += days
    check_journals(keeper.entries)
    is_open = {key for key, stands in keeper.booked.items() if stands.due_day >= day - 1 - 90}
    stands = {
        key: (booked.amount_fen, booked.debit, booked.credit)
        for key, booked in keeper.booked.items()
        if key in is_open
    }
    assert stands == amounts(amounts_due(known, day - 1))
