"""Splitting a whole amount in proportion to weights, so that nothing is lost (ARCHITECTURE.md, R4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Share(NamedTuple):
    """What one weight gets: ``rounded_down`` and the ``extra`` one that the largest remainders get.

    ``remainder`` is what rounding down left, in parts of the sum of all weights.
    """

    rounded_down: int
    remainder: int
    extra: int

    @property
    def amount(self) -> int:
        """The share, whole."""
        return self.rounded_down + self.extra


def split(amount: int, weights: Sequence[int]) -> list[Share]:
    """The share of each weight; at least one weight must not be 0.

    Each share is rounded down; what is left goes, one each, to the largest remainders, of equal ones to the earlier.

    >>> [share.amount for share in split(100, [1, 1, 1])], [share.amount for share in split(5, [1, 3, 0])]
    ([34, 33, 33], [1, 4, 0])
    """
    whole = sum(weights)
    shares = [divmod(amount * weight, whole) for weight in weights]
    left = amount - sum(rounded_down for rounded_down, _ in shares)
    # Sorting keeps the order of equal ones.
    by_remainder = sorted(range(len(weights)), key=lambda index: -shares[index][1])
    with_extra = set(by_remainder[:left])
    return [
        Share(rounded_down, remainder, int(index in with_extra))
        for index, (rounded_down, remainder) in enumerate(shares)
    ]
