"""What is due to whom, and the ledger that follows from it when nothing comes late (ARCHITECTURE.md, R21 and R22)."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from fractions import Fraction
from typing import Any, Final, NamedTuple

from xinghe.audit.guarantee import ORDER_MICROS, first_days, outcome, settlement_day
from xinghe.audit.money_facts import MoneyFacts
from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.terms import RevenueShare, SpendMatch

BOOKED_AGAIN_DAYS: Final = 90
"""How long after its due day an amount is still corrected."""

RULES: Final = ("spend", "match", "share", "clawback", "guarantee")
"""In the order in which a day books them."""
ACCOUNTS: Final[dict[str, tuple[str, str]]] = {
    "spend": ("merchant:ad_expense", "platform:ad_revenue"),
    "match": ("platform:match_expense", "merchant:ad_credit"),
    "share": ("merchant:commission_expense", "platform:commission_revenue"),
    "clawback": ("platform:commission_revenue", "merchant:commission_expense"),
}
GUARANTEE_DEBIT: Final = "platform:guarantee_expense"
GUARANTEE_CREDIT: Final = {"cash": "merchant:cash", "credit": "merchant:ad_credit"}


class DueKey(NamedTuple):
    """What an amount is for; sorts in the order of the ledger."""

    rule: str
    period: str

    @property
    def place(self) -> tuple[int, str]:
        """Where it comes among what one day books."""
        return RULES.index(self.rule), self.period


class Due(NamedTuple):
    """An amount above 0, the day on which it is due, and the accounts."""

    day: int
    amount_fen: int
    debit: str
    credit: str


def day_text(day: int) -> str:
    """The date of a day.

    >>> day_text(19_677), day_text(1)
    ('2023-11-15', '1970-01-01')
    """
    return date.fromordinal(date(1970, 1, 1).toordinal() + day - 1).isoformat()


def day_of_text(text: str) -> int:
    """The day of a date; raises ``ValueError`` if it is none.

    >>> day_of_text("2023-11-15")
    19677
    """
    return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal() + 1


def amounts(facts: MoneyFacts, known_day: int) -> dict[DueKey, Due]:
    """All that is due at or before ``known_day`` and was not 0 when last looked at, by what was known then.

    An amount is looked at each day from its due day on, for 90 days; ``known_day`` is the last day that is booked.
    """
    dues = {
        key: due
        for rule in (_spend, _matches, _shares, _guarantees)
        for key, due in rule(facts, known_day)
        if due.amount_fen and due.day <= known_day
    }
    return dict(sorted(dues.items(), key=lambda item: item[0].place))


def _spend(facts: MoneyFacts, known_day: int) -> Iterator[tuple[DueKey, Due]]:
    for day in sorted(facts.reports_by_day):
        spend_fen = facts.spend_fen(day, day, min(known_day, day + BOOKED_AGAIN_DAYS))
        yield DueKey("spend", day_text(day)), Due(day, spend_fen, *ACCOUNTS["spend"])


def _matches(facts: MoneyFacts, known_day: int) -> Iterator[tuple[DueKey, Due]]:
    """Each period whose first day's terms have the spend match that began it."""
    for first_day, match in _periods(facts, known_day):
        due_day = first_day + match.days - 1 + match.settle_after_days
        if due_day <= known_day:
            amount_fen = match_fen(facts, match, first_day, min(known_day, due_day + BOOKED_AGAIN_DAYS))
            key = DueKey("match", f"{day_text(first_day)}+{match.days}d")
            yield key, Due(due_day, amount_fen, *ACCOUNTS["match"])


def _periods(facts: MoneyFacts, known_day: int) -> Iterator[tuple[int, SpendMatch]]:
    """The periods that begin at or before ``known_day``; one without a match is as long as the one before it."""
    first_of: dict[int, SpendMatch] = {}
    for setting in facts.settings:
        if setting.spend_match is not None:
            first_of.setdefault(setting.spend_match.start_ms, setting.spend_match)
    for start_ms, first in first_of.items():
        day, days = day_number(start_ms), first.days
        while day <= known_day:
            terms = facts.terms(day)
            match = None if terms is None else terms.spend_match
            if match is not None and match.start_ms == start_ms:
                days = match.days
                yield day, match
            day += days


def match_fen(facts: MoneyFacts, match: SpendMatch, first_day: int, known_day: int) -> int:
    """What a spend match pays for the period from ``first_day`` on."""
    last_day = first_day + match.days - 1
    spend_fen = facts.spend_fen(first_day, last_day, known_day)
    orders_micros = sum(
        amounts.orders_micros
        for day in range(first_day, last_day + 1)
        for key, amounts in facts.ordered_on(day)
        if key.model == facts.model(day)
    )
    if spend_fen < match.threshold_fen or orders_micros < match.orders_min * ORDER_MICROS:
        return 0
    amount_fen = spend_fen * match.rate_percent // 100
    return amount_fen if match.cap_fen is None else min(amount_fen, match.cap_fen)


def _shares(facts: MoneyFacts, known_day: int) -> Iterator[tuple[DueKey, Due]]:
    """The share of each month, and what later refunds take back of it."""
    for first_day, last_day in _months(facts, known_day):
        days = [day for day in range(first_day, last_day + 1) if _share_of(facts, day) is not None]
        if not days:
            continue
        share = _share_of(facts, days[0])
        if share is None:
            raise AssertionError("the day has a share")
        month = day_text(first_day)[:7]
        due_day = last_day + share.settle_after_days
        if due_day > known_day:
            continue
        amount_fen = share_fen(share, _net_gmv_fen(facts, days, due_day))
        yield DueKey("share", month), Due(due_day, amount_fen, *ACCOUNTS["share"])
        changed = {key.day for day in days for key, _ in facts.ordered_on(day)}
        for day in sorted(day for day in changed if due_day < day <= known_day):
            before_fen = share_fen(share, _net_gmv_fen(facts, days, day - 1))
            taken_fen = before_fen - share_fen(share, _net_gmv_fen(facts, days, day))
            yield DueKey("clawback", f"{month}/{day_text(day)}"), Due(day, taken_fen, *ACCOUNTS["clawback"])


def _months(facts: MoneyFacts, known_day: int) -> Iterator[tuple[int, int]]:
    """First and last day of each calendar month from the first setting's to that of ``known_day``."""
    day = min((day_number(setting.effective_ms) for setting in facts.settings), default=known_day + 1)
    while day <= known_day:
        as_date = date.fromisoformat(day_text(day))
        first_day = day - as_date.day + 1
        last_day = first_day + calendar.monthrange(as_date.year, as_date.month)[1] - 1
        yield first_day, last_day
        day = last_day + 1


def _share_of(facts: MoneyFacts, day: int) -> RevenueShare | None:
    terms = facts.terms(day)
    return None if terms is None else terms.revenue_share


def _net_gmv_fen(facts: MoneyFacts, order_days: list[int], known_to: int) -> int:
    return sum(
        amounts.gmv_fen - amounts.refund_fen
        for day in order_days
        for key, amounts in facts.ordered_on(day)
        if key.day <= known_to and key.model == facts.model(day)
    )


def share_fen(share: RevenueShare, net_gmv_fen: int) -> int:
    """The share of a net GMV: each tier's rate for the part of it from the tier's ``from_fen`` up to the next one's.

    >>> from xinghe.domain.terms import Tier
    >>> tiers = [Tier(1_000, 500), Tier(3_000, 1_000)]
    >>> [share_fen(RevenueShare(tiers, 0), fen) for fen in (-5, 1_000, 3_000, 3_010)]
    [0, 0, 100, 101]
    """
    whole = Fraction(0)
    for index, tier in enumerate(share.tiers):
        part_fen = max(0, net_gmv_fen - tier.from_fen)
        if index + 1 < len(share.tiers):
            part_fen = min(part_fen, share.tiers[index + 1].from_fen - tier.from_fen)
        whole += Fraction(part_fen * tier.rate_basis_points, 10_000)
    return whole.__floor__()


def _guarantees(facts: MoneyFacts, known_day: int) -> Iterator[tuple[DueKey, Due]]:
    for first_day in first_days(facts):
        settled_on = settlement_day(facts, first_day)
        if settled_on <= known_day:
            found = outcome(facts, first_day, min(known_day, settled_on + BOOKED_AGAIN_DAYS))
            key = DueKey("guarantee", f"{day_text(first_day)}+{found.promise.observation_days}d")
            credit = GUARANTEE_CREDIT[found.promise.form]
            yield key, Due(settled_on, found.paid_fen, GUARANTEE_DEBIT, credit)


def expected_entries(facts_on: Callable[[int], MoneyFacts], last_day: int) -> list[dict[str, Any]]:
    """The ledger of a campaign up to ``last_day`` when nothing comes late, each entry without its ``basis``.

    ``facts_on`` has the facts as they are known at the end of a day.
    """
    entries: list[dict[str, Any]] = []
    booked: dict[DueKey, tuple[Due, int]] = {}
    first_day = facts_on(last_day).first_day
    if first_day is None:
        return entries
    for day in range(first_day, last_day + 1):
        facts = facts_on(day)
        dues = amounts(facts, day)
        for key in sorted(dues.keys() | booked.keys(), key=lambda key: key.place):
            due, stands = dues.get(key), booked.get(key)
            if stands is not None and due == stands[0]:
                continue
            lines: list[dict[str, Any]] = []
            if due is not None:
                lines += [_line(1, due.debit, due.amount_fen), _line(2, due.credit, -due.amount_fen)]
                booked[key] = (due, day)
            if stands is not None:
                lines += _reversal(facts.campaign_id, key, *stands)
                if due is None:
                    del booked[key]
            entries += _journal(facts, key, day, lines)
    return [{**entry, "number": number} for number, entry in enumerate(entries, 1)]


def _line(line: int, account: str, amount_fen: int, reverses: str | None = None) -> dict[str, Any]:
    return {"line": line, "account": account, "amount_fen": amount_fen, "reverses": reverses}


def _reversal(campaign_id: str, key: DueKey, due: Due, day: int) -> list[dict[str, Any]]:
    """What was booked on ``day`` taken back: the account that was credited is debited."""
    reverses = journal_id(campaign_id, key, day)
    return [
        _line(3, due.credit, due.amount_fen, reverses),
        _line(4, due.debit, -due.amount_fen, reverses),
    ]


def _journal(
    facts: MoneyFacts, key: DueKey, day: int, lines: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    terms, journal = facts.terms(day), journal_id(facts.campaign_id, key, day)
    for line in lines:
        yield {
            "entry_id": f"{journal}|{line['line']}",
            "journal_id": journal,
            "campaign_id": facts.campaign_id,
            "shop_id": None if terms is None else terms.shop_id,
            "rule": key.rule,
            "period": key.period,
            "day": day_text(day),
            "time_ms": day_start_ms(day + 1),
            **line,
        }


def journal_id(campaign_id: str, key: DueKey, day: int) -> str:
    """The name of what a day books for a rule and period."""
    return f"{campaign_id}|{key.rule}|{key.period}|{day_text(day)}"


def balances(standing: Mapping[DueKey, Due]) -> dict[str, int]:
    """The balance of each account, in fen: debits less credits."""
    sums: dict[str, int] = {}
    for due in standing.values():
        sums[due.debit] = sums.get(due.debit, 0) + due.amount_fen
        sums[due.credit] = sums.get(due.credit, 0) - due.amount_fen
    return {account: amount_fen for account, amount_fen in sorted(sums.items()) if amount_fen}
