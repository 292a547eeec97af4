"""Where each guarantee is said to stand, in the topic and in Redis, against the recomputation (ARCHITECTURE.md, R23).

Compared are the figures, the forecast, the gates, and what came of it. A position is told anew where something changed, so that what depends on the
time alone (days that are left, whether it is settled) may be behind: it must be right for the day that the record says it is of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

import orjson
from aiokafka import ConsumerRecord

from xinghe.audit.findings import Difference, Findings
from xinghe.audit.forecast import expected_forecast
from xinghe.audit.guarantee import ORDER_MICROS, Outcome, first_days, outcome
from xinghe.audit.money import day_text
from xinghe.audit.money_facts import MoneyFacts
from xinghe.domain.counted import day_number, day_start_ms

KIND: Final = "guarantee"
FORECAST: Final = (
    "forecast_gmv_fen",
    "forecast_low_fen",
    "forecast_high_fen",
    "forecast_standard_error_fen",
    "forecast_spend_fen",
)
DEVELOPED_DAYS: Final = 200
"""So many days after the watermark's, no forecast changes any more."""

Wrong = tuple[str, Any, Any]
"""Field, expected, found."""


class FoundPositions:
    """The last record of each campaign in ``xinghe.guarantee.position.v1``, as it came."""

    def __init__(self) -> None:
        self.last: dict[str, bytes] = {}

    def add(self, record: ConsumerRecord) -> None:
        """Take one record; those of one campaign come in their order."""
        campaign_id = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self.last.pop(campaign_id, None)
        else:
            self.last[campaign_id] = record.value


class GuaranteeComparison:
    """What each campaign's newest guarantee comes to by all that is known, against what is told of it.

    Without a watermark (0) no position need be told yet. ``now_ms`` is the clock, which takes the watermark's part when nothing
    comes for long.
    """

    def __init__(self, facts: Mapping[str, MoneyFacts], watermark_ms: int, now_ms: int) -> None:
        self._must_be_told = watermark_ms > 0
        self._expected = {
            campaign_id: expected
            for campaign_id, each in facts.items()
            if (expected := expected_position(each)) is not None
        }

        self._facts = facts
        self._today = day_number(watermark_ms)
        self._last_today = day_number(max(now_ms, watermark_ms))
        self._ends = {campaign_id: expected_end(facts[campaign_id]) for campaign_id in self._expected}

    def compare(
        self, found: FoundPositions, in_redis: Mapping[str, Mapping[str, str]], findings: Findings
    ) -> None:
        """Compare every position in the topic, and the one in Redis."""
        told = found.last.keys() | in_redis.keys()
        for campaign_id in sorted(self._expected.keys() | told if self._must_be_told else told):
            findings.compared["guarantees"] += 1
            where = f"campaign {campaign_id}"
            for field, expected, value in self._of_topic(campaign_id, found.last.get(campaign_id)):
                findings.add(Difference(KIND, where, field, expected, value), campaign_id=campaign_id)
            where = f"xinghe:campaign:{campaign_id}:guarantee"
            for field, expected, value in self._of_redis(campaign_id, in_redis.get(campaign_id)):
                findings.add(Difference(KIND, where, field, expected, value), campaign_id=campaign_id)

    def _of_topic(self, campaign_id: str, value: bytes | None) -> Iterator[Wrong]:
        try:
            position = None if value is None else dict(orjson.loads(value))
        except (orjson.JSONDecodeError, TypeError, ValueError):
            yield "value", "a position", "something else"
            return
        yield from _differing(self._expected.get(campaign_id), position)
        if position is not None and campaign_id in self._ends:
            yield from _of_outcome(self._ends[campaign_id], position)
            yield from self._of_day(campaign_id, position)
            yield from self._of_forecast(campaign_id, position)

    def _of_day(self, campaign_id: str, found: Mapping[str, Any]) -> Iterator[Wrong]:
        """Status and gates are those of the day that is told by how many are left, which has come."""
        facts, days_left = self._facts[campaign_id], found.get("days_left")
        begun = outcome(facts, first_days(facts)[-1], None)
        over_day = begun.settlement_day - (days_left if isinstance(days_left, int) else 0)
        if not isinstance(days_left, int) or days_left < 0 or over_day >= self._last_today:
            yield "days_left", f"at least {max(begun.settlement_day - self._last_today + 1, 0)}", days_left
            return
        for name, expected in (("status", status_on(begun, over_day)), ("gates", gates_on(begun, over_day))):
            told = found.get(name)
            if name == "gates" and isinstance(told, list):
                told = {gate.get("name"): gate.get("state") for gate in told}
            if told != expected:
                yield name, expected, told

    def _of_forecast(self, campaign_id: str, found: Mapping[str, Any]) -> Iterator[Wrong]:
        """The forecast is that of the day of the watermark, or of a later one up to that of the clock."""
        told = [found.get(name) for name in FORECAST]
        expected = expected_forecast(self._facts[campaign_id], self._today)
        todays = range(self._today, min(self._last_today, self._today + DEVELOPED_DAYS) + 1)
        if found.get("forecast") == "too_little_data" and told == [None] * len(FORECAST):
            is_right = any(expected_forecast(self._facts[campaign_id], today) is None for today in todays)
        else:
            is_right = found.get("forecast") == "known" and any(
                each.is_told_by(told)
                for today in todays
                if (each := expected_forecast(self._facts[campaign_id], today)) is not None
            )
        if not is_right:
            yield "forecast", expected or "too_little_data", told

    def _of_redis(self, campaign_id: str, fields: Mapping[str, str] | None) -> Iterator[Wrong]:
        expected = self._expected.get(campaign_id)
        as_text = None if expected is None else {name: _text(value) for name, value in expected.items()}
        yield from _differing(as_text, fields)
        if fields is not None and campaign_id in self._ends:
            yield from _of_outcome(self._ends[campaign_id], fields)


def expected_position(facts: MoneyFacts) -> dict[str, int | str | None] | None:
    """The figures of a campaign's newest guarantee by all that is known; ``None`` where its newest setting has none."""
    begun = first_days(facts)
    if not begun or facts.settings[-1].guarantee is None:
        return None
    first_day = begun[-1]
    found = outcome(facts, first_day, None)
    has_spend = any(facts.reports_by_day.get(day) for day in range(first_day, found.last_observed_day + 1))
    promise = found.promise
    return {
        "first_day": day_text(first_day),
        "last_observed_day": day_text(found.last_observed_day),
        "settlement_day": day_text(found.settlement_day),
        "measure": promise.measure,
        "conversion": promise.conversion,
        "basis": promise.basis,
        "form": promise.form,
        "target_roi_micros": _micros(found.target) if promise.measure == "roi" else None,
        "bid_fen": int(found.target) if promise.measure == "cost" else None,
        "hours_reported": facts.hours_reported(first_day, found.last_observed_day),
        "hours": 24 * promise.observation_days,
        "spend_fen": found.spend_fen if has_spend else None,
        "gmv_fen": found.gmv_fen,
        "refund_fen": found.refund_fen,
        "conversions_micros": _micros(found.conversions),
        "earned_fen": found.earned.__floor__(),
        "roi_micros": _micros(Fraction(found.gmv_fen, found.spend_fen)) if found.spend_fen else None,
        "roi_net_micros": (
            _micros(Fraction(found.gmv_fen - found.refund_fen, found.spend_fen)) if found.spend_fen else None
        ),
        "cost_per_conversion_fen": (
            (found.spend_fen / found.conversions).__floor__() if has_spend and found.conversions > 0 else None
        ),
        "shortfall_fen": found.shortfall_fen,
        "expected_payout_fen": found.paid_fen,
    }


def _micros(number: Fraction) -> int:
    return (number * ORDER_MICROS).__floor__()


def status_on(found: Outcome, over_day: int) -> str:
    """The status once ``over_day`` is over."""
    if over_day < found.first_day - 1:
        return "planned"
    if over_day < found.last_observed_day:
        return "observing"
    return "waiting" if over_day < found.settlement_day else "settled"


def gates_on(found: Outcome, over_day: int) -> dict[str, str]:
    """The state of each gate by all that is known, once ``over_day`` is over."""
    may_change = over_day < found.settlement_day

    def state(holds: bool) -> str:
        return "holds" if holds else "not_yet" if may_change else "broken"

    return {
        "edits": "broken" if found.is_void else "holds",
        "conversions": state(found.conversions >= found.promise.conversions_min),
        "trigger": state(found.is_triggered),
        "observation": "holds" if over_day >= found.last_observed_day else "not_yet",
        "settlement": "not_yet" if may_change else "holds",
    }


class End(NamedTuple):
    """What comes of a guarantee, and from when on."""

    outcome: str
    since_ms: int


def expected_end(facts: MoneyFacts) -> End:
    """What has come of a campaign's newest guarantee, or comes of it if nothing changes until its settlement."""
    first_day = first_days(facts)[-1]
    found = outcome(facts, first_day, None)
    if found.voided_ms is not None:
        return End("void", found.voided_ms)
    since_ms = day_start_ms(found.settlement_day + 1)
    return End("paid" if found.paid_fen else "unpaid", since_ms)


def _of_outcome(expected: End, found: Mapping[str, Any]) -> Iterator[Wrong]:
    told = (
        None if found.get("outcome") is None else f"{found['outcome']} since {found.get('outcome_since_ms')}"
    )
    wanted = f"{expected.outcome} since {expected.since_ms}"
    if told != wanted and (told is not None or expected.outcome == "void"):
        yield "outcome", wanted, told


def _differing(
    expected: Mapping[str, int | str | None] | None, found: Mapping[str, Any] | None
) -> Iterator[Wrong]:
    """Each figure that differs; what is unknown is absent or null."""
    if expected is None or found is None:
        if expected is not None:
            yield "position", "one", None
        elif found is not None:
            yield "position", None, "one"
        return
    for name, value in expected.items():
        if found.get(name) != value:
            yield name, value, found.get(name)
    payout = found.get("payout_fen")
    if payout is not None and payout != expected["expected_payout_fen"]:
        yield "payout_fen", expected["expected_payout_fen"], payout


def _text(value: int | str | None) -> str | None:
    return None if value is None else str(value)
