"""What rules of alerts look at, recomputed, and between what a figure that was told can have been (ARCHITECTURE.md, R24)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from xinghe.audit.alert_laws import Turn, Wrong
from xinghe.audit.figures import Truth, window_start_ms
from xinghe.audit.guarantee import ORDER_MICROS
from xinghe.domain.alerts import (
    AlertRule,
    BudgetNearlyUsed,
    DataLate,
    DataStopped,
    DeadLetterShare,
    ForecastBelowTarget,
    RoiBelow,
    SpendWithoutConversions,
)
from xinghe.domain.windows import MINUTE_MS

ROUNDED: Final = 1e-9
"""By how large a part of itself a figure that was told as a float may differ from the exact one."""

Position = Mapping[str, int | None]
"""Of a campaign's guarantee what was told last: forecast, spend and target."""


def value_now(truth: Truth, rule: AlertRule, campaign_id: str, position: Position) -> Fraction | None:
    """The figure of a campaign by all that is known, on the day of the watermark; ``None`` where it is unknown.

    The forecast is the one that is told with the guarantee's position; that is looked at where positions are compared.
    """
    match rule:
        case RoiBelow():
            return _roi(truth, rule, campaign_id)
        case ForecastBelowTarget():
            return _forecast(rule, position)
        case SpendWithoutConversions():
            return _wasted(truth, rule, campaign_id)
        case BudgetNearlyUsed():
            return _used(truth, campaign_id)
        case DataLate() | DataStopped() | DeadLetterShare():
            raise ValueError(f"{rule.name} is about no campaign")


def _window(truth: Truth, campaign_id: str, size: str, time_ms: int) -> dict[str, int]:
    key = (campaign_id, size, window_start_ms(size, time_ms))
    return truth.metrics(key) if key in truth.counts or key in truth.spent else {}


def _roi(truth: Truth, rule: RoiBelow, campaign_id: str) -> Fraction | None:
    figures = _window(truth, campaign_id, rule.window, truth.watermark_ms)
    spend_fen = figures.get("spend_fen", 0)
    if spend_fen == 0 or figures["orders_micros"] < rule.orders_min * ORDER_MICROS:
        return None
    return Fraction(figures["net_gmv_fen" if rule.basis == "net" else "gmv_fen"], spend_fen)


def _forecast(rule: ForecastBelowTarget, position: Position) -> Fraction | None:
    final_fen = position.get("forecast_high_fen" if rule.estimate == "high" else "forecast_gmv_fen")
    spend_fen, target_micros = position.get("forecast_spend_fen"), position.get("target_roi_micros")
    if final_fen is None or spend_fen is None or target_micros is None:
        return None
    wanted_fen = spend_fen * target_micros // 1_000_000
    return Fraction(100 * final_fen, wanted_fen) if wanted_fen > 0 else None


def _wasted(truth: Truth, rule: SpendWithoutConversions, campaign_id: str) -> Fraction | None:
    figures = _window(truth, campaign_id, "1d", truth.watermark_ms)
    name = "orders_micros" if rule.conversions == "orders" else "store_visits"
    if "spend_fen" not in figures or figures[name] != 0:
        return None
    return Fraction(figures["spend_fen"])


def _used(truth: Truth, campaign_id: str) -> Fraction | None:
    settings = truth.settings.get(campaign_id)
    told = {} if settings is None else settings.by_effective_ms
    budget_fen = told[max(told)].budget_fen if told else None
    spend_fen = _window(truth, campaign_id, "total", 0).get("spend_fen")
    return Fraction(100 * spend_fen, budget_fen) if budget_fen and spend_fen is not None else None


def impossible(truth: Truth, turn: Turn) -> Wrong | None:
    """What of a turn cannot have been, whenever its figure was looked at; ``None`` where all can."""
    if turn.campaign_id is not None and turn.time_ms > truth.watermark_ms:
        return turn.alert_id, f"{turn.state} time_ms", f"at most {truth.watermark_ms}", turn.time_ms
    low, high = _bounds(truth, turn)
    if turn.value is not None and not low <= turn.value <= high:
        return turn.alert_id, f"{turn.state} value", f"{low} to {high}", turn.value
    if turn.value is not None and turn.unit == "fen" and not turn.value.is_integer():
        return turn.alert_id, f"{turn.state} value", "whole fen", turn.value
    return None


def _bounds(truth: Truth, turn: Turn) -> tuple[float, float]:
    """The least and the most that the figure of a turn can have been."""
    match turn.kind:
        case "roi_below":
            return (
                -math.inf,
                math.inf,
            )  # net of refunds it may be below 0; credit may have gone to others since
        case "spend_without_conversions":
            return 0.0, spend_most_fen(truth, turn.campaign_id or "", turn.time_ms)
        case "data_late":
            # The watermark never falls: it was not further then than it is now.
            return (turn.time_ms * (1 - ROUNDED) - truth.watermark_ms) / MINUTE_MS, turn.time_ms / MINUTE_MS
        case "dead_letter_share":
            return 0.0, 100.0
        case _:
            return 0.0, math.inf


def spend_most_fen(truth: Truth, campaign_id: str, time_ms: int) -> int:
    """The most that the spend of a day can have been: of each hour the report with the largest."""
    hours: dict[int, int] = {}
    day_start_ms = window_start_ms("1d", time_ms)
    for report in truth.all_spend_reports.get(campaign_id, []):
        hour_ms = report.event.hour_start_ms
        if window_start_ms("1d", hour_ms) == day_start_ms:
            hours[hour_ms] = max(hours.get(hour_ms, 0), report.event.spend_fen)
    return sum(hours.values())
