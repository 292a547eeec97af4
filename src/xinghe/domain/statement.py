"""The settlement statement of a campaign: what its ledger comes to (ARCHITECTURE.md, R22)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from xinghe.domain.ledger import RULES
from xinghe.domain.outputs import LedgerEntry, LedgerRule


class Posting(Struct, frozen=True):
    """An amount due that a journal booked; it stands until a later journal reverses it."""

    rule: LedgerRule
    period: str
    amount_fen: int
    debit: str
    credit: str
    day: str
    journal_id: str
    reversed_by: str | None
    basis: Mapping[str, int | str]


class Owed(Struct, frozen=True):
    """Who owes whom in all, in fen."""

    merchant_cash_fen: int
    """What the merchant owes the platform: ad spend and commission, less what refunds took back."""
    platform_cash_fen: int
    """What the platform owes the merchant in cash: guarantees."""
    platform_credit_fen: int
    """What the platform owes the merchant as credit for ads: matches and guarantees."""


class Statement(Struct, frozen=True):
    """What is booked for a campaign, by rule and period, and what it adds up to."""

    campaign_id: str
    shop_id: str | None
    last_day: str
    """The last day that has an entry."""
    entries: int
    postings: Sequence[Posting]
    owed: Owed
    balances_fen: Mapping[str, int]
    """By account: debits above 0, credits below."""


def booked_by(entries: Iterable[LedgerEntry], last_day: str | None) -> list[LedgerEntry]:
    """What was booked up to a day, as in ``2026-11-24``, that day included; all of it for ``None``."""
    return [entry for entry in entries if last_day is None or entry.day <= last_day]


def statement_of(entries: Sequence[LedgerEntry]) -> Statement:
    """The statement of one campaign's entries, in their order; raises `ValueError` where there is none."""
    if not entries:
        raise ValueError("a statement needs an entry")
    balances = balances_of(entries)
    return Statement(
        campaign_id=entries[-1].campaign_id,
        shop_id=entries[-1].shop_id,
        last_day=entries[-1].day,
        entries=len(entries),
        postings=postings_of(entries),
        owed=owed_by(balances),
        balances_fen=balances,
    )


def postings_of(entries: Sequence[LedgerEntry]) -> list[Posting]:
    """All amounts due that were booked, by rule in the order of the ledger, then period and day."""
    reversed_by = {entry.reverses: entry.journal_id for entry in entries if entry.reverses is not None}
    credit_of = {entry.journal_id: entry.account for entry in entries if entry.line == 2}
    postings = [
        Posting(
            rule=entry.rule,
            period=entry.period,
            amount_fen=entry.amount_fen,
            debit=entry.account,
            credit=credit_of.get(entry.journal_id, ""),
            day=entry.day,
            journal_id=entry.journal_id,
            reversed_by=reversed_by.get(entry.journal_id),
            basis=entry.basis or {},
        )
        for entry in entries
        if entry.line == 1
    ]
    return sorted(postings, key=lambda posting: (RULES.index(posting.rule), posting.period, posting.day))


def balances_of(entries: Iterable[LedgerEntry]) -> dict[str, int]:
    """The balance of each account that has an entry, by name."""
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.account] = sums.get(entry.account, 0) + entry.amount_fen
    return dict(sorted(sums.items()))


def owed_by(balances_fen: Mapping[str, int]) -> Owed:
    """Who owes whom by the balances of the accounts: what is credited to one side, the other owes it.

    >>> owed_by({"platform:ad_revenue": -700, "platform:commission_revenue": -20, "merchant:ad_credit": -70})
    Owed(merchant_cash_fen=720, platform_cash_fen=0, platform_credit_fen=70)
    """
    get = balances_fen.get
    return Owed(
        merchant_cash_fen=-get("platform:ad_revenue", 0) - get("platform:commission_revenue", 0),
        platform_cash_fen=-get("merchant:cash", 0),
        platform_credit_fen=-get("merchant:ad_credit", 0),
    )
