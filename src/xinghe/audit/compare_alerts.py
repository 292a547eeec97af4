"""Alerts in the topic and in Redis: their laws, and which must be open by the figures that were recomputed (ARCHITECTURE.md, R24).

When a task looked at a figure the log does not tell. So of what is past the laws are checked and whether a figure can have been;
of what is now, whether an alert is open that must not be, or none is that must.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import orjson
from redis import Redis

from xinghe.audit.alert_figures import Position, impossible, value_now
from xinghe.audit.alert_laws import (
    KIND,
    SYSTEM,
    FoundAlerts,
    Turn,
    Wrong,
    laws_broken,
    rule_broken,
    rules_that_changed,
)
from xinghe.audit.alert_rules import crosses, is_of_data
from xinghe.audit.compare_guarantees import FoundPositions
from xinghe.audit.figures import Truth
from xinghe.audit.findings import Difference, Findings
from xinghe.domain.alerts import AlertRule
from xinghe.domain.windows import HOUR_MS, MINUTE_MS

OPEN: Final = "xinghe:alerts:open"
TURNS: Final = "xinghe:alerts"
LOOKED_AT_MS: Final = HOUR_MS
"""With the watermark further behind the clock, figures of campaigns are not looked at."""


class RedisAlerts(NamedTuple):
    """What Redis has: the record of each open alert by its id, and the id and record of each turn, oldest first."""

    open: Mapping[str, bytes]
    turns: Sequence[tuple[str, bytes]]


def alerts_in_redis(redis: Redis) -> RedisAlerts:
    """Read both keys; ``redis`` must decode responses."""
    found = cast("dict[str, str]", redis.hgetall(OPEN))
    turns = cast("list[tuple[str, dict[str, str]]]", redis.xrange(TURNS))
    return RedisAlerts(
        {alert_id: record.encode() for alert_id, record in found.items()},
        [(fields.get("alert_id", ""), fields.get("record", "").encode()) for _, fields in turns],
    )


class AlertComparison:
    """The alerts of a stream with these rules, as often as it takes; ``now_ms`` is the clock."""

    def __init__(self, truth: Truth, rules: Sequence[AlertRule], now_ms: int) -> None:
        self._truth = truth
        self._rules = {rule.name: rule for rule in rules}
        self._is_looked_at = truth.watermark_ms > 0 and now_ms - truth.watermark_ms <= LOOKED_AT_MS

    def compare(
        self, found: FoundAlerts, in_redis: RedisAlerts, positions: FoundPositions, findings: Findings
    ) -> None:
        """Compare all of it."""
        for difference in found.wrong:
            findings.add(difference)
        changed = rules_that_changed(found.turns, self._rules)
        for (campaign_id, name), turns in sorted(found.turns.items()):
            findings.compared["alerts"] += len(turns)
            of = None if campaign_id == SYSTEM else campaign_id
            for wrong in laws_broken(turns, is_whole=found.is_whole):
                findings.add(Difference(KIND, *wrong))
            for wrong in self._figures_broken(turns):
                findings.add(Difference(KIND, *wrong), campaign_id=of)
            rule = self._rules.get(name)
            for wrong in () if rule is None else rule_broken(rule, turns):
                findings.add(Difference(KIND, *wrong), is_notice=name in changed)
        self._compare_open(found, positions, changed, findings)
        for wrong in _redis_broken(found, in_redis):
            findings.add(Difference(KIND, *wrong))

    def _figures_broken(self, turns: Sequence[Turn]) -> Iterator[Wrong]:
        for turn in turns:
            wrong = impossible(self._truth, turn)
            if wrong is not None:
                yield wrong
            if turn.campaign_id is not None and turn.shop_id is not None:
                shops = self._truth.shops_of(turn.campaign_id)
                if turn.shop_id not in shops:
                    yield turn.alert_id, f"{turn.state} shop_id", " or ".join(sorted(shops)), turn.shop_id

    def _compare_open(
        self, found: FoundAlerts, positions: FoundPositions, changed: set[str], findings: Findings
    ) -> None:
        """Which alerts of campaigns are open, if figures are looked at; of rules that are not in the file none may be."""
        last = found.last
        is_other_file = any(
            turn.rule not in self._rules for turn in last.values() if turn.state != "resolved"
        )
        if not self._is_looked_at:
            return
        campaigns = {campaign_id for campaign_id, _ in last} | self._truth.campaigns
        for campaign_id in sorted(campaigns - {SYSTEM}):
            position = _figures_of(positions.last.get(campaign_id))
            for rule in self._rules.values():
                if is_of_data(rule):
                    continue
                findings.compared["alert_conditions"] += 1
                is_notice = is_other_file or rule.name in changed
                for wrong in self._open_broken(
                    rule, campaign_id, position, last.get((campaign_id, rule.name))
                ):
                    findings.add(Difference(KIND, *wrong), campaign_id=campaign_id, is_notice=is_notice)

    def _open_broken(
        self, rule: AlertRule, campaign_id: str, position: Position, last: Turn | None
    ) -> Iterator[Wrong]:
        value = value_now(self._truth, rule, campaign_id, position)
        where, watermark_ms = f"campaign {campaign_id}", self._truth.watermark_ms
        shown = "unknown" if value is None else float(value)
        if last is not None and last.state != "resolved":
            if value is None or not crosses(rule, value, is_eased=True):
                yield last.alert_id, "open", f"resolved: the figure is {shown}", last.state
            elif last.state == "raised" and rule.escalate_after_minutes is not None:
                at_ms = last.time_ms + rule.escalate_after_minutes * MINUTE_MS
                if watermark_ms >= at_ms:
                    yield last.alert_id, "open", f"escalated from {at_ms} on", last.state
        elif value is not None and crosses(rule, value, is_eased=False) and rule.for_minutes == 0:
            # Since when a condition has held that must hold for a while, none but the task knows.
            quiet_ms = 0
            if last is not None:
                quiet_ms = max(last.time_ms + rule.cool_down_minutes * MINUTE_MS, last.since_ms + 1)
            if watermark_ms >= quiet_ms:
                yield where, rule.name, f"raised: the figure is {shown}", None if last is None else last.state


def _figures_of(value: bytes | None) -> Position:
    try:
        return {} if value is None else dict(orjson.loads(value))
    except (orjson.JSONDecodeError, TypeError, ValueError):
        return {}  # said where positions are compared


def _redis_broken(found: FoundAlerts, in_redis: RedisAlerts) -> Iterator[Wrong]:
    """The open alerts are those of the topic; the turns are some of the topic's, each once, in the topic's order."""
    # What the topic has lost by its retention can still be open.
    expected = found.open_records
    for alert_id in sorted(expected.keys() | in_redis.open.keys()):
        if expected.get(alert_id) != in_redis.open.get(alert_id) and (found.is_whole or alert_id in expected):
            yield OPEN, alert_id, _text(expected.get(alert_id)), _text(in_redis.open.get(alert_id))
    places = {record: place for place, record in enumerate(found.records.values())}
    last_of: dict[tuple[Any, ...], int] = {}
    for alert_id, record in in_redis.turns:
        place = places.get(record)
        if place is None:
            if found.is_whole:
                yield TURNS, alert_id, "a record of the topic", _text(record)
            continue
        key = _key_of(record)
        if place <= last_of.get(key, -1):
            yield TURNS, alert_id, "each once, in the topic's order", _text(record)
        last_of[key] = place


def _key_of(record: bytes) -> tuple[Any, ...]:
    fields = orjson.loads(record)
    return fields["campaign_id"], fields["rule"]


def _text(record: bytes | None) -> str | None:
    return None if record is None else record.decode("utf-8", "replace")
