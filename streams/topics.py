"""The topics: which there are, and the settings that exactness and recovery rest on.

All have the same number of partitions, so that the task of partition *p* owns partition *p* of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xinghe.domain.events import (
    ALERT_RAISED,
    ATTRIBUTION_MODEL,
    CAMPAIGN_DELTA,
    CAMPAIGN_FUNNEL,
    DEAD_LETTER,
    GUARANTEE_POSITION,
    JOURNEY_MOVED,
    LEDGER_ENTRY,
    ORDER_ATTRIBUTED,
    PATH_DELTA,
    SOURCE_EVENTS,
    CampaignConfigured,
)

PARTITIONS_DEFAULT: Final = 4

JOURNEYS_CHANGELOG: Final = "xinghe.journeys.changelog"
CAMPAIGNS_CHANGELOG: Final = "xinghe.campaigns.changelog"

MIB: Final = 1024 * 1024
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

_ANY_RECORD: Final = {"max.message.bytes": str(12 * MIB)}
"""A record of 10 MB must reach its dead letter, so the topics take it; batches stay below as well."""

_KEPT: Final = {"cleanup.policy": "delete", "retention.ms": str(90 * DAY_MS)}

_SOURCE: Final = {
    # The broker's time: a device cannot lie about when its record came.
    "message.timestamp.type": "LogAppendTime",
    **_ANY_RECORD,
}

_BETWEEN_TASKS: Final = {**_ANY_RECORD, "cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS)}

_CHANGELOG: Final = {
    "cleanup.policy": "compact",
    # Recovery reads all of it: compact once a third is outdated, and roll segments often enough that
    # little is in the active one, which is never compacted.
    "min.cleanable.dirty.ratio": "0.3",
    "segment.bytes": str(64 * MIB),
    "segment.ms": str(HOUR_MS),
    "max.compaction.lag.ms": str(6 * HOUR_MS),
    **_ANY_RECORD,
}


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it must be; ``config`` holds the settings that matter, all others are the broker's."""

    name: str
    partitions: int
    config: Mapping[str, str]


def topic_specs(partitions: int = PARTITIONS_DEFAULT) -> list[TopicSpec]:
    """Every topic: sources, outputs, changelogs.

    >>> [spec.name for spec in topic_specs()][:2]
    ['xhs.note.viewed.v1', 'xhs.note.liked.v1']
    """
    configs: dict[str, Mapping[str, str]] = {name: {**_SOURCE, **_KEPT} for name in SOURCE_EVENTS}
    # Settings are kept for ever, the newest of each campaign.
    configs[CampaignConfigured.topic] = {
        **_SOURCE,
        "cleanup.policy": "compact",
        # As long as the other sources are kept a replay finds all settings, of which edits are counted.
        "min.compaction.lag.ms": str(90 * DAY_MS),
    }
    configs |= {
        ORDER_ATTRIBUTED: {**_ANY_RECORD, **_KEPT},
        CAMPAIGN_FUNNEL: {**_ANY_RECORD, "cleanup.policy": "compact"},
        ATTRIBUTION_MODEL: {**_ANY_RECORD, "cleanup.policy": "compact"},
        GUARANTEE_POSITION: {**_ANY_RECORD, "cleanup.policy": "compact"},
        # Books are kept for ever.
        LEDGER_ENTRY: {**_ANY_RECORD, "cleanup.policy": "delete", "retention.ms": "-1"},
        ALERT_RAISED: _KEPT,
        # Between tasks: consumed within a second, and kept as long as a stopped group's offsets are.
        CAMPAIGN_DELTA: _BETWEEN_TASKS,
        PATH_DELTA: _BETWEEN_TASKS,
        JOURNEY_MOVED: _BETWEEN_TASKS,
        # The record as it came, and its headers on top.
        DEAD_LETTER: {**_KEPT, "max.message.bytes": str(13 * MIB)},
        JOURNEYS_CHANGELOG: _CHANGELOG,
        CAMPAIGNS_CHANGELOG: _CHANGELOG,
    }
    return [TopicSpec(name, partitions, config) for name, config in configs.items()]
