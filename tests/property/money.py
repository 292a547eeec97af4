"""Four weeks of two campaigns with terms of money, drawn at random: settings, spend, journeys, and when their records came.

Drawn from a seed, since a guarantee or a share is due only where some hundred events come together.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from tests.property.events import MIDNIGHT_MS
from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.events import (
    AdClicked,
    AdSpent,
    CampaignConfigured,
    CartAdded,
    NoteViewed,
    OrderPaid,
    OrderRefunded,
    PersonLinked,
    StoreVisited,
)
from xinghe.domain.terms import (
    Conversion,
    CustomGuarantee,
    Guarantee,
    QianchuanRoi,
    RevenueShare,
    SpendMatch,
    Tier,
    XhsCost,
)
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, OUT_OF_ORDERNESS_MS

DAYS: Final = 28
"""Less than what may lie between an event and the watermark, or a link."""
START_MS: Final = MIDNIGHT_MS - 14 * DAY_MS
"""2025-02-15 00:00 in Shanghai: a month ends in the middle."""
END_MS: Final = START_MS + DAYS * DAY_MS
CAMPAIGNS: Final = ("c1", "c2")
PEOPLE: Final = ("p1", "p6", "p2", "p7")
LATEST_MS: Final = 20 * DAY_MS
CONVERSIONS: Final[tuple[Conversion, ...]] = ("orders", "ad_clicks", "store_visits", "cart_adds")
MODELS: Final = ("last_touch", "last_touch", "first_touch", "linear", "markov")


class Arrived(NamedTuple):
    """An event, and when its record was written."""

    recorded_ms: int
    event: Any


class World:
    """All events of a seed in the order of the log; ``late`` says whether some come later than the books wait for."""

    def __init__(self, seed: int, *, late: bool, linked: bool) -> None:
        self._random = Random(seed)
        self._late = late
        self._number = 0
        arrived = [*self._settings(), *self._spend(), *self._journeys()]
        if linked:
            arrived += self._links()
        self.arrived = sorted(arrived, key=lambda each: each.recorded_ms)

    def _id(self) -> str:
        self._number += 1
        return f"e{self._number}"

    def _time_ms(self) -> int:
        """Often on the edge of a day or an hour."""
        random = self._random
        hour_ms = START_MS + random.randrange(DAYS) * DAY_MS + random.choice((0, 1, 12, 23)) * HOUR_MS
        return hour_ms + random.choice((0, 0, 1, HOUR_MS - 1, random.randrange(HOUR_MS)))

    def _came(self, time_ms: int) -> int:
        """When the record of an event was written: soon, up to five hours later, or where it may be late, days."""
        random = self._random
        if self._late and random.random() < 0.2:
            return time_ms + random.randrange(LATEST_MS)
        return time_ms + random.choice((0, MINUTE_MS, random.randrange(5 * HOUR_MS)))

    # Settings

    def _settings(self) -> list[Arrived]:
        arrived = []
        for campaign_id in CAMPAIGNS:
            times_ms = {START_MS + self._random.choice((-3 * DAY_MS, 0, 0, 5 * HOUR_MS, 2 * DAY_MS))}
            times_ms |= {self._time_ms() for _ in range(self._random.choice((0, 1, 3, 6)))}
            first_ms = min(times_ms)
            starts_ms = [self._start_ms(first_ms), self._time_ms()]
            terms = self._terms(starts_ms)
            for time_ms in sorted(times_ms):
                setting = CampaignConfigured(campaign_id, self._shop(), "Spring", time_ms, **terms)
                early_ms = self._random.choice((0, HOUR_MS, 3 * DAY_MS))
                told_late = self._late and self._random.random() < 0.2
                arrived.append(Arrived(self._came(time_ms) if told_late else time_ms - early_ms, setting))
                for _ in range(self._random.choice((1, 1, 2))):
                    terms |= self._edit(terms, starts_ms)
        return arrived

    def _shop(self) -> str:
        return self._random.choice(("s1", "s1", "s1", "s2"))

    def _start_ms(self, first_ms: int) -> int:
        random = self._random
        return first_ms + random.choice((0, HOUR_MS, DAY_MS, 3 * DAY_MS, -5 * DAY_MS))

    def _terms(self, starts_ms: list[int]) -> dict[str, Any]:
        return {
            "model": self._random.choice(MODELS),
            "roi_lag_days": self._random.choice((7, 15, 30)),
            "guarantee": self._guarantee(starts_ms[0]),
            "spend_match": self._match(starts_ms[0]) if self._random.random() < 0.7 else None,
            "revenue_share": self._share() if self._random.random() < 0.7 else None,
        }

    def _edit(self, terms: dict[str, Any], starts_ms: list[int]) -> dict[str, Any]:
        """One change of the terms, often of the guarantee's target alone."""
        random = self._random
        edits: dict[str, Callable[[], dict[str, Any]]] = {
            "target": lambda: {"guarantee": self._retargeted(terms["guarantee"])},
            "guarantee": lambda: {"guarantee": self._guarantee(random.choice(starts_ms))},
            "none": lambda: {"guarantee": None},
            "match": lambda: {"spend_match": random.choice((None, self._match(random.choice(starts_ms))))},
            "share": lambda: {"revenue_share": random.choice((None, self._share()))},
            "model": lambda: {"model": random.choice(MODELS), "roi_lag_days": random.choice((7, 15, 30))},
        }
        kinds: tuple[str, ...] = (*edits, "target", "target", "target")
        return edits[random.choice(kinds)]()

    def _guarantee(self, start_ms: int) -> Guarantee:
        random = self._random
        cap_fen = random.choice((None, None, 700))
        match random.choice(("qianchuan_roi", "xhs_cost", "custom", "custom")):
            case "qianchuan_roi":
                return QianchuanRoi(start_ms, random.choice((0.5, 2.0, 2.55)), cap_fen)
            case "xhs_cost":
                conversion = random.choice(CONVERSIONS)
                return XhsCost(start_ms, random.choice((30, 500, 4_000)), conversion, cap_fen)
        measure = random.choice(("roi", "cost"))
        target: dict[str, Any] = {"target_roi": random.choice((0.3333, 1.0, 3.0))}
        if measure == "cost":
            target = {"bid_fen": random.choice((10, 300, 2_000))}
        observation_days = random.randint(1, 8)
        policy: dict[str, Any] = {
            "measure": measure,
            "trigger_percent": random.choice((80, 100, 120)),
            "payout_percent": random.choice((100, 120)),
            "observation_days": observation_days,
            "settlement_day": observation_days + random.randint(0, 5),
            "form": random.choice(("cash", "credit")),
            "conversion": random.choice(("orders", "orders", "ad_clicks")),
            "conversions_min": random.choice((0, 0, 1, 3)),
            "edits_per_day_max": random.choice((None, 0, 1, 2)),
            "edits_per_hour_max": random.choice((None, None, 0)),
            "backfill_days": random.randint(0, 3),
            "basis": random.choice(("gross", "net")),
        }
        return CustomGuarantee(start_ms, **policy, **target, cap_fen=cap_fen)

    def _retargeted(self, guarantee: Guarantee | None) -> Guarantee | None:
        match guarantee:
            case QianchuanRoi():
                return QianchuanRoi(guarantee.start_ms, self._random.choice((0.5, 2.0, 3.0)))
            case XhsCost():
                return XhsCost(guarantee.start_ms, self._random.choice((30, 600)), guarantee.conversion)
        return guarantee

    def _match(self, start_ms: int) -> SpendMatch:
        random = self._random
        days, rate = random.choice((1, 3, 7)), random.choice((7, 10, 100))
        limits = random.choice((0, 2_000)), random.choice((0, 0, 2)), random.choice((None, 150))
        return SpendMatch(start_ms, days, rate, random.randint(0, 4), *limits)

    def _share(self) -> RevenueShare:
        random = self._random
        tiers = [Tier(0, 500), Tier(5_000, random.choice((0, 333))), Tier(20_000, 1_000)]
        return RevenueShare(tiers[random.randint(0, 2) :], random.randint(0, 4))

    # Spend

    def _spend(self) -> list[Arrived]:
        arrived = []
        for campaign_id in CAMPAIGNS:
            hours_ms = {self._time_ms() // HOUR_MS * HOUR_MS for _ in range(self._random.choice((0, 5, 40)))}
            for hour_ms in sorted(hours_ms):
                came_ms = self._came(hour_ms) if self._late else self._random.randrange(5 * HOUR_MS) + hour_ms
                # How late the first is counts for all: it is an hour where nothing may be late.
                came_ms = max(came_ms, hour_ms + HOUR_MS) if hour_ms > min(hours_ms) else hour_ms + HOUR_MS
                arrived.append(Arrived(came_ms, self._report(campaign_id, hour_ms, 0)))
                while self._random.random() < 0.3:
                    came_ms += self._random.randrange(1, self._random.choice((1, 1, 5)) * DAY_MS)
                    report = self._report(campaign_id, hour_ms, self._random.randint(0, 2))
                    arrived.append(Arrived(came_ms, report))
        copies = self._random.sample(arrived, len(arrived) // 10)
        return arrived + [Arrived(came_ms + HOUR_MS, report) for came_ms, report in copies]

    def _report(self, campaign_id: str, hour_ms: int, revision: int) -> AdSpent:
        return AdSpent(self._id(), campaign_id, hour_ms, self._random.choice((0, 500, 999, 1_500)), revision)

    # Journeys

    def _journeys(self) -> list[Arrived]:
        events: list[Any] = []
        for _ in range(self._random.choice((3, 10, 20))):
            events += self._visit()
        if self._random.random() < 0.5:
            events += self._rush()
        copies = self._random.sample(events, len(events) // 10)
        return [Arrived(self._came(event.time_ms), event) for event in (*events, *copies)]

    def _visit(self) -> list[Any]:
        """Touches of a person, orders that follow, and refunds of these."""
        random = self._random
        person_id, shop_id = random.choice(PEOPLE), self._shop()
        events: list[Any] = []
        first_ms = self._time_ms()
        for _ in range(random.randint(1, 3)):
            touch = random.choice((NoteViewed, AdClicked))
            time_ms = self._after_ms(first_ms, 2)
            campaign_id = random.choice((*CAMPAIGNS, *CAMPAIGNS, None))
            events.append(touch(self._id(), person_id, time_ms, "n1", shop_id, campaign_id))
        for _ in range(random.choice((0, 1, 2))):
            time_ms = self._after_ms(first_ms, 9)
            events.append(StoreVisited(self._id(), person_id, time_ms, shop_id, "i1"))
            if random.random() < 0.5:
                events.append(CartAdded(self._id(), person_id, time_ms + 1, shop_id, "i1"))
        for _ in range(random.choice((0, 1, 1, 3))):
            events += self._order(person_id, shop_id, self._after_ms(first_ms, 9))
        return events

    def _rush(self) -> list[Any]:
        """Orders enough for a guarantee, of one day."""
        time_ms, person_id = self._time_ms(), self._random.choice(PEOPLE)
        clicks = [AdClicked(self._id(), person_id, time_ms, "n1", "s1", self._random.choice(CAMPAIGNS))]
        return [
            *clicks,
            *(event for _ in range(12) for event in self._order(person_id, "s1", self._after_ms(time_ms, 1))),
        ]

    def _order(self, person_id: str, shop_id: str, time_ms: int) -> list[Any]:
        random = self._random
        amount_fen, order_id = random.choice((1, 99, 700, 3_000)), self._id()
        events: list[Any] = [OrderPaid(self._id(), person_id, time_ms, shop_id, order_id, "i1", amount_fen)]
        for _ in range(random.choice((0, 0, 1, 2))):
            refund_fen = random.randint(1, amount_fen)
            later_ms = self._after_ms(time_ms, 20)
            events.append(
                OrderRefunded(self._id(), person_id, later_ms, shop_id, order_id, self._id(), refund_fen)
            )
        return events

    def _after_ms(self, time_ms: int, days: int) -> int:
        return min(time_ms + self._random.choice((0, 1, self._random.randrange(days * DAY_MS))), END_MS - 1)

    def _links(self) -> list[Arrived]:
        pairs = self._random.choice(((), (("p2", "p6"),), (("p7", "p6"), ("p6", "p1"))))
        times_ms = [self._time_ms() for _ in pairs]
        if not self._late:
            # What is of the day before a link and comes after it is known with the link, or before, by the order in which
            # tasks read.
            times_ms = [max(time_ms, day_start_ms(day_number(time_ms)) + 5 * HOUR_MS) for time_ms in times_ms]
        return [
            Arrived(self._came(time_ms), PersonLinked(self._id(), old, time_ms, new))
            for time_ms, (old, new) in zip(times_ms, pairs, strict=True)
        ]


def closing(watermark_ms: int) -> list[Arrived]:
    """An event in each of two partitions, by which the watermark is just so far."""
    time_ms = watermark_ms + OUT_OF_ORDERNESS_MS
    return [
        Arrived(time_ms, NoteViewed(f"end{time_ms}{person_id}", person_id, time_ms, "n1", "s1"))
        for person_id in ("p1", "p6")
    ]


seeds = st.integers(0, 2**64)
