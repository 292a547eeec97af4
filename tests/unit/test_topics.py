"""The list of topics: complete, and with the settings that exactness rests on."""

from __future__ import annotations

import pytest

from streams.topics import CAMPAIGNS_CHANGELOG, JOURNEYS_CHANGELOG, TopicSpec, topic_specs
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

SPECS: dict[str, TopicSpec] = {spec.name: spec for spec in topic_specs()}


def test_every_topic_of_the_contract_is_there_once() -> None:
    assert sorted(spec.name for spec in topic_specs()) == sorted(
        [
            *SOURCE_EVENTS,
            ORDER_ATTRIBUTED,
            CAMPAIGN_DELTA,
            CAMPAIGN_FUNNEL,
            DEAD_LETTER,
            JOURNEY_MOVED,
            PATH_DELTA,
            ATTRIBUTION_MODEL,
            GUARANTEE_POSITION,
            LEDGER_ENTRY,
            ALERT_RAISED,
            JOURNEYS_CHANGELOG,
            CAMPAIGNS_CHANGELOG,
        ]
    )


def test_all_have_the_same_number_of_partitions() -> None:
    assert {spec.partitions for spec in topic_specs()} == {4}
    assert {spec.partitions for spec in topic_specs(7)} == {7}


@pytest.mark.parametrize("name", sorted(SOURCE_EVENTS))
def test_sources_carry_the_brokers_time_and_take_a_record_of_10_mb(name: str) -> None:
    assert SPECS[name].config["message.timestamp.type"] == "LogAppendTime"
    assert int(SPECS[name].config["max.message.bytes"]) >= 10 * 1024 * 1024


def test_a_dead_letter_has_room_for_the_largest_record_and_its_headers() -> None:
    largest = max(int(SPECS[name].config["max.message.bytes"]) for name in SOURCE_EVENTS)

    assert int(SPECS[DEAD_LETTER].config["max.message.bytes"]) > largest


@pytest.mark.parametrize(
    "name",
    [
        CampaignConfigured.topic,
        CAMPAIGN_FUNNEL,
        ATTRIBUTION_MODEL,
        GUARANTEE_POSITION,
        JOURNEYS_CHANGELOG,
        CAMPAIGNS_CHANGELOG,
    ],
)
def test_what_is_kept_for_ever_is_compacted(name: str) -> None:
    assert SPECS[name].config["cleanup.policy"] == "compact"
    assert "retention.ms" not in SPECS[name].config


def test_the_books_are_whole_for_ever() -> None:
    assert SPECS[LEDGER_ENTRY].config["cleanup.policy"] == "delete"
    assert SPECS[LEDGER_ENTRY].config["retention.ms"] == "-1"


def test_all_others_end() -> None:
    ending = {name for name, spec in SPECS.items() if spec.config["cleanup.policy"] == "delete"}
    ending.remove(LEDGER_ENTRY)

    assert all(int(SPECS[name].config["retention.ms"]) > 0 for name in ending)
    assert len(ending) == len(SPECS) - 7
