"""Tables as files: CSV for spreadsheets, Parquet for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import PlainTextResponse, Response

from xinghe.export.column import Column
from xinghe.export.spreadsheet import Cell, csv_text

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")


def csv_response(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """The rows as the file ``name.csv``: UTF-8 with a byte order mark, and no text in it runs as a formula."""
    return _file(f"{name}.csv", csv_text(header, rows).encode(), "text/csv; charset=utf-8")


def parquet_response(name: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> Response:
    """The rows as the file ``name.parquet``; where pyarrow is not installed, an answer that says so."""
    if not has_parquet():
        return PlainTextResponse(
            "Parquet needs pyarrow, which is not installed where the dashboard runs. Take CSV instead, or have it installed "
            "with: pip install 'xinghe[export]'",
            501,
        )
    from xinghe.export.parquet import parquet_bytes

    return _file(f"{name}.parquet", parquet_bytes(columns, rows), "application/vnd.apache.parquet")


def has_parquet() -> bool:
    """Whether Parquet can be written here."""
    return find_spec("pyarrow") is not None


def _file(name: str, content: bytes, media_type: str) -> Response:
    # The first name is for old browsers; a header takes neither line breaks nor quotes.
    plain = _NOT_IN_NAMES.sub("_", name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(content, media_type=media_type, headers={"content-disposition": disposition})
