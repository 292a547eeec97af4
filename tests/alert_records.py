"""Alerts as the audit reads them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from aiokafka import ConsumerRecord

from xinghe.audit.alert_laws import FoundAlerts, laws_broken, rule_broken
from xinghe.domain.alerts import SYSTEM, AlertRule
from xinghe.domain.events import ALERT_RAISED
from xinghe.domain.outputs import AlertRaised


def record_of(alert: AlertRaised, offset: int, key: bytes | None = None) -> ConsumerRecord:
    """The record of an alert in its topic."""
    value = msgspec.json.encode(alert)
    key = (alert.campaign_id or SYSTEM).encode() if key is None else key
    return ConsumerRecord(ALERT_RAISED, 0, offset, 0, 1, key, value, None, len(key), len(value), ())


def found_of(alerts: Iterable[AlertRaised]) -> FoundAlerts:
    """The alerts of a topic."""
    found = FoundAlerts()
    for offset, alert in enumerate(alerts):
        found.add(record_of(alert, offset))
    return found


def broken(alerts: Iterable[AlertRaised], *rules: AlertRule, is_whole: bool = True) -> list[tuple[str, str]]:
    """What breaks the laws, by alert and field: those of all alerts, and those of the rules."""
    found = found_of(alerts)
    by_name = {rule.name: rule for rule in rules}
    wrong = [(each.where, each.field) for each in found.wrong]
    for (_, name), turns in found.turns.items():
        wrong += [(where, field) for where, field, _, _ in laws_broken(turns, is_whole=is_whole)]
        if name in by_name:
            wrong += [(where, field) for where, field, _, _ in rule_broken(by_name[name], turns)]
    return wrong
