"""Which model counts for a campaign's orders, minute by minute (ARCHITECTURE.md, R10)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple

from xinghe.domain.events import CampaignConfigured
from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import MINUTE_MS, end_ms

_INDEX_OF: Final = {model: index for index, model in enumerate(MODELS)}
Period = tuple[int, int | None]
"""From a minute up to, not with, another; ``None`` is without end."""


class Timeline(NamedTuple):
    """The models of a campaign, as indexes into ``MODELS``, each from its minute until the next.

    The first minute is 0, the beginning of time; neighbours differ, so that equal timelines say the same.
    """

    minutes: tuple[int, ...] = (0,)
    models: tuple[int, ...] = (0,)

    @property
    def newest(self) -> int:
        """The model that holds last."""
        return self.models[-1]

    def at(self, minute: int) -> int:
        """The model of a minute."""
        return self.models[bisect_right(self.minutes, max(minute, 0)) - 1]

    def over(self, period: Period) -> int | None:
        """The model that holds over a whole period, ``None`` where several do.

        >>> timeline = Timeline((0, 90), (0, 2))
        >>> timeline.over((0, 60)), timeline.over((60, 120)), timeline.over((120, None))
        (0, None, 2)
        """
        first, end = period
        after = bisect_right(self.minutes, max(first, 0))
        is_one = after == len(self.minutes) or (end is not None and end <= self.minutes[after])
        return self.models[after - 1] if is_one else None


def timeline_of(settings: Iterable[CampaignConfigured]) -> Timeline:
    """The timeline of settings, ascending by ``effective_ms``, each time once.

    A setting holds from the first whole minute at or after its ``effective_ms``. Before the first, and under a
    data-driven model, which gives no credit order by order, the model is ``last_touch``.
    """
    model_from = {0: 0}
    for setting in settings:
        model_from[-(-setting.effective_ms // MINUTE_MS)] = _INDEX_OF.get(setting.model, 0)
    minutes: list[int] = []
    models: list[int] = []
    for minute, model in model_from.items():
        if not models or models[-1] != model:
            minutes.append(minute)
            models.append(model)
    return Timeline(tuple(minutes), tuple(models))


def changed_periods(old: Timeline, new: Timeline) -> list[Period]:
    """The periods in which two timelines differ, ascending.

    >>> changed_periods(Timeline(), Timeline((0, 60, 120), (0, 3, 0)))
    [(60, 120)]
    """
    minutes = sorted({*old.minutes, *new.minutes})
    return [
        (minute, end)
        for minute, end in zip(minutes, [*minutes[1:], None], strict=True)
        if old.at(minute) != new.at(minute)
    ]


def window_period(size: str, start_ms: int) -> Period:
    """The minutes of a window; a campaign's ``total`` is from the beginning, without end."""
    end = end_ms(size, start_ms)
    return start_ms // MINUTE_MS, None if end is None else end // MINUTE_MS


def is_touched(period: Period, others: Iterable[Period]) -> bool:
    """Whether a period has a minute in common with any other."""
    first, end = period
    return any(
        (other_end is None or first < other_end) and (end is None or other_first < end)
        for other_first, other_end in others
    )
