"""The model: sessions of people over time, one record per slot, in the order in which the broker sees them."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import orjson

from xinghe.domain.events import (
    JOURNEY_EVENTS,
    AdSpent,
    CampaignConfigured,
    OrderPaid,
    OrderRefunded,
)
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS
from xinghe.simulator import bad_records, lags
from xinghe.simulator.configured import changed_settings, first_settings, settings_of_day
from xinghe.simulator.links import Ids
from xinghe.simulator.record import DUPLICATE, GOOD, REPEATED_ORDER, REPEATED_REFUND, Record
from xinghe.simulator.refunds import LATE_REFUND_SUFFIX, draw_refunds
from xinghe.simulator.session import Sessions, Step
from xinghe.simulator.settings import SimulatorSettings
from xinghe.simulator.spend import Spend
from xinghe.simulator.world import World

SPEND_PERIOD_MS: Final = MINUTE_MS
SETTINGS_FIRST_MS: Final = 5_000
"""A run of seconds has a change of settings as well."""
SETTINGS_PERIOD_MS: Final = MINUTE_MS
RETURN_SHARE: Final = 0.003
"""Sessions of somebody who bought before and buys again in that shop."""
BUYERS_MAX: Final = 1_000
"""Last buyers, of whom some return."""


class Repeat(NamedTuple):
    """What Taobao reports again, under another event id: the kind of the second record, the share of the events."""

    kind: str
    share: float


REPEATS: Final = {
    OrderPaid.topic: Repeat(REPEATED_ORDER, 0.01),
    OrderRefunded.topic: Repeat(REPEATED_REFUND, 0.1),
}
SKEW_AHEAD_MS_MAX: Final = 5 * MINUTE_MS
"""Half of the 10 minutes from which on an event is refused."""
SKEW_BEHIND_MS_MAX: Final = 2 * HOUR_MS
PENDING_MAX: Final = 100_000
"""Steps that wait for their time; beyond it, later steps of new sessions are left out, so that memory stays
bounded in a run of any length."""
HORIZON_MS: Final = HOUR_MS
"""Steps later than this are left out; history sessions stand for them."""
DAYS_HORIZON_MS: Final = 30 * DAY_MS
"""The same in a run of days."""
LATE_REVISION_DAYS: Final = (1, 12)
"""By how many days late revisions of spend come later, in a run of days: some after a settlement."""
LATE_REFUND_SHARE: Final = 0.3
LATE_REFUND_DAYS: Final = (5, 25)
"""Refunds that come so many days later, in a run of days: some after the settlement of a month."""

_JOURNEY_TOPICS: Final = frozenset(event.topic for event in JOURNEY_EVENTS)  # type: ignore[attr-defined]  # every event struct names its topic


def generate(
    settings: SimulatorSettings, *, seed: int, start_ms: int, span_ms: int, count: int
) -> Iterator[Record]:
    """Exactly ``count`` records whose times of sending are spread evenly over ``[start_ms, start_ms + span_ms)``.

    The same arguments give the same records. Event times lie at or shortly before the time of sending, apart
    from history, late and bad ones. The first records are the campaigns' settings and past spend.
    """
    return Model(settings, seed, start_ms).records(start_ms + n * span_ms // count for n in range(count))


class Model:
    """The state of a run: what waits for its time, and the ids given so far.

    Ids contain seed and start, so that two runs against the same topics share people, campaigns and notes but
    no event.
    """

    def __init__(self, settings: SimulatorSettings, seed: int, start_ms: int) -> None:
        self._settings = settings
        self._rng = random.Random(seed)
        self._run = f"{start_ms:x}.{seed % 2**32:x}"
        self._world = World(self._rng, settings.people, settings.campaigns)
        self._ids = Ids(self._rng)
        self._sessions = Sessions(self._rng, self._world, self._run)
        self._run_ms = start_ms
        self._horizon_ms = DAYS_HORIZON_MS if settings.days_long else HORIZON_MS
        self._spend = Spend(self._rng, self._world.campaigns, start_ms)
        self._spend_due_ms = start_ms + SPEND_PERIOD_MS
        self._settings_due_ms = start_ms + SETTINGS_FIRST_MS
        self._events = 0
        self._bad = 0
        self._template: Record | None = None
        self._unrefunded: Record | None = None
        self._buyers: deque[tuple[str, str]] = deque(maxlen=BUYERS_MAX)
        # Due time, then the order of creation: entries never compare further than that.
        self._pending: list[tuple[int, int, str, str, dict[str, Any]]] = []
        self._created = 0
        self._open(start_ms)

    def records(self, slots_ms: Iterable[int]) -> Iterator[Record]:
        """One record for each slot, which is its time of sending; slots ascend.

        A slot sends what is due first; when nothing is due, a new session begins, so that the slots alone
        decide the rate.
        """
        for now_ms in slots_ms:
            if now_ms >= self._spend_due_ms:
                self._report_spend(now_ms)
            if now_ms >= self._settings_due_ms:
                self._change_settings(now_ms)
            if self._template is not None and self._rng.random() < self._settings.bad_share:
                yield self._next_bad(self._template, now_ms)
                continue
            while not self._pending or self._pending[0][0] > now_ms:
                self._start_session(now_ms)
            yield self._next_due(now_ms)

    def _open(self, start_ms: int) -> None:
        """Settings of every campaign and the spend of the past hours come before all traffic."""
        for settings in first_settings(self._world.campaigns, start_ms):
            self._push(start_ms, GOOD, CampaignConfigured.topic, settings)
        for report in self._spend.first_reports(start_ms):
            self._push_report(start_ms, report, start_ms)

    def _report_spend(self, now_ms: int) -> None:
        if self._settings.days_long:
            self._report_finished(now_ms)
            return
        self._spend_due_ms = now_ms + SPEND_PERIOD_MS
        for report in self._spend.reports(now_ms):
            due_ms = now_ms + self._rng.randrange(SPEND_PERIOD_MS // 2)
            if self._rng.random() < self._settings.late_share:
                # Then a newer revision overtakes this one.
                due_ms += 2 * SPEND_PERIOD_MS
            self._push_report(due_ms, report, now_ms)

    def _push_report(self, due_ms: int, report: dict[str, Any], reported_ms: int) -> None:
        event = {"event_id": self._event_id(), **report, "reported_ms": reported_ms}
        self._push(due_ms, GOOD, AdSpent.topic, event)

    def _report_finished(self, now_ms: int) -> None:
        """In a run of days the hours that are over, and revisions of some that come days later."""
        rng = self._rng
        self._spend_due_ms = now_ms // HOUR_MS * HOUR_MS + HOUR_MS + MINUTE_MS
        for report in self._spend.finished(now_ms):
            self._push_report(now_ms, report, now_ms)
            if rng.random() < self._settings.late_revision_share:
                due_ms = now_ms + rng.randint(*LATE_REVISION_DAYS) * DAY_MS
                self._push_report(due_ms, self._spend.late_revision(report), due_ms)

    def _change_settings(self, now_ms: int) -> None:
        campaigns = self._world.campaigns
        changed = changed_settings(self._rng, campaigns, now_ms, self._run_ms)
        self._settings_due_ms = now_ms + SETTINGS_PERIOD_MS
        if self._settings.days_long:
            self._settings_due_ms = now_ms + DAY_MS
            changed += settings_of_day(campaigns, now_ms, self._run_ms)
        for each in changed:
            self._push(now_ms, GOOD, CampaignConfigured.topic, each)

    def _start_session(self, now_ms: int) -> None:
        rng, settings = self._rng, self._settings
        if self._buyers and rng.random() < RETURN_SHARE:
            person_id, shop_id = rng.choice(self._buyers)
            self._schedule(person_id, self._sessions.draw_return(self._world.shop_of(shop_id)), now_ms)
            return
        person_id = self._world.person()
        person_id, links = self._ids.for_session(person_id) if settings.links else (person_id, [])
        if rng.random() < settings.history_share:
            steps = self._sessions.draw_history(settings.history_days * DAY_MS)
            self._schedule_history(person_id, steps, now_ms)
        else:
            self._schedule(person_id, self._sessions.draw(), now_ms)
        for old_id, link in links:
            self._schedule(old_id, [link], now_ms)

    def _schedule(self, person_id: str, steps: list[Step], now_ms: int) -> None:
        """A session that begins now: each step comes after its lag and a small delay of delivery."""
        rng, settings = self._rng, self._settings
        for n, step in enumerate(steps):
            delay_ms = lags.DELIVERY.draw_ms(rng)
            # The first step has just arrived: it happened one delay ago.
            time_ms = now_ms - delay_ms + step.offset_ms
            if rng.random() < settings.late_share:
                delay_ms += min(lags.LATE_DELIVERY.draw_ms(rng), lags.LATE_DELIVERY_MS_MAX)
            due_ms = time_ms + delay_ms
            if n and (due_ms > now_ms + self._horizon_ms or len(self._pending) >= PENDING_MAX):
                continue
            if rng.random() < settings.skew_share:
                time_ms += rng.randint(-SKEW_BEHIND_MS_MAX, SKEW_AHEAD_MS_MAX)
            self._push_event(due_ms, person_id, step, time_ms)

    def _schedule_history(self, person_id: str, steps: list[Step], now_ms: int) -> None:
        """A session that ended a while ago and is delivered now, in any order: backdated touches and all."""
        rng, settings = self._rng, self._settings
        last_ms = max(step.offset_ms for step in steps)
        ended_ms = now_ms - min(lags.SETTLED.draw_ms(rng), lags.SETTLED_MS_MAX)
        for step in steps:
            due_ms = now_ms + rng.randrange(2 * lags.SECOND_MS)
            if rng.random() < settings.late_share:
                due_ms += min(lags.LATE_DELIVERY.draw_ms(rng), lags.LATE_DELIVERY_MS_MAX)
            self._push_event(due_ms, person_id, step, ended_ms - last_ms + step.offset_ms)

    def _push_event(self, due_ms: int, person_id: str, step: Step, time_ms: int) -> None:
        event = {"event_id": self._event_id(), "person_id": person_id, "time_ms": time_ms, **step.fields}
        self._push(due_ms, GOOD, step.topic, event)

    def _push(self, due_ms: int, kind: str, topic: str, event: dict[str, Any]) -> None:
        self._created += 1
        heapq.heappush(self._pending, (due_ms, self._created, kind, topic, event))

    def _next_due(self, now_ms: int) -> Record:
        _, _, kind, topic, event = heapq.heappop(self._pending)
        key = event.get("person_id") or event["campaign_id"]
        record = Record(topic, key.encode(), orjson.dumps(event), now_ms, kind, event)
        if kind == GOOD:
            self._after_good(record)
        return record

    def _after_good(self, record: Record) -> None:
        """What a good record brings with it: spend, refunds, repeats, duplicates, a template for bad ones."""
        event, now_ms, rng = record.event, record.send_at_ms, self._rng
        if record.topic in _JOURNEY_TOPICS:
            if now_ms - event["time_ms"] < HOUR_MS:
                self._spend.seen(record.topic, event)
                self._template = record
            if record.topic == OrderPaid.topic:
                self._after_order(record)
            repeat = REPEATS.get(record.topic)
            if repeat is not None and rng.random() < repeat.share:
                repeated = {**event, "event_id": self._event_id()}
                self._push(now_ms + lags.DUPLICATE_DELIVERY.draw_ms(rng), repeat.kind, record.topic, repeated)
        if "event_id" in event and rng.random() < self._settings.duplicate_share:
            self._push(now_ms + lags.DUPLICATE_DELIVERY.draw_ms(rng), DUPLICATE, record.topic, event)

    def _after_order(self, record: Record) -> None:
        """Refunds follow an order once it was sent, and its buyer may return."""
        order, now_ms, rng = record.event, record.send_at_ms, self._rng
        self._buyers.append((order["person_id"], order["shop_id"]))
        refunds = draw_refunds(rng, order)
        if not refunds:
            self._unrefunded = record
        for refund in refunds:
            time_ms, fields = order["time_ms"] + refund.lag_ms, refund.fields
            if self._settings.days_long and rng.random() < LATE_REFUND_SHARE:
                time_ms += rng.randint(*LATE_REFUND_DAYS) * DAY_MS
                fields = {**fields, "refund_id": fields["refund_id"] + LATE_REFUND_SUFFIX}
            due_ms = max(now_ms, time_ms) + lags.DELIVERY.draw_ms(rng)
            if due_ms > now_ms + self._horizon_ms or len(self._pending) >= PENDING_MAX:
                continue
            event = {"event_id": self._event_id(), "person_id": order["person_id"], "time_ms": time_ms}
            self._push(due_ms, refund.kind, OrderRefunded.topic, event | fields)

    def _next_bad(self, template: Record, now_ms: int) -> Record:
        kind = bad_records.KINDS[self._bad % len(bad_records.KINDS)]
        self._bad += 1
        if kind == bad_records.REFUND_OVER_ORDER:
            order, self._unrefunded = self._unrefunded, None
            if order is not None:
                return bad_records.make_refund_over_order(self._rng, order, self._event_id(), now_ms)
            return self._next_bad(template, now_ms)
        return bad_records.make(self._rng, kind, template, self._event_id(), now_ms)

    def _event_id(self) -> str:
        self._events += 1
        return f"e{self._run}-{self._events}"
