"""The ledger alone: its laws, and what stands in it against the source topics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import ConsumerRecord, TopicPartition

from xinghe.audit.compare_ledger import LedgerComparison
from xinghe.audit.dead_letters import FoundDeadLetters
from xinghe.audit.findings import Findings
from xinghe.audit.journey import Limits
from xinghe.audit.ledger_laws import FoundLedger, compare_laws
from xinghe.audit.log import Log
from xinghe.audit.money_facts import FactsByDay, MoneyFacts
from xinghe.audit.patience import Patience
from xinghe.audit.recompute import SETTLE_PAUSE_S, SOURCE_TOPICS, Say, read_all, read_on, recompute
from xinghe.domain.events import DEAD_LETTER, LEDGER_ENTRY

RECOMPUTED_TOPICS: Final = (*SOURCE_TOPICS, DEAD_LETTER, LEDGER_ENTRY)


async def verify_entries(
    kafka_options: Mapping[str, Any], campaign_id: str | None, shown_max: int
) -> tuple[FoundLedger, Findings]:
    """The entries of a campaign, or of all, and the laws that they break by themselves.

    Raises ``MissingTopicsError``, and what aiokafka raises.
    """
    log = await Log.open([LEDGER_ENTRY], **kafka_options)
    try:
        found, findings = FoundLedger(), Findings(shown_max)
        await _read_entries(log, found, campaign_id, await log.begins(log.of([LEDGER_ENTRY])))
        compare_laws(found, findings)
    finally:
        await log.close()
    return found, findings


async def verify_ledger(
    kafka_options: Mapping[str, Any], campaign_id: str | None, limits: Limits, shown_max: int, say: Say
) -> tuple[FoundLedger, Findings]:
    """The same, and what stands in the ledger against what is due by all source topics; the stream should be idle.

    ``limits`` are those of the stream. Needs the memory that ``run.audit`` says. Raises ``RecordsGoneError`` too.
    """
    log = await Log.open(RECOMPUTED_TOPICS, **kafka_options)
    try:
        letters, found = FoundDeadLetters(), FoundLedger()
        await read_all(log, DEAD_LETTER, letters.add)
        ends = await log.ends(log.of(SOURCE_TOPICS))
        truth, arrivals = await recompute(log, ends, letters, limits, say)
        known = FactsByDay(truth)

        def facts_on(day: int) -> dict[str, MoneyFacts]:
            return {each: facts for each, facts in known.on(day).items() if campaign_id in {None, each}}

        comparison = LedgerComparison(facts_on, arrivals, truth.watermark_ms)
        begins = await log.begins(log.of([LEDGER_ENTRY]))
        patience = Patience(0.0, say, time.monotonic)
        while True:
            begins = await _read_entries(log, found, campaign_id, begins)
            findings = Findings(shown_max, truth.apart, truth.apart_campaigns)
            await asyncio.to_thread(comparison.compare, found, findings)
            if patience.is_over(findings, found.count):
                return found, findings
            await asyncio.sleep(SETTLE_PAUSE_S)
    finally:
        await log.close()


async def _read_entries(
    log: Log, found: FoundLedger, campaign_id: str | None, begins: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Take the entries from ``begins`` on, of one campaign or of all; answers where the next reading goes on."""
    key = None if campaign_id is None else campaign_id.encode()

    def take(record: ConsumerRecord) -> None:
        if key is None or record.key == key:
            found.add(record)

    return await read_on(log, begins, take)
