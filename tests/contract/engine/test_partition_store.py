"""What every store of a table partition must do; a second implementation is added to ``STORES``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from streams.engine.table import BytesCodec, MemoryStore, PartitionStore, split_changelog_key

TAG = b"t"


class WordsCodec:
    """A list of words, kept one part per word."""

    def parts(self, value: list[str]) -> Iterable[int]:
        return range(len(value))

    def encode(self, value: list[str], part: int) -> bytes | None:
        return value[part].encode() if part < len(value) else None

    def assemble(self, parts: dict[int, bytes]) -> list[str]:
        return [parts[part].decode() for part in sorted(parts)]


Words = PartitionStore[list[str]]
NewStore = Callable[[Any], PartitionStore[Any]]

STORES: list[Any] = [pytest.param(lambda codec: MemoryStore(TAG, codec), id="memory")]
"""How to make an empty partition with a codec."""


@pytest.fixture(params=STORES)
def new_store(request: pytest.FixtureRequest) -> NewStore:
    make: NewStore = request.param
    return make


@pytest.fixture
def store(new_store: NewStore) -> Words:
    return new_store(WordsCodec())


class Changelog:
    """A compacted changelog of one partition: the newest value of each key, without tombstones."""

    def __init__(self) -> None:
        self.newest: dict[bytes, bytes] = {}

    def take(self, store: PartitionStore[Any]) -> int:
        """Write what a commit would; answers the records."""
        records = store.drain()
        assert len({key for key, _ in records}) == len(records), "a commit writes a key once"
        for key, value in records:
            if value is None:
                self.newest.pop(key, None)
            else:
                self.newest[key] = value
        return len(records)

    def restored(self, store: PartitionStore[Any]) -> dict[bytes, Any]:
        """What an empty store holds after recovery."""
        rows = []
        for changelog_key, data in self.newest.items():
            tag, part, key = split_changelog_key(changelog_key)
            assert tag == TAG
            rows.append((key, part, data))
        assert store.restore(rows) == len({key for key, _, _ in rows})
        assert store.drain() == [], "what was restored is in the changelog already"
        return dict(store.items())


def test_an_empty_store_has_nothing(store: Words) -> None:
    assert store.get(b"k") is None
    assert list(store.items()) == []
    assert store.drain() == []
    assert store.restore([]) == 0


def test_what_is_put_is_got_and_written_once(store: Words) -> None:
    store.put(b"k", ["a", "b"])
    assert store.get(b"k") == ["a", "b"]
    assert sorted((split_changelog_key(key), value) for key, value in store.drain()) == [
        ((TAG, 0, b"k"), b"a"),
        ((TAG, 1, b"k"), b"b"),
    ]
    assert store.drain() == []


def test_a_part_that_is_marked_is_written_as_it_is_when_drained(store: Words) -> None:
    words = ["a", "b", "c"]
    store.put(b"k", words)
    store.drain()
    words[1] = "x"
    store.mark((b"k", 1))
    store.mark((b"k", 1))
    words[1] = "y"
    assert [value for _, value in store.drain()] == [b"y"]


def test_a_marked_part_that_is_gone_is_a_tombstone(store: Words) -> None:
    words = ["a", "b"]
    store.put(b"k", words)
    store.drain()
    words.pop()
    store.mark((b"k", 1))
    ((key, value),) = store.drain()
    assert (split_changelog_key(key), value) == ((TAG, 1, b"k"), None)


def test_a_deleted_key_is_gone_with_all_its_parts(store: Words) -> None:
    store.put(b"k", ["a", "b"])
    store.put(b"other", ["c"])
    store.drain()
    store.delete(b"k")
    assert store.get(b"k") is None
    assert dict(store.items()) == {b"other": ["c"]}
    assert sorted((split_changelog_key(key)[1], value) for key, value in store.drain()) == [
        (0, None),
        (1, None),
    ]


def test_a_key_that_is_not_known_is_deleted_without_a_trace(store: Words) -> None:
    store.delete(b"k")
    assert store.drain() == []


def test_a_key_may_come_back(store: Words) -> None:
    changelog = Changelog()
    store.put(b"k", ["a"])
    changelog.take(store)
    store.delete(b"k")
    store.put(b"k", ["b"])
    changelog.take(store)
    assert list(changelog.newest.values()) == [b"b"]


def test_keys_are_any_bytes(store: Words, new_store: NewStore) -> None:
    changelog = Changelog()
    keys = [b"", b"\x00", b"\xff" * 64, "星河".encode(), b"|:"]
    for key in keys:
        store.put(key, [key.hex()])
    changelog.take(store)
    assert changelog.restored(new_store(WordsCodec())) == {key: [key.hex()] for key in keys}


def test_items_show_changes(store: Words) -> None:
    items = store.items()
    store.put(b"k", ["a"])
    assert list(items) == [(b"k", ["a"])]


def test_recovery_brings_back_what_was_committed(store: Words, new_store: NewStore) -> None:
    changelog = Changelog()
    store.put(b"a", ["1", "2"])
    store.put(b"b", ["3"])
    changelog.take(store)
    words = store.get(b"a")
    assert words is not None
    words.append("4")
    store.mark((b"a", 2))
    store.delete(b"b")
    assert changelog.take(store) == 2
    store.put(b"c", ["not committed"])
    assert changelog.restored(new_store(WordsCodec())) == {b"a": ["1", "2", "4"]}


def test_a_shorter_value_that_is_put_leaves_no_part_of_the_longer_one(
    store: Words, new_store: NewStore
) -> None:
    changelog = Changelog()
    store.put(b"k", ["a", "b", "c"])
    changelog.take(store)
    store.put(b"k", ["x"])
    changelog.take(store)
    assert changelog.restored(new_store(WordsCodec())) == {b"k": ["x"]}


def test_a_value_may_be_empty_bytes(new_store: NewStore) -> None:
    changelog, store = Changelog(), new_store(BytesCodec())
    store.put(b"k", b"")
    changelog.take(store)
    assert changelog.restored(new_store(BytesCodec())) == {b"k": b""}
