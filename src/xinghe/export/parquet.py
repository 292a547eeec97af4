"""Writing a table as Parquet: whole under its name, or not at all."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from xinghe.export.column import Column, Kind

ROWS_PER_GROUP: Final = 50_000
"""A group is built in memory; of this many rows it is some tens of megabytes."""

TYPES: Final[dict[Kind, pa.DataType]] = {
    "text": pa.string(),
    "whole": pa.int64(),
    "real": pa.float64(),
    "truth": pa.bool_(),
    "time": pa.timestamp("ms", tz="UTC"),
}


def write_parquet(path: Path, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> int:
    """Write the rows and answer how many; the file appears under its name once it is complete.

    A file of that name is replaced. Raises ``OSError`` where the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        count = _write(temporary, columns, rows)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def parquet_bytes(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> bytes:
    """The rows as a Parquet file in memory."""
    out = io.BytesIO()
    _write(out, columns, rows)
    return out.getvalue()


def _write(where: Path | io.BytesIO, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> int:
    schema = pa.schema([(column.name, TYPES[column.kind]) for column in columns])
    count = 0
    left = iter(rows)
    with pq.ParquetWriter(where, schema, compression="zstd") as writer:
        while group := list(islice(left, ROWS_PER_GROUP)):
            arrays = [
                pa.array(values, type=field.type)
                for field, values in zip(schema, zip(*group, strict=True), strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(group)
    return count
