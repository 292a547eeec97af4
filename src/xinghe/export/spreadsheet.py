"""Tables as CSV for spreadsheets: with a byte order mark, and no text in them runs as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

BYTE_ORDER_MARK: Final = "\ufeff"
"""Without it a spreadsheet takes UTF-8 for the code page of the machine."""
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the start of a formula, in full width too (OWASP, CSV Injection)."""

Cell = str | int | float | None
"""A value of a table; ``None``, which is unknown or does not apply, is an empty cell."""


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A line of names and a line for each row, after the byte order mark; lines end in CR LF. Numbers stay as they are."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    for row in rows:
        writer.writerow(harmless(cell) if isinstance(cell, str) else cell for cell in row)
    return BYTE_ORDER_MARK + out.getvalue()


def harmless(text: str) -> str:
    """A text that no spreadsheet runs as a formula.

    >>> harmless("c-autumn"), harmless('=HYPERLINK("http://x")')
    ('c-autumn', '\\'=HYPERLINK("http://x")')
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text
