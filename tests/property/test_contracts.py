"""The schemas say what the types accept: both judge any record the same, but for rules between the fields of terms."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from xinghe.contracts.json_schemas import RECORDS, schema_of

GOLDEN = Path(__file__).parents[1] / "contract" / "schemas" / "golden"
RECORDS_BY_TOPIC = {
    topic: [json.loads(path.read_bytes()) for path in sorted((GOLDEN / topic).glob("*.json"))]
    for topic in RECORDS
}
VALIDATORS = {topic: Draft202012Validator(schema_of(topic)) for topic in RECORDS}

Place = tuple[str | int, ...]

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 7, 3_600_000, 1_000_001, 10**14, 10**14 + 1, 2**53 + 1]),
    st.sampled_from(["", "x", "view", "1m", "linear", "x" * 64, "x" * 65, "店" * 64]),
    st.sampled_from([[], [1], ["x"], {}, {"x": 1}, {"x": "y"}]),
)


def places(value: Any, at: Place = ()) -> list[Place]:
    """The path of every part of a JSON value."""
    parts: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [(*at, name) for name, _ in parts] + [
        place for name, part in parts for place in places(part, (*at, name))
    ]


def parent_of(record: Any, place: Place) -> Any:
    for name in place[:-1]:
        record = record[name]
    return record


@st.composite
def spoilt_records(draw: st.DrawFn) -> tuple[str, Any]:
    """A golden record of some topic, of which parts are missing or something else."""
    topic = draw(st.sampled_from(sorted(RECORDS)))
    record = copy.deepcopy(draw(st.sampled_from(RECORDS_BY_TOPIC[topic])))
    for _ in range(draw(st.integers(0, 2))):
        if found := places(record):
            place = draw(st.sampled_from(found))
            if draw(st.booleans()):
                del parent_of(record, place)[place[-1]]
            else:
                parent_of(record, place)[place[-1]] = copy.deepcopy(draw(JUNK))
    return topic, record


def fault(topic: str, record: Any) -> msgspec.ValidationError | None:
    try:
        msgspec.json.decode(json.dumps(record).encode(), type=RECORDS[topic])
    except msgspec.ValidationError as error:
        return error
    return None


@given(spoilt_records())
def test_the_schema_accepts_what_the_type_decodes_and_nothing_else(spoilt: tuple[str, Any]) -> None:
    topic, record = spoilt
    error = fault(topic, record)
    # A rule of several fields has a cause, and no words in a schema.
    assert (error is not None and error.__cause__ is not None) or (
        VALIDATORS[topic].is_valid(record) == (error is None)
    )
