"""Records as they were once written still decode with today's types and are valid by today's schemas.

A file under ``golden/`` is one record's value (of dead letters: their headers) and is never changed, only added to.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from xinghe.contracts.json_schemas import DEAD_LETTER_HEADERS, RECORDS, json_schemas
from xinghe.domain.outputs import DeadLetterHeaders

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*/*.json"))
TYPES: dict[str, type[msgspec.Struct]] = {**RECORDS, DEAD_LETTER_HEADERS: DeadLetterHeaders}


def known_part(value: Any, record: Any) -> Any:
    """What the types know of a record: ``value`` with no more than the fields that the record has."""
    if isinstance(value, dict):
        return {name: known_part(part, record[name]) for name, part in value.items() if name in record}
    if isinstance(value, list):
        return [known_part(*pair) for pair in zip(value, record, strict=True)]
    return value


def test_each_topic_has_a_minimal_record_and_one_with_unknown_fields() -> None:
    names = {topic: {path.stem for path in FILES if path.parent.name == topic} for topic in TYPES}
    assert {path.parent.name for path in FILES} == TYPES.keys()
    assert [topic for topic, found in names.items() if not {"minimal", "unknown-fields"} <= found] == []


@pytest.mark.parametrize("topic", sorted(TYPES))
def test_each_field_is_in_some_record(topic: str) -> None:
    fields = {field.name for field in msgspec.structs.fields(TYPES[topic])}
    found = [json.loads(path.read_bytes()).keys() for path in FILES if path.parent.name == topic]
    assert fields - set().union(*found) == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_it_decodes_with_all_its_fields(path: Path) -> None:
    record = json.loads(path.read_bytes())
    decoded = msgspec.json.decode(path.read_bytes(), type=TYPES[path.parent.name])
    known = known_part(msgspec.to_builtins(decoded), record)
    if path.stem == "unknown-fields":
        assert known != record
    else:
        # A field that was renamed or dropped would be lost here and nowhere noticed.
        assert known == record


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_it_is_valid_by_the_schema(path: Path) -> None:
    schema = json_schemas()[f"{path.parent.name}.json"]
    errors = Draft202012Validator(schema).iter_errors(json.loads(path.read_bytes()))
    assert [error.message for error in errors] == []
