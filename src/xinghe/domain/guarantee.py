"""Guarantees: what was earned of the spend, what is paid for the rest, and what it still depends on (ARCHITECTURE.md, R20, R23).

The published policies in yuan; of `qianchuan_roi` with a target ROI of 2.5 and at least 10 orders, of `xhs_cost` with a bid of 30:

=================  ========  ===========  ========  ================  =======
policy             spend     GMV, conv.   earned    earned / spend    payout
=================  ========  ===========  ========  ================  =======
``qianchuan_roi``  1000.00   2500.00      1000.00   100 %             0
``qianchuan_roi``  1000.00   2000.00      800.00    80 %              0
``qianchuan_roi``  1000.00   1999.99      799.996   just under 80 %   200.00
``qianchuan_roi``  1000.00   0            0         0 %               1000.00
=================  ========  ===========  ========  ================  =======

=================  ========  ===========  ========  ================  =======
policy             spend     GMV, conv.   earned    spend / earned    payout
=================  ========  ===========  ========  ================  =======
``xhs_cost``       1000.00   30           900.00    111 %             0
``xhs_cost``       1080.00   30           900.00    120 %             0
``xhs_cost``       1080.01   30           900.00    just over 120 %   0.01
``xhs_cost``       1000.00   20           600.00    167 %             280.00
``xhs_cost``       1000.00   0            0                           1000.00
=================  ========  ===========  ========  ================  =======
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_number
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.money_facts import MoneyFacts, spend_of
from xinghe.domain.terms import (
    Basis,
    Conversion,
    Form,
    Guarantee,
    Measure,
    Policy,
    model_index,
    policy_of,
    terms_of,
)
from xinghe.domain.windows import HOUR_MS

GateName = Literal["edits", "conversions", "trigger", "observation", "settlement"]
GateState = Literal["holds", "not_yet", "broken"]
Status = Literal["planned", "observing", "waiting", "settled"]

MICROS: Final = 1_000_000


class Gate(Struct, frozen=True):
    """One condition of a payout, and why it is as it is."""

    name: GateName
    state: GateState
    reason: str


class Position(Struct, frozen=True):
    """Where a guarantee stands; days are numbers of `counted.day_number`, fractions are rounded down.

    What is unknown is ``None``: no hour of spend was reported, there is nothing to divide by, or it is not settled yet.
    """

    first_day: int
    last_observed_day: int
    settlement_day: int
    status: Status
    measure: Measure
    conversion: Conversion
    basis: Basis
    form: Form
    target_roi_micros: int | None
    """By the newest terms that count, as ``bid_fen``; ``None`` for the other measure."""
    bid_fen: int | None
    hours_reported: int
    hours: int
    spend_fen: int | None
    gmv_fen: int
    refund_fen: int
    conversions_micros: int
    earned_fen: int
    """The spend that the GMV or the conversions are worth by the targets of their days."""
    roi_micros: int | None
    roi_net_micros: int | None
    cost_per_conversion_fen: int | None
    shortfall_fen: int
    """The payout without cap and gates."""
    expected_payout_fen: int
    """The payout, were the settlement now."""
    payout_fen: int | None
    days_left: int
    """Until the settlement, today included."""
    gates: list[Gate]


class ObservedDay(NamedTuple):
    """One observed day and what counts for it."""

    day: int
    policy: Policy
    model: int
    roi_lag_days: int


class Earned(NamedTuple):
    """What the observed days have brought."""

    earned_fen: Fraction
    gmv_fen: int
    refund_fen: int
    conversions_micros: int


def guarantees_of(settings: Sequence[CampaignConfigured]) -> list[int]:
    """The first days of all guarantees, ascending; ``settings`` ascend by ``effective_ms``, each time once.

    A guarantee is one if the terms of the day of its ``start_ms`` have it.
    """
    days = {day_number(setting.guarantee.start_ms) for setting in settings if setting.guarantee is not None}
    return sorted(day for day in days if _begun_on(settings, day) is not None)


def counted_days(settings: Sequence[CampaignConfigured]) -> list[int]:
    """The observed days of guarantees that look at the counted metrics of their windows."""
    policies = [_begun_on(settings, day) for day in guarantees_of(settings)]
    return [
        policy.first_day + number
        for policy in policies
        if policy is not None and policy.conversion != "orders"
        for number in range(policy.observation_days)
    ]


def position(facts: MoneyFacts, first_day: int, known_day: int | None, today: int) -> Position:
    """Where the guarantee that begins on ``first_day`` stands, by what is known at the end of ``known_day``.

    ``None`` is for all that is known by now, with ``today`` the day in which the watermark is; days before it are over.
    Raises `ValueError` where no known guarantee begins on that day.
    """
    settings = [
        setting
        for setting in facts.settings
        if known_day is None or day_number(setting.effective_ms) <= known_day
    ]
    policy = _begun_on(settings, first_day)
    if policy is None:
        raise ValueError(f"no guarantee of campaign {facts.campaign_id!r} begins on day {first_day}")
    days = observed_days(settings, policy)
    last_day, settlement_day = days[-1].day, first_day + policy.settlement_day - 1
    target = days[-1].policy.target
    over_day = today - 1 if known_day is None else known_day

    spend = spend_of(facts, first_day, last_day, known_day)
    earned = _earned(facts, days, settlement_day if known_day is None else min(settlement_day, known_day))
    gates = [
        _edits_gate(settings, policy),
        _conversions_gate(policy, earned.conversions_micros, is_open=over_day < settlement_day),
        _trigger_gate(policy, spend.spend_fen, earned.earned_fen, is_open=over_day < settlement_day),
        _time_gate("observation", first_day, last_day, over_day),
        _time_gate("settlement", first_day, settlement_day, over_day),
    ]
    is_due = all(gate.state == "holds" for gate in gates[:3])
    expected_fen = payout(policy, spend.spend_fen, earned.earned_fen) if is_due else 0
    return Position(
        first_day=first_day,
        last_observed_day=last_day,
        settlement_day=settlement_day,
        status=_status(first_day, last_day, settlement_day, over_day),
        measure=policy.measure,
        conversion=policy.conversion,
        basis=policy.basis,
        form=policy.form,
        target_roi_micros=int(target * MICROS) if policy.measure == "roi" else None,
        bid_fen=int(target) if policy.measure == "cost" else None,
        hours_reported=spend.hours_reported,
        hours=spend.hours,
        spend_fen=spend.spend_fen if spend.hours_reported else None,
        gmv_fen=earned.gmv_fen,
        refund_fen=earned.refund_fen,
        conversions_micros=earned.conversions_micros,
        earned_fen=earned.earned_fen // 1,
        roi_micros=_quotient(earned.gmv_fen * MICROS, spend.spend_fen),
        roi_net_micros=_quotient((earned.gmv_fen - earned.refund_fen) * MICROS, spend.spend_fen),
        cost_per_conversion_fen=(
            _quotient(spend.spend_fen * MICROS, earned.conversions_micros) if spend.hours_reported else None
        ),
        shortfall_fen=max(shortfall(policy, spend.spend_fen, earned.earned_fen) // 1, 0),
        expected_payout_fen=expected_fen,
        payout_fen=expected_fen if over_day >= settlement_day else None,
        days_left=max(settlement_day - over_day, 0),
        gates=gates,
    )


def observed_days(settings: Sequence[CampaignConfigured], policy: Policy) -> list[ObservedDay]:
    """The days that a guarantee observes, each with what counts for it.

    That is of the terms of the day, and where these have another guarantee or none, of the last day before that had it.
    """
    days: list[ObservedDay] = []
    for day in range(policy.first_day, policy.first_day + policy.observation_days):
        terms = terms_of(settings, day)
        told = None if terms is None or terms.guarantee is None else policy_of(terms.guarantee)
        if terms is not None and told is not None and _is_same(told, policy):
            days.append(ObservedDay(day, told, model_index(terms), terms.roi_lag_days))
        else:
            days.append(days[-1]._replace(day=day))  # the first day has it, or there were no guarantee
    return days


def is_triggered(policy: Policy, spend_fen: int, earned_fen: Fraction) -> bool:
    """Whether the shortfall is large enough to be paid at all.

    >>> from xinghe.domain.terms import QianchuanRoi, XhsCost
    >>> roi, cost = policy_of(QianchuanRoi(0, 2.5)), policy_of(XhsCost(0, 3_000))
    >>> [is_triggered(roi, 100_000, gmv_fen / roi.target) for gmv_fen in (200_000, 199_999)]
    [False, True]
    >>> [is_triggered(cost, spend_fen, 30 * cost.target) for spend_fen in (108_000, 108_001)]
    [False, True]
    """
    if policy.measure == "roi":
        return earned_fen * 100 < policy.trigger_percent * spend_fen
    return spend_fen * 100 > policy.trigger_percent * earned_fen


def shortfall(policy: Policy, spend_fen: int, earned_fen: Fraction) -> Fraction:
    """What was spent above what was earned, or above a multiple of that; below 0 where less was spent."""
    return spend_fen - earned_fen * policy.payout_percent / 100


def payout(policy: Policy, spend_fen: int, earned_fen: Fraction) -> int:
    """What is paid of a shortfall, in fen, rounded down; at most the cap, and never more than was spent.

    >>> from xinghe.domain.terms import QianchuanRoi, XhsCost
    >>> roi, cost = policy_of(QianchuanRoi(0, 2.5, cap_fen=90_000)), policy_of(XhsCost(0, 3_000))
    >>> [payout(roi, 100_000, gmv_fen / roi.target) for gmv_fen in (300_000, 199_999, 0)]
    [0, 20000, 90000]
    >>> [payout(cost, 100_000, conversions * cost.target) for conversions in (40, 20, 0)]
    [0, 28000, 100000]
    """
    cap_fen = spend_fen if policy.cap_fen is None else min(policy.cap_fen, spend_fen)
    return max(min(shortfall(policy, spend_fen, earned_fen) // 1, cap_fen), 0)


def _begun_on(settings: Sequence[CampaignConfigured], day: int) -> Policy | None:
    terms = terms_of(settings, day)
    policy = None if terms is None or terms.guarantee is None else policy_of(terms.guarantee)
    return policy if policy is not None and policy.first_day == day else None


def _is_same(told: Policy, policy: Policy) -> bool:
    return (told.start_ms, told.measure) == (policy.start_ms, policy.measure)


def _earned(facts: MoneyFacts, days: Sequence[ObservedDay], until_day: int) -> Earned:
    """What the observed days have brought on days up to ``until_day``."""
    policy = days[0].policy
    by_day = {observed.day: observed for observed in days}
    rows = [
        row
        for observed in days
        for row in _rows_that_count(facts, observed, days[-1].day + policy.backfill_days, until_day)
    ]
    amounts: Counter[int] = Counter()
    conversions_micros: Counter[int] = Counter()
    for row in rows:
        amounts[row.touch_day] += row.gmv_fen - (row.refund_fen if policy.basis == "net" else 0)
        conversions_micros[row.touch_day] += row.orders_micros
    if policy.conversion != "orders":
        conversions_micros = Counter(
            {
                day: MICROS * facts.counted[day].get(policy.conversion, 0)
                for day in by_day
                if day <= until_day and day in facts.counted
            }
        )
    if policy.measure == "roi":
        worth = (amount / by_day[day].policy.target for day, amount in amounts.items())
    else:
        worth = (micros * by_day[day].policy.target / MICROS for day, micros in conversions_micros.items())
    return Earned(
        sum(worth, Fraction(0)),
        sum(row.gmv_fen for row in rows),
        sum(row.refund_fen for row in rows),
        conversions_micros.total(),
    )


def _rows_that_count(
    facts: MoneyFacts, observed: ObservedDay, order_day_max: int, until_day: int
) -> list[CohortRow]:
    """The credit of an observed day: by the model and the lag of the touch's day, and on days up to ``until_day``."""
    order_day_max = min(observed.day + observed.roi_lag_days, order_day_max)
    return [
        row
        for row in facts.touched.get(observed.day, ())
        if row.model == observed.model and row.order_day <= order_day_max and row.day <= until_day
    ]


def edits_of(settings: Iterable[CampaignConfigured], policy: Policy) -> list[int]:
    """The times in ms at which the target was changed within the observed days, ascending."""
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


def _edits_gate(settings: Iterable[CampaignConfigured], policy: Policy) -> Gate:
    times_ms = edits_of(settings, policy)
    for name, periods, edits_max in (
        ("day", Counter(day_number(time_ms) for time_ms in times_ms), policy.edits_per_day_max),
        ("hour", Counter(time_ms // HOUR_MS for time_ms in times_ms), policy.edits_per_hour_max),
    ):
        most = max(periods.values(), default=0)
        if edits_max is not None and most > edits_max:
            return Gate(
                "edits", "broken", f"{most} edits of the target in one {name}, of at most {edits_max}"
            )
    return Gate("edits", "holds", f"{len(times_ms)} edits of the target, not too many for any day or hour")


def _conversions_gate(policy: Policy, conversions_micros: int, *, is_open: bool) -> Gate:
    has_enough = conversions_micros >= policy.conversions_min * MICROS
    return Gate(
        "conversions",
        _state(has_enough, is_open),
        f"{_decimal(conversions_micros)} {policy.conversion}, of at least {policy.conversions_min}",
    )


def _trigger_gate(policy: Policy, spend_fen: int, earned_fen: Fraction, *, is_open: bool) -> Gate:
    bound = (
        f"less than {policy.trigger_percent} % of the spend must be earned"
        if policy.measure == "roi"
        else f"the spend must be more than {policy.trigger_percent} % of what is earned"
    )
    return Gate(
        "trigger",
        _state(is_triggered(policy, spend_fen, earned_fen), is_open),
        f"{earned_fen // 1} fen earned of a spend of {spend_fen} fen; {bound}",
    )


def _time_gate(name: Literal["observation", "settlement"], first_day: int, day: int, over_day: int) -> Gate:
    days = day - first_day + 1
    days_over = min(max(over_day - first_day + 1, 0), days)
    return Gate(name, "holds" if days_over == days else "not_yet", f"{days_over} days are over, of {days}")


def _state(holds: bool, is_open: bool) -> GateState:
    return "holds" if holds else "not_yet" if is_open else "broken"


def _status(first_day: int, last_day: int, settlement_day: int, over_day: int) -> Status:
    if over_day >= settlement_day:
        return "settled"
    if over_day >= last_day:
        return "waiting"
    return "observing" if over_day >= first_day - 1 else "planned"


def _quotient(above: int, below: int) -> int | None:
    return above // below if below > 0 else None


def _decimal(micros: int) -> str:
    """Millionths as a decimal number.

    >>> _decimal(10_000_000), _decimal(9_999_999), _decimal(500_000)
    ('10', '9.999999', '0.5')
    """
    return f"{micros // MICROS}.{micros % MICROS:06d}".rstrip("0").rstrip(".")
