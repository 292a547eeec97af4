"""Redis behind the campaigns stage: written after each commit, behind without harm while Redis is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import structlog

from streams import metric_defs
from streams.agents.changed import Changed
from xinghe.domain.funnel import (
    Row,
    decode_window,
    note_counts,
    note_orders,
    unpack_key,
    unpack_note_key,
    window_orders,
)
from xinghe.domain.windows import DAY_MS, NOTE_DAY_RETENTION_MS, RETENTION_MS, end_ms, is_final
from xinghe.serving.commit import (
    AlertWrite,
    CommitWrite,
    ModelsWrite,
    NoteWrite,
    PositionWrite,
    WindowWrite,
)
from xinghe.serving.errors import ServingError
from xinghe.serving.positions import position_fields
from xinghe.serving.writer import FunnelWriter, Outcome

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams.agents.campaign_alerts import ToldAlert
    from streams.agents.campaign_money import Positions
    from streams.agents.campaigns import Committed
    from streams.agents.shop_models import Computed

log = structlog.get_logger()

STAGE: Final = "campaigns"
CHECK_S: Final = 1.0
"""How often an idle sink looks whether Redis still has what was written."""
PAUSE_S_MAX: Final = 2.0
"""The longest pause between attempts while Redis is away."""
PENDING_KEYS_MAX: Final = 200_000
"""Above this many waiting windows, notes and shops they are dropped and all is written anew once Redis is back."""
ARRIVALS_MAX: Final = 10_000
"""Arrival times kept for the time from end to end while Redis is away; a sample of them is as good."""
TTL_SLACK_MS: Final = DAY_MS
"""The stream drops windows itself, by the watermark; Redis' clock goes on while the watermark stands still."""
CHUNK: Final = 500
CLOSE_S: Final = 2.0


class RedisSink:
    """Shows one campaigns partition in Redis. All methods but `close` are synchronous; a task of its own writes."""

    def __init__(self, redis: Redis, partition: int, partitions: int) -> None:
        self._redis = redis
        self._partition = partition
        self._partitions = partitions
        self._writer: FunnelWriter | None = None
        self._windows = Changed()
        self._notes = Changed()
        self._models: Computed = {}
        self._positions: Positions = {}
        self._shops: dict[str, str | None] = {}
        self._alerts: list[ToldAlert] = []
        self._watermark_ms = 0
        self._arrived_ms: list[int] = []
        self._incarnation = ""
        self._sequence = -1
        self._sequence_written = -1
        self._is_checked = False
        self._needs_all = False
        self._rebuild: tuple[int, Committed] | None = None
        self._closing = asyncio.Event()
        self._wake = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def opened(self, incarnation: str, last_offset: int, *, is_complete: bool) -> None:
        """Start writing; whether Redis holds exactly ``last_offset`` is looked up first.

        Unless ``is_complete``, Redis lacks figures even if it does.
        """
        self._writer = FunnelWriter(
            self._redis,
            stage=STAGE,
            partition=self._partition,
            partitions=self._partitions,
            incarnation=incarnation,
        )
        self._incarnation = incarnation
        self._sequence = self._sequence_written = last_offset
        self._needs_all = not is_complete
        self._wake.set()
        self._writing = asyncio.create_task(self._write_forever(self._writer))

    def committed(self, sequence: int, committed: Committed) -> None:
        """Take over what a commit changed; what waits already is overwritten, since all figures are absolute."""
        self._sequence = sequence
        self._windows.overwrite(committed.windows)
        self._notes.overwrite(committed.notes)
        self._models |= committed.models
        self._positions |= committed.positions
        self._shops |= committed.shops
        self._alerts += committed.alerts
        self._watermark_ms = committed.watermark_ms
        self._arrived_ms = (self._arrived_ms + committed.arrived_ms)[:ARRIVALS_MAX]
        if self._pending() > PENDING_KEYS_MAX:
            self._ask_for_all()
        self._wake.set()

    def needs_all(self) -> bool:
        """Whether Redis lacks figures that only the tables have."""
        return self._needs_all and self._rebuild is None

    def rebuild(self, sequence: int, committed: Committed) -> None:
        """Take over everything."""
        self._sequence = sequence
        self._needs_all = False
        self._forget()
        self._rebuild = (sequence, committed)
        self._wake.set()

    def _ask_for_all(self) -> None:
        self._needs_all = True
        self._forget()

    def _forget(self) -> None:
        self._windows = Changed()
        self._notes = Changed()
        self._models = {}
        self._positions = {}
        self._shops = {}
        self._alerts = []

    def _pending(self) -> int:
        seldom = len(self._models) + len(self._positions) + len(self._alerts) + len(self._shops)
        return len(self._windows) + len(self._notes) + seldom

    async def _write_forever(self, writer: FunnelWriter) -> None:
        pause_s = 0.0
        while not self._closing.is_set() or self._can_write():
            waiter = self._closing if pause_s or self._closing.is_set() else self._wake
            try:
                async with asyncio.timeout(pause_s or CHECK_S):
                    await waiter.wait()
            except TimeoutError:
                self._is_checked = False
            self._wake.clear()
            try:
                if not self._is_checked:
                    await self._check(writer)
                await self._write(writer)
            except ServingError as error:
                metric_defs.REDIS_WRITES.labels("failed").inc()
                metric_defs.REDIS_PENDING.labels(str(self._partition)).set(self._pending())
                if self._closing.is_set():
                    return
                if not pause_s:
                    log.warning(
                        "Redis cannot be written; the stream goes on and Redis catches up when it is back",
                        partition=self._partition,
                        error=str(error),
                    )
                pause_s = min(max(pause_s * 2, 0.1), PAUSE_S_MAX)
                self._is_checked = False
                continue
            if pause_s:
                log.info("Redis is back", partition=self._partition)
                pause_s = 0.0

    async def _check(self, writer: FunnelWriter) -> None:
        """Ask for all figures where Redis does not stand at what was written last to it."""
        stands_at = await writer.check()
        if self._sequence_written >= 0 and stands_at != (self._incarnation, self._sequence_written):
            self._ask_for_all()
        self._is_checked = True

    async def _write(self, writer: FunnelWriter) -> None:
        if self._rebuild is not None:
            sequence, everything = self._rebuild
            await self._write_all(writer, sequence, everything)
            self._rebuild = None
        elif self._can_write():
            await self._write_changes(writer)
        metric_defs.REDIS_PENDING.labels(str(self._partition)).set(self._pending())

    def _can_write(self) -> bool:
        """Whether something waits that can be written as it is."""
        if self._rebuild is not None:
            return True
        return not self._needs_all and self._pending() > 0

    async def _write_changes(self, writer: FunnelWriter) -> None:
        sequence, watermark_ms = self._sequence, self._watermark_ms
        windows, self._windows = self._windows, Changed()
        notes, self._notes = self._notes, Changed()
        models, self._models = self._models, {}
        positions, self._positions = self._positions, {}
        shops, self._shops = self._shops, {}
        alerts, self._alerts = self._alerts, []
        arrived_ms, self._arrived_ms = self._arrived_ms, []
        try:
            write = _commit_write(windows, notes, watermark_ms, models, positions, alerts, shops)
            outcome = await writer.write(sequence, write)
        except BaseException:
            # Redis failed, or the task is being closed: what came meanwhile is newer, the rest waits again.
            windows.overwrite(self._windows)
            notes.overwrite(self._notes)
            self._windows, self._notes = windows, notes
            self._models, self._positions = models | self._models, positions | self._positions
            self._shops = shops | self._shops
            self._alerts = alerts + self._alerts
            self._arrived_ms = arrived_ms + self._arrived_ms
            raise
        self._settle(outcome, sequence)
        if outcome is Outcome.APPLIED:
            now_s = time.time()
            for broker_ms in arrived_ms:
                metric_defs.END_TO_END_SECONDS.observe(max(now_s - broker_ms / 1000, 0.0))

    async def _write_all(self, writer: FunnelWriter, sequence: int, everything: Committed) -> None:
        started_s = time.monotonic()
        outcome = await writer.rebuild(sequence, _chunks(everything))
        self._settle(outcome, sequence)
        log.info(
            "Redis rebuilt",
            partition=self._partition,
            windows=len(everything.windows),
            notes=len(everything.notes),
            shops=len(everything.models),
            guarantees=len(everything.positions),
            outcome=outcome.value,
            seconds=round(time.monotonic() - started_s, 2),
        )

    def _settle(self, outcome: Outcome, sequence: int) -> None:
        metric_defs.REDIS_WRITES.labels(outcome.value).inc()
        if outcome is Outcome.APPLIED:
            self._sequence_written = sequence
        elif outcome is Outcome.REBUILD_NEEDED:
            self._ask_for_all()
        else:
            log.warning(
                "Redis holds newer figures: another worker owns the partition", partition=self._partition
            )

    async def close(self) -> None:
        """Write what is committed, within `CLOSE_S`; the next owner makes up for the rest.

        The writing task is asked to end, not cancelled: the Redis client can swallow a cancellation.
        """
        self._closing.set()
        self._wake.set()
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=CLOSE_S)


def _chunks(everything: Committed) -> Iterator[CommitWrite]:
    """Everything in chunks of a size that does not hold up the event loop."""
    watermark_ms = everything.watermark_ms
    for chunk in _chunked(everything.windows):
        yield _commit_write(chunk, Changed(), watermark_ms)
    for chunk in _chunked(everything.notes):
        yield _commit_write(Changed(), chunk, watermark_ms)
    models = iter(everything.models.items())
    while some := dict(islice(models, CHUNK)):
        yield _commit_write(Changed(), Changed(), watermark_ms, models=some)
    positions = iter(everything.positions.items())
    while some := dict(islice(positions, CHUNK)):
        yield _commit_write(Changed(), Changed(), watermark_ms, positions=some)
    for first in range(0, len(everything.alerts), CHUNK):
        alerts = everything.alerts[first : first + CHUNK]
        yield _commit_write(Changed(), Changed(), watermark_ms, alerts=alerts)
    shops = iter(everything.shops.items())
    while part := dict(islice(shops, CHUNK)):
        yield _commit_write(Changed(), Changed(), watermark_ms, shops=part)


def _chunked(everything: Changed) -> Iterator[Changed]:
    rows = iter(everything.rows.items())
    while chunk := dict(islice(rows, CHUNK)):
        yield Changed(chunk, everything.whole)


def _commit_write(
    windows: Changed,
    notes: Changed,
    watermark_ms: int,
    models: Computed | None = None,
    positions: Positions | None = None,
    alerts: Sequence[ToldAlert] = (),
    shops: Mapping[str, str | None] = MappingProxyType({}),
) -> CommitWrite:
    now_ms = int(time.time() * 1000)
    window_writes = [
        _window_write(packed, row, packed in windows.whole, watermark_ms, now_ms)
        for packed, row in windows.rows.items()
    ]
    note_writes = [
        _note_write(packed, row, packed in notes.whole, watermark_ms) for packed, row in notes.rows.items()
    ]
    position_writes = [
        PositionWrite(campaign_id, None if value is None else position_fields(value))
        for campaign_id, value in (positions or {}).items()
    ]
    changed = {write.campaign_id for write in window_writes} | {write.campaign_id for write in note_writes}
    changed |= {write.campaign_id for write in position_writes}
    models_writes = [
        ModelsWrite(shop_id, None if value is None else value.decode())
        for shop_id, value in (models or {}).items()
    ]
    alert_writes = [
        AlertWrite(alert.number, alert.alert_id, alert.record.decode(), alert.is_open) for alert in alerts
    ]
    return CommitWrite(
        window_writes,
        note_writes,
        sorted(changed),
        now_ms,
        models_writes,
        alert_writes,
        position_writes,
        shops,
    )


def _window_write(
    packed: bytes, row: Row | None, is_whole: bool, watermark_ms: int, now_ms: int
) -> WindowWrite:
    campaign_id, size, start = unpack_key(packed)
    if row is None:
        return WindowWrite(campaign_id, size, start, None)
    window = decode_window(row.value)
    fields = window.metrics()
    orders = window_orders(size, row.orders) if is_whole else None
    fields["version"] = window.version
    end = end_ms(size, start)
    if end is None:
        fields["updated_ms"] = now_ms
        fields["watermark_ms"] = watermark_ms
        return WindowWrite(campaign_id, size, start, fields, orders=orders)
    fields["final"] = int(is_final(size, start, watermark_ms))
    ttl_ms = end + RETENTION_MS[size] - watermark_ms + TTL_SLACK_MS
    return WindowWrite(campaign_id, size, start, fields, ttl_ms, orders)


def _note_write(packed: bytes, row: Row | None, is_whole: bool, watermark_ms: int) -> NoteWrite:
    campaign_id, day_start_ms, note_id = unpack_note_key(packed)
    if row is None:
        return NoteWrite(campaign_id, note_id, None, day_start_ms)
    fields = note_counts(row)
    orders = note_orders(row) if is_whole else None
    ttl_ms = None
    if day_start_ms is not None:
        ttl_ms = day_start_ms + DAY_MS + NOTE_DAY_RETENTION_MS - watermark_ms + TTL_SLACK_MS
    return NoteWrite(campaign_id, note_id, fields, day_start_ms, ttl_ms, orders)
