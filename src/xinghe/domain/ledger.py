"""The books of a campaign: what is due on a day, and the journals that bring what is booked to it (ARCHITECTURE.md, R22)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, get_args

from msgspec import Struct

from xinghe.domain.counted import day_start_ms
from xinghe.domain.dates import date_of, days_from
from xinghe.domain.due import CORRECTED_DAYS, Due, is_booked
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.guarantee import guarantees_of, position
from xinghe.domain.money_facts import MoneyFacts, spend_on
from xinghe.domain.outputs import Account, LedgerEntry, LedgerRule
from xinghe.domain.revenue_share import clawbacks_due, shares_due
from xinghe.domain.spend_match import matches_due
from xinghe.domain.terms import policy_of, terms_of

RULES: Final[tuple[LedgerRule, ...]] = get_args(LedgerRule)
"""In the order in which a day books them."""

Key = tuple[LedgerRule, str]
"""Rule and period: what one amount is due for."""


class Books(Struct, array_like=True, frozen=True, gc=False):
    """How far a campaign is booked: the last day (0 before the first), and how many entries there are."""

    booked_day: int = 0
    entries: int = 0


class Booked(Struct, array_like=True, frozen=True, gc=False):
    """The amount that stands for a rule and period; ``day`` is that of its journal."""

    amount_fen: int
    debit: Account
    credit: Account
    day: int
    due_day: int


class Booking(NamedTuple):
    """What booking a day comes to."""

    entries: list[LedgerEntry]
    """The new ones, in their order."""
    changed: dict[Key, Booked | None]
    """What must be remembered of rules and periods from now on where that changed; ``None``: nothing more."""
    books: Books


def amounts_due(facts: MoneyFacts, day: int) -> list[Due]:
    """What is due at the end of ``day`` with a due day at most 90 days before it, in the order of the ledger.

    By what is known then; amounts of 0 are left out. The order of reports and cohorts does not matter.
    """
    facts = facts.linked_on(day)
    return [
        *_spend_due(facts, day),
        *matches_due(facts, day),
        *shares_due(facts, day),
        *clawbacks_due(facts, day),
        *_guarantees_due(facts, day),
    ]


def days_that_matter(settings: Sequence[CampaignConfigured], day: int) -> tuple[int, int]:
    """The oldest day whose spend, and the oldest whose orders, can matter to what is due on ``day`` or later.

    A clawback is by all orders of its month, and a refund can come long after.
    """
    spans = [0]
    has_share = False
    for setting in settings:
        if setting.spend_match is not None:
            spans.append(setting.spend_match.days + setting.spend_match.settle_after_days)
        if setting.guarantee is not None:
            spans.append(policy_of(setting.guarantee).settlement_day)
        has_share = has_share or setting.revenue_share is not None
    oldest_day = day - CORRECTED_DAYS - max(spans)
    return oldest_day, 0 if has_share else oldest_day


def book(
    campaign_id: str,
    shop_id: str | None,
    day: int,
    dues: Sequence[Due],
    booked: Mapping[Key, Booked],
    books: Books,
) -> Booking:
    """Book a day: a journal for each rule and period whose amount due differs from what is booked.

    ``shop_id`` is that of the terms of ``day``, ``dues`` are the `amounts_due` of it, ``booked`` is what all bookings before have
    left to remember. Raises `ValueError` if the day or a later one is booked already.
    """
    if day <= books.booked_day:
        raise ValueError(
            f"{campaign_id}: {date_of(day)} is booked already, up to {date_of(books.booked_day)}"
        )
    due_of: dict[Key, Due] = {(due.rule, due.period): due for due in dues}
    open_keys = due_of.keys() | {key for key, stands in booked.items() if is_booked(stands.due_day, day)}
    entries: list[LedgerEntry] = []
    # A day's spend and refunds have their due day for ever; a settlement can be moved by settings that come late, and
    # what is booked for it must be known even then.
    changed: dict[Key, Booked | None] = {
        key: None
        for key, stands in booked.items()
        if key[0] in {"spend", "clawback"} and stands.due_day < day - CORRECTED_DAYS
    }
    for key in sorted(open_keys, key=lambda key: (RULES.index(key[0]), key[1])):
        due, stands = due_of.get(key), booked.get(key)
        if _amount(due) == _amount(stands):
            continue
        journal = _Journal(campaign_id, shop_id, key, day, books.entries + len(entries))
        entries += journal.entries(due, stands)
        changed[key] = (
            None if due is None else Booked(due.amount_fen, due.debit, due.credit, day, due.due_day)
        )
    return Booking(entries, changed, Books(day, books.entries + len(entries)))


def journal_id(campaign_id: str, rule: str, period: str, day: int) -> str:
    """The id of what a day books for a rule and period."""
    return f"{campaign_id}|{rule}|{period}|{date_of(day)}"


class _Journal(NamedTuple):
    """One journal, whose first entry follows the number ``number``."""

    campaign_id: str
    shop_id: str | None
    key: Key
    day: int
    number: int

    def entries(self, due: Due | None, stands: Booked | None) -> list[LedgerEntry]:
        """The amount due, then the reversal of what stands, which debits what was credited."""
        lines: list[tuple[int, Account, int, str | None, dict[str, int | str] | None]] = []
        if due is not None:
            basis = dict(due.basis)
            lines += [
                (1, due.debit, due.amount_fen, None, basis),
                (2, due.credit, -due.amount_fen, None, basis),
            ]
        if stands is not None:
            reverses = journal_id(self.campaign_id, *self.key, stands.day)
            lines += [
                (3, stands.credit, stands.amount_fen, reverses, None),
                (4, stands.debit, -stands.amount_fen, reverses, None),
            ]
        return [self._entry(number, *line) for number, line in enumerate(lines, self.number + 1)]

    def _entry(
        self,
        number: int,
        line: int,
        account: Account,
        amount_fen: int,
        reverses: str | None,
        basis: dict[str, int | str] | None,
    ) -> LedgerEntry:
        rule, period = self.key
        own_id = journal_id(self.campaign_id, rule, period, self.day)
        return LedgerEntry(
            entry_id=f"{own_id}|{line}",
            journal_id=own_id,
            campaign_id=self.campaign_id,
            shop_id=self.shop_id,
            number=number,
            rule=rule,
            period=period,
            day=date_of(self.day),
            time_ms=day_start_ms(self.day + 1),
            line=line,
            account=account,
            amount_fen=amount_fen,
            reverses=reverses,
            basis=basis,
        )


def _amount(of: Due | Booked | None) -> tuple[int, Account, Account] | None:
    """What must be the same for nothing to be booked."""
    return None if of is None else (of.amount_fen, of.debit, of.credit)


def _spend_due(facts: MoneyFacts, day: int) -> list[Due]:
    """The spend of each day, from the reports that are known, ascending."""
    days = [spend_day for spend_day in facts.spend if is_booked(spend_day, day)]
    return [
        Due(
            rule="spend",
            period=date_of(spend_day),
            amount_fen=spend.spend_fen,
            debit="merchant:ad_expense",
            credit="platform:ad_revenue",
            basis={"spend_fen": spend.spend_fen, "hours_reported": spend.hours_reported},
            due_day=spend_day,
        )
        for spend_day in days
        if (spend := spend_on(facts, spend_day, day)) is not None and spend.spend_fen > 0
    ]


def _guarantees_due(facts: MoneyFacts, day: int) -> list[Due]:
    """The payouts of the guarantees whose settlement is booked or corrected on ``day``, by first day."""
    dues = (_guarantee_due(facts, first_day, day) for first_day in guarantees_of(facts.settings))
    return [due for due in dues if due is not None]


def _guarantee_due(facts: MoneyFacts, first_day: int, day: int) -> Due | None:
    terms = terms_of(facts.settings, first_day)
    if terms is None or terms.guarantee is None:
        return None
    policy = policy_of(terms.guarantee)
    due_day = first_day + policy.settlement_day - 1
    if not is_booked(due_day, day):
        return None
    settled = position(facts, first_day, day, day)
    if not settled.payout_fen or settled.spend_fen is None:
        return None  # nothing to pay, as always where no spend is known
    return Due(
        rule="guarantee",
        period=days_from(first_day, policy.observation_days),
        amount_fen=settled.payout_fen,
        debit="platform:guarantee_expense",
        credit="merchant:cash" if policy.form == "cash" else "merchant:ad_credit",
        basis={
            "measure": settled.measure,
            "spend_fen": settled.spend_fen,
            "hours_reported": settled.hours_reported,
            "hours": settled.hours,
            "gmv_fen": settled.gmv_fen,
            "refund_fen": settled.refund_fen,
            "conversions_micros": settled.conversions_micros,
            "earned_fen": settled.earned_fen,
            "shortfall_fen": settled.shortfall_fen,
        },
        due_day=due_day,
    )
