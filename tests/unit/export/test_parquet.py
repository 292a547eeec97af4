from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from xinghe.cli import main
from xinghe.commands import export
from xinghe.export import parquet
from xinghe.export.column import Column
from xinghe.export.parquet import write_parquet

COLUMNS = [
    Column("id", "text"),
    Column("gmv_fen", "whole"),
    Column("direct", "truth"),
    Column("time", "time"),
]
ROWS = [("a", 2**62, True, 1_790_000_000_123), ("店", -1, False, 0), (None, None, None, None)]


@pytest.mark.parametrize("rows_per_group", [1, 2, 100])
def test_what_is_written_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_per_group: int
) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", rows_per_group)
    assert write_parquet(tmp_path / "t.parquet", COLUMNS, ROWS) == 3

    table = pq.read_table(tmp_path / "t.parquet")
    assert [str(field.type) for field in table.schema] == ["string", "int64", "bool", "timestamp[ms, tz=UTC]"]
    assert table.to_pydict() == {
        "id": ["a", "店", None],
        "gmv_fen": [2**62, -1, None],
        "direct": [True, False, None],
        "time": [
            datetime(2026, 9, 21, 14, 13, 20, 123_000, tzinfo=UTC),
            datetime(1970, 1, 1, tzinfo=UTC),
            None,
        ],
    }


def test_nothing_to_write_is_an_empty_table(tmp_path: Path) -> None:
    assert write_parquet(tmp_path / "t.parquet", COLUMNS, []) == 0
    assert pq.read_table(tmp_path / "t.parquet").column_names == [column.name for column in COLUMNS]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_parquet(path, COLUMNS, ROWS)
    before = path.read_bytes()

    def failing() -> Iterator[tuple[Any, ...]]:
        yield from ROWS
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        write_parquet(path, COLUMNS, failing())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_without_pyarrow_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "find_spec", lambda _name: None)
    result = CliRunner().invoke(main, ["export", "--what", "funnel", "f.parquet"])
    assert result.exit_code == 78
    assert "pip install 'xinghe[export]'" in result.output


def test_a_folder_that_is_missing_is_named_before_anything_is_read(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", "--what", "funnel", str(tmp_path / "no" / "f.parquet")])
    assert result.exit_code == 1
    assert f"there is no folder {tmp_path / 'no'}" in result.output
