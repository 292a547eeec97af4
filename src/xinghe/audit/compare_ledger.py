"""What stands in the ledger against what is due (ARCHITECTURE.md, R22)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xinghe.audit.arrivals import BOOKED_AFTER_MS, Arrivals, bookable_day
from xinghe.audit.findings import Difference, Findings
from xinghe.audit.ledger_laws import KIND, Entry, FoundLedger, compare_laws, standing_of
from xinghe.audit.money import DueKey, amounts, day_of_text, day_text
from xinghe.audit.money_facts import MoneyFacts
from xinghe.domain.counted import day_start_ms

FactsOn = Callable[[int], Mapping[str, MoneyFacts]]


class LedgerComparison:
    """What is due, of campaigns with spend or terms of money, against what was found, as often as it takes.

    ``facts_on`` has the facts of all campaigns as they are known at the end of a day.
    """

    def __init__(self, facts_on: FactsOn, arrivals: Arrivals, watermark_ms: int) -> None:
        self._must_day = bookable_day(watermark_ms) if watermark_ms else 0
        self._facts_on = facts_on
        self._facts = facts_on(self._must_day)
        self._arrivals = arrivals

    def compare(self, found: FoundLedger, findings: Findings) -> None:
        """Compare the books of every campaign."""
        compare_laws(found, findings)
        for campaign_id in sorted(self._facts.keys() | found.entries.keys()):
            entries = found.entries.get(campaign_id, [])
            self._compare_shops(campaign_id, entries, findings)
            self._compare_standing(campaign_id, found, findings)

    def _compare_shops(self, campaign_id: str, entries: Sequence[Entry], findings: Findings) -> None:
        """The shop of each entry is that of the terms of its day."""
        facts = self._facts.get(campaign_id)
        for entry in entries:
            day = day_of_text(entry.day)
            terms = None if facts is None else facts.terms(day)
            expected = None if terms is None else terms.shop_id
            if entry.shop_id != expected:
                findings.add(
                    Difference(KIND, entry.entry_id, "shop_id", expected, entry.shop_id),
                    campaign_id=campaign_id,
                    is_notice=self._arrivals.may_lack(campaign_id, day),
                )

    def _compare_standing(self, campaign_id: str, found: FoundLedger, findings: Findings) -> None:
        """What stands on the last booked day.

        That is the day up to which the watermark has let all campaigns book, or a later one up to which the campaign did
        since its stream was quiet. A campaign that booked even later days without an entry has found nothing to change.
        """
        entries = found.entries.get(campaign_id, [])
        last_day = day_of_text(entries[-1].day) if entries else 0
        booked_day = max(self._must_day, last_day)
        facts = self._facts_on(booked_day).get(campaign_id)
        expected = {} if facts is None else amounts(facts, booked_day)
        by_clock = False
        if last_day > self._must_day:
            booked_ms, least_ms = found.booked_ms[campaign_id], day_start_ms(last_day + 1) + BOOKED_AFTER_MS
            by_clock = self._arrivals.came_after(campaign_id, booked_ms)
            if booked_ms < least_ms:
                where = f"campaign {campaign_id} on {day_text(last_day)}"
                least = f"not before {least_ms} by watermark or clock"
                findings.add(Difference(KIND, where, "booked_ms", least, booked_ms), campaign_id=campaign_id)
        standing = standing_of(entries)
        for key in sorted(expected.keys() | standing.keys(), key=lambda key: key.place):
            findings.compared["ledger_amounts"] += 1
            due, stands = expected.get(key), standing.get(key)
            due_amounts = None if due is None else (due.amount_fen, due.debit, due.credit)
            if due_amounts == (None if stands is None else stands[:3]):
                continue
            spend_day = _day_of_spend(key)
            may_differ = by_clock or self._arrivals.may_lack(campaign_id, booked_day, spend_day)
            where = f"campaign {campaign_id} on {day_text(booked_day)}"
            findings.add(
                Difference(KIND, where, f"{key.rule} {key.period}", _told(due_amounts), _told(stands)),
                # What was spent depends on nobody's journey and on no setting.
                campaign_id=None if key.rule == "spend" else campaign_id,
                is_notice=may_differ,
            )


def _day_of_spend(key: DueKey) -> int | None:
    try:
        return day_of_text(key.period) if key.rule == "spend" else None
    except ValueError:
        return None


def _told(amount: Sequence[Any] | None) -> str | None:
    """An amount in words."""
    return None if amount is None else f"{amount[0]} fen, debit {amount[1]}, credit {amount[2]}"
