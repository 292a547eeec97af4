"""What the money of a campaign is computed from, and what of it is known on a day (ARCHITECTURE.md, R18).

Days of many campaigns are booked one after another, each from some thousand reports and cohorts: they are sorted by day
once, and each day and each rule looks only at the days that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from msgspec import Struct, structs

from xinghe.domain.cohorts import CohortRow
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.recounts import Recount, counted_on
from xinghe.domain.spend import DaySpend, Report, spend_by_day


class Ordered(Struct):
    """What the orders of one day come to by one model; refunds by their day."""

    orders_micros: int = 0
    gmv_fen: int = 0
    refund_fen_by_day: dict[int, int] = {}


_NO_ORDERS: Final = Ordered()


class MoneyFacts(Struct, frozen=True, dict=True):
    """All that is known of a campaign's money; days are numbers of `counted.day_number`."""

    campaign_id: str
    settings: Sequence[CampaignConfigured]
    """Ascending by ``effective_ms``, each time once."""
    reports: Sequence[Report]
    """Of spend, all revisions that may count on some day, in any order."""
    cohorts: Sequence[CohortRow]
    """Of all models, in any order."""
    counted: Mapping[int, Mapping[str, int]]
    """By day the counted metrics of its ``1d`` window; a day without a window is absent."""
    recounts: Sequence[Recount] = ()
    """What links of ids have changed of ``counted`` of days before them."""

    @cached_property
    def spend(self) -> dict[int, list[DaySpend]]:
        """The spend of each day that has a report, ascending by day, as it became known."""
        return spend_by_day(self.reports)

    @cached_property
    def touched(self) -> dict[int, list[CohortRow]]:
        """The cohorts by the day of the touch."""
        by_day: dict[int, list[CohortRow]] = {}
        for row in self.cohorts:
            by_day.setdefault(row.touch_day, []).append(row)
        return by_day

    @cached_property
    def ordered(self) -> dict[int, dict[int, Ordered]]:
        """What orders come to, by the day of the order and the model."""
        by_day: dict[int, dict[int, Ordered]] = {}
        for _, order_day, day, model, orders_micros, gmv_fen, refund_fen, _ in self.cohorts:
            models = by_day.setdefault(order_day, {})
            known = models.get(model)
            if known is None:
                known = models[model] = Ordered()
            known.orders_micros += orders_micros
            known.gmv_fen += gmv_fen
            if refund_fen:
                refunds = known.refund_fen_by_day
                refunds[day] = refunds.get(day, 0) + refund_fen
        return by_day

    def linked_on(self, day: int) -> MoneyFacts:
        """The facts without what is known from a later day on by its ``known_day``, that of a link of ids."""
        if self.last_linked_day <= day:
            return self
        return structs.replace(
            self,
            cohorts=[row for row in self.cohorts if row.known_day <= day],
            counted=counted_on(day, self.counted, self.recounts),
            recounts=(),
        )

    @cached_property
    def last_linked_day(self) -> int:
        """The latest ``known_day``, 0 where no link has changed anything."""
        known_days = (
            *(row.known_day for row in self.cohorts),
            *(recount.known_day for recount in self.recounts),
        )
        return max(known_days, default=0)

    def ordered_on(self, day: int, model: int) -> Ordered:
        """What the orders of a day come to by a model."""
        return self.ordered.get(day, {}).get(model, _NO_ORDERS)


class SpendKnown(NamedTuple):
    """The spend of some days, and of how many of their hours it is known; 0 fen where none is."""

    spend_fen: int
    hours_reported: int
    hours: int


def spend_on(facts: MoneyFacts, day: int, known: int | None) -> DaySpend | None:
    """The spend of a day by the reports known on day ``known``; ``None`` where there is none.

    ``None`` for ``known`` is for all that is known by now.
    """
    steps = facts.spend.get(day, ())
    return next((step for step in reversed(steps) if known is None or step.known_day <= known), None)


def spend_of(facts: MoneyFacts, first_day: int, last_day: int, known: int | None) -> SpendKnown:
    """The spend of the days from ``first_day`` to ``last_day``, of each as `spend_on` has it."""
    days = [spend_on(facts, day, known) for day in range(first_day, last_day + 1)]
    return SpendKnown(
        sum(day.spend_fen for day in days if day is not None),
        sum(day.hours_reported for day in days if day is not None),
        24 * len(days),
    )
