"""Creating and checking topics on a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner

from streams.topic_admin import TopicAdminError, check_topics, create_topics
from streams.topics import TopicSpec, topic_specs
from xinghe.cli import main
from xinghe.embedded import EmbeddedServices

pytestmark = pytest.mark.integration

CONFIG = {"cleanup.policy": "compact", "max.message.bytes": "2000000"}
SPECS = [TopicSpec("try-topics.a", 2, CONFIG), TopicSpec("try-topics.b", 2, {})]


@pytest.fixture
async def bootstrap(services: EmbeddedServices) -> AsyncIterator[str]:
    """The broker, without the topics of these tests before and after."""
    admin = AIOKafkaAdminClient(bootstrap_servers=services.kafka_bootstrap_servers)
    await admin.start()
    yield services.kafka_bootstrap_servers
    await admin.delete_topics([name for name in await admin.list_topics() if name.startswith("try-topics.")])
    await admin.close()


async def test_creating_twice_changes_nothing(bootstrap: str) -> None:
    first = await create_topics(bootstrap, SPECS)
    second = await create_topics(bootstrap, SPECS)

    assert [state.status for state in first] == ["created", "created"]
    assert [state.status for state in second] == ["ok", "ok"]
    assert [state.status for state in await check_topics(bootstrap, SPECS)] == ["ok", "ok"]


async def test_what_is_missing_is_said_and_created_beside_what_is_there(bootstrap: str) -> None:
    await create_topics(bootstrap, SPECS[:1])

    assert [state.status for state in await check_topics(bootstrap, SPECS)] == ["ok", "missing"]
    assert [state.status for state in await create_topics(bootstrap, SPECS)] == ["ok", "created"]


async def test_a_difference_is_told_and_left_alone(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("try-topics.a", 3, 1, topic_configs={"max.message.bytes": "9"})])
    await admin.close()

    for states in (await create_topics(bootstrap, SPECS[:1]), await check_topics(bootstrap, SPECS[:1])):
        assert states[0].status == "different"
        assert [(found.what, found.found, found.must_be) for found in states[0].differences] == [
            ("partitions", "3", "2"),
            ("cleanup.policy", "delete", "compact"),
            ("max.message.bytes", "9", "2000000"),
        ]


async def test_a_refusal_of_the_broker_is_told_with_the_topics_name(bootstrap: str) -> None:
    with pytest.raises(TopicAdminError, match=r"try-topics\.wrong"):
        await create_topics(bootstrap, [TopicSpec("try-topics.wrong", 1, {"cleanup.policy": "burn"})])


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(main, ["topics", *arguments, "--json"])
    return result.exit_code, orjson.loads(result.stdout)


def test_the_commands_create_and_check_all_topics(services: EmbeddedServices) -> None:
    kafka = ("--kafka-bootstrap-servers", services.kafka_bootstrap_servers)

    created_code, created = run("create", *kafka)
    checked_code, checked = run("check", *kafka)
    wrong_code, wrong = run("check", *kafka, "--partitions", "5")

    assert (created_code, checked_code, wrong_code) == (0, 0, 1)
    assert created["ok"]
    assert [topic["name"] for topic in checked["topics"]] == [spec.name for spec in topic_specs()]
    assert checked == {
        "ok": True,
        "topics": [{"name": spec.name, "status": "ok", "differences": []} for spec in topic_specs()],
    }
    assert {topic["status"] for topic in wrong["topics"]} == {"different"}
    assert wrong["topics"][0]["differences"] == [{"what": "partitions", "found": "4", "must_be": "5"}]


def test_for_people_the_command_says_what_to_do(services: EmbeddedServices) -> None:
    kafka = ("--kafka-bootstrap-servers", services.kafka_bootstrap_servers)
    CliRunner().invoke(main, ["topics", "create", *kafka])

    result = CliRunner().invoke(main, ["topics", "check", *kafka, "--partitions", "5"])

    assert result.exit_code == 1
    assert "partitions is 4, must be 5: give --partitions 4" in result.stdout
