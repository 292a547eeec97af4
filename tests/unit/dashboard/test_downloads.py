"""Tables as files."""

from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq
import pytest

from xinghe.dashboard import downloads
from xinghe.dashboard.downloads import csv_response, parquet_response
from xinghe.export.column import Column

COLUMNS = (Column("id", "text"), Column("fen", "whole"), Column("known", "truth"))
ROWS: list[tuple[str | None, int, bool | None]] = [("c1", -5, True), ("=1+1", 7, None), (None, 0, False)]


def test_csv_is_for_spreadsheets_and_no_text_in_it_runs() -> None:
    texts = ["=1+1", "+1", "-1", "@A1", "\tx", "\rx", " =1", "c-1", "春", 'a,"b']
    answer = csv_response("x", ["text", "fen"], [(text, -5) for text in texts])
    content = bytes(answer.body).decode()
    assert content.startswith("\ufefftext,fen\r\n")
    rows = list(csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline="")))
    assert [row[0] for row in rows[1:]] == [*(f"'{text}" for text in texts[:7]), *texts[7:]]
    assert {row[1] for row in rows[1:]} == {"-5"}
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"


def test_what_is_unknown_is_an_empty_cell() -> None:
    lines = bytes(csv_response("x", ["a", "b"], [(None, 1)]).body).decode().splitlines()
    assert lines[1] == ",1"


def test_parquet_has_the_same_rows() -> None:
    answer = parquet_response("x", COLUMNS, ROWS)
    table = pq.read_table(io.BytesIO(bytes(answer.body)))
    assert table.column_names == ["id", "fen", "known"]
    assert [tuple(row.values()) for row in table.to_pylist()] == ROWS
    assert str(table.schema.field("fen").type) == "int64"


def test_parquet_of_nothing_has_its_columns() -> None:
    assert pq.read_table(io.BytesIO(bytes(parquet_response("x", COLUMNS, []).body))).num_rows == 0


def test_without_pyarrow_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "has_parquet", lambda: False)
    answer = parquet_response("x", COLUMNS, ROWS)
    assert answer.status_code == 501
    assert b"pip install 'xinghe[export]'" in bytes(answer.body)


def test_the_name_of_a_file_is_no_header_of_its_own() -> None:
    disposition = csv_response('a/"b"\r\nx: 春', [], []).headers["content-disposition"]
    assert (
        disposition
        == "attachment; filename=\"a_b_x_.csv\"; filename*=UTF-8''a%2F%22b%22%0D%0Ax%3A%20%E6%98%A5.csv"
    )
