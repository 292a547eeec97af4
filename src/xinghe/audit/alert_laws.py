"""The records of alerts, and the laws that they follow by themselves, whatever was looked at when (ARCHITECTURE.md, R24)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, Final, Literal

import msgspec
from aiokafka import ConsumerRecord
from msgspec import Struct

from xinghe.audit.alert_rules import is_below, is_same_rule, may_cross, must_cross, threshold
from xinghe.audit.findings import Difference
from xinghe.audit.record import Place
from xinghe.domain.alerts import AlertRule
from xinghe.domain.windows import MINUTE_MS

KIND: Final = "alert"
SYSTEM: Final = "system"
RULE_GONE: Final = "there is no rule"
"""Said of an alert that was resolved because its rule is no longer in the file; the rule's cool-down went with it."""
LIVES: Final = (
    ("raised",),
    ("raised", "escalated"),
    ("raised", "resolved"),
    ("raised", "escalated", "resolved"),
)
"""What may become of an alert; all but the last of a campaign and rule end resolved."""

Wrong = tuple[str, str, Any, Any]
"""Where, field, expected, found."""
Key = tuple[str, str]
"""Campaign, or `SYSTEM`, and rule."""


class Turn(Struct, frozen=True):
    """A record of ``xinghe.alert.raised.v1``: what happened to an alert."""

    alert_id: str
    campaign_id: str | None
    shop_id: str | None
    rule: str
    kind: str
    severity: str
    state: Literal["raised", "escalated", "resolved"]
    since_ms: int
    time_ms: int
    unit: str
    value: float | None
    threshold: float
    value_text: str | None
    threshold_text: str
    message: str

    @property
    def key(self) -> Key:
        """What the alert is about."""
        return (SYSTEM if self.campaign_id is None else self.campaign_id, self.rule)


_decode = msgspec.json.Decoder(Turn).decode


class FoundAlerts:
    """The turns of each campaign and rule in their order, and the bytes of each record by alert and state.

    ``is_whole`` says whether the topic still has its first records, which go by its retention.
    """

    def __init__(self) -> None:
        self.turns: dict[Key, list[Turn]] = {}
        self.records: dict[tuple[str, str], bytes] = {}
        self.wrong: list[Difference] = []
        self.is_whole = True

    def add(self, record: ConsumerRecord) -> None:
        """Take one record; those of one campaign come in their order."""
        where = str(Place(record.topic, record.partition, record.offset))
        value = record.value or b""
        try:
            turn = _decode(value)
        except msgspec.DecodeError as error:
            self.wrong.append(Difference(KIND, where, "value", "what became of an alert", str(error)))
            return
        if record.key != turn.key[0].encode():
            self.wrong.append(Difference(KIND, where, "key", turn.key[0], repr(record.key)))
        if (turn.alert_id, turn.state) in self.records:
            self.wrong.append(Difference(KIND, turn.alert_id, turn.state, "once", "again"))
            return
        self.records[turn.alert_id, turn.state] = value
        self.turns.setdefault(turn.key, []).append(turn)

    @property
    def last(self) -> dict[Key, Turn]:
        """The last turn of each campaign and rule."""
        return {key: turns[-1] for key, turns in self.turns.items()}

    @property
    def open_records(self) -> dict[str, bytes]:
        """The last record of each alert that is not resolved, by its id."""
        return {
            turn.alert_id: self.records[turn.alert_id, turn.state]
            for turn in self.last.values()
            if turn.state != "resolved"
        }


def laws_broken(turns: Sequence[Turn], *, is_whole: bool) -> Iterator[Wrong]:
    """What is wrong with the turns of one campaign and rule, whatever the rule."""
    alerts = [list(each) for _, each in groupby(turns, lambda turn: turn.alert_id)]
    for index, alert in enumerate(alerts):
        first, states = alert[0], tuple(turn.state for turn in alert)
        lives = LIVES if index == len(alerts) - 1 else LIVES[2:]
        is_cut = index == 0 and not is_whole and any(life[-len(states) :] == states for life in lives)
        if states not in lives and not is_cut:
            yield first.alert_id, "states", " or ".join(map(" ".join, lives)), " ".join(states)
        for turn in alert:
            yield from _turn_broken(turn, first)
        yield from _time_broken(alert)
    for before, after in pairwise(alerts):
        if after[0].since_ms <= before[0].since_ms:
            yield after[0].alert_id, "since_ms", f"more than {before[0].since_ms}", after[0].since_ms
        elif not _is_by_clock(after[0]) and after[0].since_ms < before[-1].time_ms:
            yield after[0].alert_id, "since_ms", f"at least {before[-1].time_ms}", after[0].since_ms


def _turn_broken(turn: Turn, first: Turn) -> Iterator[Wrong]:
    alert_id = f"{turn.key[0]}|{turn.rule}|{turn.since_ms}"
    if turn.alert_id != alert_id:
        yield turn.alert_id, "alert_id", alert_id, turn.alert_id
    if turn.time_ms < turn.since_ms and turn.state != "resolved":
        yield turn.alert_id, f"{turn.state} time_ms", f"at least {turn.since_ms}", turn.time_ms
    if (turn.kind, turn.unit) != (first.kind, first.unit):
        yield turn.alert_id, f"{turn.state} kind", (first.kind, first.unit), (turn.kind, turn.unit)
    if (turn.value is None) != (turn.value_text is None):
        yield turn.alert_id, f"{turn.state} value_text", turn.value, turn.value_text
    if turn.value is None and turn.state != "resolved":
        yield turn.alert_id, f"{turn.state} value", "a figure", None


def _time_broken(alert: Sequence[Turn]) -> Iterator[Wrong]:
    """The time of a campaign's alerts is the watermark, which never falls; the clocks of machines may differ."""
    for before, after in pairwise(alert):
        if not _is_by_clock(after) and after.time_ms < before.time_ms:
            yield after.alert_id, f"{after.state} time_ms", f"at least {before.time_ms}", after.time_ms


def _is_by_clock(turn: Turn) -> bool:
    return turn.campaign_id is None


def rule_broken(rule: AlertRule, turns: Sequence[Turn]) -> Iterator[Wrong]:
    """What is wrong with the turns of one campaign by the rule, which has not changed since."""
    raised: Turn | None = None
    before: Turn | None = None
    for turn in turns:
        if turn.state == "raised":
            raised = turn
            yield from _raised_broken(rule, turn, before)
        elif turn.state == "escalated":
            yield from _escalated_broken(rule, turn, raised)
        elif turn.value is not None and must_cross(rule, turn.value, is_eased=True):
            yield (
                turn.alert_id,
                "resolved value",
                f"no longer past {turn.threshold} with hysteresis",
                turn.value,
            )
        before = turn


def _raised_broken(rule: AlertRule, turn: Turn, before: Turn | None) -> Iterator[Wrong]:
    yield from _value_broken(rule, turn, is_eased=False)
    least_ms = turn.since_ms + rule.for_minutes * MINUTE_MS
    if before is not None and before.state == "resolved" and RULE_GONE not in before.message:
        least_ms = max(least_ms, before.time_ms + rule.cool_down_minutes * MINUTE_MS)
    if turn.time_ms < least_ms:
        yield turn.alert_id, "raised time_ms", f"at least {least_ms}", turn.time_ms


def _escalated_broken(rule: AlertRule, turn: Turn, raised: Turn | None) -> Iterator[Wrong]:
    yield from _value_broken(rule, turn, is_eased=True)
    if rule.escalate_after_minutes is None:
        yield turn.alert_id, "escalated", "never", turn.time_ms
    elif raised is not None:
        least_ms = raised.time_ms + rule.escalate_after_minutes * MINUTE_MS
        if turn.time_ms < least_ms:
            yield turn.alert_id, "escalated time_ms", f"at least {least_ms}", turn.time_ms


def _value_broken(rule: AlertRule, turn: Turn, *, is_eased: bool) -> Iterator[Wrong]:
    if turn.value is not None and not may_cross(rule, turn.value, is_eased=is_eased):
        side = "below" if is_below(rule) else "at least"
        yield turn.alert_id, f"{turn.state} value", f"{side} {threshold(rule)}", turn.value


def rules_that_changed(found: Mapping[Key, Sequence[Turn]], rules: Mapping[str, AlertRule]) -> set[str]:
    """The names of rules by which some record was not made, so that they were others then."""
    return {
        turn.rule
        for turns in found.values()
        for turn in turns
        if turn.rule in rules and not is_same_rule(rules[turn.rule], turn.kind, turn.severity, turn.threshold)
    }
