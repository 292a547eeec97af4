"""The JSON Schema (2020-12) of every topic's records, generated from the structs."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from xinghe.domain.catalogue import METRICS, Metric
from xinghe.domain.events import CAMPAIGN_EVENTS, CAMPAIGN_FUNNEL, SOURCE_EVENTS
from xinghe.domain.outputs import OUTPUT_RECORDS, DeadLetterHeaders

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DEAD_LETTER_HEADERS: Final = f"{DeadLetterHeaders.topic}.headers"
"""Name of the schema of the headers; the value of a dead letter is any bytes and has no schema."""

RECORDS: Final[dict[str, type[Struct]]] = {**SOURCE_EVENTS, **OUTPUT_RECORDS}
"""Topic to the struct of its values."""


def key_of(topic: str) -> str:
    """The fields that make a record's key, joined by what stands between them; the key is their UTF-8."""
    if topic in OUTPUT_RECORDS:
        return OUTPUT_RECORDS[topic].key
    return "campaign_id" if SOURCE_EVENTS[topic] in CAMPAIGN_EVENTS else "person_id"


def schema_of(topic: str) -> dict[str, Any]:
    """The schema of a topic's values; fields that it does not name are allowed and ignored."""
    schema = _schema(topic, RECORDS[topic])
    schema["description"] += f" Kafka key: the UTF-8 of {key_of(topic)}."
    if topic == CAMPAIGN_FUNNEL:
        schema["properties"]["metrics"]["properties"] = {metric.name: _metric(metric) for metric in METRICS}
    return schema


def dead_letter_headers_schema() -> dict[str, Any]:
    """The schema of a dead letter's headers, as an object of their names and decoded texts."""
    return _schema(DEAD_LETTER_HEADERS, DeadLetterHeaders)


def json_schemas() -> dict[str, dict[str, Any]]:
    """File name to schema, for every topic."""
    schemas = {topic: schema_of(topic) for topic in RECORDS}
    schemas[DEAD_LETTER_HEADERS] = dead_letter_headers_schema()
    return {f"{name}.json": schema for name, schema in schemas.items()}


def _schema(name: str, record: type[Struct]) -> dict[str, Any]:
    (reference,), definitions = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    definitions = {key: _one_line(value) for key, value in definitions.items()}
    schema = definitions.pop(str(reference["$ref"]).rsplit("/", 1)[1])
    nested = {"$defs": definitions} if definitions else {}
    return {"$schema": DIALECT, "$id": f"{name}.json", **schema, **nested}


def _one_line(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its docstring as running text."""
    return {**schema, "description": " ".join(schema["description"].split()).replace("``", "`")}


def _metric(metric: Metric) -> dict[str, Any]:
    amount = f", {metric.amount}" if metric.amount else ""
    return {
        "type": "integer",
        "description": f"{metric.meaning} Unit: {metric.unit}{amount}. In windows of {', '.join(metric.sizes)}.",
    }
