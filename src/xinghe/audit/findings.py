"""What the audit found: differences, and notices of what cannot be compared exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """One value that is not as recomputed. ``None`` stands for what is absent."""

    kind: str
    """What was compared: redis, funnel, attribution, models, dead-letter, accounting, ledger, guarantee,
    alert."""
    where: str
    """The Redis key, the record's key or the record's place."""
    field: str
    expected: Any
    found: Any


class Findings:
    """All differences counted, the first ``shown_max`` of them kept.

    Differences in ``apart_campaigns`` and of ``apart`` people are counted as notices: their figures may rightly
    differ.
    """

    def __init__(
        self,
        shown_max: int = 100,
        apart: Collection[str] = (),
        apart_campaigns: Collection[str] = (),
    ) -> None:
        self.shown: list[Difference] = []
        self.by_kind: Counter[str] = Counter()
        self.compared: Counter[str] = Counter()
        self.notices_shown: list[Difference] = []
        self.notices_by_kind: Counter[str] = Counter()
        self._shown_max = shown_max
        self._apart = apart
        self._apart_campaigns = apart_campaigns

    @property
    def differences(self) -> int:
        """How many values differ, notices left out."""
        return self.by_kind.total()

    def add(
        self,
        difference: Difference,
        *,
        campaign_id: str | None = None,
        person_id: str | None = None,
        is_notice: bool = False,
    ) -> None:
        """Count a difference, as a notice if the campaign or the person it concerns is apart, or if told so."""
        if is_notice or campaign_id in self._apart_campaigns or person_id in self._apart:
            counts, shown = self.notices_by_kind, self.notices_shown
        else:
            counts, shown = self.by_kind, self.shown
        counts[difference.kind] += 1
        if len(shown) < self._shown_max:
            shown.append(difference)

    def merge(self, others: Findings) -> None:
        """Add what another comparison found."""
        self.by_kind += others.by_kind
        self.compared += others.compared
        self.notices_by_kind += others.notices_by_kind
        self.shown += others.shown[: self._shown_max - len(self.shown)]
        self.notices_shown += others.notices_shown[: self._shown_max - len(self.notices_shown)]
