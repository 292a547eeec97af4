"""Guarantees against a plain reading of the rules, day by day (R18, R20)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final, NamedTuple

from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_start_ms
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.guarantee import Position, position
from xinghe.domain.metrics import MODELS
from xinghe.domain.money_facts import MoneyFacts
from xinghe.domain.spend import Report
from xinghe.domain.terms import CustomGuarantee
from xinghe.domain.windows import DAY_MS, HOUR_MS

D0: Final = 20_000
START_MS: Final = day_start_ms(D0)
LAST: Final = 12
"""No day of these examples is later after the first one."""
TARGETS: Final = (0.5, 2.0, 2.5, 3.3333)
BIDS: Final = (700, 3_000, 4_500)


@st.composite
def told(draw: st.DrawFn) -> list[CampaignConfigured]:
    """Settings with one guarantee, edits of it, and now and then none or another one, ascending."""
    measure = draw(st.sampled_from(("roi", "cost")))
    policy: dict[str, Any] = {
        "trigger_percent": draw(st.sampled_from((80, 100, 120))),
        "payout_percent": draw(st.sampled_from((100, 120))),
        "observation_days": draw(st.integers(1, 5)),
        "settlement_day": draw(st.integers(5, 8)),
        "form": "cash",
        "conversion": draw(st.sampled_from(("orders", "orders", "ad_clicks"))),
        "conversions_min": draw(st.sampled_from((0, 0, 2, 5))),
        "edits_per_day_max": draw(st.sampled_from((None, 0, 1, 2))),
        "edits_per_hour_max": draw(st.sampled_from((None, 0, 1))),
        "backfill_days": draw(st.integers(0, 3)),
        "basis": draw(st.sampled_from(("gross", "net"))),
        "cap_fen": draw(st.sampled_from((None, None, 5_000))),
    }

    def guarantee(start_ms: int, measure: Any) -> CustomGuarantee:
        target: dict[str, Any] = (
            {"target_roi": draw(st.sampled_from(TARGETS))}
            if measure == "roi"
            else {"bid_fen": draw(st.sampled_from(BIDS))}
        )
        return CustomGuarantee(start_ms=start_ms, measure=measure, **target, **policy)

    def setting(at_ms: int, terms: CustomGuarantee | None) -> CampaignConfigured:
        model, lag = draw(st.sampled_from((*MODELS[:2], "shapley"))), draw(st.sampled_from((7, 15, 30)))
        return CampaignConfigured("c1", "s1", "Spring", START_MS + at_ms, model, lag, terms)  # type: ignore[arg-type]

    settings_ = [setting(draw(st.sampled_from((-DAY_MS, 0))), guarantee(START_MS, measure))]
    times_ms = st.one_of(
        st.integers(1, 6 * DAY_MS), st.integers(1, 24 * 6).map(lambda hours: hours * HOUR_MS)
    )
    for at_ms in sorted(draw(st.sets(times_ms, max_size=5))):
        kind = draw(st.sampled_from(("edit", "edit", "edit", "none", "start", "measure")))
        if kind == "none":
            settings_.append(setting(at_ms, None))
        else:
            start_ms = START_MS + (kind == "start")
            other = {"roi": "cost", "cost": "roi"}[measure] if kind == "measure" else measure
            settings_.append(setting(at_ms, guarantee(start_ms, other)))
    return settings_


reports = st.lists(
    st.builds(
        lambda hours, revision, spend_fen, late_hours: Report(
            START_MS + hours * HOUR_MS,
            revision,
            f"e{spend_fen}",
            spend_fen,
            None,
            None,
            START_MS + (hours + late_hours) * HOUR_MS,
        ),
        st.sampled_from((-1, 0, 1, 23, 24, 47, 70, 100, 119, 120)),
        st.integers(0, 2),
        st.integers(0, 20_000),
        st.sampled_from((1, 2, 7, 8, 24, 60, 200)),
    ),
    max_size=6,
    unique_by=lambda report: report.spend_fen,
)
cohorts = st.lists(
    st.builds(
        lambda touch, lag, later, amounts: CohortRow(
            D0 + touch,
            D0 + touch + lag,
            D0 + touch + lag + (later if amounts[2] else 0),
            amounts[3],
            *amounts[:3],
        ),
        st.integers(-1, 5),
        st.sampled_from((0, 0, 1, 2, 3, 7, 8)),
        st.integers(0, 6),
        st.one_of(
            st.tuples(st.integers(1, 3_000_000), st.integers(0, 20_000), st.just(0), st.integers(0, 1)),
            st.tuples(st.just(0), st.just(0), st.integers(1, 9_000), st.integers(0, 1)),
        ),
    ),
    max_size=12,
)
clicks = st.dictionaries(
    st.integers(D0 - 1, D0 + 6), st.fixed_dictionaries({"ad_clicks": st.integers(0, 9)}), max_size=6
)


class Outcome(NamedTuple):
    """What the rules say."""

    spend_fen: int
    earned: Fraction
    gmv_fen: int
    refund_fen: int
    conversions: Fraction
    void: bool
    payout_fen: int


def midnight_ms(day: int) -> int:
    return START_MS + (day - D0) * DAY_MS


def terms_on(settings_: list[CampaignConfigured], day: int) -> CampaignConfigured | None:
    held = [one for one in settings_ if one.effective_ms <= midnight_ms(day)]
    within = [one for one in settings_ if midnight_ms(day) < one.effective_ms < midnight_ms(day + 1)]
    return held[-1] if held else within[0] if within else None


def spend_by(facts: MoneyFacts, first_day: int, last_day: int, known: int) -> int:
    total = 0
    in_order = sorted(facts.reports, key=lambda report: (report.reported_ms, report.event_id))
    for hour_ms in range(midnight_ms(first_day), midnight_ms(last_day + 1), HOUR_MS):
        best = None
        for report in in_order:
            anchor_ms = max(in_order[0].reported_ms - in_order[0].hour_start_ms, 0)
            known_ms = max(hour_ms, report.reported_ms - 6 * HOUR_MS - anchor_ms)
            is_known = report.hour_start_ms == hour_ms and known_ms < midnight_ms(known + 1)
            if is_known and (
                best is None or (report.revision, report.event_id) > (best.revision, best.event_id)
            ):
                best = report
        total += best.spend_fen if best else 0
    return total


def is_void(told_: list[CampaignConfigured], policy: Any) -> bool:
    edits: list[int] = []
    for index in range(1, len(told_)):
        old: Any = told_[index - 1].guarantee
        new: Any = told_[index].guarantee
        at_ms = told_[index].effective_ms - START_MS
        is_of_both = old and new and old.start_ms == new.start_ms == START_MS
        if is_of_both and 0 <= at_ms < policy.observation_days * DAY_MS:
            edits += [at_ms] if (old.target_roi, old.bid_fen) != (new.target_roi, new.bid_fen) else []
    for length_ms, edits_max in ((DAY_MS, policy.edits_per_day_max), (HOUR_MS, policy.edits_per_hour_max)):
        for at_ms in edits:
            together = [other for other in edits if other // length_ms == at_ms // length_ms]
            if edits_max is not None and len(together) > edits_max:
                return True
    return False


def credit_of(
    facts: MoneyFacts, held: CampaignConfigured, policy: Any, day: int, known: int
) -> tuple[int, int, Fraction]:
    """GMV, refunds and conversions that touches of a day have brought."""
    model = held.model if held.model in MODELS else "last_touch"
    gmv_fen = refund_fen = 0
    conversions = Fraction(0)
    for row in facts.cohorts:
        is_in_time = row.order_day - day <= held.roi_lag_days
        is_in_time = is_in_time and row.order_day < D0 + policy.observation_days + policy.backfill_days
        is_known = row.day <= known and row.day < D0 + policy.settlement_day
        if row.touch_day == day and MODELS[row.model] == model and is_in_time and is_known:
            gmv_fen += row.gmv_fen
            refund_fen += row.refund_fen
            conversions += Fraction(row.orders_micros, 1_000_000)
    if policy.conversion != "orders":
        conversions = Fraction(
            facts.counted[day][policy.conversion] if day <= known and day in facts.counted else 0
        )
    return gmv_fen, refund_fen, conversions


def by_the_rules(facts: MoneyFacts, known: int) -> Outcome:
    told_ = [one for one in facts.settings if one.effective_ms < midnight_ms(known + 1)]
    first = terms_on(told_, D0)
    assert first is not None
    policy: Any = first.guarantee
    held = first
    earned, conversions = Fraction(0), Fraction(0)
    gmv_fen = refund_fen = 0
    last_day = D0 + policy.observation_days - 1
    for day in range(D0, last_day + 1):
        terms: Any = terms_on(told_, day)
        if terms.guarantee and (terms.guarantee.start_ms, terms.guarantee.measure) == (
            START_MS,
            policy.measure,
        ):
            held = terms
        day_gmv, day_refund, day_conversions = credit_of(facts, held, policy, day, known)
        target: Any = held.guarantee
        if policy.measure == "roi":
            worth = day_gmv - day_refund if policy.basis == "net" else day_gmv
            earned += worth / Fraction(str(target.target_roi))
        else:
            earned += target.bid_fen * day_conversions
        gmv_fen, refund_fen, conversions = (
            gmv_fen + day_gmv,
            refund_fen + day_refund,
            conversions + day_conversions,
        )
    spend_fen = spend_by(facts, D0, last_day, known)
    trigger = Fraction(policy.trigger_percent, 100)
    triggered = earned < trigger * spend_fen if policy.measure == "roi" else spend_fen > trigger * earned
    owed = math.floor(spend_fen - Fraction(policy.payout_percent, 100) * earned)
    owed = owed if policy.cap_fen is None else min(owed, policy.cap_fen)
    void = is_void(told_, policy)
    pays = triggered and conversions >= policy.conversions_min and not void
    payout_fen = max(0, min(owed, spend_fen)) if pays else 0
    return Outcome(spend_fen, earned, gmv_fen, refund_fen, conversions, void, payout_fen)


facts_told = st.builds(MoneyFacts, st.just("c1"), told(), reports, cohorts, clicks)


@given(facts=facts_told, known=st.integers(D0, D0 + LAST))
@settings(max_examples=500, deadline=None)
def test_it_is_as_the_rules_say(facts: MoneyFacts, known: int) -> None:
    expected = by_the_rules(facts, known)
    found = position(facts, D0, known, known + 1)
    assert (found.spend_fen or 0) == expected.spend_fen
    assert (found.earned_fen, found.gmv_fen, found.refund_fen) == (
        math.floor(expected.earned),
        expected.gmv_fen,
        expected.refund_fen,
    )
    assert Fraction(found.conversions_micros, 1_000_000) == expected.conversions
    assert (found.gates[0].state == "broken") == expected.void
    assert found.expected_payout_fen == expected.payout_fen
    assert found.payout_fen == (expected.payout_fen if known >= found.settlement_day else None)
    event("paid" if expected.payout_fen else "void" if expected.void else "not paid")


@given(facts=facts_told, known=st.one_of(st.none(), st.integers(D0, D0 + LAST)))
@settings(max_examples=300, deadline=None)
def test_a_payout_is_never_below_0_above_the_cap_or_above_the_spend(
    facts: MoneyFacts, known: int | None
) -> None:
    found = position(facts, D0, known, D0 + 3)
    guarantee = facts.settings[0].guarantee
    assert guarantee is not None
    bound = found.spend_fen or 0
    assert (
        0
        <= found.expected_payout_fen
        <= (bound if guarantee.cap_fen is None else min(bound, guarantee.cap_fen))
    )


@given(data=st.data(), facts=facts_told, known=st.one_of(st.none(), st.integers(D0, D0 + LAST)))
@settings(max_examples=300, deadline=None)
def test_the_order_in_which_facts_came_does_not_matter(
    data: st.DataObject, facts: MoneyFacts, known: int | None
) -> None:
    def of(some: MoneyFacts) -> Position:
        return position(some, D0, known, D0 + 3)

    came = data.draw(st.permutations(facts.settings))
    shuffled = replace(
        facts,
        settings=sorted(came, key=lambda setting: setting.effective_ms),
        reports=data.draw(st.permutations(facts.reports)),
        cohorts=data.draw(st.permutations(facts.cohorts)),
        counted=dict(data.draw(st.permutations(list(facts.counted.items())))),
    )
    assert of(shuffled) == of(facts)
