"""Event-time windows: tumbling, half open ``[start_ms, end_ms)``, days in the shop's time zone.

Asia/Shanghai has had no daylight saving since 1991, so a day there is a whole number of
milliseconds and a fixed offset finds its start without a calendar.
"""

from __future__ import annotations

from typing import Final, Literal

Size = Literal["1m", "1h", "1d", "total"]

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
SHANGHAI_OFFSET_MS: Final = 8 * HOUR_MS

SIZE_MS: Final[dict[str, int]] = {"1m": MINUTE_MS, "1h": HOUR_MS, "1d": DAY_MS}
RETENTION_MS: Final[dict[str, int]] = {"1m": 48 * HOUR_MS, "1h": 35 * DAY_MS, "1d": 400 * DAY_MS}
"""How long a window is kept after its end, by the watermark."""
NOTE_DAY_RETENTION_MS: Final = 35 * DAY_MS
"""How long the figures of a note's day are kept after its end, by the watermark."""

COHORT_RETENTION_MS: Final = 600 * DAY_MS
"""How long the cohorts of an order's day are kept after its end, by the watermark: a refund may come 396 days after its order,
and the month of the order is then looked at as a whole, for 90 days."""

OUT_OF_ORDERNESS_MS: Final = 60_000
"""How far the watermark stays behind the highest event time seen."""
ALLOWED_LATENESS_MS: Final = HOUR_MS
"""A window is final once the watermark is this far past its end."""
FUTURE_MS: Final = 10 * MINUTE_MS
"""An event this far ahead of its record's timestamp has a wrong clock."""
JOURNEY_RETENTION_MS: Final = 31 * DAY_MS
"""An event this far behind the watermark is too late to be counted."""


def start_ms(size: str, time_ms: int) -> int:
    """The start of the window of ``size`` that holds ``time_ms``; 0 for ``total``.

    >>> start_ms("1d", 1_700_000_000_000)  # 2023-11-14 22:13:20 UTC is the 15th in Shanghai
    1699977600000
    """
    if size == "total":
        return 0
    if size == "1d":
        return (time_ms + SHANGHAI_OFFSET_MS) // DAY_MS * DAY_MS - SHANGHAI_OFFSET_MS
    return time_ms // SIZE_MS[size] * SIZE_MS[size]


def end_ms(size: str, window_start_ms: int) -> int | None:
    """The first millisecond after the window; ``None`` for ``total``, which has no end."""
    return None if size == "total" else window_start_ms + SIZE_MS[size]


def watermark_ms(event_time_ms_max: int) -> int:
    """The watermark of a task that has seen events up to ``event_time_ms_max``."""
    return event_time_ms_max - OUT_OF_ORDERNESS_MS


def is_final(size: str, window_start_ms: int, watermark_ms: int) -> bool:
    """Whether the watermark is past the window's end by the allowed lateness; never for ``total``."""
    end = end_ms(size, window_start_ms)
    return end is not None and end + ALLOWED_LATENESS_MS <= watermark_ms


def is_expired(size: str, window_start_ms: int, watermark_ms: int) -> bool:
    """Whether the watermark is past the window's end by its retention; never for ``total``."""
    end = end_ms(size, window_start_ms)
    return end is not None and end + RETENTION_MS[size] <= watermark_ms


def is_cohort_day_expired(day_start_ms: int, watermark_ms: int) -> bool:
    """Whether the watermark is past the end of an order's day by the retention of cohorts."""
    return day_start_ms + DAY_MS + COHORT_RETENTION_MS <= watermark_ms


def is_note_day_expired(day_start_ms: int, watermark_ms: int) -> bool:
    """Whether the watermark is past the end of a note's day by its retention."""
    return day_start_ms + DAY_MS + NOTE_DAY_RETENTION_MS <= watermark_ms
