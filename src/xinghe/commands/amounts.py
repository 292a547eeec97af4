"""Money as the commands write it."""

from __future__ import annotations


def yuan(fen: int) -> str:
    """An amount of fen in yuan, exact; net of refunds it may be below 0.

    >>> yuan(123_456_789_05), yuan(5), yuan(-5)
    ('123,456,789.05', '0.05', '-0.05')
    """
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"
