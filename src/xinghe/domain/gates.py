"""The conditions of a guarantee's payout, each with its state and the reason in words (ARCHITECTURE.md, R20, R23)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal

from msgspec import Struct

from xinghe.domain.amounts import counted, yuan
from xinghe.domain.counted import day_number
from xinghe.domain.dates import date_of, minute_of
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.order import ORDER_MICROS
from xinghe.domain.terms import Guarantee, Measure, Policy, policy_of
from xinghe.domain.windows import HOUR_MS

GateName = Literal["edits", "conversions", "trigger", "observation", "settlement"]
GateState = Literal["holds", "not_yet", "broken"]

_PERCENT_MICROS: Final = 10_000
"""Millionths of a whole in a percent; parts of a percent are shown by their hundredths."""


class Gate(Struct, frozen=True):
    """One condition of a payout, and why it is as it is."""

    name: GateName
    state: GateState
    reason: str


def edits_of(settings: Iterable[CampaignConfigured], policy: Policy) -> list[int]:
    """The times in ms at which the target was changed within the observed days, ascending as ``settings`` are."""
    last_day = policy.first_day + policy.observation_days - 1
    return [
        setting.effective_ms
        for before, setting in pairwise(settings)
        if before.guarantee is not None
        and setting.guarantee is not None
        and before.guarantee.start_ms == setting.guarantee.start_ms == policy.start_ms
        and _target(before.guarantee) != _target(setting.guarantee)
        and policy.first_day <= day_number(setting.effective_ms) <= last_day
    ]


def _target(guarantee: Guarantee) -> tuple[Measure, Fraction]:
    policy = policy_of(guarantee)
    return policy.measure, policy.target


def voided_at_ms(edits_ms: Sequence[int], policy: Policy) -> int | None:
    """When the first edit was one too many for its day or for its hour of the clock; ``None`` if none was.

    >>> from xinghe.domain.terms import QianchuanRoi
    >>> policy = policy_of(QianchuanRoi(0, 2.5))
    >>> voided_at_ms([1, 2], policy), voided_at_ms([1, 2, 3, 4], policy)
    (None, 3)
    """
    per_day: Counter[int] = Counter()
    per_hour: Counter[int] = Counter()
    for time_ms in edits_ms:
        day, hour = day_number(time_ms), time_ms // HOUR_MS
        per_day[day] += 1
        per_hour[hour] += 1
        if _is_over(per_day[day], policy.edits_per_day_max) or _is_over(
            per_hour[hour], policy.edits_per_hour_max
        ):
            return time_ms
    return None


def _is_over(edits: int, edits_max: int | None) -> bool:
    return edits_max is not None and edits > edits_max


def edits_gate(edits_ms: Sequence[int], policy: Policy) -> Gate:
    """Whether the target was not edited too often; ``edits_ms`` as `edits_of` has them."""
    allowed = _allowed(policy)
    voided_ms = voided_at_ms(edits_ms, policy)
    if voided_ms is None:
        said = f"{_some(len(edits_ms), 'edit')} of the target while days were observed, {allowed}."
        return Gate("edits", "holds", said)
    day = day_number(voided_ms)
    of_day = sum(day_number(time_ms) == day for time_ms in edits_ms)
    if _is_over(of_day, policy.edits_per_day_max):
        when = f"{_some(of_day, 'edit')} of the target on {date_of(day)}"
    else:
        of_hour = sum(time_ms // HOUR_MS == voided_ms // HOUR_MS for time_ms in edits_ms)
        hour = minute_of(voided_ms - voided_ms % HOUR_MS)
        when = f"{_some(of_hour, 'edit')} of the target in the hour from {hour}"
    return Gate("edits", "broken", f"{when}, {allowed}: void since {minute_of(voided_ms)}.")


def _allowed(policy: Policy) -> str:
    limits = [
        f"{edits_max} {period}"
        for edits_max, period in (
            (policy.edits_per_day_max, "a day"),
            (policy.edits_per_hour_max, "an hour"),
        )
        if edits_max is not None
    ]
    return f"at most {' and '.join(limits)} allowed" if limits else "any number allowed"


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def conversions_gate(policy: Policy, conversions_micros: int, *, is_open: bool) -> Gate:
    """Whether the least number of conversions was reached."""
    has_enough = conversions_micros >= policy.conversions_min * ORDER_MICROS
    reached, noun = counted(conversions_micros), policy.conversion.replace("_", " ")
    said = (
        f"{reached} of {policy.conversions_min} {noun}."
        if policy.conversions_min
        else f"{reached} {noun}, no least number."
    )
    return Gate("conversions", _state(has_enough, is_open), said)


def trigger_gate(
    policy: Policy, spend_fen: int | None, earned_fen: Fraction, *, is_triggered: bool, is_open: bool
) -> Gate:
    """Whether little enough was earned of the spend, which is ``None`` while no hour of it was reported."""
    said = "No spend was reported" if spend_fen is None else _share(policy.measure, spend_fen, earned_fen)
    side = "below" if policy.measure == "roi" else "above"
    reason = f"{said}; it pays {side} {policy.trigger_percent} %."
    return Gate("trigger", _state(is_triggered, is_open), reason)


def _share(measure: Measure, spend_fen: int, earned_fen: Fraction) -> str:
    """How the spend compares with what was earned.

    Rounded away from the trigger's side: what is just past the bound must not read as if it were at it.

    >>> _share("roi", 100_000, Fraction(79_999)), _share("cost", 108_001, Fraction(90_000)), _share("cost", 7, Fraction(0))
    ('¥799.99 earned of ¥1,000.00 spent, 79.99 %', '¥1,080.01 spent for ¥900.00 earned, 120.01 %', '¥0.07 spent and nothing earned')
    """
    earned, spent = yuan(earned_fen // 1), yuan(spend_fen)
    if measure == "roi":
        said = f"¥{earned} earned of ¥{spent} spent"
        return f"{said}, {_percent(earned_fen / spend_fen)}" if spend_fen else said
    if earned_fen <= 0:
        return f"¥{spent} spent and nothing earned"
    # Rounded up, as minus the floor of minus.
    hundredths = -(-(spend_fen / earned_fen * 10_000) // 1)
    return f"¥{spent} spent for ¥{earned} earned, {_percent(Fraction(hundredths, 10_000))}"


def _percent(part: Fraction) -> str:
    return f"{counted(part * 100 * ORDER_MICROS // 1)} %"


def time_gate(name: Literal["observation", "settlement"], first_day: int, day: int, over_day: int) -> Gate:
    """Whether the days from ``first_day`` to ``day`` are over; ``over_day`` is the last that is."""
    days = day - first_day + 1
    days_over = min(max(over_day - first_day + 1, 0), days)
    last = f"the last is {date_of(day)}" if name == "observation" else f"settled at the end of {date_of(day)}"
    said = f"{days_over} of {_some(days, 'day')} over, {last}."
    return Gate(name, "holds" if days_over == days else "not_yet", said)


def _state(holds: bool, is_open: bool) -> GateState:
    return "holds" if holds else "not_yet" if is_open else "broken"
