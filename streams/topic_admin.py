"""Creating the topics, and saying how the broker's differ from what they must be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from msgspec import Struct

from streams.topics import TopicSpec

TOPIC_EXISTS: Final = 36
"""Kafka's error code of a topic that somebody else has created meanwhile."""
VISIBLE_TIMEOUT_S: Final = 30.0


class TopicAdminError(Exception):
    """The broker refused; the message says what and why."""


class Difference(Struct, frozen=True):
    """One thing that is not as it must be: ``partitions`` or the name of a topic setting."""

    what: str
    found: str
    must_be: str


class TopicState(Struct, frozen=True):
    """How a topic stands: ``ok``, ``missing``, ``different`` or, just now, ``created``."""

    name: str
    status: str
    differences: list[Difference] = []


async def create_topics(
    bootstrap: str, specs: Sequence[TopicSpec], *, replication_factor: int = 1, **client_options: Any
) -> list[TopicState]:
    """Create what is missing, change nothing that is there, and return once every topic can be used.

    Raises ``TopicAdminError`` when the broker refuses a topic.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [spec for spec in specs if spec.name not in existing]
        if missing:
            await _create(admin, missing, replication_factor)
            await _wait_until_visible(admin, missing)
        created = {spec.name for spec in missing}
        states = await _states(admin, specs)
    finally:
        await admin.close()
    return [
        TopicState(state.name, "created") if state.name in created and state.status == "ok" else state
        for state in states
    ]


async def check_topics(bootstrap: str, specs: Sequence[TopicSpec], **client_options: Any) -> list[TopicState]:
    """How each topic of ``specs`` stands on the broker, in their order."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options)
    await admin.start()
    try:
        return await _states(admin, specs)
    finally:
        await admin.close()


async def partition_counts(bootstrap: str, names: Sequence[str], **client_options: Any) -> dict[str, int]:
    """How many partitions each of the topics has; those that do not exist are left out."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options)
    try:
        await admin.start()
        # Asked for by name, a missing topic would be created on a broker that creates topics by itself.
        existing = set(await admin.list_topics()).intersection(names)
        # Asked for none, the broker describes all.
        described = await admin.describe_topics(sorted(existing)) if existing else []
    finally:
        await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], replication_factor: int) -> None:
    response = await admin.create_topics(
        [
            NewTopic(spec.name, spec.partitions, replication_factor, topic_configs=dict(spec.config))
            for spec in specs
        ]
    )
    for name, code, message in response.topic_errors:
        if code not in {0, TOPIC_EXISTS}:
            raise TopicAdminError(f"the broker refuses topic {name}: {message or for_code(code).__name__}")


async def _wait_until_visible(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """A topic is created before its partitions have leaders; until then a client meets errors."""
    deadline_s = time.monotonic() + VISIBLE_TIMEOUT_S
    names = [spec.name for spec in specs]
    while not all(_is_usable(topic) for topic in await admin.describe_topics(names)):
        if time.monotonic() > deadline_s:
            raise TopicAdminError(
                f"the new topics have no leaders after {VISIBLE_TIMEOUT_S:g} s; are all brokers up?"
            )
        await asyncio.sleep(0.1)


def _is_usable(topic: dict[str, Any]) -> bool:
    return topic["error_code"] == 0 and all(partition["leader"] >= 0 for partition in topic["partitions"])


async def _states(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> list[TopicState]:
    existing = set(await admin.list_topics())
    names = [spec.name for spec in specs if spec.name in existing]
    partitions: dict[str, int] = {}
    configs: dict[str, dict[str, str]] = {}
    if names:
        for topic in await admin.describe_topics(names):
            partitions[topic["topic"]] = len(topic["partitions"])
        configs = await _configs(admin, names)
    return [
        _state(spec, partitions[spec.name], configs[spec.name])
        if spec.name in existing
        else TopicState(spec.name, "missing")
        for spec in specs
    ]


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = {}
    for response in await admin.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code != 0:
                raise TopicAdminError(
                    f"the broker does not tell the settings of topic {name}: {message or for_code(code).__name__}"
                )
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


def _state(spec: TopicSpec, partitions: int, config: dict[str, str]) -> TopicState:
    differences = [
        Difference(name, config.get(name, "not set"), must_be)
        for name, must_be in spec.config.items()
        if config.get(name) != must_be
    ]
    if partitions != spec.partitions:
        differences.insert(0, Difference("partitions", str(partitions), str(spec.partitions)))
    return TopicState(spec.name, "different" if differences else "ok", differences)
