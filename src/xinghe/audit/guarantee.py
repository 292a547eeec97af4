"""What a guarantee comes to, summed day by day with exact fractions (ARCHITECTURE.md, R20)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Final, NamedTuple

from xinghe.audit.campaign_settings import rule_model
from xinghe.audit.money_facts import MoneyFacts
from xinghe.domain.counted import day_number
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.terms import CustomGuarantee, Guarantee, QianchuanRoi, XhsCost
from xinghe.domain.windows import HOUR_MS

ORDER_MICROS: Final = 1_000_000


class Promise(NamedTuple):
    """What presets fix and a custom guarantee writes out."""

    measure: str
    trigger_percent: int
    payout_percent: int
    conversion: str
    conversions_min: int
    observation_days: int
    backfill_days: int
    settlement_day: int
    edits_per_day_max: int | None
    edits_per_hour_max: int | None
    form: str
    basis: str
    cap_fen: int | None


class Outcome(NamedTuple):
    """A guarantee by what is known: sums over its observed days, and what it pays if that is all.

    ``conversions`` are whole ones, orders as fractions in millionths. ``payout_fen`` is that of the formula, whether or not
    the gates hold; ``paid_fen`` is 0 unless they do.
    """

    first_day: int
    promise: Promise
    spend_fen: int
    earned: Fraction
    gmv_fen: int
    refund_fen: int
    conversions: Fraction
    voided_ms: int | None
    """When an edit was one too many."""
    is_triggered: bool
    target: Fraction
    """That of the last observed day: a ROI, or a bid in fen."""
    shortfall_fen: int
    """The payout without cap and gates."""
    payout_fen: int
    paid_fen: int

    @property
    def is_void(self) -> bool:
        """Whether the target was edited too often."""
        return self.voided_ms is not None

    @property
    def last_observed_day(self) -> int:
        """The last day that is observed."""
        return self.first_day + self.promise.observation_days - 1

    @property
    def settlement_day(self) -> int:
        """The day at whose end it is settled."""
        return self.first_day + self.promise.settlement_day - 1


class Credit(NamedTuple):
    """What an observed day has brought."""

    orders_micros: int
    gmv_fen: int
    refund_fen: int


def promise_of(guarantee: Guarantee) -> Promise:
    """The promise of a preset, or the one that is written out."""
    if isinstance(guarantee, QianchuanRoi):
        return Promise("roi", 80, 100, "orders", 10, 3, 1, 5, 2, None, "credit", "gross", guarantee.cap_fen)
    if isinstance(guarantee, XhsCost):
        return Promise(
            "cost", 120, 120, guarantee.conversion, 0, 7, 3, 10, 2, 1, "credit", "gross", guarantee.cap_fen
        )
    return Promise(**{name: getattr(guarantee, name) for name in Promise._fields})


def first_days(facts: MoneyFacts) -> list[int]:
    """``D0`` of each guarantee: the day of its ``start_ms``, if the terms of that day have it."""
    started = {
        day_number(setting.guarantee.start_ms) for setting in facts.settings if setting.guarantee is not None
    }
    return [day for day in sorted(started) if _started(facts, day) is not None]


def settlement_day(facts: MoneyFacts, first_day: int) -> int:
    """The day ``S`` at whose end the guarantee that begins on ``first_day`` is settled."""
    return first_day + promise_of(_guarantee_of(facts, first_day)).settlement_day - 1


def outcome(facts: MoneyFacts, first_day: int, known_day: int | None) -> Outcome:
    """The guarantee that begins on ``first_day`` by what is known at the end of ``known_day``, or by all there is.

    Credit and counts are those of days up to the day of settlement in any case.
    """
    guarantee = _guarantee_of(facts, first_day)
    promise = promise_of(guarantee)
    last_day = first_day + promise.observation_days - 1
    known_to = settlement_day(facts, first_day)
    if known_day is not None:
        known_to = min(known_to, known_day)
    spend_fen = facts.spend_fen(first_day, last_day, known_day)
    earned = conversions = Fraction(0)
    gmv_fen = refund_fen = 0
    for day in range(first_day, last_day + 1):
        terms = _terms_of_day(facts, guarantee, day, first_day)
        credit = _credit(facts, terms, day, last_day + promise.backfill_days, known_to)
        converted = Fraction(credit.orders_micros, ORDER_MICROS)
        if promise.conversion != "orders":
            converted = Fraction(
                facts.counts.get(day, {}).get(promise.conversion, 0) if day <= known_to else 0
            )
        gmv_fen += credit.gmv_fen
        refund_fen += credit.refund_fen
        conversions += converted
        target = _target(terms.guarantee)
        if promise.measure == "cost":
            earned += target * converted
        elif promise.basis == "net":
            earned += (credit.gmv_fen - credit.refund_fen) / target
        else:
            earned += credit.gmv_fen / target
    voided_ms = _voided_ms(facts, guarantee, first_day, last_day, known_to)
    if promise.measure == "roi":
        is_triggered = earned * 100 < promise.trigger_percent * spend_fen
    else:
        is_triggered = spend_fen * 100 > promise.trigger_percent * earned
    shortfall_fen = max(0, (spend_fen - Fraction(promise.payout_percent, 100) * earned).__floor__())
    payout_fen = min(shortfall_fen, spend_fen)
    if promise.cap_fen is not None:
        payout_fen = min(payout_fen, promise.cap_fen)
    is_paid = is_triggered and conversions >= promise.conversions_min and voided_ms is None
    return Outcome(
        first_day=first_day,
        promise=promise,
        spend_fen=spend_fen,
        earned=earned,
        gmv_fen=gmv_fen,
        refund_fen=refund_fen,
        conversions=conversions,
        voided_ms=voided_ms,
        is_triggered=is_triggered,
        target=_target(_terms_of_day(facts, guarantee, last_day, first_day).guarantee),
        shortfall_fen=shortfall_fen,
        payout_fen=payout_fen,
        paid_fen=payout_fen if is_paid else 0,
    )


def _guarantee_of(facts: MoneyFacts, first_day: int) -> Guarantee:
    guarantee = _started(facts, first_day)
    if guarantee is None:
        raise ValueError(f"no guarantee of {facts.campaign_id} begins on day {first_day}")
    return guarantee


def _started(facts: MoneyFacts, day: int) -> Guarantee | None:
    """The guarantee of the day's terms, if it begins on that day."""
    terms = facts.terms(day)
    if terms is None or terms.guarantee is None or day_number(terms.guarantee.start_ms) != day:
        return None
    return terms.guarantee


def _terms_of_day(facts: MoneyFacts, guarantee: Guarantee, day: int, first_day: int) -> CampaignConfigured:
    """The terms of the day; where these have no such guarantee, those of the last day before that had."""
    for each in range(day, first_day - 1, -1):
        terms = facts.terms(each)
        if terms is not None and _is_same(terms.guarantee, guarantee):
            return terms
    raise AssertionError("the first day has the guarantee")


def _is_same(one: Guarantee | None, other: Guarantee) -> bool:
    return one is not None and one.start_ms == other.start_ms and _measure(one) == _measure(other)


def _measure(guarantee: Guarantee) -> str:
    return promise_of(guarantee).measure


def _credit(
    facts: MoneyFacts, terms: CampaignConfigured, touch_day: int, orders_to: int, known_to: int
) -> Credit:
    """The credit of touches of a day, by the model and the lag of its terms."""
    model, orders_to = rule_model(terms), min(orders_to, touch_day + terms.roi_lag_days)
    rows = [
        amounts
        for key, amounts in facts.touched_on(touch_day)
        if key.model == model and key.order_day <= orders_to and key.day <= known_to
    ]
    return Credit(
        sum(row.orders_micros for row in rows),
        sum(row.gmv_fen for row in rows),
        sum(row.refund_fen for row in rows),
    )


def _target(guarantee: Guarantee | None) -> Fraction:
    """The ROI that is aimed at, or the bid in fen; a JSON number of four decimals is exactly that."""
    if isinstance(guarantee, QianchuanRoi | CustomGuarantee) and guarantee.target_roi is not None:
        return Fraction(str(guarantee.target_roi))
    if isinstance(guarantee, XhsCost | CustomGuarantee) and guarantee.bid_fen is not None:
        return Fraction(guarantee.bid_fen)
    raise AssertionError("a guarantee has a target or a bid")


def _voided_ms(
    facts: MoneyFacts, guarantee: Guarantee, first_day: int, last_day: int, known_to: int
) -> int | None:
    """When a day or an hour first had more edits of the target than the guarantee allows."""
    promise = promise_of(guarantee)
    days: Counter[int] = Counter()
    hours: Counter[int] = Counter()
    for time_ms in _edits_ms(facts, guarantee):
        if first_day <= day_number(time_ms) <= min(last_day, known_to):
            days[day_number(time_ms)] += 1
            hours[time_ms // HOUR_MS] += 1
            for counts, edits_max in (
                (days, promise.edits_per_day_max),
                (hours, promise.edits_per_hour_max),
            ):
                if edits_max is not None and max(counts.values()) > edits_max:
                    return time_ms
    return None


def _edits_ms(facts: MoneyFacts, guarantee: Guarantee) -> Iterator[int]:
    """When settings took effect whose target is another than that of the setting before."""
    for before, after in zip(facts.settings, facts.settings[1:], strict=False):
        if before.guarantee is None or after.guarantee is None:
            continue
        if before.guarantee.start_ms != guarantee.start_ms or after.guarantee.start_ms != guarantee.start_ms:
            continue
        if (_measure(before.guarantee), _target(before.guarantee)) != (
            _measure(after.guarantee),
            _target(after.guarantee),
        ):
            yield after.effective_ms
