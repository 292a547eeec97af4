"""A column of an exported table."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["text", "whole", "real", "truth", "time"]
"""``whole`` is a signed 64-bit number, ``real`` a floating-point one, ``time`` one in ms since 1970 UTC that is shown as a timestamp."""


class Column(NamedTuple):
    """Name and kind; every value may be null, which is unknown or does not apply."""

    name: str
    kind: Kind
