"""The audit from beginning to end: read, recompute, compare."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import ConsumerRecord, TopicPartition
from redis import Redis

from xinghe.audit.alert_laws import FoundAlerts
from xinghe.audit.arrivals import Arrivals
from xinghe.audit.attributions import FoundAttributions, compare_attributions
from xinghe.audit.compare_alerts import AlertComparison, alerts_in_redis
from xinghe.audit.compare_guarantees import FoundPositions, GuaranteeComparison
from xinghe.audit.compare_ledger import LedgerComparison
from xinghe.audit.compare_models import FoundModels, ModelsComparison, models_in_redis
from xinghe.audit.compare_redis import compare_redis
from xinghe.audit.dead_letters import FoundDeadLetters, compare_dead_letters
from xinghe.audit.figures import Truth
from xinghe.audit.findings import Findings
from xinghe.audit.funnel import FoundFunnel, compare_funnel
from xinghe.audit.journey import Limits
from xinghe.audit.ledger_laws import FoundLedger, compare_copies
from xinghe.audit.log import Log
from xinghe.audit.money_facts import FactsByDay
from xinghe.audit.patience import Patience
from xinghe.audit.recompute import SETTLE_PAUSE_S, SOURCE_TOPICS, Say, read_all, read_on, recompute
from xinghe.audit.redis_reading import stored
from xinghe.audit.report import Report
from xinghe.domain.alerts import AlertRule
from xinghe.domain.events import (
    ALERT_RAISED,
    ATTRIBUTION_MODEL,
    CAMPAIGN_FUNNEL,
    DEAD_LETTER,
    GUARANTEE_POSITION,
    LEDGER_ENTRY,
    ORDER_ATTRIBUTED,
)

TOPICS: Final = (
    *SOURCE_TOPICS,
    ORDER_ATTRIBUTED,
    CAMPAIGN_FUNNEL,
    ATTRIBUTION_MODEL,
    LEDGER_ENTRY,
    GUARANTEE_POSITION,
    ALERT_RAISED,
    DEAD_LETTER,
)


class AuditOptions(NamedTuple):
    """How the stream is set, and how many differences are named one by one.

    ``model_period_s`` is how long the stream may take until it computes models anew, ``alert_rules`` are those of the stream.
    """

    limits: Limits
    shown_max: int
    model_period_s: float
    alert_rules: Sequence[AlertRule] = ()


async def audit(kafka_options: Mapping[str, Any], redis: Redis, options: AuditOptions, say: Say) -> Report:
    """Recompute everything from the source topics and compare; the stream should be idle.

    ``kafka_options`` go to every aiokafka client; ``redis`` must decode responses; ``say`` is told how far the audit
    is. In memory stand the events of one partition and of all linked ids (about 1 KB each), a window or note about 1 KB (to date and by day
    4 KB), of an order 2 KB and 0.3 KB for each credit of a model. Raises ``MissingTopicsError``, ``RecordsGoneError``, and what aiokafka and redis raise.
    """
    started_s = time.monotonic()
    log = await Log.open(TOPICS, **kafka_options)
    try:
        source_partitions = log.of(SOURCE_TOPICS)
        ends = await log.ends(source_partitions)
        letters = FoundDeadLetters()
        await read_all(log, DEAD_LETTER, letters.add)
        truth, arrivals = await recompute(log, ends, letters, options.limits, say)
        attributions = FoundAttributions(truth.person_of, truth.refused_ids)
        await read_all(log, ORDER_ATTRIBUTED, attributions.add)
        findings = Findings(options.shown_max, truth.apart, truth.apart_campaigns)
        waiting = compare_dead_letters(truth, letters, findings)
        compare_attributions(truth, attributions, findings)
        findings.merge(await _compare_figures(log, redis, truth, arrivals, options, say))
        ends_now = await log.ends(source_partitions)
    finally:
        await log.close()
    return Report(
        truth=truth,
        findings=findings,
        dead_letters=len(letters.letters),
        waiting_refunds=waiting,
        arrived=sum(ends_now[partition] - ends[partition] for partition in source_partitions),
        seconds=time.monotonic() - started_s,
    )


async def _compare_figures(
    log: Log, redis: Redis, truth: Truth, arrivals: Arrivals, options: AuditOptions, say: Say
) -> Findings:
    """Compare Redis and the topics of figures; what differs is looked at again until it has had time to settle."""
    found = _FoundFigures(log)
    comparisons = await asyncio.to_thread(_Comparisons, truth, arrivals, options.alert_rules)
    await found.start()
    patience = Patience(options.model_period_s, say, time.monotonic)
    while True:
        await found.read_on()
        findings = Findings(options.shown_max, truth.apart, truth.apart_campaigns)
        await asyncio.to_thread(comparisons.compare, found, redis, findings)
        if patience.is_over(findings, found.ledger.count):
            return findings
        await asyncio.sleep(SETTLE_PAUSE_S)


class _FoundFigures:
    """The topics of figures, read on from where the last reading ended."""

    def __init__(self, log: Log) -> None:
        self.funnel = FoundFunnel()
        self.models = FoundModels()
        self.ledger = FoundLedger()
        self.positions = FoundPositions()
        self.alerts = FoundAlerts()
        self._log = log
        self._takers: dict[str, Callable[[ConsumerRecord], None]] = {
            CAMPAIGN_FUNNEL: self.funnel.add,
            ATTRIBUTION_MODEL: self.models.add,
            LEDGER_ENTRY: self.ledger.add,
            GUARANTEE_POSITION: self.positions.add,
            ALERT_RAISED: self.alerts.add,
        }
        self._next: dict[str, Mapping[TopicPartition, int]] = {}

    async def start(self) -> None:
        """Go to the beginning of each topic."""
        for topic in self._takers:
            self._next[topic] = await self._log.begins(self._log.of([topic]))
        self.alerts.is_whole = not any(self._next[ALERT_RAISED].values())

    async def read_on(self) -> None:
        """Take what has come."""
        for topic, take in self._takers.items():
            self._next[topic] = await read_on(self._log, self._next[topic], take)


class _Comparisons:
    """What must be shown of figures, computed once."""

    def __init__(self, truth: Truth, arrivals: Arrivals, alert_rules: Sequence[AlertRule]) -> None:
        known, now_ms = FactsByDay(truth), int(time.time() * 1000)
        self._truth = truth
        self._models = ModelsComparison(truth)
        self._ledger = LedgerComparison(known.on, arrivals, truth.watermark_ms)
        self._guarantees = GuaranteeComparison(known.newest, truth.watermark_ms, now_ms)
        self._alerts = AlertComparison(truth, alert_rules, now_ms)

    def compare(self, found: _FoundFigures, redis: Redis, findings: Findings) -> None:
        """Compare all of it; the figures of Redis are read here."""
        in_redis = compare_redis(self._truth, stored(redis), findings)
        compare_funnel(self._truth, found.funnel, in_redis.versions, findings)
        self._models.compare(found.models, models_in_redis(redis), findings)
        self._ledger.compare(found.ledger, findings)
        compare_copies(found.ledger, in_redis.ledgers, findings)
        self._guarantees.compare(found.positions, in_redis.guarantees, findings)
        self._alerts.compare(found.alerts, alerts_in_redis(redis), found.positions, findings)
