"""The files under ``schemas/`` are what the types say, and say what the types accept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from xinghe.cli import main
from xinghe.commands.schemas import differing, documents, schema_of
from xinghe.domain.events import SOURCE_EVENTS, OrderPaid

SCHEMAS = Path(__file__).parents[3] / "schemas"


def test_the_committed_files_are_what_the_types_say() -> None:
    assert differing(SCHEMAS) == []
    assert len(list(SCHEMAS.glob("*.json"))) == len(SOURCE_EVENTS)


def test_a_changed_and_a_stray_file_are_named(tmp_path: Path) -> None:
    for name, content in documents().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "xhs.note.liked.v1.json").write_bytes(b"{}")
    (tmp_path / "stray.json").write_bytes(b"{}")
    result = CliRunner().invoke(main, ["schemas", "--check", "--folder", str(tmp_path)])
    assert result.exit_code == 1
    assert "stray.json" in result.output
    assert "xhs.note.liked.v1.json" in result.output
    assert "viewed" not in result.output


@pytest.mark.parametrize("topic", sorted(SOURCE_EVENTS))
def test_required_fields_are_those_without_a_default(topic: str) -> None:
    fields = msgspec.structs.fields(SOURCE_EVENTS[topic])
    assert schema_of(topic)["required"] == [field.encode_name for field in fields if field.required]


def test_money_is_above_zero() -> None:
    amount = schema_of(OrderPaid.topic)["properties"]["amount_fen"]
    assert amount["type"] == "integer"
    assert amount["exclusiveMinimum"] == 0
