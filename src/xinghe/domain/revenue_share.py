"""Revenue share: the merchant's commission on a month's net GMV, and what later refunds take back (ARCHITECTURE.md, R21)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from xinghe.domain.dates import date_of, days_of_month, month_of
from xinghe.domain.due import Due, is_booked
from xinghe.domain.money_facts import MoneyFacts, Ordered
from xinghe.domain.terms import RevenueShare, Tier, model_of, terms_of

BASIS_POINTS = 10_000


class Month(NamedTuple):
    """What a month's orders with a share came to."""

    name: str
    terms: RevenueShare
    settlement_day: int
    gmv_fen: int
    refund_fen_by_day: Mapping[int, int]

    def refund_fen(self, day: int) -> int:
        """What was refunded up to a day."""
        return sum(fen for on_day, fen in self.refund_fen_by_day.items() if on_day <= day)

    def net_gmv_fen(self, day: int) -> int:
        """The GMV less refunds up to a day, at least 0."""
        return max(self.gmv_fen - self.refund_fen(day), 0)

    def share_fen(self, day: int) -> int:
        """The share by refunds up to a day."""
        return share_fen(self.terms.tiers, self.net_gmv_fen(day))


def shares_due(facts: MoneyFacts, day: int) -> list[Due]:
    """The shares of all months that are booked or corrected on ``day``, ascending by month; none of 0."""
    dues = (_share(month) for month in _months(facts) if is_booked(month.settlement_day, day))
    return [due for due in dues if due.amount_fen > 0]


def clawbacks_due(facts: MoneyFacts, day: int) -> list[Due]:
    """What refunds after the settlement of their month take back, by month, then day of the refunds; none of 0."""
    dues = (
        _clawback(month, refund_day)
        for month in _months(facts)
        for refund_day in sorted(month.refund_fen_by_day)
        if refund_day > month.settlement_day and is_booked(refund_day, day)
    )
    return [due for due in dues if due.amount_fen > 0]


def share_fen(tiers: Sequence[Tier], net_gmv_fen: int) -> int:
    """The share of a net GMV by marginal tiers, rounded down in all; nothing for the part before the first tier.

    >>> tiers = [Tier(0, 500), Tier(10_000, 300)]  # 5 percent of the first 100 yuan, 3 percent of what is above
    >>> [share_fen(tiers, net) for net in (0, 9_999, 10_000, 10_033, 10_034)]
    [0, 499, 500, 500, 501]
    """
    ends = [*(tier.from_fen for tier in tiers[1:]), net_gmv_fen]
    parts = (
        max(min(end, net_gmv_fen) - tier.from_fen, 0) * tier.rate_basis_points
        for tier, end in zip(tiers, ends, strict=True)
    )
    return sum(parts) // BASIS_POINTS


def _months(facts: MoneyFacts) -> Iterator[Month]:
    """The months with orders, ascending, as far as they have terms with a share."""
    for days in sorted({days_of_month(day) for day in facts.ordered}, key=lambda days: days.start):
        terms_by_day = {each: terms_of(facts.settings, each) for each in days}
        shares = {
            each: terms.revenue_share
            for each, terms in terms_by_day.items()
            if terms is not None and terms.revenue_share is not None
        }
        if shares:
            share = shares[min(shares)]
            ordered = [facts.ordered_on(each, model_of(facts.settings, each)) for each in shares]
            yield _month(month_of(days[0]), share, days[-1] + share.settle_after_days, ordered)


def _month(name: str, terms: RevenueShare, settlement_day: int, ordered: Sequence[Ordered]) -> Month:
    """``ordered`` are those days of the month that have a share, each by its model."""
    refund_fen_by_day: Counter[int] = Counter()
    for of_day in ordered:
        refund_fen_by_day.update(of_day.refund_fen_by_day)
    return Month(name, terms, settlement_day, sum(of_day.gmv_fen for of_day in ordered), refund_fen_by_day)


def _share(month: Month) -> Due:
    day = month.settlement_day
    return Due(
        rule="share",
        period=month.name,
        amount_fen=month.share_fen(day),
        debit="merchant:commission_expense",
        credit="platform:commission_revenue",
        basis={
            "gmv_fen": month.gmv_fen,
            "refund_fen": month.refund_fen(day),
            "net_gmv_fen": month.net_gmv_fen(day),
            "tiers": _written(month.terms.tiers),
        },
        due_day=day,
    )


def _clawback(month: Month, refund_day: int) -> Due:
    before_fen, after_fen = month.share_fen(refund_day - 1), month.share_fen(refund_day)
    return Due(
        rule="clawback",
        period=f"{month.name}/{date_of(refund_day)}",
        amount_fen=before_fen - after_fen,
        debit="platform:commission_revenue",
        credit="merchant:commission_expense",
        basis={
            "refund_fen": month.refund_fen_by_day[refund_day],
            "net_gmv_before_fen": month.net_gmv_fen(refund_day - 1),
            "net_gmv_fen": month.net_gmv_fen(refund_day),
            "share_before_fen": before_fen,
            "share_fen": after_fen,
            "tiers": _written(month.terms.tiers),
        },
        due_day=refund_day,
    )


def _written(tiers: Sequence[Tier]) -> str:
    """The tiers as text: from how many fen, how many basis points."""
    return ", ".join(f"{tier.from_fen} fen: {tier.rate_basis_points} bp" for tier in tiers)
