"""What a rule of alerts compares, from its fields alone: the stream's own computation is not used (ARCHITECTURE.md, R24)."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

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

KINDS: Final[dict[type[AlertRule], str]] = {
    RoiBelow: "roi_below",
    ForecastBelowTarget: "forecast_below_target",
    SpendWithoutConversions: "spend_without_conversions",
    BudgetNearlyUsed: "budget_nearly_used",
    DataLate: "data_late",
    DataStopped: "data_stopped",
    DeadLetterShare: "dead_letter_share",
}


def threshold(rule: AlertRule) -> Fraction:
    """The figure from which, or below which, it is an alert.

    >>> threshold(ForecastBelowTarget(name="f", percent=10)), threshold(DataLate(name="l", minutes=15))
    (Fraction(90, 1), Fraction(15, 1))
    """
    match rule:
        case RoiBelow():
            return Fraction(rule.ratio)
        case ForecastBelowTarget():
            return Fraction(100 - rule.percent)
        case SpendWithoutConversions():
            return Fraction(rule.spend_fen)
        case BudgetNearlyUsed() | DeadLetterShare():
            return Fraction(rule.percent)
        case DataLate() | DataStopped():
            return Fraction(rule.minutes)


def is_below(rule: AlertRule) -> bool:
    """Whether it is bad to be below the threshold."""
    return isinstance(rule, RoiBelow | ForecastBelowTarget)


def is_of_data(rule: AlertRule) -> bool:
    """Whether it is about the data of all campaigns, and by the clock."""
    return isinstance(rule, DataLate | DataStopped | DeadLetterShare)


def crosses(rule: AlertRule, value: Fraction, *, is_eased: bool) -> bool:
    """Whether a value is on the bad side; with ``is_eased`` by the threshold that it must be past to be resolved.

    >>> from decimal import Decimal
    >>> rule = RoiBelow(name="r", ratio=Decimal(2), hysteresis_percent=10)
    >>> [crosses(rule, Fraction(value, 10), is_eased=eased) for value in (19, 20, 21, 22) for eased in (False, True)]
    [True, True, False, True, False, True, False, False]
    """
    bound = _bound(rule, is_eased=is_eased)
    return value < bound if is_below(rule) else value >= bound


def may_cross(rule: AlertRule, told: float, *, is_eased: bool) -> bool:
    """Whether a value may be on the bad side; the float that is told stands for all that are rounded to it."""
    bound = float(_bound(rule, is_eased=is_eased))
    return told <= bound if is_below(rule) else told >= bound


def must_cross(rule: AlertRule, told: float, *, is_eased: bool) -> bool:
    """Whether a value is on the bad side however it was rounded."""
    bound = float(_bound(rule, is_eased=is_eased))
    return told < bound if is_below(rule) else told > bound


def _bound(rule: AlertRule, *, is_eased: bool) -> Fraction:
    percent = rule.hysteresis_percent if is_eased else 0
    return threshold(rule) * (100 + (percent if is_below(rule) else -percent)) / 100


def is_same_rule(rule: AlertRule, kind: str, severity: str, told_threshold: float) -> bool:
    """Whether a record may have been made by this rule."""
    return (KINDS[type(rule)], rule.severity, float(threshold(rule))) == (kind, severity, told_threshold)
