"""Figures as people read them, by language: 1.23万 or 12.3K, money from fen; what is unknown is a dash.

Rounding is of the exact figure and to three digits; a page has the exact one beside it.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Final, Literal

from xinghe.domain.windows import SHANGHAI_OFFSET_MS

Language = Literal["zh-CN", "en"]
UNKNOWN: Final = "–"
MINUS: Final = "\N{MINUS SIGN}"
SHANGHAI: Final = timezone(timedelta(milliseconds=SHANGHAI_OFFSET_MS), "Asia/Shanghai")

_UNITS: Final[dict[Language, tuple[tuple[int, str], ...]]] = {
    "zh-CN": ((10**8, "亿"), (10**4, "万")),
    "en": ((10**9, "B"), (10**6, "M"), (10**3, "K")),
}
_EXACT_BELOW: Final = 10_000
_DIGITS: Final = 3


def count(value: int | None, language: Language) -> str:
    """A number of times or people.

    >>> count(9_999, "en"), count(12_345, "en"), count(12_345, "zh-CN"), count(123_456_789, "zh-CN"), count(None, "en")
    ('9,999', '12.3K', '1.23万', '1.23亿', '–')
    """
    return UNKNOWN if value is None else _short(Decimal(value), language, 0)


def money(fen: int | Fraction | None, language: Language) -> str:
    """An amount in yuan.

    >>> money(123_456, "en"), money(-1_234_567_00, "zh-CN"), money(0, "en"), money(1_234_567_00, "en")
    ('¥1,234.56', '−¥123万', '¥0.00', '¥1.23M')
    """
    if fen is None:
        return UNKNOWN
    yuan = Decimal(round(fen)) / 100
    shown = f"¥{_short(abs(yuan), language, 2)}"
    return MINUS + shown if yuan < 0 else shown


def orders(micros: int | None, language: Language) -> str:
    """Orders from millionths: whole ones without places, parts with two.

    >>> orders(3_000_000, "en"), orders(2_400_000, "en"), orders(12_345_600_000, "zh-CN"), orders(None, "en")
    ('3', '2.40', '1.23万', '–')
    """
    if micros is None:
        return UNKNOWN
    return _short(Decimal(micros) / 1_000_000, language, 2 if micros % 1_000_000 else 0)


def ratio(value: Fraction | None) -> str:
    """A quotient such as ROI.

    >>> ratio(Fraction(5, 3)), ratio(Fraction(-1, 2)), ratio(None)
    ('1.67', '−0.50', '–')
    """
    if value is None:
        return UNKNOWN
    shown = f"{abs(_decimal(value)):,.2f}"
    return MINUS + shown if value < 0 else shown


def percent(value: Fraction | None) -> str:
    """A part of something, with one place; two where it is below one percent.

    >>> percent(Fraction(1, 3)), percent(Fraction(1, 400)), percent(Fraction(0)), percent(None)
    ('33.3%', '0.25%', '0%', '–')
    """
    if value is None:
        return UNKNOWN
    if not value:
        return "0%"
    places = 2 if abs(value) < Fraction(1, 100) else 1
    return f"{_decimal(value * 100):,.{places}f}%".replace("-", MINUS)


def change(now: int | Fraction | None, before: int | Fraction | None) -> Fraction | None:
    """By which part of it a figure has changed; ``None`` where one is unknown or there was nothing before.

    >>> change(3, 2), change(0, 2), change(3, 0), change(None, 2)
    (Fraction(1, 2), Fraction(-1, 1), None, None)
    """
    if now is None or not before:
        return None
    return Fraction(now - before) / abs(Fraction(before))


def exact(value: int | Fraction | None, unit: str) -> str:
    """A figure to its last digit, for a tooltip; money in yuan, orders from millionths.

    >>> exact(1_234_567, "fen"), exact(2_400_000, "millionths of an order"), exact(12_345, "times")
    ('¥12,345.67', '2.4', '12,345')
    """
    if value is None:
        return UNKNOWN
    if unit == "fen":
        return f"¥{_decimal(Fraction(value) / 100):,.2f}".replace("¥-", f"{MINUS}¥")
    if unit == "millionths of an order":
        return f"{(Decimal(int(value)) / 1_000_000).normalize():,f}"
    return f"{value:,}" if isinstance(value, int) else ratio(value)


def age(age_ms: int | None, language: Language) -> str:
    """A time span in its largest unit, or two; a clock that is behind shows as 0.

    >>> age(1_234, "en"), age(62_900, "en"), age(3_700_000, "zh-CN"), age(90_000_000, "en"), age(-5, "zh-CN")
    ('1 s', '1 min 2 s', '1 小时 1 分', '1 d 1 h', '0 秒')
    """
    if age_ms is None:
        return UNKNOWN
    second, minute, hour, day = ("秒", "分", "小时", "天") if language == "zh-CN" else ("s", "min", "h", "d")
    seconds = max(0, age_ms) // 1000
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days:,} {day} {hours % 24} {hour}"
    if hours:
        return f"{hours} {hour} {minutes % 60} {minute}"
    return f"{minutes} {minute} {seconds % 60} {second}" if minutes else f"{seconds} {second}"


def clock(time_ms: int | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time of Asia/Shanghai.

    >>> clock(1_700_000_000_000), clock(1_700_000_000_000, "%H:%M"), clock(None)
    ('2023-11-15 06:13:20', '06:13', '–')
    """
    return UNKNOWN if time_ms is None else datetime.fromtimestamp(time_ms / 1000, SHANGHAI).strftime(form)


def _short(value: Decimal, language: Language, places: int) -> str:
    sign = MINUS if value < 0 else ""
    size = abs(value)
    if size >= _EXACT_BELOW:
        for unit, name in _UNITS[language]:
            # A figure that rounds up to the next unit is told in that.
            rounded = _rounded(size / unit)
            if rounded >= 1:
                return f"{sign}{rounded:,f}{name}"
    return f"{sign}{size:,.{places}f}"


def _rounded(value: Decimal) -> Decimal:
    """To three digits, or to a whole number where that has more; 99.96 is 100, which has one digit more before the point."""
    for _ in range(2):
        places = max(0, _DIGITS - 1 - max(0, value.adjusted()))
        value = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    return value


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
