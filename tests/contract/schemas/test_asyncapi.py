"""The AsyncAPI document: valid, complete, and its references lead somewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from streams.topics import CAMPAIGNS_CHANGELOG, JOURNEYS_CHANGELOG, topic_specs
from xinghe.domain.events import CAMPAIGN_DELTA, DEAD_LETTER, JOURNEY_MOVED, PATH_DELTA

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[2] / "schemas"
DOCUMENT: dict[str, Any] = json.loads((SCHEMAS / "asyncapi.json").read_bytes())
SPECIFICATION: dict[str, Any] = json.loads((HERE / "asyncapi" / "3.0.0.json").read_bytes())
INTERNAL = {CAMPAIGN_DELTA, PATH_DELTA, JOURNEY_MOVED, JOURNEYS_CHANGELOG, CAMPAIGNS_CHANGELOG}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for part in value.values():
            yield from references(part)


def test_it_is_valid_by_the_schema_of_the_specification() -> None:
    assert not list(Draft7Validator(SPECIFICATION).iter_errors(DOCUMENT))


def test_the_schema_of_the_specification_refuses_what_is_wrong() -> None:
    wrong = {**DOCUMENT, "operations": {"send.it": {"action": "shout", "channel": {"$ref": "#/channels/x"}}}}
    assert list(Draft7Validator(SPECIFICATION).iter_errors(wrong))


def test_every_topic_but_the_internal_ones_is_a_channel_with_one_operation() -> None:
    topics = {spec.name for spec in topic_specs()} - INTERNAL
    assert set(DOCUMENT["channels"]) == topics
    assert sorted(operation["channel"]["$ref"] for operation in DOCUMENT["operations"].values()) == sorted(
        f"#/channels/{topic}" for topic in topics
    )
    sent = {name for name, operation in DOCUMENT["operations"].items() if operation["action"] == "send"}
    assert sent == {f"send.{topic}" for topic in topics if topic.startswith("xinghe.")}


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    files = {reference for reference in found if reference.startswith("./")}
    assert {reference.removeprefix("#/channels/") for reference in found - files} == set(DOCUMENT["channels"])
    schemas = {f"./{path.name}" for path in SCHEMAS.glob("*.json") if path.name != "asyncapi.json"}
    assert files == schemas


def test_dead_letters_have_headers_and_every_message_a_key() -> None:
    for channel in DOCUMENT["channels"].values():
        for message in channel["messages"].values():
            assert message["bindings"]["kafka"]["key"]["description"]
    assert DOCUMENT["channels"][DEAD_LETTER]["messages"]["DeadLetter"]["headers"]["schema"] == {
        "$ref": "./xinghe.dead-letter.v1.headers.json"
    }
