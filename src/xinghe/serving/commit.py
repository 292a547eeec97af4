"""What a commit writes to Redis, packed for ``commit.lua``.

The writer is called for each commit of the stream, so the figures are handed to msgspec as they are
and encoded in C; only what a Lua number cannot hold is turned into text before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Literal, NamedTuple

import msgspec
import orjson

from xinghe.domain.windows import Size

WRITES_MAX: Final = 500
"""Windows, notes, shops, guarantees and alerts in one script call, so that Redis serves others again after some ms."""
EXACT_MAX: Final = 2**53
"""The largest whole number up to which Lua's numbers, which are doubles, have no gaps."""


NO_FIELDS: Final[Mapping[str, int]] = {}
NO_SHOPS: Final[Mapping[str, str | None]] = {}


class WindowWrite(NamedTuple):
    """The figures of one window, absolute.

    ``fields`` are the metrics with ``version`` and ``final`` (0 or 1), for the size ``total`` with
    ``version``, ``updated_ms`` and ``watermark_ms``; ``None`` deletes the window, and for ``total``
    takes the campaign off the list of campaigns. ``ttl_ms``, above 0, is after how long Redis drops
    the window by itself. ``orders`` are further fields, which change seldom; ``None`` leaves those that
    Redis has of the window as they are. Fields that are in neither go away where ``orders`` are given.

    ``None`` for the size ``noteday`` takes a day off the list of days, with what ranks its notes.
    """

    campaign_id: str
    size: Size | Literal["noteday"]
    start_ms: int
    fields: Mapping[str, int] | None
    ttl_ms: int | None = None
    orders: Mapping[str, int] | None = NO_FIELDS


class NoteWrite(NamedTuple):
    """The figures of one note in a campaign, absolute; ``None`` deletes the note.

    They are those to date, or of the day that starts at ``day_start_ms``. ``ttl_ms`` and ``orders`` are as for windows; where
    ``orders`` are given, they or ``fields`` have ``gmv_fen``, which ranks the note.
    """

    campaign_id: str
    note_id: str
    fields: Mapping[str, int] | None
    day_start_ms: int | None = None
    ttl_ms: int | None = None
    orders: Mapping[str, int] | None = NO_FIELDS


class ModelsWrite(NamedTuple):
    """The JSON of a shop's models; ``None`` deletes it."""

    shop_id: str
    json: str | None


class PositionWrite(NamedTuple):
    """The fields of a campaign's guarantee, all of them; ``None`` deletes it."""

    campaign_id: str
    fields: Mapping[str, str] | None


class AlertWrite(NamedTuple):
    """What became of an alert: the JSON of its record, and whether it is open after it.

    ``number`` grows with each record of the partition; one that is not larger than the last that Redis was given changes the
    list of open alerts only.
    """

    number: int
    alert_id: str
    json: str
    is_open: bool

    @property
    def told_as(self) -> str:
        """What readers are told has changed: the alert's campaign, or ``system`` where it is about the data of all."""
        return told_as(self.alert_id)


def told_as(alert_id: str) -> str:
    """The campaign that an alert's id begins with.

    >>> told_as("c1|roi-below-1|7"), told_as("system|data-late|7")
    ('c1', 'system')
    """
    return alert_id.partition("|")[0]


class CommitWrite(NamedTuple):
    """What one commit changed.

    ``changed`` are the campaigns that readers are told of, besides those of ``alerts``; their place in the list of campaigns is the
    ``updated_ms`` of their total where ``windows`` has it, else the one given here. ``shops`` are the shops of campaigns,
    ``None`` where it is no longer known; they are few beside windows and go in one part.
    """

    windows: list[WindowWrite]
    notes: list[NoteWrite]
    changed: Iterable[str]
    updated_ms: int
    models: Sequence[ModelsWrite] = ()
    alerts: Sequence[AlertWrite] = ()
    positions: Sequence[PositionWrite] = ()
    shops: Mapping[str, str | None] = NO_SHOPS


class Part(NamedTuple):
    """One script call's worth of a commit; ``is_last`` marks the one that completes it."""

    payload: bytes
    is_last: bool


_encode = msgspec.msgpack.Encoder().encode

NOTHING: Final = _encode(([], [], [], "", [], [], [], []))
"""The payload of a step that writes no figures."""


def parts(commit: CommitWrite) -> Iterator[Part]:
    """The commit in parts of at most ``WRITES_MAX`` windows, notes, shops, guarantees and alerts, in order; at least one.

    The first names the campaigns, the last tells readers of them.
    """
    windows, notes = commit.windows, commit.notes
    changed = list(commit.changed)
    scores = _scores(commit, changed)
    told = list(dict.fromkeys([*changed, *(alert.told_as for alert in commit.alerts)]))
    before_models = len(windows) + len(notes)
    before_alerts = before_models + len(commit.models)
    before_positions = before_alerts + len(commit.alerts)
    size = before_positions + len(commit.positions)
    for first in range(0, size or 1, WRITES_MAX):
        end = first + WRITES_MAX
        is_last = end >= size
        payload = _encode(
            (
                [_exact(write) for write in windows[first:end]],
                [_exact(write) for write in notes[max(0, first - len(windows)) : max(0, end - len(windows))]],
                scores if first == 0 else (),
                orjson.dumps(told).decode() if is_last and told else "",
                commit.models[max(0, first - before_models) : max(0, end - before_models)],
                commit.alerts[max(0, first - before_alerts) : max(0, end - before_alerts)],
                commit.positions[max(0, first - before_positions) : max(0, end - before_positions)],
                # A shop has a name, so that "" says that it is not known.
                [(campaign_id, shop_id or "") for campaign_id, shop_id in commit.shops.items()]
                if first == 0
                else [],
            )
        )
        yield Part(payload, is_last)


def _scores(commit: CommitWrite, changed: list[str]) -> list[int | str]:
    """``[time of last change, campaign id, ...]``, as ZADD takes them."""
    scores = dict.fromkeys(changed, commit.updated_ms)
    for write in commit.windows:
        if write.size == "total" and write.fields is not None:
            scores[write.campaign_id] = write.fields.get("updated_ms", commit.updated_ms)
    return list(chain.from_iterable((updated_ms, campaign_id) for campaign_id, updated_ms in scores.items()))


def _exact(write: WindowWrite | NoteWrite) -> tuple[Any, ...]:
    """The write, with its figures as text where a double would round one of them."""
    fields, orders = write.fields, write.orders
    if fields is None:
        return write
    # Only those of orders can be below 0: GMV net of refunds.
    if max(fields.values()) > EXACT_MAX:
        write = write._replace(fields=_as_text(fields))
    if orders and (max(orders.values()) > EXACT_MAX or min(orders.values()) < -EXACT_MAX):
        write = write._replace(orders=_as_text(orders))
    return write


def _as_text(fields: Mapping[str, int]) -> Any:
    return {name: str(value) for name, value in fields.items()}
