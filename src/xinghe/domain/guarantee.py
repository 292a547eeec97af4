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
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from xinghe.domain.amounts import yuan
from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.gates import (
    Gate,
    conversions_gate,
    edits_gate,
    edits_of,
    time_gate,
    trigger_gate,
    voided_at_ms,
)
from xinghe.domain.money_facts import MoneyFacts, spend_of
from xinghe.domain.terms import (
    Basis,
    Conversion,
    Form,
    Measure,
    Policy,
    model_index,
    policy_of,
    terms_of,
)

Status = Literal["planned", "observing", "waiting", "settled"]
Outcome = Literal["paid", "unpaid", "void"]

MICROS: Final = 1_000_000


class Position(Struct, frozen=True):
    """Where a guarantee stands; days are numbers of `counted.day_number`, fractions are rounded down.

    What is unknown is ``None``: no hour of spend was reported, there is nothing to divide by, or it is not settled yet.
    """

    first_day: int
    last_observed_day: int
    settlement_day: int
    status: Status
    outcome: Outcome | None
    """What came of it; ``None`` while that is open. A guarantee is void from the edit on that was one too many."""
    outcome_since_ms: int | None
    outcome_reason: str | None
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


class Ended(NamedTuple):
    """What came of a guarantee, since when and why."""

    outcome: Outcome
    since_ms: int
    reason: str


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
    edits_ms = edits_of(settings, policy)
    is_open = over_day < settlement_day
    is_short = is_triggered(policy, spend.spend_fen, earned.earned_fen)
    spend_fen = spend.spend_fen if spend.hours_reported else None
    of_payout = [
        edits_gate(edits_ms, policy),
        conversions_gate(policy, earned.conversions_micros, is_open=is_open),
        trigger_gate(policy, spend_fen, earned.earned_fen, is_triggered=is_short, is_open=is_open),
    ]
    of_time = [
        time_gate("observation", first_day, last_day, over_day),
        time_gate("settlement", first_day, settlement_day, over_day),
    ]
    is_due = all(gate.state == "holds" for gate in of_payout)
    expected_fen = payout(policy, spend.spend_fen, earned.earned_fen) if is_due else 0
    voided_ms = voided_at_ms(edits_ms, policy)
    ended: Ended | None
    if voided_ms is not None:
        ended = Ended("void", voided_ms, of_payout[0].reason)
    else:
        ended = None if is_open else _settled(policy, settlement_day, expected_fen, of_payout)
    return Position(
        first_day=first_day,
        last_observed_day=last_day,
        settlement_day=settlement_day,
        status=_status(first_day, last_day, settlement_day, over_day),
        outcome=None if ended is None else ended.outcome,
        outcome_since_ms=None if ended is None else ended.since_ms,
        outcome_reason=None if ended is None else ended.reason,
        measure=policy.measure,
        conversion=policy.conversion,
        basis=policy.basis,
        form=policy.form,
        target_roi_micros=int(target * MICROS) if policy.measure == "roi" else None,
        bid_fen=int(target) if policy.measure == "cost" else None,
        hours_reported=spend.hours_reported,
        hours=spend.hours,
        spend_fen=spend_fen,
        gmv_fen=earned.gmv_fen,
        refund_fen=earned.refund_fen,
        conversions_micros=earned.conversions_micros,
        earned_fen=earned.earned_fen // 1,
        roi_micros=_quotient(earned.gmv_fen * MICROS, spend.spend_fen),
        roi_net_micros=_quotient((earned.gmv_fen - earned.refund_fen) * MICROS, spend.spend_fen),
        cost_per_conversion_fen=(
            None if spend_fen is None else _quotient(spend_fen * MICROS, earned.conversions_micros)
        ),
        shortfall_fen=max(shortfall(policy, spend.spend_fen, earned.earned_fen) // 1, 0),
        expected_payout_fen=expected_fen,
        payout_fen=None if is_open else expected_fen,
        days_left=max(settlement_day - over_day, 0),
        gates=[*of_payout, *of_time],
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


def _settled(policy: Policy, settlement_day: int, payout_fen: int, gates: Sequence[Gate]) -> Ended:
    """What the settlement came to; ``gates`` are those of the payout."""
    since_ms = day_start_ms(settlement_day + 1)
    if payout_fen > 0:
        form = "in cash" if policy.form == "cash" else "as credit for ads"
        return Ended("paid", since_ms, f"¥{yuan(payout_fen)} is paid {form}.")
    lacking = " ".join(gate.reason for gate in gates if gate.state == "broken")
    return Ended("unpaid", since_ms, lacking or "The shortfall is less than a fen.")


def _status(first_day: int, last_day: int, settlement_day: int, over_day: int) -> Status:
    if over_day >= settlement_day:
        return "settled"
    if over_day >= last_day:
        return "waiting"
    return "observing" if over_day >= first_day - 1 else "planned"


def _quotient(above: int, below: int) -> int | None:
    return above // below if below > 0 else None
