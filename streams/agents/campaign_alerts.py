"""The alerts of a partition's campaigns: when rules are looked at, and what is told of it (ARCHITECTURE.md, R24).

A look at figures sends its record at once, and the state goes into the table with the transaction that has the record, so that
a crossing is told once: what did not commit was not told, and is looked at again, since after a start all campaigns are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from streams import metric_defs
from streams.partitions import partition_of
from xinghe.domain.alerts import (
    MINUTES_COUNTED_MAX,
    SYSTEM,
    AlertRule,
    AlertState,
    Figures,
    Outlook,
    WindowFigures,
    next_step_ms,
    record_of,
    step,
)
from xinghe.domain.events import ALERT_RAISED
from xinghe.domain.funnel import Row, decode_window, pack_key
from xinghe.domain.metrics import COUNTED_INDEX, MODEL_COUNTED_NAMES, SPENT_NAMES
from xinghe.domain.orders import decode_orders
from xinghe.domain.outputs import AlertRaised
from xinghe.domain.windows import HOUR_MS, MINUTE_MS, Size, start_ms

if TYPE_CHECKING:
    from streams.agents.campaign_windows import CampaignWindows
    from streams.agents.campaigns import Campaign
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task
    from xinghe.domain.delta import Watermark

ALERTS: Final = "alerts"
ALERTS_CLOCK: Final = "alerts_clock"
_CLOCK_KEY: Final = b"clock"
LOOKS_MAX: Final = 2_000
"""Campaigns looked at per tick, so that the events wait for some tens of milliseconds at most; the others are next."""
REPLAY_MS: Final = HOUR_MS
"""With the watermark further behind the clock, an old log is worked off and no figure is news."""
_STORE_VISITS: Final = COUNTED_INDEX["store_visits"]
_SPEND: Final = SPENT_NAMES.index("spend_fen")
_ORDERS, _GMV, _REFUND = (
    MODEL_COUNTED_NAMES.index(name) for name in ("orders_micros", "gmv_fen", "refund_fen")
)


class Alert(msgspec.Struct, array_like=True, frozen=True):
    """How a campaign stands with a rule, and the last record of it: its number in the partition and its bytes."""

    state: AlertState
    number: int = 0
    record: bytes = b""


class AlertsClock(msgspec.Struct, array_like=True):
    """What a task must remember besides the alerts.

    ``number`` is how many records it has sent. The rest is for rules about the data, by the clock: when something came from the
    journeys stage, how much each of its partitions has said to have taken and refused, and both by minute.
    """

    number: int = 0
    heard_ms: int | None = None
    told: dict[int, tuple[int, int]] = {}
    minutes: list[tuple[int, int, int]] = []


class ToldAlert(NamedTuple):
    """A record that was sent, as Redis shows it; ``number`` grows by record of the partition."""

    number: int
    alert_id: str
    record: bytes
    is_open: bool


class CampaignAlerts:
    """The alerts of one partition; those about the data of all campaigns in the first. The tables change in `prepare` only."""

    def __init__(
        self,
        task: Task,
        rules: Sequence[AlertRule],
        *,
        partitions: int,
        windows: CampaignWindows,
        campaigns: MemoryStore[Campaign],
        outlook_of: Callable[[str], Outlook | None],
    ) -> None:
        self._task = task
        self._partitions = partitions
        self._campaign_rules = {rule.name: rule for rule in rules if not rule.is_system}
        self._system_rules = {rule.name: rule for rule in rules if rule.is_system and task.partition == 0}
        self._windows = windows
        self._campaigns = campaigns
        self._outlook_of = outlook_of
        self._alerts: MemoryStore[Alert] = task.store(ALERTS)
        self._clock_store: MemoryStore[AlertsClock] = task.store(ALERTS_CLOCK)
        self._clock = AlertsClock()
        self._clock_changed = False
        self._staged: dict[bytes, Alert | None] = {}
        self._told: list[ToldAlert] = []
        self._to_look_at: dict[str, None] = {}
        self._next_step_ms: dict[bytes, int | None] = {}
        """Of each campaign and rule with a state, when it may change without a change of figures."""
        self._day_start_ms = 0
        self._heard: dict[int, Watermark] = {}
        """The last that each partition of the journeys stage told since the last tick."""
        self._without_rule: list[bytes] = []

    def opened(self) -> None:
        """Take up what was recovered, and look at all campaigns: some may have changed and not been looked at."""
        self._clock = self._clock_store.get(_CLOCK_KEY) or AlertsClock()
        for key, alert in self._alerts.items():
            rule = self._rule(key)
            self._next_step_ms[key] = None if rule is None else next_step_ms(rule, alert.state)
            self._count_open(alert, 1)
            if rule is None:
                self._without_rule.append(key)
        self.mark(self._windows.campaign_ids())

    def mark(self, campaign_ids: Iterable[str]) -> None:
        """Have campaigns looked at whose figures, settings or position changed."""
        if self._campaign_rules:
            self._to_look_at.update(dict.fromkeys(campaign_ids))

    def hear(self, told: Watermark) -> None:
        """Take what a partition of the journeys stage says to have taken and refused."""
        if self._task.partition == 0:
            self._heard[told.partition] = told

    # Looking

    def tick(self, now_ms: int, watermark_ms: int) -> None:
        """Look at what changed, and at what time may change; ``watermark_ms`` is 0 while unknown."""
        is_replay = now_ms - watermark_ms > REPLAY_MS
        if self._task.partition == 0:
            self._look_at_data(now_ms, watermark_ms, is_replay=is_replay)
        if self._without_rule:
            self._end_those_without_rule(now_ms, watermark_ms)
        if is_replay or not watermark_ms:
            return
        day_start_ms = start_ms("1d", watermark_ms)
        is_new_day, self._day_start_ms = day_start_ms != self._day_start_ms, day_start_ms
        self.mark(
            campaign_id
            for key, next_ms in self._next_step_ms.items()
            if is_new_day or (next_ms is not None and next_ms <= watermark_ms)
            for campaign_id, rule_name in (_unpack(key),)
            if rule_name in self._campaign_rules
        )
        for campaign_id in list(islice(self._to_look_at, LOOKS_MAX)):
            del self._to_look_at[campaign_id]
            figures = self._figures(campaign_id)
            for rule in self._campaign_rules.values():
                self._look(rule, campaign_id, figures, watermark_ms)

    def _look_at_data(self, now_ms: int, watermark_ms: int, *, is_replay: bool) -> None:
        self._take_heard(now_ms)
        heard_ms = self._clock.heard_ms
        figures = Figures(
            late_ms=now_ms - watermark_ms if watermark_ms else None,
            quiet_ms=None if heard_ms is None else now_ms - heard_ms,
            minutes=self._clock.minutes,
            minute=now_ms // MINUTE_MS,
        )
        for rule in self._system_rules.values():
            if rule.is_of_replays or not is_replay:
                self._look(rule, None, figures, now_ms)

    def _take_heard(self, now_ms: int) -> None:
        """Count what came to the minute of the clock; what a partition tells first is where counting begins."""
        clock, minute, heard = self._clock, now_ms // MINUTE_MS, self._heard
        self._heard = {}
        taken = refused = 0
        for partition, told in heard.items():
            before = clock.told.get(partition)
            if before == (told.taken, told.refused):
                continue
            if before is not None:
                # Where it says less than before, its tables were made anew.
                is_anew = told.taken < before[0]
                taken += told.taken - (0 if is_anew else before[0])
                refused += told.refused - (0 if is_anew else before[1])
            clock.told[partition] = told.taken, told.refused
            clock.heard_ms = now_ms
            self._clock_changed = True
        if taken or refused:
            if clock.minutes and clock.minutes[-1][0] == minute:
                _, taken_before, refused_before = clock.minutes.pop()
                taken, refused = taken + taken_before, refused + refused_before
            kept = [row for row in clock.minutes if row[0] > minute - MINUTES_COUNTED_MAX]
            clock.minutes = [*kept, (minute, taken, refused)]

    def _figures(self, campaign_id: str) -> Figures:
        campaign = self._campaigns.get(campaign_id.encode())
        return Figures(
            day=self._window(campaign_id, "1d", self._day_start_ms),
            total=self._window(campaign_id, "total", 0),
            budget_fen=campaign.settings[-1].budget_fen if campaign and campaign.settings else None,
            outlook=self._outlook_of(campaign_id),
        )

    def _window(self, campaign_id: str, size: Size, start: int) -> WindowFigures | None:
        row = self._windows.row(pack_key((campaign_id, size, start)))
        return None if row is None else _window_figures(row)

    def _look(self, rule: AlertRule, campaign_id: str | None, figures: Figures, time_ms: int) -> None:
        key = f"{SYSTEM if campaign_id is None else campaign_id}|{rule.name}".encode()
        known = self._known(key)
        state, turn = step(rule, None if known is None else known.state, figures, time_ms)
        if turn is not None:
            campaign = None if campaign_id is None else self._campaigns.get(campaign_id.encode())
            record = record_of(rule, campaign_id, None if campaign is None else campaign.shop_id, turn)
            if turn.state == "raised":
                metric_defs.ALERTS_RAISED.labels(rule.name, rule.severity).inc()
            assert state is not None
            self._stage(key, self._tell(record, state))
        elif state is None:
            if known is not None:
                self._stage(key, None)
        elif known is None or state != known.state:
            self._stage(key, Alert(state) if known is None else Alert(state, known.number, known.record))

    def _tell(self, record: AlertRaised, state: AlertState) -> Alert:
        """Send a record in the transaction that is to have its state."""
        self._clock.number += 1
        self._clock_changed = True
        value = msgspec.json.encode(record)
        key = (SYSTEM if record.campaign_id is None else record.campaign_id).encode()
        self._task.send(ALERT_RAISED, partition_of(key, self._partitions), key, value)
        self._told.append(ToldAlert(self._clock.number, record.alert_id, value, state.is_open))
        return Alert(state, self._clock.number, value)

    def _end_those_without_rule(self, now_ms: int, watermark_ms: int) -> None:
        """Resolve the alerts whose rule is no longer in the file of rules."""
        for key in self._without_rule:
            known = self._known(key)
            if known is not None and known.state.is_open:
                last = msgspec.json.decode(known.record, type=AlertRaised)
                time_ms = now_ms if last.campaign_id is None else watermark_ms
                message = f"Resolved: there is no rule {last.rule} any more."
                record = msgspec.structs.replace(
                    last, state="resolved", time_ms=time_ms, value=None, value_text=None, message=message
                )
                resolved = AlertState("resolved", last.since_ms)
                self._tell(record, resolved)
            self._stage(key, None)
        self._without_rule = []

    # States

    def _rule(self, key: bytes) -> AlertRule | None:
        """The rule of a key; ``None`` where it is no more."""
        campaign_id, name = _unpack(key)
        system_rule = self._system_rules.get(name) if campaign_id == SYSTEM else None
        return system_rule or self._campaign_rules.get(name)

    def _known(self, key: bytes) -> Alert | None:
        return self._staged[key] if key in self._staged else self._alerts.get(key)

    def _stage(self, key: bytes, alert: Alert | None) -> None:
        """Set what is in the table from the next commit on."""
        known = self._known(key)
        if known is not None:
            self._count_open(known, -1)
        self._staged[key] = alert
        if alert is None:
            self._next_step_ms.pop(key, None)
            return
        self._count_open(alert, 1)
        rule = self._rule(key)
        self._next_step_ms[key] = None if rule is None else next_step_ms(rule, alert.state)

    @staticmethod
    def _count_open(alert: Alert, change: int) -> None:
        if alert.state.is_open:
            record = msgspec.json.decode(alert.record, type=AlertRaised)
            metric_defs.ALERTS_OPEN.labels(record.rule, record.severity).inc(change)

    # Commit

    def prepare(self) -> list[ToldAlert]:
        """Bring the tables up to what was sent; answers the records that Redis is to show, in their order."""
        staged, self._staged = self._staged, {}
        for key, alert in staged.items():
            if alert is None:
                self._alerts.delete(key)
            else:
                self._alerts.put(key, alert)
        if self._clock_changed:
            self._clock_changed = False
            self._clock_store.put(_CLOCK_KEY, self._clock)
        told, self._told = self._told, []
        return told

    def rows(self) -> list[ToldAlert]:
        """The last record of each alert that is kept, in their order."""
        return sorted(
            ToldAlert(
                alert.number,
                msgspec.json.decode(alert.record, type=AlertRaised).alert_id,
                alert.record,
                alert.state.is_open,
            )
            for _, alert in self._alerts.items()
            if alert.record
        )

    def close(self) -> None:
        """No longer count the open alerts as those of this process."""
        for key in self._next_step_ms:
            alert = self._known(key)
            if alert is not None:
                self._count_open(alert, -1)


def _unpack(key: bytes) -> tuple[str, str]:
    """Campaign, or `SYSTEM`, and rule of a key; neither has a bar."""
    campaign_id, rule_name = key.decode().split("|")
    return campaign_id, rule_name


def _window_figures(row: Row) -> WindowFigures:
    window = decode_window(row.value)
    spend_fen = None if window.spent is None else window.spent[_SPEND]
    visits = window.counted[_STORE_VISITS]
    if row.orders is None:
        return WindowFigures(spend_fen, store_visits=visits)
    plain = decode_orders(row.orders).plain
    return WindowFigures(spend_fen, plain[_ORDERS], plain[_GMV], plain[_REFUND], visits)
