"""The AsyncAPI 3.0 document: every topic that Xinghe receives from or sends to others, with keys and headers.

The topics between its own stages and its changelogs are no contract and are left out.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from streams.topics import topic_specs
from xinghe.contracts.json_schemas import DEAD_LETTER_HEADERS, DIALECT, RECORDS, key_of, schema_of
from xinghe.domain.events import (
    ATTRIBUTION_MODEL,
    CAMPAIGN_FUNNEL,
    DEAD_LETTER,
    GUARANTEE_POSITION,
    SOURCE_EVENTS,
    CampaignConfigured,
)
from xinghe.domain.outputs import OUTPUT_RECORDS

ASYNCAPI: Final = "3.0.0"
KAFKA_BINDING: Final = "0.5.0"
SCHEMA_FORMAT: Final = "application/schema+json;version=draft-2020-12"

GONE: Final = {
    CampaignConfigured.topic: ("SettingsDeleted", "A null value: all settings of the campaign are deleted."),
    ATTRIBUTION_MODEL: ("ShopModelsGone", "A null value: no order of the shop that a touch reached is left."),
    GUARANTEE_POSITION: ("GuaranteeGone", "A null value: the campaign has no guarantee any more."),
    CAMPAIGN_FUNNEL: (
        "WindowGone",
        "A null value: the window's retention passed, or all of its figures came back to 0.",
    ),
}
"""Compacted topic to the message of its null values."""


def asyncapi_document() -> dict[str, Any]:
    """The document; it refers to the JSON Schemas beside it by file name."""
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Xinghe",
            "version": version("xinghe"),
            "description": "Events of Xiaohongshu and Taobao come in; attributed orders, campaign funnels and dead "
            "letters go out. What goes out is written in transactions: read it with isolation.level=read_committed. "
            "Fields come to be added within a version; ignore those that you do not know.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic) for topic in (*RECORDS, DEAD_LETTER)},
        "operations": {
            **{f"receive.{topic}": _operation("receive", topic) for topic in SOURCE_EVENTS},
            **{f"send.{topic}": _operation("send", topic) for topic in (*OUTPUT_RECORDS, DEAD_LETTER)},
        },
    }


def _operation(action: str, topic: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}


def _channel(topic: str) -> dict[str, Any]:
    config = next(spec.config for spec in topic_specs() if spec.name == topic)
    shown: dict[str, Any] = {"cleanup.policy": [config["cleanup.policy"]]}
    if "retention.ms" in config:
        shown["retention.ms"] = int(config["retention.ms"])
    return {
        "address": topic,
        "messages": _messages(topic),
        "bindings": {"kafka": {"topicConfiguration": shown, "bindingVersion": KAFKA_BINDING}},
    }


def _messages(topic: str) -> dict[str, Any]:
    if topic == DEAD_LETTER:
        return {"DeadLetter": _dead_letter()}
    schema = schema_of(topic)
    key = _key(f"UTF-8 of {key_of(topic)}.")
    messages = {
        schema["title"]: {
            "name": schema["title"],
            "summary": schema["description"],
            "payload": _refer(topic),
            "bindings": key,
        }
    }
    if topic in GONE:
        name, summary = GONE[topic]
        messages[name] = {
            "name": name,
            "summary": summary,
            "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": {"$schema": DIALECT, "type": "null"}},
            "bindings": key,
        }
    return messages


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "DeadLetter",
        "summary": "A record of a source topic that did not fit: key and value are its bytes as they came. The headers "
        "say why, and where it stood.",
        "contentType": "application/octet-stream",
        "headers": _refer(DEAD_LETTER_HEADERS),
        "bindings": _key("As it came; empty where key and value were null."),
    }


def _refer(name: str) -> dict[str, Any]:
    return {"schemaFormat": SCHEMA_FORMAT, "schema": {"$ref": f"./{name}.json"}}


def _key(description: str) -> dict[str, Any]:
    return {"kafka": {"key": {"type": "string", "description": description}, "bindingVersion": KAFKA_BINDING}}
