"""Windows: half open, days from midnight in Shanghai, final and expired by the watermark."""

from __future__ import annotations

import pytest

from xinghe.domain.windows import (
    ALLOWED_LATENESS_MS,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    RETENTION_MS,
    SIZE_MS,
    end_ms,
    is_expired,
    is_final,
    start_ms,
    watermark_ms,
)

MIDNIGHT_MS = 1_740_758_400_000
"""2025-03-01 00:00 in Shanghai."""


@pytest.mark.parametrize("size", ["1m", "1h", "1d"])
def test_a_window_holds_its_start_and_not_its_end(size: str) -> None:
    start = start_ms(size, MIDNIGHT_MS)
    assert start == MIDNIGHT_MS
    end = end_ms(size, start)
    assert end == start + SIZE_MS[size]
    assert start_ms(size, end - 1) == start
    assert start_ms(size, end) == end
    assert start_ms(size, start - 1) == start - SIZE_MS[size]


def test_a_day_begins_at_midnight_in_shanghai() -> None:
    utc_midnight_ms = MIDNIGHT_MS + 8 * HOUR_MS
    assert utc_midnight_ms % DAY_MS == 0
    assert start_ms("1d", utc_midnight_ms - 1) == MIDNIGHT_MS
    assert start_ms("1d", utc_midnight_ms) == MIDNIGHT_MS


def test_total_starts_at_0_and_never_ends() -> None:
    assert start_ms("total", MIDNIGHT_MS) == 0
    assert end_ms("total", 0) is None
    assert not is_final("total", 0, 2**53)
    assert not is_expired("total", 0, 2**53)


def test_the_watermark_is_a_minute_behind_the_newest() -> None:
    assert watermark_ms(MIDNIGHT_MS) == MIDNIGHT_MS - MINUTE_MS


@pytest.mark.parametrize("size", ["1m", "1h", "1d"])
def test_a_window_is_final_an_hour_after_its_end(size: str) -> None:
    final_ms = MIDNIGHT_MS + SIZE_MS[size] + ALLOWED_LATENESS_MS
    assert not is_final(size, MIDNIGHT_MS, final_ms - 1)
    assert is_final(size, MIDNIGHT_MS, final_ms)


@pytest.mark.parametrize(
    ("size", "kept_ms"), [("1m", 48 * HOUR_MS), ("1h", 35 * DAY_MS), ("1d", 400 * DAY_MS)]
)
def test_a_window_expires_its_retention_after_its_end(size: str, kept_ms: int) -> None:
    assert RETENTION_MS[size] == kept_ms
    expired_ms = MIDNIGHT_MS + SIZE_MS[size] + kept_ms
    assert not is_expired(size, MIDNIGHT_MS, expired_ms - 1)
    assert is_expired(size, MIDNIGHT_MS, expired_ms)
