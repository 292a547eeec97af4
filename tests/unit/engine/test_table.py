"""The codecs of tables, and the keys of their changelog."""

from __future__ import annotations

import faust
import msgspec
import pytest

from streams.engine.table import BatchTable, BytesCodec, MemoryStore, StructCodec, split_changelog_key


class Point(msgspec.Struct, array_like=True):
    x: int
    y: int | None = None


def test_a_struct_comes_back() -> None:
    codec = StructCodec(Point)
    (part,) = codec.parts(Point(1))
    assert codec.assemble({part: codec.encode(Point(1), part)}) == Point(1)


def test_bytes_of_another_type_are_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        StructCodec(Point).assemble({0: msgspec.msgpack.encode(["one"])})


def test_packed_bytes_are_kept_as_they_are() -> None:
    codec = BytesCodec()
    (part,) = codec.parts(b"\x00\xff")
    assert codec.encode(b"\x00\xff", part) == b"\x00\xff"
    assert codec.assemble({part: b"\x00\xff"}) == b"\x00\xff"


@pytest.mark.parametrize("part", [0, 1, 255, 2**32 - 1])
def test_a_changelog_key_names_table_part_and_key(part: int) -> None:
    class OnePart(BytesCodec):
        def parts(self, _value: bytes) -> tuple[int]:
            return (part,)

    store = MemoryStore(b"w", OnePart())
    store.put(b"key", b"value")
    ((key, value),) = store.drain()
    assert split_changelog_key(key) == (b"w", part, b"key")
    assert value == b"value"
    assert len(store) == 1


def test_a_table_is_declared_through_the_app_and_makes_empty_partitions() -> None:
    app = faust.App("tables", Table=BatchTable, store="memory://")
    table = app.Table("words", codec=BytesCodec(), tag=b"w", help="Words.")
    assert app.tables["words"] is table
    first, second = table.partition_store(), table.partition_store()
    first.put(b"k", b"v")
    assert len(second) == 0
    assert first.drain()[0][0][:1] == b"w"


@pytest.mark.parametrize("tag", [b"", b"ww"])
def test_a_tag_of_another_length_is_refused(tag: bytes) -> None:
    app = faust.App("tables", Table=BatchTable, store="memory://")
    with pytest.raises(ValueError, match="tag is one byte"):
        app.Table("words", codec=BytesCodec(), tag=tag)
