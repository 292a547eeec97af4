"""Amounts as people read them."""

from __future__ import annotations


def yuan(fen: int) -> str:
    """An amount of fen in yuan, exact; net of refunds it may be below 0.

    >>> yuan(123_456_789_05), yuan(5), yuan(-5)
    ('123,456,789.05', '0.05', '-0.05')
    """
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def counted(micros: int) -> str:
    """Millionths as a number with at most 2 decimals, rounded down: what is short of a whole must not read as if it were there.

    >>> counted(10_000_000), counted(9_999_999), counted(7_350_000), counted(1_234_500_000)
    ('10', '9.99', '7.35', '1,234.5')
    """
    hundredths = micros // 10_000
    return f"{hundredths // 100:,}.{hundredths % 100:02d}".rstrip("0").rstrip(".")
