"""An amount that is due by a rule for a period, and when amounts are still corrected (ARCHITECTURE.md, R22)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from xinghe.domain.outputs import Account, LedgerRule

CORRECTED_DAYS: Final = 90
"""How many days after its due day an amount is still corrected."""


class Due(NamedTuple):
    """What one side owes the other: never below 0."""

    rule: LedgerRule
    period: str
    amount_fen: int
    debit: Account
    credit: Account
    basis: Mapping[str, int | str]
    """The figures that led to the amount, for readers."""
    due_day: int


def is_booked(due_day: int, day: int) -> bool:
    """Whether an amount with that due day is booked or corrected on ``day``.

    >>> [is_booked(100, day) for day in (99, 100, 190, 191)]
    [False, True, True, False]
    """
    return day - CORRECTED_DAYS <= due_day <= day
