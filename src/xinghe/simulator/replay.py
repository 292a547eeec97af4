"""A recorded data set as source events: Taobao's user behaviour (user, item, category, behaviour, second).

A row of https://tianchi.aliyun.com/dataset/649 becomes one event:

| behaviour | event |
|---|---|
| ``pv`` | a view of the note that stands for the item |
| ``fav`` | a like of that note |
| ``cart`` | one piece of the item in the cart |
| ``buy`` | an order of one piece of the item |

Shop and campaign stand for the category. Ids carry the prefix ``tb-``, so that they meet nothing else. The event id
is made of the line number and the line, so that a second replay of the same file is all duplicates, and equal rows
of one file are still events of their own. The data has no prices: see ``price_fen``.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

import orjson
import xxhash

from xinghe.domain.events import CartAdded, NoteLiked, NoteViewed, OrderPaid
from xinghe.simulator.record import GOOD, Record

COLUMNS: Final = ("user_id", "item_id", "category_id", "behavior", "timestamp")
TOPICS: Final = {
    "pv": NoteViewed.topic,
    "fav": NoteLiked.topic,
    "cart": CartAdded.topic,
    "buy": OrderPaid.topic,
}
PRICE_FEN_MIN: Final = 990
PRICE_FEN_SPAN: Final = 99_001
ID_DIGITS_MAX: Final = 20
SECONDS_MAX: Final = 2**43
"""As far as an event's ``time_ms`` reaches."""
_GZIP_MAGIC: Final = b"\x1f\x8b"


class RowError(ValueError):
    """A row is not of the format; the message says why."""


class UnreadableFileError(Exception):
    """The file cannot be opened, or is damaged or cut off; the message says which and why."""


class Row(NamedTuple):
    """One row, checked; the ids are digits."""

    user_id: str
    item_id: str
    category_id: str
    behavior: str
    seconds: int


class MalformedRow(NamedTuple):
    """A line that was left out, and why."""

    line_number: int
    problem: str


def price_fen(item_id: int) -> int:
    """The price of an item: spread evenly over 9.90 to 999.90 yuan by Knuth's multiplicative hash of its id.

    >>> price_fen(1715), price_fen(2244074), price_fen(0)
    (95370, 2724, 990)
    """
    return PRICE_FEN_MIN + item_id * 2_654_435_761 % 2**32 % PRICE_FEN_SPAN


def parse_row(line: bytes) -> Row:
    """Check one line of the file; raises ``RowError``.

    >>> parse_row(b"543462,1715,1464116,pv,1511658000").behavior
    'pv'
    """
    try:
        columns = line.decode("ascii").rstrip("\r\n").split(",")
    except UnicodeDecodeError as error:
        raise RowError("it holds bytes that are not ASCII") from error
    if len(columns) != len(COLUMNS):
        raise RowError(f"it has {len(columns)} columns; expected {len(COLUMNS)}: {','.join(COLUMNS)}")
    for name, value in zip(COLUMNS, columns, strict=True):
        if name != "behavior" and not (value.isdigit() and len(value) <= ID_DIGITS_MAX):
            raise RowError(f"{name} is {value[:40]!r}; expected 1 to {ID_DIGITS_MAX} digits")
    user_id, item_id, category_id, behavior, timestamp = columns
    if behavior not in TOPICS:
        raise RowError(f"behavior is {behavior[:40]!r}; expected one of {', '.join(TOPICS)}")
    if int(timestamp) > SECONDS_MAX:
        raise RowError(f"timestamp is {timestamp}; expected seconds since 1970, at most {SECONDS_MAX}")
    return Row(user_id, item_id, category_id, behavior, int(timestamp))


def event_of(row: Row, event_id: str) -> dict[str, Any]:
    """The source event of a row, as its topic's contract has it."""
    event: dict[str, Any] = {
        "event_id": event_id,
        "person_id": f"tb-u{row.user_id}",
        "time_ms": row.seconds * 1000,
        "shop_id": f"tb-s{row.category_id}",
        "item_id": f"tb-i{row.item_id}",
    }
    if row.behavior in {"pv", "fav"}:
        event |= {"note_id": f"tb-i{row.item_id}", "campaign_id": f"tb-c{row.category_id}"}
    elif row.behavior == "cart":
        event["quantity"] = 1
    else:
        event |= {"order_id": f"o-{event_id}", "amount_fen": price_fen(int(row.item_id))}
    return event


class Replay:
    """The records of a file, and the count of its rows by behaviour once they were read.

    ``malformed`` is told of each row that is left out. The first line may be the header or data.
    """

    def __init__(self, path: Path, malformed: Callable[[MalformedRow], None]) -> None:
        self._path = path
        self._malformed = malformed
        self.malformed_count = 0

    def records(self, start_ms: int, speed: float | None) -> Iterator[Record]:
        """The records in the file's order, due at ``start_ms`` and later.

        ``speed`` is how much faster than in the data time passes; ``None`` for no pauses at all. Raises
        ``UnreadableFileError``.
        """
        first_ms: int | None = None
        for topic, event in self._events():
            first_ms = event["time_ms"] if first_ms is None else first_ms
            due_ms = start_ms if speed is None else start_ms + int((event["time_ms"] - first_ms) / speed)
            yield Record(topic, event["person_id"].encode(), orjson.dumps(event), due_ms, GOOD, event)

    def _events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Topic and event of each good row."""
        for number, line in _lines(self._path):
            if number == 1 and _is_header(line):
                continue
            try:
                row = parse_row(line)
            except RowError as error:
                self.malformed_count += 1
                self._malformed(MalformedRow(number, str(error)))
                continue
            event_id = f"tb-{number}-{xxhash.xxh64_hexdigest(line.rstrip())}"
            yield TOPICS[row.behavior], event_of(row, event_id)


class BehaviorCounts:
    """Counts sent records by the behaviour that they came from."""

    def __init__(self) -> None:
        self._topics: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Count a record that is on its way."""
        self._topics[record.topic] += 1

    def to_dict(self) -> dict[str, int]:
        """Every behaviour of the format and its count."""
        return {behavior: self._topics[topic] for behavior, topic in TOPICS.items()}


def open_plain(path: Path) -> IO[bytes]:
    """Open a file for its bytes; what is compressed by gzip is told by its content, not its name."""
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
    if compressed:
        # A GzipFile is read like any file, but is not declared as one.
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Line numbers from 1 and lines; raises ``UnreadableFileError``."""
    try:
        with open_plain(path) as lines:
            yield from enumerate(lines, start=1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"{path} cannot be read to its end: {error}") from error


def _is_header(line: bytes) -> bool:
    return line.removeprefix(b"\xef\xbb\xbf").strip() == ",".join(COLUMNS).encode()
