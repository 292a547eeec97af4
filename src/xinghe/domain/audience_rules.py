"""The rules of audience depth: each person counts once per campaign, by the deepest stage (ARCHITECTURE.md, R15).

What the rows of a journey say of events that it still holds is found again from those and so not in the changelog; what
they say of others is kept there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xinghe.domain.audience import (
    AWARE,
    DEEPLY_INTERESTED,
    FACTS_OF_KIND,
    PAID,
    ROW_BYTES,
    STAGE_OF,
    audiences_in,
    facts_by_shop,
    facts_of,
    row_at,
    with_row,
)
from xinghe.domain.delta import Changes
from xinghe.domain.directory import Directory
from xinghe.domain.journey import AUDIENCE, Journey, conversions_in, part_number
from xinghe.domain.metrics import FIRST_AUDIENCE
from xinghe.domain.order_rules import TOTAL
from xinghe.domain.touch import touches_in

_FACT: Final = tuple(bytes((facts,)) for facts in range(len(STAGE_OF)))
_ROWS_PER_EVENT: Final = 2


class AudienceRules:
    """The audience rows of the journeys of one partition; `JourneyRules` calls it for each event that is no duplicate."""

    def __init__(
        self,
        directory: Directory,
        journey_events_max: int,
        mark: Callable[[tuple[bytes, int]], None],
        changes: Changes,
    ) -> None:
        self._directory = directory
        self._mark = mark
        self._changes = changes
        # Who has more rows had more events than a journey keeps.
        self._rows_bytes_max = journey_events_max * _ROWS_PER_EVENT * ROW_BYTES

    def touched(self, key: bytes, journey: Journey, source: int, kind: int) -> None:
        """A touch: the person is in the audience of its campaign and shop, and the touch may say more of the shop."""
        self._add(key, journey, source, FACTS_OF_KIND[kind], self._directory.audience_of[source])

    def first_viewed(self, key: bytes, journey: Journey, source: int) -> bool:
        """A view whose audience has no row: by far the most touches that change rows, hence almost without calls.

        Answers False, with nothing done, where the missing row does not prove that the person's events have not touched
        the campaign: it has other shops, the rows are full, or dropped events of another id came without their rows.
        """
        directory, rows = self._directory, journey.audience
        campaign = directory.campaign_of[source]
        if (
            directory.shops_of_campaign[campaign] > 1
            or journey.kept is not None
            or len(rows) >= self._rows_bytes_max
        ):
            return False
        stage = AWARE
        if rows.find(shop_key := directory.shop_key_of[source]) >= 0:
            stage = STAGE_OF[facts_of(rows, shop_key)]
        journey.audience = rows = rows + directory.audience_of[source]
        self._changes.people[campaign, TOTAL, FIRST_AUDIENCE + stage] += 1
        if len(rows) >= self._rows_bytes_max:
            self.keep(key, journey)
        return True

    def converted(self, key: bytes, journey: Journey, target: int) -> None:
        """A store visit, favourite or cart addition."""
        self._add(key, journey, target, DEEPLY_INTERESTED)

    def paid(self, key: bytes, journey: Journey, target: int) -> None:
        """A payment, also one that does not count: its order may be another's, and is not kept then."""
        if self._add(key, journey, target, PAID):
            self.keep(key, journey)

    def adopt(self, key: bytes, journey: Journey, source: int, facts: int | None) -> None:
        """A row of another journey: of the source's shop with its facts, or of its audience (``None``)."""
        audience = self._directory.audience_of[source] if facts is None else None
        if self._add(key, journey, source, facts or 0, audience):
            self.keep(key, journey)

    def stages(self, rows: bytes) -> dict[int, int]:
        """The stage in which each campaign, by its number, counts the person."""
        directory, facts = self._directory, facts_by_shop(rows)
        deepest: dict[int, int] = {}
        for number in audiences_in(rows):
            campaign = directory.campaign_of_audience[number]
            stage = STAGE_OF[facts.get(directory.shop_of_audience[number], 0)]
            deepest[campaign] = max(deepest.get(campaign, AWARE), stage)
        return deepest

    def keep(self, key: bytes, journey: Journey) -> None:
        """Events go from the journey: what the rows say of them stays."""
        if journey.audience_kept != journey.audience:
            journey.audience_kept = journey.audience
            self._mark((key, part_number(AUDIENCE, 0)))

    def recover(self, journey: Journey) -> None:
        """Find the rows anew, from those that were kept and the events that the journey holds."""
        directory, rows = self._directory, journey.audience_kept
        for segment in journey.touches:
            for touch in touches_in(segment):
                if facts := FACTS_OF_KIND[touch.kind]:
                    rows = self._with_row(rows, directory.shop_key_of[touch.source] + _FACT[facts])
                rows = self._with_row(rows, directory.audience_of[touch.source])
        for segment in journey.conversions or ():
            for row in conversions_in(segment):
                rows = self._with_row(rows, directory.shop_key_of[row.target] + _FACT[DEEPLY_INTERESTED])
        journey.audience = rows

    def _add(
        self, key: bytes, journey: Journey, source: int, facts: int, audience: bytes | None = None
    ) -> bool:
        """Add facts of the source's shop, and the row of an audience of it; answers whether that changed the rows."""
        before, shop_key = journey.audience, self._directory.shop_key_of[source]
        known = facts_of(before, shop_key)
        is_new = audience is not None and row_at(before, audience) < 0
        if not is_new and known | facts == known:
            return False
        rows, now = before, known
        if known | facts != known:
            rows = self._with_row(before, shop_key + _FACT[facts])
            now = known if rows is before else known | facts
        if is_new and audience is not None and len(rows) < self._rows_bytes_max:
            rows += audience
            self._move(self._directory.campaign_of[source], before, rows, None, STAGE_OF[now])
        if rows is before:
            return False
        journey.audience = rows
        if STAGE_OF[now] != STAGE_OF[known]:
            for campaign in self._campaigns(before, self._directory.shop_of[source]):
                self._move(campaign, before, rows, STAGE_OF[known], STAGE_OF[now])
        if len(rows) >= self._rows_bytes_max:
            # Which rows find no place any more depends on the order in which events came.
            self.keep(key, journey)
        return True

    def _with_row(self, rows: bytes, row: bytes) -> bytes:
        if len(rows) >= self._rows_bytes_max and row_at(rows, row[:-1]) < 0:
            return rows
        return with_row(rows, row)

    def _campaigns(self, rows: bytes, shop: int) -> list[int]:
        """The campaigns whose audiences in a shop have rows."""
        directory = self._directory
        shop_of, campaign_of = directory.shop_of_audience, directory.campaign_of_audience
        return [campaign_of[number] for number in audiences_in(rows) if shop_of[number] == shop]

    def _move(self, campaign: int, before: bytes, rows: bytes, was: int | None, now: int) -> None:
        """Count the person in another stage of a campaign; ``was`` and ``now`` are those in the shop."""
        if self._directory.shops_of_campaign[campaign] > 1:
            was, now = self.stages(before).get(campaign), self.stages(rows)[campaign]
        if was != now:
            people = self._changes.people
            people[campaign, TOTAL, FIRST_AUDIENCE + now] += 1
            if was is not None:
                people[campaign, TOTAL, FIRST_AUDIENCE + was] -= 1
