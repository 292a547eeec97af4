"""The rules of store visits, favourites and cart additions: whom they are credited to, and for whom they count people (R4, R7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xinghe.domain.counted import any_day, day_number, pack_cell, unpack_cell
from xinghe.domain.journey import (
    CART_ADD,
    CONVERSIONS,
    FAVORITE,
    STORE_VISIT,
    UNCREDITED,
    Conversion,
    Journey,
    conversions_in,
    pack_conversion,
    part_number,
)
from xinghe.domain.kept import is_kept
from xinghe.domain.metrics import COUNTED_INDEX, PEOPLE_INDEX
from xinghe.domain.order_rules import Common
from xinghe.domain.shop_touches import JourneyTouches, ShopTouches
from xinghe.domain.touch import Touch
from xinghe.domain.windows import MINUTE_MS

CONVERSION_METRIC: Final = {
    STORE_VISIT: COUNTED_INDEX["store_visits"],
    FAVORITE: COUNTED_INDEX["favorites"],
    CART_ADD: COUNTED_INDEX["cart_adds"],
}
CONVERSION_PEOPLE: Final = {
    STORE_VISIT: PEOPLE_INDEX["store_visitors"],
    CART_ADD: PEOPLE_INDEX["cart_users"],
}


class ConversionRules:
    """The conversions of the journeys of one partition; `JourneyRules` settles them with what came since the last time."""

    def __init__(self, common: Common) -> None:
        self._directory, self._windows, self._mark, self._changes = common

    def settle(
        self, key: bytes, journey: Journey, late: dict[int, ShopTouches], touches: JourneyTouches
    ) -> None:
        """Credit the conversions that are new, and those that ``late`` touches, by their shop, have earned."""
        segments, shop_of = journey.conversions or [], self._directory.shop_of
        before: list[Conversion] = []
        after: list[Conversion] = []
        for index, segment in enumerate(segments):
            rows = list(conversions_in(segment))
            settled = [
                self._settled(row, late, touches)
                if row.credited == UNCREDITED or shop_of[row.target] in late
                else row
                for row in rows
            ]
            if settled != rows:
                segments[index] = b"".join(pack_conversion(*row) for row in settled)
                self._mark((key, part_number(CONVERSIONS, journey.first_conversions + index)))
            before += rows
            after += settled
        if before != after:
            self._count(before, after)
            self._count_people(journey, before, after)

    def _settled(self, row: Conversion, late: dict[int, ShopTouches], touches: JourneyTouches) -> Conversion:
        shop = self._directory.shop_of[row.target]
        if row.credited == UNCREDITED:
            winner = self._winner(row, touches)
            source = self._directory.unattributed(row.target) if winner is None else winner.source
            return row._replace(credited=source)
        if late[shop].reach(row.time_ms, self._windows.touch_ms):
            winner = self._winner(row, touches)
            # What has earned it before may be gone from the journey; only what is new takes it over.
            if winner is not None and winner in late[shop]:
                return row._replace(credited=winner.source)
        return row

    def _winner(self, row: Conversion, touches: JourneyTouches) -> Touch | None:
        windows, of_shop = self._windows, touches.of(self._directory.shop_of[row.target])
        return of_shop.winner(row.time_ms, windows.touch_ms, click_over_view=windows.click_over_view)

    def _count(self, before: Iterable[Conversion], after: Iterable[Conversion]) -> None:
        counts = self._changes.counts
        for was, row in zip(before, after, strict=True):
            if was.credited != row.credited:
                cell = row.time_ms // MINUTE_MS, CONVERSION_METRIC[row.kind]
                if was.credited != UNCREDITED:
                    counts[was.credited, *cell] -= 1
                counts[row.credited, *cell] += 1

    def _count_people(
        self, journey: Journey, before: Iterable[Conversion], after: Iterable[Conversion]
    ) -> None:
        """Count the person for the days of campaigns, and to date, that were not counted, nor by a row that was dropped."""
        cells_before, cells_after = self._cells(before), self._cells(after)
        for cells, sign in ((cells_after - cells_before, 1), (cells_before - cells_after, -1)):
            for cell in cells:
                if not is_kept(journey, cell):
                    campaign, metric, day = unpack_cell(cell)
                    self._changes.people[campaign, day, metric] += sign

    def _cells(self, rows: Iterable[Conversion]) -> set[bytes]:
        """What conversions count the person for: a campaign's day, and to date."""
        campaign_of = self._directory.campaign_of
        cells = set()
        for row in rows:
            metric = CONVERSION_PEOPLE.get(row.kind)
            if metric is not None and row.credited != UNCREDITED:
                cell = pack_cell(campaign_of[row.credited], metric, day_number(row.time_ms))
                cells |= {cell, any_day(cell)}
        return cells
