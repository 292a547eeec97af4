"""What money is computed from, and what of it is known at the end of a day (ARCHITECTURE.md, R18).

Days are numbers of `counted.day_number`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from xinghe.audit.campaign_settings import DEFAULT_MODEL, rule_model
from xinghe.audit.cohorts import CohortKey, Cohorts, CohortSum, cohorts_of
from xinghe.audit.figures import Truth
from xinghe.audit.intake import SpendReport
from xinghe.audit.known_links import truth_known_on
from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.windows import HOUR_MS

REPORTING_MS: Final = 6 * HOUR_MS
"""How much later than the campaign's first report one may come and still be known on the day of its hour."""


CohortItem = tuple[CohortKey, CohortSum]


@dataclass(frozen=True)
class MoneyFacts:
    """All of one campaign: settings ascending by ``effective_ms``, reports in any order, cohorts, counts by day."""

    campaign_id: str
    settings: Sequence[CampaignConfigured]
    reports: Sequence[SpendReport]
    cohorts: Cohorts
    counts: Mapping[int, Mapping[str, int]]

    def terms(self, day: int) -> CampaignConfigured | None:
        """The setting at the day's first millisecond; where there is none, the first one within the day."""
        if day not in self._terms:
            self._terms[day] = self._terms_of(day)
        return self._terms[day]

    def _terms_of(self, day: int) -> CampaignConfigured | None:
        held = [setting for setting in self.settings if setting.effective_ms <= day_start_ms(day)]
        if held:
            return held[-1]
        within = [setting for setting in self.settings if day_number(setting.effective_ms) == day]
        return within[0] if within else None

    def model(self, day: int) -> str:
        """The rule model of a day's terms."""
        terms = self.terms(day)
        return DEFAULT_MODEL if terms is None else rule_model(terms)

    def spend_fen(self, first_day: int, last_day: int, known_day: int | None) -> int:
        """The spend of the days by what is known at the end of ``known_day``; by all there is where it is ``None``."""
        hours: dict[int, tuple[int, str, int]] = {}
        for day in range(first_day, last_day + 1):
            for told in self.reports_by_day.get(day, ()):
                event = told.event
                if known_day is None or self.report_day(told) <= known_day:
                    report = (event.revision, event.event_id, event.spend_fen)
                    hours[event.hour_start_ms] = max(report, hours.get(event.hour_start_ms, report))
        return sum(spend_fen for _, _, spend_fen in hours.values())

    def hours_reported(self, first_day: int, last_day: int) -> int:
        """How many hours of the days have a report by now."""
        days = range(first_day, last_day + 1)
        return len({told.event.hour_start_ms for day in days for told in self.reports_by_day.get(day, ())})

    def report_day(self, report: SpendReport) -> int:
        """The day from which on a report is known."""
        reported_day = day_number(report.reported_ms - REPORTING_MS - self._anchor_ms)
        return max(day_number(report.event.hour_start_ms), reported_day)

    def touched_on(self, day: int) -> list[CohortItem]:
        """The cohorts of a touch day."""
        return self._by_touch_day.get(day, [])

    def ordered_on(self, day: int) -> list[CohortItem]:
        """The cohorts of an order day."""
        return self._by_order_day.get(day, [])

    @property
    def first_day(self) -> int | None:
        """The first day that is booked: the first with a report or a setting."""
        days = [day_number(report.event.hour_start_ms) for report in self.reports]
        days += [day_number(setting.effective_ms) for setting in self.settings]
        return min(days, default=None)

    @cached_property
    def reports_by_day(self) -> dict[int, list[SpendReport]]:
        """The reports by the day of their hour."""
        by_day: dict[int, list[SpendReport]] = {}
        for report in self.reports:
            by_day.setdefault(day_number(report.event.hour_start_ms), []).append(report)
        return by_day

    @cached_property
    def _anchor_ms(self) -> int:
        first = min(self.reports, key=lambda report: (report.reported_ms, report.event.event_id))
        return max(0, first.reported_ms - first.event.hour_start_ms)

    @cached_property
    def _by_touch_day(self) -> dict[int, list[CohortItem]]:
        by_day: dict[int, list[CohortItem]] = {}
        for key, amounts in self.cohorts.items():
            by_day.setdefault(key.touch_day, []).append((key, amounts))
        return by_day

    @cached_property
    def _by_order_day(self) -> dict[int, list[CohortItem]]:
        by_day: dict[int, list[CohortItem]] = {}
        for key, amounts in self.cohorts.items():
            by_day.setdefault(key.order_day, []).append((key, amounts))
        return by_day

    @cached_property
    def _terms(self) -> dict[int, CampaignConfigured | None]:
        return {}

    @property
    def has_terms(self) -> bool:
        """Whether any setting has terms of money."""
        return any(
            setting.guarantee is not None
            or setting.spend_match is not None
            or setting.revenue_share is not None
            for setting in self.settings
        )


def money_facts(truth: Truth) -> dict[str, MoneyFacts]:
    """The facts of every campaign that has spend or terms of money."""
    campaign_ids = {campaign_id for campaign_id, _ in truth.spend_reports} | truth.settings.keys()
    cohorts = cohorts_of(truth, campaign_ids)
    counts: dict[str, dict[int, Mapping[str, int]]] = {}
    for (campaign_id, size, start_ms), metrics in truth.counts.items():
        if size == "1d" and campaign_id in campaign_ids:
            counts.setdefault(campaign_id, {})[day_number(start_ms)] = metrics
    facts = {
        campaign_id: MoneyFacts(
            campaign_id,
            _ascending(truth, campaign_id),
            truth.all_spend_reports.get(campaign_id, []),
            cohorts.get(campaign_id, {}),
            counts.get(campaign_id, {}),
        )
        for campaign_id in sorted(campaign_ids)
    }
    return {campaign_id: each for campaign_id, each in facts.items() if each.reports or each.has_terms}


class FactsByDay:
    """The facts of all campaigns by the links of ids that are known at the end of a day (R18); ``newest`` by all there are."""

    def __init__(self, truth: Truth) -> None:
        self.newest = money_facts(truth)
        self._truth = truth
        self._days = [] if truth.linked is None else truth.linked.days
        self._known = {len(self._days): self.newest}

    def on(self, day: int) -> dict[str, MoneyFacts]:
        """The facts without what links of later days have changed."""
        links = bisect_right(self._days, day)
        if links not in self._known:
            self._known[links] = money_facts(truth_known_on(self._truth, day))
        return self._known[links]


def _ascending(truth: Truth, campaign_id: str) -> list[CampaignConfigured]:
    settings = truth.settings.get(campaign_id)
    if settings is None:
        return []
    return [settings.by_effective_ms[effective_ms] for effective_ms in sorted(settings.by_effective_ms)]
