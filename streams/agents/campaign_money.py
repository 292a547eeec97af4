"""The money of a partition's campaigns: what each day books, and where guarantees stand now (ARCHITECTURE.md, R18 to R23).

Nothing here is done per event. A day is booked once the watermark has passed it, a position is told about once a second,
and a tick does a bounded part of what there is to do: a backlog must not hold up the events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from streams.partitions import partition_of
from xinghe.domain.alerts import Outlook
from xinghe.domain.cohorts import all_known
from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.events import GUARANTEE_POSITION, LEDGER_ENTRY
from xinghe.domain.guarantee import MICROS, counted_days, guarantees_of
from xinghe.domain.ledger import Booked, Books, Key, amounts_due, book, days_that_matter
from xinghe.domain.money_facts import MoneyFacts
from xinghe.domain.outputs import GuaranteePosition
from xinghe.domain.position_record import position_record
from xinghe.domain.terms import terms_of
from xinghe.domain.windows import HOUR_MS

if TYPE_CHECKING:
    from streams.agents.campaign_cohorts import CampaignCohorts
    from streams.agents.campaign_recounts import CampaignRecounts
    from streams.agents.campaign_spend import CampaignSpend
    from streams.agents.campaign_windows import CampaignWindows
    from streams.engine.table import MemoryStore
    from streams.engine.task import Task
    from xinghe.domain.events import CampaignConfigured

BOOKS: Final = "books"
POSITIONS: Final = "positions"
BOOKING_DELAY_MS: Final = 7 * HOUR_MS
"""A day is booked once the clock of the books is so far past its end."""
MOVING_MS: Final = 5_000
"""And so long after that by the clock: where an old log is worked off, hours of it pass while a journey that was moved for a
link (R17) is on its way, and what that changed on the day would be missing."""
ROWS_PER_TICK: Final = 40_000
"""Reports of spend and cohorts that are looked at in a tick to book days, and as many to tell positions; takes some 30 ms each."""
ROWS_OF_DAY: Final = 500
"""As much time as so many rows take, a day takes to be booked, or a position to be told, once these are sorted."""
FORECAST_DAYS: Final = 90
"""The days behind today whose touches tell how credit grows with time."""

Positions = dict[str, bytes | None]
"""Campaign to the record of its guarantee's position, ``None`` where it has none any more."""


class CampaignBooks(Struct, array_like=True):
    """The books of a campaign: how far they go, and what stands for each rule and period."""

    books: Books
    booked: list[tuple[Key, Booked]]


class CampaignMoney:
    """The books and positions of one partition. Of its tables that of the positions, which are shown, changes in `prepare`."""

    def __init__(
        self,
        task: Task,
        *,
        partitions: int,
        quiet_s: int,
        settings_of: Callable[[str], Sequence[CampaignConfigured]],
        configured: Callable[[], Iterable[str]],
        windows: CampaignWindows,
        spend: CampaignSpend,
        cohorts: CampaignCohorts,
        recounts: CampaignRecounts,
    ) -> None:
        self._task = task
        self._partitions = partitions
        self._quiet_ms = quiet_s * 1000
        self._settings_of = settings_of
        self._configured = configured
        self._windows = windows
        self._spend = spend
        self._cohorts = cohorts
        self._recounts = recounts
        self._books: MemoryStore[CampaignBooks] = task.store(BOOKS)
        self._positions: MemoryStore[bytes] = task.store(POSITIONS)
        self._heard_ms: int | None = None
        self._is_heard = False
        self._today = 0
        self._last_day = 0
        self._over: deque[tuple[int, int]] = deque()
        """When the clock of the books was found to be past a day, and the day, as long as journeys may be on their way."""
        self._changed: dict[str, None] = {}
        # Of nearly all campaigns in each commit, so that a tick alone looks at whom it matters to.
        self._recounting: dict[str, None] = {}
        self._recounted: dict[str, None] = {}
        self._to_book: dict[str, None] = {}
        self._to_tell: dict[str, None] = {}
        self._told: Positions = {}
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(GuaranteePosition).decode

    # What changes

    def heard(self) -> None:
        """Something came from the journeys stage."""
        self._is_heard = True

    def changed(self, campaign_id: str) -> None:
        """Spend, credit or settings of a campaign changed; it is looked at once the tables have it, after `prepare`."""
        self._changed[campaign_id] = None

    def counts_changed(self, campaign_id: str) -> None:
        """Counted metrics of a campaign changed, which matter where a guarantee looks at them."""
        self._recounting[campaign_id] = None

    # Time

    def tick(self, now_ms: int, settled_ms: int) -> list[str]:
        """Book the days that are over, and tell positions that changed; answers whose were told.

        ``settled_ms`` is the watermark up to which all deltas are in the tables, 0 where there is none.
        """
        if self._is_heard or self._heard_ms is None:
            self._is_heard = False
            self._heard_ms = now_ms
        if now_ms - self._heard_ms >= self._quiet_ms:
            settled_ms = max(settled_ms, now_ms)
        if settled_ms <= 0:
            return []
        today = day_number(settled_ms)
        if today > self._today:
            self._today = today
            # After a start these are all: what changed last may not have been told.
            self._to_tell |= dict.fromkeys((*self._configured(), *self.rows()))
        if self._is_day_over(now_ms, day_number(settled_ms - BOOKING_DELAY_MS) - 1):
            self._to_book |= dict.fromkeys((*self._spend.campaigns(), *self._cohorts.campaigns()))
        recounted, self._recounted = self._recounted, {}
        for campaign_id in recounted:
            if counted_days(self._settings_of(campaign_id)):
                self._to_tell[campaign_id] = None
        self._book_some()
        return self._tell_some()

    def _is_day_over(self, now_ms: int, last_day: int) -> bool:
        """Whether more days can be booked than before, where the clock of the books is past ``last_day``."""
        if last_day > (self._over[-1][1] if self._over else self._last_day):
            self._over.append((now_ms, last_day))
        before = self._last_day
        while self._over and now_ms - self._over[0][0] >= MOVING_MS:
            self._last_day = self._over.popleft()[1]
        return self._last_day > before

    # Books

    def _book_some(self) -> None:
        left = ROWS_PER_TICK
        for campaign_id in list(self._to_book):
            if left <= 0:
                break
            left -= self._book(campaign_id, left)

    def _book(self, campaign_id: str, left: int) -> int:
        """Book the next days of a campaign, one at least and as many as ``left`` rows let; answers how many rows it took."""
        key = campaign_id.encode()
        known = self._books.get(key)
        books = Books() if known is None else known.books
        first_day = books.booked_day + 1 if known is not None else self._first_day(campaign_id)
        if first_day is None or first_day > self._last_day:
            del self._to_book[campaign_id]
            return 0
        facts = self._facts(campaign_id, *days_that_matter(self._settings_of(campaign_id), first_day))
        rows = len(facts.reports) + len(facts.cohorts)
        # Days before links are each looked at by rows of their own.
        rows_of_day = ROWS_OF_DAY + (rows if facts.last_linked_day > first_day else 0)
        last_day = min(self._last_day, first_day + max((left - rows) // rows_of_day, 1) - 1)
        if last_day == self._last_day:
            del self._to_book[campaign_id]
        days = range(first_day, last_day + 1)
        booked = {} if known is None else dict(known.booked)
        for day in days:
            terms = terms_of(facts.settings, day)
            shop_id = None if terms is None else terms.shop_id
            booking = book(campaign_id, shop_id, day, amounts_due(facts, day), booked, books)
            books = booking.books
            for what, stands in booking.changed.items():
                if stands is None:
                    booked.pop(what, None)
                else:
                    booked[what] = stands
            for entry in booking.entries:
                self._send(LEDGER_ENTRY, campaign_id, self._encode(entry))
        self._books.put(key, CampaignBooks(books, sorted(booked.items())))
        self._recounts.booked(campaign_id, last_day)
        return rows + rows_of_day * len(days)

    def _first_day(self, campaign_id: str) -> int | None:
        """The first day for which there can be anything to book."""
        days = self._spend.first_day(campaign_id), self._cohorts.first_day(campaign_id)
        return min((day for day in days if day is not None), default=None)

    def _facts(self, campaign_id: str, spend_day: int, order_day: int) -> MoneyFacts:
        """What is known of a campaign's money: of spend and of orders those of the days from these on."""
        settings = self._settings_of(campaign_id)
        return MoneyFacts(
            campaign_id,
            settings,
            self._spend.reports(campaign_id, day_start_ms(spend_day)),
            self._cohorts.rows(campaign_id, order_day),
            self._windows.counted(campaign_id, counted_days(settings)),
            self._recounts.rows(campaign_id),
        )

    # Positions

    def _tell_some(self) -> list[str]:
        left = ROWS_PER_TICK
        told = []
        for campaign_id in list(self._to_tell):
            if left <= 0:
                break
            del self._to_tell[campaign_id]
            facts = self._guarantee_facts(campaign_id)
            value = None
            if facts is not None:
                left -= len(facts.reports) + len(facts.cohorts) + ROWS_OF_DAY
                value = self._encode(
                    position_record(facts, guarantees_of(facts.settings)[-1], self._today_of(campaign_id))
                )
            if value != self._told.get(campaign_id, self._positions.get(campaign_id.encode())):
                self._told[campaign_id] = value
                self._send(GUARANTEE_POSITION, campaign_id, value)
                told.append(campaign_id)
        return told

    def _guarantee_facts(self, campaign_id: str) -> MoneyFacts | None:
        """What a campaign's newest guarantee is computed from, if its newest settings have one."""
        settings = self._settings_of(campaign_id)
        begun = guarantees_of(settings)
        if not begun or settings[-1].guarantee is None:
            return None
        from_day = min(begun[-1], self._today_of(campaign_id) - FORECAST_DAYS)
        facts = self._facts(campaign_id, begun[-1], from_day)
        # Of touches before that the first orders are not among them: the growth of the others would be told wrong.
        return replace(facts, cohorts=all_known([row for row in facts.cohorts if row.touch_day >= from_day]))

    def _today_of(self, campaign_id: str) -> int:
        """The day of the watermark; a day that the clock has booked is over, whatever the watermark is after a start."""
        known = self._books.get(campaign_id.encode())
        return self._today if known is None else max(self._today, known.books.booked_day + 1)

    def outlook(self, campaign_id: str) -> Outlook | None:
        """What a campaign's guarantee of a ROI is forecast to come to, by the position told last."""
        value = self._told.get(campaign_id, self._positions.get(campaign_id.encode()))
        if value is None:
            return None
        found = self._decode(value)
        figures = (
            found.forecast_gmv_fen,
            found.forecast_high_fen,
            found.forecast_spend_fen,
            found.target_roi_micros,
        )
        gmv_fen, high_fen, spend_fen, target_micros = figures
        if gmv_fen is None or high_fen is None or spend_fen is None or target_micros is None:
            return None
        return Outlook(gmv_fen, high_fen, spend_fen * target_micros // MICROS)

    def _send(self, topic: str, campaign_id: str, value: bytes | None) -> None:
        key = campaign_id.encode()
        self._task.send(topic, partition_of(key, self._partitions), key, value)

    # Commit

    def prepare(self) -> Positions:
        """Put the positions that were told into their table; answers them."""
        self._to_book |= self._changed
        self._to_tell |= self._changed
        self._changed = {}
        self._recounted |= self._recounting
        self._recounting = {}
        told, self._told = self._told, {}
        for campaign_id, value in told.items():
            if value is None:
                self._positions.delete(campaign_id.encode())
            else:
                self._positions.put(campaign_id.encode(), value)
        return told

    def rows(self) -> Positions:
        """All positions."""
        return {key.decode(): value for key, value in self._positions.items()}
