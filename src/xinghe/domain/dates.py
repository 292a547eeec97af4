"""Days of Asia/Shanghai as people and records write them."""

from __future__ import annotations

from datetime import date
from typing import Final

from xinghe.domain.counted import day_number
from xinghe.domain.windows import DAY_MS, MINUTE_MS, SHANGHAI_OFFSET_MS

_BEFORE_DAY_1: Final = date(1970, 1, 1).toordinal() - 1


def date_of(day: int) -> str:
    """The date of a day, given by its number (`counted.day_number`).

    >>> date_of(1), date_of(20_782)
    ('1970-01-01', '2026-11-24')
    """
    return _date(day).isoformat()


def minute_of(time_ms: int) -> str:
    """The date and the minute of a time.

    >>> minute_of(1795538459999), minute_of(0)
    ('2026-11-25 00:40', '1970-01-01 08:00')
    """
    minutes = (time_ms + SHANGHAI_OFFSET_MS) % DAY_MS // MINUTE_MS
    return f"{date_of(day_number(time_ms))} {minutes // 60:02d}:{minutes % 60:02d}"


def day_of(text: str) -> int:
    """The number of the day of a date, as in ``2026-11-24``; raises `ValueError` if it is none.

    >>> day_of("1970-01-01")
    1
    """
    return date.fromisoformat(text).toordinal() - _BEFORE_DAY_1


def month_of(day: int) -> str:
    """The calendar month of a day.

    >>> month_of(day_of("2026-11-30"))
    '2026-11'
    """
    return date_of(day)[:7]


def days_of_month(day: int) -> range:
    """All days of the month of ``day``.

    >>> days = days_of_month(day_of("2028-02-29"))
    >>> date_of(days[0]), date_of(days[-1])
    ('2028-02-01', '2028-02-29')
    """
    first = _date(day).replace(day=1)
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return range(first.toordinal() - _BEFORE_DAY_1, after.toordinal() - _BEFORE_DAY_1)


def days_from(first_day: int, days: int) -> str:
    """A period of days, by its first day and its length.

    >>> days_from(day_of("2026-11-01"), 7)
    '2026-11-01+7d'
    """
    return f"{date_of(first_day)}+{days}d"


def period_dates(period: str) -> str:
    """A period of the ledger as people read it: the first and the last day of one by `days_from`, any other as it is.

    >>> period_dates("2026-11-28+7d"), period_dates("2026-11-28+1d"), period_dates("2026-11")
    ('2026-11-28 \u2013 2026-12-04', '2026-11-28', '2026-11')
    """
    first, plus, days = period.removesuffix("d").partition("+")
    if not plus:
        return period
    last = date_of(day_of(first) + int(days) - 1)
    return first if last == first else f"{first} \u2013 {last}"


def _date(day: int) -> date:
    return date.fromordinal(day + _BEFORE_DAY_1)
