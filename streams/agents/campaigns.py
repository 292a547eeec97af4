"""Stage 2: a campaign's funnel. Adds deltas and spend up in windows, for the funnel topic and Redis."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

import msgspec
import orjson

from streams.agents.campaign_alerts import CampaignAlerts, ToldAlert
from streams.agents.campaign_cohorts import CampaignCohorts
from streams.agents.campaign_money import CampaignMoney, Positions
from streams.agents.campaign_notes import CampaignNotes
from streams.agents.campaign_recounts import CampaignRecounts
from streams.agents.campaign_spend import CampaignSpend
from streams.agents.campaign_windows import CampaignWindows, campaigns_of
from streams.agents.changed import Changed
from streams.agents.intake import DeadLetters, judged_of_campaign
from streams.agents.shop_models import Computed, ShopModelsTables, check_model_channel
from streams.partitions import partition_of
from xinghe.domain import events
from xinghe.domain.delta import Delta, PathDelta, Watermark
from xinghe.domain.funnel import Changes, Row, decode_window, unpack_key, window_metrics
from xinghe.domain.spend import Report
from xinghe.domain.timeline import Timeline, timeline_of
from xinghe.domain.windows import FUTURE_MS, MINUTE_MS, end_ms, is_expired, is_final

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from streams.engine.batch import Batch, Record
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task
    from xinghe.domain.alerts import AlertRule

CAMPAIGNS: Final = "campaigns"
CLOCK: Final = "campaigns_clock"
_CLOCK_KEY: Final = b"clock"
TOPICS: Final = (
    events.CAMPAIGN_DELTA,
    events.PATH_DELTA,
    events.CampaignConfigured.topic,
    events.AdSpent.topic,
)


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
    changed a window, ``published_version`` that of the last whose windows are all in the funnel topic. Of each partition of the
    journeys stage there is the watermark, and the one up to which all deltas are told. ``model_channel`` is what the paths of
    orders are told in.
    """

    incarnation: str
    version: int
    published_version: int
    watermark_by_partition: dict[int, int]
    settled_by_partition: dict[int, int]
    model_channel: events.ModelChannel


class Committed(msgspec.Struct):
    """What one commit changed.

    ``models`` are the records of shops whose models were computed, ``positions`` those of guarantees, ``alerts`` those of alerts,
    in their order. ``shops`` are those of the campaigns of which something new is known, ``None`` where it no longer is.
    """

    windows: Changed
    notes: Changed
    watermark_ms: int
    arrived_ms: list[int]
    models: Computed = {}
    alerts: list[ToldAlert] = []
    positions: Positions = {}
    shops: dict[str, str | None] = {}


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

    def __init__(
        self,
        task: Task,
        *,
        partitions: int,
        sink: FunnelSink,
        model_period_s: int,
        money_quiet_s: int,
        executor: Executor,
        alert_rules: Sequence[AlertRule],
        model_channel: events.ModelChannel = "campaign",
    ) -> None:
        self._task = task
        self._partitions = partitions
        self._sink = sink
        self._windows = CampaignWindows(task)
        self._notes = CampaignNotes(task)
        self._cohorts = CampaignCohorts(task)
        self._recounts = CampaignRecounts(task)
        self._spend = CampaignSpend(task)
        self._models = ShopModelsTables(
            task,
            partitions=partitions,
            period_s=model_period_s,
            executor=executor,
            channel=model_channel,
        )
        self._campaigns: MemoryStore[Campaign] = task.store(CAMPAIGNS)
        self._clock_store: MemoryStore[Clock] = task.store(CLOCK)
        self._dead_letters = DeadLetters(task)
        self._money = CampaignMoney(
            task,
            partitions=partitions,
            quiet_s=money_quiet_s,
            settings_of=self._settings,
            configured=self._configured,
            windows=self._windows,
            spend=self._spend,
            cohorts=self._cohorts,
            recounts=self._recounts,
        )
        self._alerts = CampaignAlerts(
            task,
            alert_rules,
            partitions=partitions,
            windows=self._windows,
            campaigns=self._campaigns,
            outlook_of=self._money.outlook,
        )
        self._clock = Clock(uuid4().hex, 0, 0, {}, {}, model_channel)
        self._clock_changed = False
        self._final_ms = 0
        self._settled_ms = 0
        self._changes = Changes()
        self._timelines: dict[str, Timeline] = {}
        # The timelines before the settings that came since the last commit.
        self._retimed: dict[str, Timeline] = {}
        self._arrived_ms: list[int] = []
        # The campaigns whose shop the sink must be told.
        self._shops_to_show: dict[str, None] = {}
        self._unpublished: dict[bytes, None] = {}
        self._is_publishing = False
        self._committing: Committed | None = None
        self._sequence = -1
        self._decode_delta = msgspec.msgpack.Decoder(Delta).decode
        self._decode_path_delta = msgspec.msgpack.Decoder(PathDelta).decode
        self._decode_watermark = msgspec.msgpack.Decoder(Watermark).decode
        self._decode_spent = msgspec.json.Decoder(events.AdSpent).decode
        self._decode_configured = msgspec.json.Decoder(events.CampaignConfigured).decode
        self._process: dict[str, Callable[[Batch], None]] = {
            events.CAMPAIGN_DELTA: self._process_deltas,
            events.PATH_DELTA: self._process_path_deltas,
            events.AdSpent.topic: self._process_spend,
            events.CampaignConfigured.topic: self._process_settings,
        }

    def opened(self, last_offset: int) -> None:
        """Index the windows and find those that the funnel topic has not seen; raises `SettingsError` for another channel of models."""
        clock = self._clock_store.get(_CLOCK_KEY)
        if clock is not None:
            check_model_channel(clock.model_channel, self._clock.model_channel)
            self._clock = clock
        self._unpublished = dict.fromkeys(self._windows.opened(self._clock.published_version))
        self._notes.opened()
        self._cohorts.opened()
        self._spend.opened()
        self._models.opened()
        self._alerts.opened()
        self._sequence = last_offset
        self._final_ms = self._watermark_ms
        self._settled_ms = self._smallest(self._clock.settled_by_partition)
        # What is not published has notes with it that the sink may not have been shown.
        self._sink.opened(self._clock.incarnation, last_offset, is_complete=not self._unpublished)

    @property
    def _watermark_ms(self) -> int:
        """The smallest watermark of the partitions of the journeys stage; 0 until each of them has told one.

        Were it the smallest of those that have told theirs, it could fall, and which windows were dropped would depend
        on who spoke first.
        """
        return self._smallest(self._clock.watermark_by_partition)

    def _smallest(self, told: dict[int, int]) -> int:
        return min(told.values()) if len(told) == self._partitions else 0

    # Input

    def process(self, batch: Batch) -> None:
        """Add up what the batch brings."""
        self._process[batch.topic](batch)

    def _process_deltas(self, batch: Batch) -> None:
        self._money.heard()
        for record in batch.records:
            value = record.value or b""
            if record.key is None:
                watermark = self._decode_watermark(value)
                self._tell_watermark(watermark.partition, watermark.watermark_ms)
                settled = self._clock.settled_by_partition
                if watermark.settled_ms > settled.get(watermark.partition, -1):
                    settled[watermark.partition] = watermark.settled_ms
                    self._clock_changed = True
                self._alerts.hear(watermark)
                continue
            delta = self._decode_delta(value)
            self._tell_watermark(delta.partition, delta.watermark_ms)
            self._arrived_ms += delta.arrived_ms
            campaign_id = record.key.decode()
            self._see_shop(campaign_id, delta.shop_id)
            self._changes.add_counts(campaign_id, delta.counts)
            if delta.cohorts:
                self._cohorts.add(campaign_id, delta.cohorts)
                self._money.changed(campaign_id)
            else:
                self._money.counts_changed(campaign_id)
            if delta.recounts:
                self._recounts.add(campaign_id, delta.recounts)
            for day, metric, change in delta.people:
                self._changes.add_people(campaign_id, day, metric, change)

    def _process_path_deltas(self, batch: Batch) -> None:
        for record in batch.records:
            self._models.add((record.key or b"").decode(), self._decode_path_delta(record.value or b""))

    def _tell_watermark(self, partition: int, watermark_ms: int) -> None:
        known = self._clock.watermark_by_partition
        if watermark_ms > known.get(partition, -1):
            known[partition] = watermark_ms
            self._clock_changed = True

    def _see_shop(self, campaign_id: str, shop_id: str) -> None:
        key = campaign_id.encode()
        campaign = self._campaigns.get(key)
        if campaign is None:
            campaign = Campaign(shop_id)
        elif campaign.shop_id_seen is None or shop_id < campaign.shop_id_seen:
            campaign.shop_id_seen = shop_id
        else:
            return
        self._campaigns.put(key, campaign)
        self._shops_to_show[campaign_id] = None

    def _decoded(self, batch: Batch, record: Record, decode: Callable[[bytes], Any]) -> Any | None:
        """The event of a record whose key is its campaign's; ``None`` after sending it to the dead letters."""
        return self._dead_letters.accepted(batch, record, judged_of_campaign(record, decode))

    def _process_spend(self, batch: Batch) -> None:
        for record in batch.records:
            event = self._decoded(batch, record, self._decode_spent)
            if event is None:
                continue
            hour_start_ms = event.hour_start_ms
            reported_ms = record.timestamp if event.reported_ms is None else event.reported_ms
            ahead = {"hour_start_ms": hour_start_ms, "reported_ms": reported_ms}
            field = next((name for name in ahead if ahead[name] > record.timestamp + FUTURE_MS), None)
            if field is not None:
                detail = (
                    f"$.{field}: {ahead[field]} is over 10 minutes ahead of the record's {record.timestamp}"
                )
                self._dead_letters.send(batch, record, "future", detail)
                continue
            report = Report(
                hour_start_ms=hour_start_ms,
                revision=event.revision,
                event_id=event.event_id,
                spend_fen=event.spend_fen,
                impressions=event.impressions,
                clicks=event.clicks,
                reported_ms=reported_ms,
            )
            change = self._spend.add(event.campaign_id, report)
            self._money.changed(event.campaign_id)
            if change is not None:
                self._changes.add_spend(event.campaign_id, hour_start_ms, change)
                self._arrived_ms.append(record.timestamp)

    def _process_settings(self, batch: Batch) -> None:
        for record in batch.records:
            if record.value is None and record.key is not None:
                campaign = self._campaigns.get(record.key)
                if campaign is not None:
                    self._set_settings(record.key, campaign, [])
                continue
            event = self._decoded(batch, record, self._decode_configured)
            if event is None:
                continue
            key = event.campaign_id.encode()
            campaign = self._campaigns.get(key) or Campaign()
            settings = [s for s in campaign.settings if s.effective_ms != event.effective_ms]
            bisect.insort(settings, event, key=lambda s: s.effective_ms)
            self._set_settings(key, campaign, settings)

    def _set_settings(
        self, key: bytes, campaign: Campaign, settings: list[events.CampaignConfigured]
    ) -> None:
        campaign_id = key.decode()
        self._retimed.setdefault(campaign_id, self._timeline(campaign_id))
        self._timelines[campaign_id] = timeline_of(settings)
        self._campaigns.put(key, Campaign(campaign.shop_id_seen, settings))
        self._shops_to_show[campaign_id] = None
        self._money.changed(campaign_id)
        self._alerts.mark([campaign_id])

    def _settings(self, campaign_id: str) -> list[events.CampaignConfigured]:
        campaign = self._campaigns.get(campaign_id.encode())
        return [] if campaign is None else campaign.settings

    def _configured(self) -> list[str]:
        """The campaigns that have settings."""
        return [key.decode() for key, campaign in self._campaigns.items() if campaign.settings]

    def _timeline(self, campaign_id: str) -> Timeline:
        """The models of a campaign by its settings."""
        timeline = self._timelines.get(campaign_id)
        if timeline is None:
            timeline = self._timelines[campaign_id] = timeline_of(self._settings(campaign_id))
        return timeline

    # Time

    def tick(self, now_ms: int) -> None:
        """Publish the windows that changed since the last second, look at alerts, show notes, and rebuild a sink that lost figures.

        ``now_ms`` decides when models are computed and whether data is late, and books the days of a stream that stands still;
        for all other figures event time rules.
        """
        self._models.tick(now_ms, self._watermark_ms)
        self._alerts.mark(self._money.tick(now_ms, self._settled_ms))
        unpublished, self._unpublished = self._unpublished, {}
        for packed in unpublished:
            self._publish(packed)
        self._alerts.mark(campaigns_of(unpublished))
        self._alerts.tick(now_ms, self._watermark_ms)
        if unpublished:
            self._clock.published_version = self._clock.version
            self._clock_changed = True
            self._is_publishing = True
        if self._committing is None and self._sink.needs_all() and self._sequence >= 0:
            self._sink.rebuild(self._sequence, self._everything())

    def _publish(self, packed: bytes) -> None:
        """Send a window's upsert, or a tombstone where it was dropped."""
        row = self._windows.row(packed)
        shown = None if row is None else orjson.dumps(self._upsert(packed, row))
        partition = partition_of(packed, self._partitions)
        self._task.send(events.CAMPAIGN_FUNNEL, partition, packed, shown)

    def _upsert(self, packed: bytes, row: Row) -> dict[str, object]:
        campaign_id, size, start = unpack_key(packed)
        return {
            "campaign_id": campaign_id,
            "shop_id": self._shop(campaign_id),
            "size": size,
            "start_ms": start,
            "end_ms": end_ms(size, start),
            "version": decode_window(row.value).version,
            "final": is_final(size, start, self._final_ms),
            "metrics": window_metrics(size, row),
        }

    # Commit

    def prepare(self) -> None:
        """Bring the windows and notes up to what was processed."""
        watermark_ms = self._watermark_ms
        version = self._clock.version + 1
        windows = Changed()
        # Before windows are dropped, so that what they showed last is right in the larger ones.
        self._retime(version, windows)
        if watermark_ms // MINUTE_MS != self._final_ms // MINUTE_MS:
            # All ends, retentions and the allowed lateness are whole minutes.
            self._windows.drop_expired(watermark_ms, windows)
            self._windows.mark_final(self._final_ms, watermark_ms, version, windows)
            self._notes.drop_expired(watermark_ms)
            self._cohorts.drop_expired(watermark_ms)
        self._cohorts.prepare(watermark_ms)
        self._recounts.prepare()
        changes, self._changes = self._changes, Changes()
        for key, change in changes.by_window(self._timeline).items():
            if not is_expired(key[1], key[2], watermark_ms):
                self._windows.add(key, change, self._timeline, version, windows)
        for note_day, counts in changes.notes.items():
            self._notes.add(note_day, counts, watermark_ms)
        for note_day, counts in changes.note_orders.items():
            self._notes.add_orders(note_day, counts, self._timeline(note_day[0]).newest, watermark_ms)
        self._final_ms = watermark_ms
        self._settled_ms = self._smallest(self._clock.settled_by_partition)
        if windows:
            self._clock.version = version
            self._to_publish(windows)
        if windows or self._clock_changed:
            self._clock_changed = False
            self._clock_store.put(_CLOCK_KEY, self._clock)
        notes = self._notes.take_dropped()
        if self._is_publishing:
            self._is_publishing = False
            notes.overwrite(self._notes.take_to_show())
        models, positions, alerts = self._models.prepare(), self._money.prepare(), self._alerts.prepare()
        shops = {campaign_id: self._shop(campaign_id) for campaign_id in self._shops_to_show}
        self._shops_to_show = {}
        if windows or notes or models or positions or alerts or shops:
            arrived_ms, self._arrived_ms = self._arrived_ms, []
            self._committing = Committed(
                windows, notes, watermark_ms, arrived_ms, models, alerts, positions, shops
            )

    def _shop(self, campaign_id: str) -> str | None:
        campaign = self._campaigns.get(campaign_id.encode())
        return None if campaign is None else campaign.shop_id

    def _retime(self, version: int, windows: Changed) -> None:
        """Correct what was shown by the models that settings have changed."""
        retimed, self._retimed = self._retimed, {}
        for campaign_id, old in retimed.items():
            new = self._timeline(campaign_id)
            if new != old:
                self._windows.retime(campaign_id, old, new, version, windows)
            if new.newest != old.newest:
                self._notes.show_model(campaign_id, new.newest)

    def _to_publish(self, changed: Changed) -> None:
        for packed, row in changed.rows.items():
            if row is None:
                # With its window goes the version by which a restart would find what is left to publish.
                self._unpublished.pop(packed, None)
                self._publish(packed)
            else:
                self._unpublished[packed] = None

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
        windows, notes = self._windows.rows(), self._notes.rows()
        return Committed(
            Changed(windows, set(windows)),
            Changed(notes, set(notes)),
            self._final_ms,
            arrived_ms=[],
            models=self._models.rows(),
            positions=self._money.rows(),
            alerts=self._alerts.rows(),
            shops={key.decode(): campaign.shop_id for key, campaign in self._campaigns.items()},
        )

    async def close(self) -> None:
        """Let the sink finish what is committed."""
        self._models.close()
        self._alerts.close()
        await self._sink.close()
