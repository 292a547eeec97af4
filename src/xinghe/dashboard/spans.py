"""The last windows of one size of all campaigns in memory: what lines over campaigns are added up from.

A thousand campaigns have too many windows to read for each page. The newest windows of those that changed are read again when a
page asks; all else is read a batch at a time beside the pages, and what was never read is unknown, which is not 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Final

from xinghe.domain.windows import SIZE_MS, Size
from xinghe.serving import FunnelReader

NAMES: Final = (
    "views",
    "engagements",
    "ad_clicks",
    "store_visits",
    "cart_adds",
    "orders_micros",
    "gmv_fen",
    "net_gmv_fen",
    "spend_fen",
)
"""The metrics that are kept: all of them add up over windows and campaigns."""
RECENT: Final = 2
"""Of a campaign that changed so many windows are read again at once; the earlier ones, which late events correct, a little later."""
BATCH: Final = 1_000
"""So many windows are read at a time of those that are read a little later."""

NOTHING: Final[Mapping[str, int]] = {}


class Windows(dict[int, Mapping[str, int]]):
    """A campaign's windows of one size: the metrics of `NAMES` by their start; what is unknown has no entry.

    Most campaigns have not changed since the page before, so sums are kept until one of the windows changes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sums: dict[range, Mapping[str, int]] = {}

    def put(self, start_ms: int, metrics: Mapping[str, int]) -> None:
        """A window as it was read; none where ``metrics`` are empty."""
        if self.get(start_ms, NOTHING) == metrics:
            return
        self._sums.clear()
        if metrics:
            self[start_ms] = metrics
        else:
            del self[start_ms]

    def keep(self, starts: range) -> None:
        """Let the windows go that are not among ``starts``."""
        self._sums.clear()
        for gone in [start for start in self if start not in starts]:
            del self[gone]

    def summed(self, starts: range) -> Mapping[str, int]:
        """The sums of what is known of the windows with these starts."""
        if (known := self._sums.get(starts)) is not None:
            return known
        sums: dict[str, int] = {}
        for start_ms in starts:
            for name, value in self.get(start_ms, NOTHING).items():
                sums[name] = sums.get(name, 0) + value
        self._sums[starts] = sums
        return sums


class Spans:
    """The windows of one size of all campaigns, from the first of ``starts`` to the last."""

    def __init__(self, reader: FunnelReader, size: Size) -> None:
        self.size: Final = size
        self.starts: range = range(0)
        """The starts of the windows, oldest first; none before `turn`."""
        self._reader = reader
        self._windows: dict[str, Windows] = {}
        self._unread: set[int] = set()
        self._due: set[int] = set()
        self._partly: dict[str, None] = {}

    def of(self, campaign_id: str) -> Windows:
        """The windows of a campaign; one in which nothing happened is not there."""
        return self._windows.get(campaign_id) or Windows()

    def is_known(self, start_ms: int) -> bool:
        """Whether the windows with this start were read of all campaigns."""
        return start_ms in self.starts and start_ms not in self._unread

    @property
    def is_due(self) -> bool:
        """Whether windows are yet to be read of all campaigns."""
        return bool(self._due)

    @property
    def is_partly(self) -> bool:
        """Whether only the newest windows were read of some campaigns since these changed."""
        return bool(self._partly)

    def turn(self, starts: range) -> None:
        """Go on to other windows: what is too old is let go, what is new is yet to be read of all campaigns."""
        if starts == self.starts:
            return
        # Events may be far ahead of the watermark, so that even the newest may have figures of campaigns that no longer change.
        new = set(starts) - set(self.starts)
        self._unread = (self._unread & set(starts)) | new
        self._due = (self._due & set(starts)) | new
        self.starts = starts
        for windows in self._windows.values():
            windows.keep(starts)

    def all_due(self) -> None:
        """All may have changed: read everything again, a batch at a time."""
        self._due = set(self.starts)
        self._partly.clear()

    def forget(self, campaign_id: str) -> None:
        """The campaign is no longer there."""
        self._windows.pop(campaign_id, None)
        self._partly.pop(campaign_id, None)

    async def read(self, changed: Iterable[str]) -> None:
        """Read the newest windows of all campaigns that changed."""
        ids, newest = list(changed), self.starts[-RECENT:]
        await self._read(ids, newest)
        self._unread.difference_update(newest)
        self._partly.update(dict.fromkeys(ids))

    async def read_all(self, campaign_ids: AbstractSet[str]) -> None:
        """Read all that is yet to be read of all campaigns, and everything of those that are new, at once."""
        new = [campaign_id for campaign_id in campaign_ids if campaign_id not in self._windows]
        await self._read(new, self.starts)
        due = sorted(self._due)
        await self._read(campaign_ids - set(new), due)
        self._is_read(due)

    async def catch_up(self, campaign_ids: Collection[str]) -> None:
        """Read a batch of what is yet to be read of all campaigns, the newest first; else of those that changed all windows."""
        if self._due:
            columns = sorted(self._due, reverse=True)[: max(1, BATCH // max(1, len(campaign_ids)))]
            await self._read(campaign_ids, columns)
            self._is_read(columns)
            return
        taken = list(islice(self._partly, max(1, BATCH // max(1, len(self.starts)))))
        for campaign_id in taken:
            del self._partly[campaign_id]
        try:
            await self._read(taken, self.starts)
        except BaseException:
            self._partly.update(dict.fromkeys(taken))
            raise

    def _is_read(self, starts: Iterable[int]) -> None:
        self._due.difference_update(starts)
        self._unread.difference_update(starts)

    async def _read(self, campaign_ids: Collection[str], starts: Sequence[int]) -> None:
        wanted: list[tuple[str, Size, int]] = [
            (campaign_id, self.size, start) for campaign_id in campaign_ids for start in starts
        ]
        found = await self._reader.metrics(wanted, NAMES)
        for (campaign_id, _, start), metrics in zip(wanted, found, strict=True):
            windows = self._windows.get(campaign_id)
            if windows is None:
                windows = self._windows[campaign_id] = Windows()
            windows.put(start, metrics)


def starts_to(size: Size, last_ms: int, count: int) -> range:
    """The starts of ``count`` windows, the last of which starts at ``last_ms``.

    >>> list(starts_to("1h", 7_200_000, 2))
    [3600000, 7200000]
    """
    step_ms = SIZE_MS[size]
    return range(last_ms - (count - 1) * step_ms, last_ms + 1, step_ms)
