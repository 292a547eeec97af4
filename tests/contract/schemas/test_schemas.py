"""The files under ``schemas/`` are what the types say, and say what the types accept."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from xinghe.cli import main
from xinghe.commands.schemas import differing, documents
from xinghe.contracts.json_schemas import RECORDS, json_schemas, schema_of
from xinghe.domain.catalogue import BY_MODEL, METRICS, PLAIN
from xinghe.domain.events import CAMPAIGN_FUNNEL, OrderPaid
from xinghe.domain.metrics import MODELS
from xinghe.domain.outputs import Credits, TouchKind
from xinghe.domain.terms import CustomGuarantee, QianchuanRoi, RevenueShare, SpendMatch, Tier, XhsCost
from xinghe.domain.touch import KINDS

CLOSED = {
    struct.__name__ for struct in (QianchuanRoi, XhsCost, CustomGuarantee, SpendMatch, RevenueShare, Tier)
}
"""Terms of money, in which a field that is not known may be a limit with its name spelt wrong."""
SCHEMAS = Path(__file__).parents[3] / "schemas"


def test_the_committed_files_are_what_the_types_say() -> None:
    assert differing(SCHEMAS) == []


def test_a_changed_and_a_stray_file_are_named(tmp_path: Path) -> None:
    for name, content in documents().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "xhs.note.liked.v1.json").write_bytes(b"{}")
    (tmp_path / "REDIS.md").unlink()
    (tmp_path / "stray.json").write_bytes(b"{}")
    result = CliRunner().invoke(main, ["schemas", "--check", "--folder", str(tmp_path)])
    assert result.exit_code == 1
    assert [line.split()[0] for line in result.output.splitlines()] == [
        str(tmp_path / name) for name in ("REDIS.md", "stray.json", "xhs.note.liked.v1.json")
    ]


@pytest.mark.parametrize("name", sorted(json_schemas()))
def test_each_is_a_schema_of_its_dialect(name: str) -> None:
    schema = json_schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == name
    assert schema["description"]


@pytest.mark.parametrize("topic", sorted(RECORDS))
def test_required_fields_are_those_without_a_default(topic: str) -> None:
    fields = msgspec.structs.fields(RECORDS[topic])
    assert schema_of(topic)["required"] == [field.encode_name for field in fields if field.required]


@pytest.mark.parametrize("topic", sorted(RECORDS))
def test_fields_that_come_later_are_allowed(topic: str) -> None:
    schema = schema_of(topic)
    for struct in (schema, *schema.get("$defs", {}).values()):
        assert ("additionalProperties" in struct) == (struct["title"] in CLOSED)


def test_money_is_above_zero() -> None:
    amount = schema_of(OrderPaid.topic)["properties"]["amount_fen"]
    assert amount["type"] == "integer"
    assert amount["exclusiveMinimum"] == 0


def test_each_metric_is_in_the_funnel_with_its_meaning_and_none_is_required() -> None:
    metrics = schema_of(CAMPAIGN_FUNNEL)["properties"]["metrics"]
    assert list(metrics["properties"]) == [metric.name for metric in METRICS]
    assert metrics["additionalProperties"] == {"type": "integer"}
    assert "required" not in metrics
    assert "Unit: fen, net." in metrics["properties"]["net_gmv_fen:linear"]["description"]


def test_each_model_has_credits_and_metrics_of_its_own() -> None:
    assert tuple(field.name for field in msgspec.structs.fields(Credits)) == MODELS
    names = {metric.name for metric in PLAIN}
    assert {metric.name.partition(":")[0] for metric in BY_MODEL} < names
    assert [metric.name for metric in BY_MODEL if metric.name.startswith("buyers:")] == [
        f"buyers:{model}" for model in MODELS
    ]


def test_the_kinds_of_touches_are_those_of_the_domain() -> None:
    assert get_args(TouchKind) == KINDS
