"""A campaign's money in a few words, and its books kept day by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_start_ms
from xinghe.domain.dates import day_of
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.ledger import Booked, Books, Key, amounts_due, book
from xinghe.domain.money_facts import MoneyFacts
from xinghe.domain.outputs import LedgerEntry
from xinghe.domain.spend import Report
from xinghe.domain.windows import HOUR_MS


def setting(date: str, *, model: str = "last_touch", shop_id: str = "s1", **terms: Any) -> CampaignConfigured:
    """Settings from the midnight of a date on."""
    return CampaignConfigured("c1", shop_id, "Autumn", day_start_ms(day_of(date)), model, **terms)  # type: ignore[arg-type]


def report(date: str, hour: int, spend_fen: int, *, revision: int = 1, days_late: int = 0) -> Report:
    """What an hour of a date spent, told an hour after its start, or days after that."""
    hour_start_ms = day_start_ms(day_of(date)) + hour * HOUR_MS
    recorded_ms = hour_start_ms + HOUR_MS + days_late * 24 * HOUR_MS
    return Report(hour_start_ms, revision, f"{date}-{hour}-{revision}", spend_fen, None, None, recorded_ms)


def ordered(date: str, gmv_fen: int, orders: int = 1, *, model: int = 0) -> CohortRow:
    """Credit of orders of a date, all touched on the same day."""
    day = day_of(date)
    return CohortRow(day, day, day, model, orders * 1_000_000, gmv_fen, 0)


def refunded(order_date: str, date: str, refund_fen: int, *, model: int = 0) -> CohortRow:
    """What refunds of a date took back of orders of another."""
    day = day_of(order_date)
    return CohortRow(day, day, day_of(date), model, 0, 0, refund_fen)


def facts(
    settings: Sequence[CampaignConfigured] = (),
    reports: Sequence[Report] = (),
    cohorts: Sequence[CohortRow] = (),
) -> MoneyFacts:
    """What is known of campaign c1."""
    return MoneyFacts("c1", settings, reports, cohorts, {})


class Bookkeeper:
    """The books of campaign c1 as the stream keeps them: what must be remembered, and the entries so far."""

    def __init__(self) -> None:
        self.booked: dict[Key, Booked] = {}
        self.books = Books()
        self.entries: list[LedgerEntry] = []

    def book(self, known: MoneyFacts, days: Iterable[int]) -> list[LedgerEntry]:
        """Book days one after another by the same facts; answers the new entries."""
        new: list[LedgerEntry] = []
        for day in days:
            booking = book("c1", "s1", day, amounts_due(known, day), self.booked, self.books)
            for key, stands in booking.changed.items():
                if stands is None:
                    del self.booked[key]
                else:
                    self.booked[key] = stands
            self.books = booking.books
            new += booking.entries
        self.entries += new
        return new


def standing(entries: Iterable[LedgerEntry]) -> dict[tuple[str, str], list[tuple[str, int]]]:
    """What the entries come to for each rule and period: account and balance, without those of 0."""
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for entry in entries:
        accounts = sums.setdefault((entry.rule, entry.period), {})
        accounts[entry.account] = accounts.get(entry.account, 0) + entry.amount_fen
    balances = {key: sorted((a, fen) for a, fen in accounts.items() if fen) for key, accounts in sums.items()}
    return {key: balance for key, balance in balances.items() if balance}
