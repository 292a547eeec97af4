"""Where each guarantee is said to stand, in the topic and in Redis, against the recomputation (ARCHITECTURE.md, R23).

Compared are the figures, the forecast, the gates, the shop, and what came of it; Redis must have all that the topic has. A position is told anew where something changed, so that what depends on the
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
SETTLED: Final = frozenset({"outcome", "outcome_since_ms", "payout_fen"})
"""What is told once it is settled: right wherever it is told, and told in Redis where the topic does."""
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
        self._newest = {campaign_id: newest(facts[campaign_id]) for campaign_id in self._expected}
        self._ends = {campaign_id: expected_end(facts[campaign_id]) for campaign_id in self._expected}

    def compare(
        self, found: FoundPositions, in_redis: Mapping[str, Mapping[str, str]], findings: Findings
    ) -> None:
        """Compare every position in the topic, and the one in Redis."""
        told = found.last.keys() | in_redis.keys()
        for campaign_id in sorted(self._expected.keys() | told if self._must_be_told else told):
            findings.compared["guarantees"] += 1
            where = f"campaign {campaign_id}"
            position = _position(found.last.get(campaign_id))
            for field, expected, value in self._of_topic(campaign_id, position):
                findings.add(Difference(KIND, where, field, expected, value), campaign_id=campaign_id)
            where = f"xinghe:campaign:{campaign_id}:guarantee"
            for field, expected, value in self._of_redis(campaign_id, position, in_redis.get(campaign_id)):
                findings.add(Difference(KIND, where, field, expected, value), campaign_id=campaign_id)

    def _of_topic(self, campaign_id: str, position: dict[str, Any] | str | None) -> Iterator[Wrong]:
        if isinstance(position, str):
            yield "value", "a position", position
            return
        yield from _differing(self._expected.get(campaign_id), position)
        if position is not None and campaign_id in self._ends:
            yield from _of_outcome(self._ends[campaign_id], position)
            yield from self._of_day(campaign_id, position)
            yield from self._of_forecast(campaign_id, position)

    def _of_day(self, campaign_id: str, found: Mapping[str, Any]) -> Iterator[Wrong]:
        """Status and gates are those of the day that is told by how many are left, which has come."""
        guarantee, days_left = self._newest[campaign_id], found.get("days_left")
        least = max(guarantee.settlement_day - self._last_today + 1, 0)
        if not isinstance(days_left, int) or days_left < least:
            yield "days_left", f"at least {least}", days_left
            return
        over_day = guarantee.settlement_day - days_left
        if found.get("shop_id") not in (
            shop_ids := self._shops(campaign_id, over_day, is_over=not days_left)
        ):
            yield "shop_id", " or ".join(sorted(shop_ids)), found.get("shop_id")
        if found.get("status") != (status := status_on(guarantee, over_day)):
            yield "status", status, found.get("status")
        if (told := _states(found.get("gates"))) != (states := gates_on(guarantee, over_day)):
            yield "gates", states, told

    def _shops(self, campaign_id: str, over_day: int, *, is_over: bool) -> set[str]:
        """The shop of the terms on the day after ``over_day``, and on those since where no days are left that tell the day."""
        facts, first_day = self._facts[campaign_id], self._newest[campaign_id].first_day
        today = over_day + 1
        days = range(today, self._last_today + 1) if is_over else [max(today, first_day)]
        return {terms.shop_id for day in days if (terms := facts.terms(day)) is not None}

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

    def _of_redis(
        self, campaign_id: str, position: dict[str, Any] | str | None, fields: Mapping[str, str] | None
    ) -> Iterator[Wrong]:
        expected = self._expected.get(campaign_id)
        as_text = None if expected is None else {name: _text(value) for name, value in expected.items()}
        wrong = list(_differing(as_text, fields))
        if as_text is not None and fields is not None:
            wrong += _of_outcome(self._ends[campaign_id], fields)
        yield from wrong
        if as_text is None or fields is None or not isinstance(position, dict):
            return
        # The figures were looked at, and may not be those of the topic.
        for name in sorted((position.keys() | fields.keys()) - as_text.keys()):
            wanted, shown = _text(position.get(name)), fields.get(name)
            is_lacking = wanted is not None and shown is None and not wrong
            if is_lacking if name in SETTLED else wanted != shown:
                yield name, wanted, shown


def _position(value: bytes | None) -> dict[str, Any] | str | None:
    """A record's value; in words what it is where it is no position."""
    try:
        return None if value is None else dict(orjson.loads(value))
    except (orjson.JSONDecodeError, TypeError, ValueError):
        return "something else"


def expected_position(facts: MoneyFacts) -> dict[str, int | str | None] | None:
    """The figures of a campaign's newest guarantee by all that is known; ``None`` where its newest setting has none."""
    if not first_days(facts) or facts.settings[-1].guarantee is None:
        return None
    found = newest(facts)
    first_day, promise = found.first_day, found.promise
    hours_reported = facts.hours_reported(first_day, found.last_observed_day)
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
        "hours_reported": hours_reported,
        "hours": 24 * promise.observation_days,
        "spend_fen": found.spend_fen if hours_reported else None,
        "gmv_fen": found.gmv_fen,
        "refund_fen": found.refund_fen,
        "conversions_micros": _micros(found.conversions),
        "earned_fen": found.earned.__floor__(),
        "roi_micros": _micros(Fraction(found.gmv_fen, found.spend_fen)) if found.spend_fen else None,
        "roi_net_micros": (
            _micros(Fraction(found.gmv_fen - found.refund_fen, found.spend_fen)) if found.spend_fen else None
        ),
        "cost_per_conversion_fen": (
            (found.spend_fen / found.conversions).__floor__()
            if hours_reported and found.conversions > 0
            else None
        ),
        "shortfall_fen": found.shortfall_fen,
        "expected_payout_fen": found.paid_fen,
    }


def newest(facts: MoneyFacts) -> Outcome:
    """The guarantee that began last, by all that is known; there is one."""
    return outcome(facts, first_days(facts)[-1], None)


def _states(gates: Any) -> dict[Any, Any] | None:
    """The state of each gate as told; ``None`` where that is no list of gates."""
    if not isinstance(gates, list) or not all(isinstance(gate, dict) for gate in gates):
        return None
    return {gate.get("name"): gate.get("state") for gate in gates}


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
    found = newest(facts)
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


def _text(value: Any) -> str | None:
    """A field as Redis has it: text as it is, what is unknown not at all, all else as JSON."""
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
