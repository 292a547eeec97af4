"""Tables: what a stage remembers per key, partitioned like its source topics, rebuilt from a changelog.

A table is declared through the Faust app (`app.Table`, listed by ``faust tables``) and used through one
`PartitionStore` per task. A value may be kept in the changelog as several numbered parts, so that a change to a
long value rewrites only the part that changed; the table's `Codec` knows the parts.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable
from typing import Any, Generic, Protocol, TypeVar

import faust
import msgspec

V = TypeVar("V")

_PART = struct.Struct("<I")
_HEADER_BYTES = 1 + _PART.size


class Codec(Protocol[V]):
    """How values of one table become changelog records and come back."""

    def parts(self, value: V) -> Iterable[int]:
        """The numbers of all parts of a value."""

    def encode(self, value: V, part: int) -> bytes | None:
        """One part as bytes, or ``None`` where the value no longer has it."""

    def assemble(self, parts: dict[int, bytes]) -> V:
        """A value from all its parts."""


class StructCodec(Generic[V]):
    """Values of one msgspec type, kept as one part of MessagePack."""

    def __init__(self, value_type: type[V]) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(value_type).decode

    def parts(self, _value: V) -> Iterable[int]:
        """One part, number 0."""
        return (0,)

    def encode(self, value: V, _part: int) -> bytes:
        """The whole value."""
        return self._encode(value)

    def assemble(self, parts: dict[int, bytes]) -> V:
        """The value; raises `msgspec.DecodeError` where the bytes are of another type."""
        return self._decode(parts[0])


class BytesCodec:
    """Values that are packed bytes already, kept as one part."""

    def parts(self, _value: bytes) -> Iterable[int]:
        """One part, number 0."""
        return (0,)

    def encode(self, value: bytes, _part: int) -> bytes:
        """The value itself."""
        return value

    def assemble(self, parts: dict[int, bytes]) -> bytes:
        """The value itself."""
        return parts[0]


class PartitionStore(Protocol[V]):
    """One partition of a table, as an agent sees it.

    Keys are bytes. A value that was changed in place is put again (or the changed part is marked), so that the
    change reaches the changelog with the next commit.
    """

    def get(self, key: bytes) -> V | None:
        """The value, or ``None``."""

    def put(self, key: bytes, value: V) -> None:
        """Set a value; all its parts go to the changelog."""

    def mark(self, key_and_part: tuple[bytes, int]) -> None:
        """Say that one part of the stored value changed."""

    def delete(self, key: bytes) -> None:
        """Forget a key; nothing happens where it is unknown."""

    def items(self) -> Collection[tuple[bytes, V]]:
        """A live view of all keys and values of the partition."""

    def drain(self) -> list[tuple[bytes, bytes | None]]:
        """The changelog records (key, value or tombstone) of all changes since the last call."""

    def restore(self, parts: Iterable[tuple[bytes, int, bytes]]) -> int:
        """Fill an empty partition from the newest parts (key, part number, bytes); answers the keys."""


class MemoryStore(Generic[V]):
    """A partition held in memory."""

    def __init__(self, tag: bytes, codec: Codec[V]) -> None:
        self._tag = tag
        self._codec = codec
        self._values: dict[bytes, V] = {}
        # In the order of the changes, since what lies near in memory was changed at the same time.
        self._dirty: dict[tuple[bytes, int], None] = {}
        # Called once per event, so these are the dicts' own methods.
        self.get = self._values.get
        self.items = self._values.items
        self.add = self._values.__setitem__
        """Set a value whose parts will be marked one by one."""
        self.mark = self._dirty.setdefault

    def put(self, key: bytes, value: V) -> None:
        """Set a value; all its parts go to the changelog."""
        known = self._values.get(key)
        self._values[key] = value
        self._mark_all(key, value)
        if known is not None:
            self._mark_all(key, known)  # a part that the new value does not have must go

    def delete(self, key: bytes) -> None:
        """Forget a key; nothing happens where it is unknown."""
        value = self._values.pop(key, None)
        if value is not None:
            self._mark_all(key, value)

    def _mark_all(self, key: bytes, value: V) -> None:
        for part in self._codec.parts(value):
            self._dirty[key, part] = None

    def drain(self) -> list[tuple[bytes, bytes | None]]:
        """The changelog records (key, value or tombstone) of all changes since the last call."""
        get, encode, tag, pack = self.get, self._codec.encode, self._tag, _PART.pack
        records = [
            (tag + pack(part) + key, None if (value := get(key)) is None else encode(value, part))
            for key, part in self._dirty
        ]
        self._dirty.clear()
        return records

    def restore(self, parts: Iterable[tuple[bytes, int, bytes]]) -> int:
        """Fill an empty partition from the newest parts (key, part number, bytes); answers the keys."""
        collected: dict[bytes, dict[int, bytes]] = {}
        for key, part, data in parts:
            collected.setdefault(key, {})[part] = data
        while collected:
            key, by_part = collected.popitem()
            self._values[key] = self._codec.assemble(by_part)
        return len(self._values)

    def __len__(self) -> int:
        return len(self._values)


def split_changelog_key(changelog_key: bytes) -> tuple[bytes, int, bytes]:
    """The table's tag, the part number and the key in a changelog record's key."""
    return changelog_key[:1], _PART.unpack_from(changelog_key, 1)[0], changelog_key[_HEADER_BYTES:]


class BatchTable(faust.Table):  # type: ignore[misc]  # faust's classes are untyped
    """A table of the engine. Declare it with `app.Table(name, codec=..., tag=..., help=...)`.

    ``tag`` is one byte that tells the tables of a stage apart in the stage's changelog topic. Faust's own stores,
    changelog producers and recovery are not used: the stage's tasks own the partitions.
    """

    def __init__(self, app: Any, *, codec: Codec[Any], tag: bytes, **kwargs: Any) -> None:
        if len(tag) != 1:
            message = f"a table's tag is one byte, not {tag!r}"
            raise ValueError(message)
        super().__init__(app, **kwargs)
        self.codec = codec
        self.tag = tag

    def partition_store(self) -> MemoryStore[Any]:
        """A new, empty partition of this table."""
        return MemoryStore(self.tag, self.codec)
