"""Stage 2: a campaign's funnel. Adds deltas and spend up in windows, for the funnel topic and Redis."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

import msgspec
import orjson

from streams.agents.intake import (
    DECODE_ERRORS,
    VALUE_BYTES_MAX,
    DeadLetters,
    key_mismatch,
    rejection,
    separator_in,
    too_large,
)
from streams.partitions import partition_of
from xinghe.domain import events
from xinghe.domain.delta import Delta, Watermark
from xinghe.domain.funnel import (
    Change,
    Changes,
    Spend,
    StartIndex,
    Window,
    WindowKey,
    changed_window,
    decode_counts,
    decode_window,
    encode_counts,
    encode_window,
    pack_key,
    unpack_key,
)
from xinghe.domain.metrics import COUNTED_NAMES
from xinghe.domain.windows import FUTURE_MS, MINUTE_MS, Size, end_ms, is_expired, is_final

if TYPE_CHECKING:
    from streams.engine.batch import Batch, Record
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task

WINDOWS: Final = "windows"
NOTES: Final = "notes"
CAMPAIGNS: Final = "campaigns"
SPEND: Final = "spend"
CLOCK: Final = "campaigns_clock"
_CLOCK_KEY: Final = b"clock"
TOPICS: Final = (events.CAMPAIGN_DELTA, events.CampaignConfigured.topic, events.AdSpent.topic)
_TIMED_SIZES: Final[tuple[Size, ...]] = ("1m", "1h", "1d")


class Campaign(msgspec.Struct, array_like=True):
    """What is known of a campaign: the smallest shop id seen with it, and its settings by ``effective_ms``."""

    shop_id_seen: str | None = None
    settings: list[events.CampaignConfigured] = []

    @property
    def shop_id(self) -> str | None:
        """The shop of the newest settings, else the smallest seen."""
        return self.settings[-1].shop_id if self.settings else self.shop_id_seen


class Clock(msgspec.Struct, array_like=True):
    """What a task must remember besides its windows.

    ``incarnation`` tells these topics from others of the same names, ``version`` is the number of the last commit that
    changed a window, ``published_version`` that of the last whose windows are all in the funnel topic.
    """

    incarnation: str
    version: int
    published_version: int
    watermark_by_partition: dict[int, int]


class Committed(msgspec.Struct):
    """What one commit changed; a window or note that is ``None`` was dropped."""

    windows: dict[bytes, bytes | None]
    notes: dict[tuple[str, str], bytes | None]
    watermark_ms: int
    arrived_ms: list[int]


class FunnelSink(Protocol):
    """Where committed figures are shown."""

    def opened(self, incarnation: str, last_offset: int, *, is_complete: bool) -> None:
        """The task is recovered; what the sink holds may be older, or of other topics.

        Unless ``is_complete`` it is older even if it is as of ``last_offset``.
        """

    def committed(self, sequence: int, committed: Committed) -> None:
        """A commit is durable."""

    def needs_all(self) -> bool:
        """Whether the sink has lost figures and asks for all of them."""

    def rebuild(self, sequence: int, committed: Committed) -> None:
        """All figures as of a commit."""

    async def close(self) -> None:
        """No more figures come from this task."""


class CampaignsProcessor:
    """The campaigns of one partition."""

    def __init__(self, task: Task, *, partitions: int, sink: FunnelSink) -> None:
        self._task = task
        self._partitions = partitions
        self._sink = sink
        self._windows: MemoryStore[bytes] = task.store(WINDOWS)
        self._notes: MemoryStore[bytes] = task.store(NOTES)
        self._campaigns: MemoryStore[Campaign] = task.store(CAMPAIGNS)
        self._spend: MemoryStore[Spend] = task.store(SPEND)
        self._clock_store: MemoryStore[Clock] = task.store(CLOCK)
        self._dead_letters = DeadLetters(task)
        self._index = StartIndex()
        self._clock = Clock(uuid4().hex, 0, 0, {})
        self._clock_changed = False
        self._final_ms = 0
        self._changes = Changes()
        self._arrived_ms: list[int] = []
        self._unpublished: dict[bytes, None] = {}
        self._notes_to_show: dict[tuple[str, str], bytes | None] = {}
        self._is_publishing = False
        self._committing: Committed | None = None
        self._sequence = -1
        self._decode_delta = msgspec.msgpack.Decoder(Delta).decode
        self._decode_watermark = msgspec.msgpack.Decoder(Watermark).decode
        self._decode_spent = msgspec.json.Decoder(events.AdSpent).decode
        self._decode_configured = msgspec.json.Decoder(events.CampaignConfigured).decode
        self._process: dict[str, Callable[[Batch], None]] = {
            events.CAMPAIGN_DELTA: self._process_deltas,
            events.AdSpent.topic: self._process_spend,
            events.CampaignConfigured.topic: self._process_settings,
        }

    def opened(self, last_offset: int) -> None:
        """Index the windows and find those that the funnel topic has not seen."""
        clock = self._clock_store.get(_CLOCK_KEY)
        if clock is not None:
            self._clock = clock
        for packed, value in self._windows.items():
            self._index.add(unpack_key(packed), packed)
            if decode_window(value).version > self._clock.published_version:
                self._unpublished[packed] = None
        self._sequence = last_offset
        self._final_ms = self._watermark_ms
        # What is not published has notes with it that the sink may not have been shown.
        self._sink.opened(self._clock.incarnation, last_offset, is_complete=not self._unpublished)

    @property
    def _watermark_ms(self) -> int:
        """The smallest watermark of the partitions of the journeys stage; 0 until each of them has told one.

        Were it the smallest of those that have told theirs, it could fall, and which windows were dropped would depend
        on who spoke first.
        """
        told = self._clock.watermark_by_partition
        return min(told.values()) if len(told) == self._partitions else 0

    # Input

    def process(self, batch: Batch) -> None:
        """Add up what the batch brings."""
        self._process[batch.topic](batch)

    def _process_deltas(self, batch: Batch) -> None:
        for record in batch.records:
            value = record.value or b""
            if record.key is None:
                watermark = self._decode_watermark(value)
                self._tell_watermark(watermark.partition, watermark.watermark_ms)
                continue
            delta = self._decode_delta(value)
            self._tell_watermark(delta.partition, delta.watermark_ms)
            self._arrived_ms += delta.arrived_ms
            campaign_id = record.key.decode()
            self._see_shop(campaign_id, delta.shop_id)
            self._changes.add_counts(campaign_id, delta.counts)
            for day, metric, change in delta.people:
                self._changes.add_people(campaign_id, day, metric, change)

    def _tell_watermark(self, partition: int, watermark_ms: int) -> None:
        known = self._clock.watermark_by_partition
        if watermark_ms > known.get(partition, -1):
            known[partition] = watermark_ms
            self._clock_changed = True

    def _see_shop(self, campaign_id: str, shop_id: str) -> None:
        key = campaign_id.encode()
        campaign = self._campaigns.get(key)
        if campaign is None:
            self._campaigns.put(key, Campaign(shop_id))
        elif campaign.shop_id_seen is None or shop_id < campaign.shop_id_seen:
            campaign.shop_id_seen = shop_id
            self._campaigns.put(key, campaign)

    def _decoded(self, batch: Batch, record: Record, decode: Callable[[bytes], Any]) -> Any | None:
        """The event of a record whose key is its campaign's; ``None`` after sending it to the dead letters."""
        try:
            if record.value is not None and len(record.value) > VALUE_BYTES_MAX:
                self._dead_letters.send(batch, record, *too_large(record.value))
                return None
            if record.value is not None:
                record.value.decode()  # the decoder does not look into fields that it ignores
            event = decode(record.value)  # type: ignore[arg-type]  # null raises TypeError, handled below
        except DECODE_ERRORS as error:
            self._dead_letters.send(batch, record, *rejection(record, error))
            return None
        problem = separator_in(shop_id=getattr(event, "shop_id", None), campaign_id=event.campaign_id)
        if problem is None and record.key != event.campaign_id.encode():
            problem = key_mismatch("campaign_id", event.campaign_id)
        if problem is not None:
            self._dead_letters.send(batch, record, *problem)
            return None
        return event

    def _process_spend(self, batch: Batch) -> None:
        for record in batch.records:
            event = self._decoded(batch, record, self._decode_spent)
            if event is None:
                continue
            hour_start_ms = event.hour_start_ms
            if hour_start_ms > record.timestamp + FUTURE_MS:
                detail = f"$.hour_start_ms: {hour_start_ms} is over 10 minutes ahead of the record's {record.timestamp}"
                self._dead_letters.send(batch, record, "future", detail)
                continue
            key = f"{event.campaign_id}|{hour_start_ms}".encode()
            known = self._spend.get(key)
            if known is not None and (known.revision, known.event_id) >= (event.revision, event.event_id):
                continue
            change_fen = event.spend_fen - (0 if known is None else known.spend_fen)
            report = Spend(event.revision, event.event_id, event.spend_fen, event.impressions, event.clicks)
            self._spend.put(key, report)
            self._changes.add_spend(event.campaign_id, hour_start_ms, change_fen)
            self._arrived_ms.append(record.timestamp)

    def _process_settings(self, batch: Batch) -> None:
        for record in batch.records:
            if record.value is None and record.key is not None:
                campaign = self._campaigns.get(record.key)
                if campaign is not None:
                    self._campaigns.put(record.key, Campaign(campaign.shop_id_seen))
                continue
            event = self._decoded(batch, record, self._decode_configured)
            if event is None:
                continue
            key = event.campaign_id.encode()
            campaign = self._campaigns.get(key) or Campaign()
            settings = [s for s in campaign.settings if s.effective_ms != event.effective_ms]
            bisect.insort(settings, event, key=lambda s: s.effective_ms)
            self._campaigns.put(key, Campaign(campaign.shop_id_seen, settings))

    # Time

    def tick(self, now_ms: int) -> None:  # noqa: ARG002 - event time rules here
        """Publish the windows that changed since the last second, show such notes, and rebuild a sink that lost figures."""
        unpublished, self._unpublished = self._unpublished, {}
        for packed in unpublished:
            self._publish(packed)
        if unpublished:
            self._clock.published_version = self._clock.version
            self._clock_changed = True
            self._is_publishing = True
        if self._committing is None and self._sink.needs_all() and self._sequence >= 0:
            self._sink.rebuild(self._sequence, self._everything())

    def _publish(self, packed: bytes) -> None:
        """Send a window's upsert, or a tombstone where it was dropped."""
        key = unpack_key(packed)
        value = self._windows.get(packed)
        shown = None if value is None else orjson.dumps(self._upsert(key, decode_window(value)))
        partition = partition_of(packed, self._partitions)
        self._task.send(events.CAMPAIGN_FUNNEL, partition, packed, shown)

    def _upsert(self, key: WindowKey, window: Window) -> dict[str, object]:
        campaign_id, size, start = key
        campaign = self._campaigns.get(campaign_id.encode())
        return {
            "campaign_id": campaign_id,
            "shop_id": None if campaign is None else campaign.shop_id,
            "size": size,
            "start_ms": start,
            "end_ms": end_ms(size, start),
            "version": window.version,
            "final": is_final(size, start, self._final_ms),
            "metrics": window.metrics(),
        }

    # Commit

    def prepare(self) -> None:
        """Bring the windows up to what was processed."""
        watermark_ms = self._watermark_ms
        version = self._clock.version + 1
        changed: dict[bytes, bytes | None] = {}
        if watermark_ms // MINUTE_MS != self._final_ms // MINUTE_MS:
            # All ends, retentions and the allowed lateness are whole minutes.
            self._drop_expired(watermark_ms, changed)
            self._mark_final(watermark_ms, version, changed)
        changes, self._changes = self._changes, Changes()
        for key, change in changes.by_window().items():
            if is_expired(key[1], key[2], watermark_ms):
                continue
            packed = pack_key(key)
            changed[packed] = self._change_window(key, packed, change, version)
        for note, counts in changes.notes.items():
            self._notes_to_show[note] = self._change_note(note, counts)
        self._final_ms = watermark_ms
        if changed:
            self._clock.version = version
            self._to_publish(changed)
        if changed or self._clock_changed:
            self._clock_changed = False
            self._clock_store.put(_CLOCK_KEY, self._clock)
        notes: dict[tuple[str, str], bytes | None] = {}
        if self._is_publishing:
            self._is_publishing = False
            notes, self._notes_to_show = self._notes_to_show, {}
        if changed or notes:
            arrived_ms, self._arrived_ms = self._arrived_ms, []
            self._committing = Committed(changed, notes, watermark_ms, arrived_ms)

    def _to_publish(self, changed: dict[bytes, bytes | None]) -> None:
        for packed, value in changed.items():
            if value is None:
                # With its window goes the version by which a restart would find what is left to publish.
                self._unpublished.pop(packed, None)
                self._publish(packed)
            else:
                self._unpublished[packed] = None

    def _change_window(self, key: WindowKey, packed: bytes, change: Change, version: int) -> bytes | None:
        known = self._windows.get(packed)
        window = changed_window(known, key[1], change, version)
        if window.is_empty():
            self._windows.delete(packed)
            self._index.remove(key, packed)
            return None
        if known is None:
            self._index.add(key, packed)
        value = encode_window(window)
        self._windows.put(packed, value)
        return value

    def _change_note(self, note: tuple[str, str], change: dict[int, int]) -> bytes | None:
        key = f"{note[0]}|{note[1]}".encode()
        known = self._notes.get(key)
        counts = [0] * len(COUNTED_NAMES) if known is None else decode_counts(known)
        for metric, amount in change.items():
            counts[metric] += amount
        if not any(counts):
            self._notes.delete(key)
            return None
        value = encode_counts(counts)
        self._notes.put(key, value)
        return value

    def _drop_expired(self, watermark_ms: int, changed: dict[bytes, bytes | None]) -> None:
        for size in _TIMED_SIZES:
            for start in self._index.starts(size):
                if is_expired(size, start, watermark_ms):
                    for packed in self._index.pop(size, start):
                        self._windows.delete(packed)
                        changed[packed] = None

    def _mark_final(self, watermark_ms: int, version: int, changed: dict[bytes, bytes | None]) -> None:
        """Windows that became final since the last commit are shown anew, with the same figures."""
        for size in _TIMED_SIZES:
            for start in self._index.starts(size):
                if is_final(size, start, watermark_ms) and not is_final(size, start, self._final_ms):
                    for packed in self._index.at(size, start):
                        window = decode_window(self._windows.get(packed) or b"")
                        window.version = version
                        changed[packed] = encode_window(window)
                        self._windows.put(packed, changed[packed] or b"")

    def committed(self, last_offset: int | None) -> None:
        """Hand the commit, or everything, to the sink."""
        if last_offset is not None:
            self._sequence = last_offset
        committed, self._committing = self._committing, None
        if self._sink.needs_all():
            self._sink.rebuild(self._sequence, self._everything())
        elif committed is not None:
            self._sink.committed(self._sequence, committed)

    def _everything(self) -> Committed:
        """All figures of the partition; only between a commit's end and the next `prepare` are they durable."""
        windows: dict[bytes, bytes | None] = dict(self._windows.items())
        notes: dict[tuple[str, str], bytes | None] = {}
        for key, value in self._notes.items():
            campaign_id, _, note_id = key.decode().partition("|")
            notes[campaign_id, note_id] = value
        return Committed(windows, notes, self._final_ms, [])

    async def close(self) -> None:
        """Let the sink finish what is committed."""
        await self._sink.close()
