"""The source topics read and recomputed: the truth, and when its records came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from xinghe.audit.arrivals import Arrivals
from xinghe.audit.dead_letters import FoundDeadLetters
from xinghe.audit.figures import Truth
from xinghe.audit.intake import JOURNEY_TOPICS, Intake
from xinghe.audit.journey import Limits
from xinghe.audit.log import Log
from xinghe.audit.record import SourceRecord
from xinghe.audit.truth import Recomputation
from xinghe.domain.events import AdSpent, CampaignConfigured, PersonLinked

CAMPAIGN_TOPICS: Final = (CampaignConfigured.topic, AdSpent.topic)
SOURCE_TOPICS: Final = (*JOURNEY_TOPICS, PersonLinked.topic, *CAMPAIGN_TOPICS)
SETTLE_S: Final = 5.0
"""After the last commit Redis follows within a moment, and what is told every second within a second or two."""
SETTLE_PAUSE_S: Final = 0.5

Say = Callable[[str], None]


class RecordsGoneError(Exception):
    """A source topic has lost its first records, so the whole truth cannot be known any more."""

    def __init__(self, partition: TopicPartition, offset: int) -> None:
        super().__init__(
            f"the records of {partition.topic}-{partition.partition} before offset {offset} are gone: they "
            "passed the topic's retention or were deleted. Without them the figures cannot be recomputed; audit "
            "before the retention passes, or raise it"
        )


async def recompute(
    log: Log, ends: Mapping[TopicPartition, int], letters: FoundDeadLetters, limits: Limits, say: Say
) -> tuple[Truth, Arrivals]:
    """The truth: spend and settings, all links, then one partition of the journeys topics after the other.

    Whole journeys are in one, but for those of linked ids. When records came is looked at where there is spend or a
    setting, which money needs. ``ends`` are those of all source topics, ``say`` is told how far it is. Raises ``RecordsGoneError``.
    """
    begins = await log.begins(ends)
    for partition, begin in sorted(begins.items()):
        if begin > 0 and partition.topic != CampaignConfigured.topic:
            raise RecordsGoneError(partition, begin)
    too_late = letters.too_late
    campaigns, links = Intake(), Intake(too_late)
    await _take(log, campaigns, [each for each in ends if each.topic in CAMPAIGN_TOPICS], begins, ends)
    say(f"spend and settings: {campaigns.events_in:,} records")
    await _take(log, links, [each for each in ends if each.topic == PersonLinked.topic], begins, ends)
    recomputation = Recomputation(limits, links.links)
    arrivals = Arrivals(recomputation.person_of)
    say(f"identity links: {links.events_in:,} records")
    journeys = [partition for partition in ends if partition.topic in JOURNEY_TOPICS]
    numbers = sorted({partition.partition for partition in journeys})
    for number in numbers:
        intake = Intake(too_late)
        await _take(log, intake, [each for each in journeys if each.partition == number], begins, ends)
        if campaigns.spend or campaigns.told:
            arrivals.add_partition(number, intake.accepted, intake.recorded_ms)
        recomputation.add_partition(number, intake.take_accepted())
        recomputation.add_intake(intake)
        say(f"partition {number}: {intake.events_in:,} records recomputed")
    recomputation.add_intake(links)
    for report in campaigns.spend:
        recomputation.add_spend(*report)
    recomputation.add_intake(campaigns)
    arrivals.add_links(links.links)
    arrivals.add_campaigns(campaigns.spend, campaigns.told)
    return recomputation.finish(len(numbers)), arrivals


async def _take(
    log: Log,
    intake: Intake,
    partitions: Iterable[TopicPartition],
    begins: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> None:
    async for records in log.read(begins, {partition: ends[partition] for partition in partitions}):
        intake.add(
            SourceRecord(
                record.topic, record.partition, record.offset, record.timestamp, record.key, record.value
            )
            for record in records
        )


async def read_all(log: Log, topic: str, take: Callable[[ConsumerRecord], None]) -> None:
    """Hand every record of the topic to ``take``."""
    partitions = log.of([topic])
    await read_on(log, await log.begins(partitions), take)


async def read_on(
    log: Log, begins: Mapping[TopicPartition, int], take: Callable[[ConsumerRecord], None]
) -> dict[TopicPartition, int]:
    """Hand the records from ``begins`` on to ``take``; returns where the next reading goes on."""
    ends = await log.ends(begins)
    async for records in log.read(begins, ends):
        for record in records:
            take(record)
    return ends
