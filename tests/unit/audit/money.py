"""Facts of one campaign, told by the day since the first, 2026-11-01; amounts in fen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xinghe.audit.cohorts import CohortKey, Cohorts, CohortSum
from xinghe.audit.intake import SpendReport
from xinghe.audit.money_facts import MoneyFacts
from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.events import AdSpent, CampaignConfigured
from xinghe.domain.windows import DAY_MS, HOUR_MS

START_MS = 1_793_462_400_000
"""2026-11-01 00:00 in Shanghai."""
DAY = day_number(START_MS)


def at_ms(day: int, hour: int = 0) -> int:
    return day_start_ms(DAY + day) + hour * HOUR_MS


def setting(day: int, hour: int = 0, *, shop_id: str = "s1", **fields: Any) -> CampaignConfigured:
    return CampaignConfigured("c1", shop_id, "n", effective_ms=at_ms(day, hour), **fields)


def spent(day: int, spend_fen: int, *, hour: int = 0, revision: int = 0, late_days: int = 0) -> SpendReport:
    """A report that comes an hour after its hour began, or so late that it is known so many days later."""
    hour_ms = at_ms(day, hour)
    event = AdSpent(f"e{hour_ms}-{revision}", "c1", hour_ms, spend_fen, revision)
    late_ms = late_days * DAY_MS + 6 * HOUR_MS if late_days else 0
    return SpendReport(event, hour_ms + HOUR_MS + late_ms)


def credit(
    touch_day: int,
    order_day: int,
    gmv_fen: int,
    orders: float = 1,
    refunds: Mapping[int, int] = {},
    *,
    model: str = "last_touch",
) -> Cohorts:
    """Orders of a day, and what was refunded of them by the day of the refund."""
    days = (DAY + touch_day, DAY + order_day)
    cohorts = {CohortKey(model, *days, DAY + order_day): CohortSum(int(orders * 1_000_000), gmv_fen, 0)}
    for day, refund_fen in refunds.items():
        key = CohortKey(model, *days, DAY + day)
        cohorts[key] = CohortSum(*cohorts.get(key, CohortSum())[:2], refund_fen)
    return cohorts


def facts(
    settings: Iterable[CampaignConfigured],
    reports: Iterable[SpendReport] = (),
    *cohorts: Cohorts,
    counts: Mapping[int, Mapping[str, int]] = {},
) -> MoneyFacts:
    merged: Cohorts = {}
    for each in cohorts:
        assert not merged.keys() & each.keys()
        merged |= each
    by_day = {DAY + day: of_day for day, of_day in counts.items()}
    ascending = sorted(settings, key=lambda each: each.effective_ms)
    return MoneyFacts("c1", ascending, list(reports), merged, by_day)
