"""Largest remainder: a whole amount in whole parts, in proportion to weights (R4).

Each part is its exact share rounded down; what is left goes, one each, to the parts with the largest remainders, of
equal ones to the earlier. The method is Hamilton's (Hare's, in Germany Niemeyer's) of dividing seats among parties.

=======  =============  ===================  ==================
total    weights        exact shares         parts
=======  =============  ===================  ==================
10       1, 1           5, 5                 5, 5
10       1, 1, 1        3⅓, 3⅓, 3⅓           4, 3, 3
11       1, 1, 1        3⅔, 3⅔, 3⅔           4, 4, 3
10       1, 1, 4        1⅔, 1⅔, 6⅔           2, 2, 6
1        1, 2, 2        ⅕, ⅖, ⅖              0, 1, 0
7        0, 3, 0        0, 7, 0              0, 7, 0
=======  =============  ===================  ==================
"""

from __future__ import annotations

from collections.abc import Sequence


def split(total: int, weights: Sequence[int]) -> list[int]:
    """The parts of ``total``, of any unit, in the order of ``weights``; they add up to it exactly.

    Raises ``ValueError`` for a negative total or weight, and where no weight is above 0.

    >>> split(10, [1, 1, 4])
    [2, 2, 6]
    >>> split(1_000_000, [1, 1, 1])
    [333334, 333333, 333333]
    >>> split(7, [0, 3, 0])
    [0, 7, 0]
    """
    if total < 0:
        raise ValueError(f"the total is below 0: {total}")
    if len(weights) == 1 and weights[0] > 0:  # most orders have one credit
        return [total]
    weights_sum = sum(weights)
    if weights_sum <= 0 or min(weights) < 0:
        raise ValueError(f"weights must be 0 or more, and one above 0: {list(weights)}")
    if min(weights) == max(weights):
        part, left = divmod(total, len(weights))
        return [part + 1] * left + [part] * (len(weights) - left)
    scaled = [total * weight for weight in weights]
    parts = [one // weights_sum for one in scaled]
    if left := total - sum(parts):
        remainders = [one % weights_sum for one in scaled]
        # The sort is stable, also in reverse: of equal remainders the earlier comes first.
        for index in sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)[:left]:
            parts[index] += 1
    return parts
