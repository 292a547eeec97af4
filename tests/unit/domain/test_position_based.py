"""Position based (R4)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinghe.domain.attribution.position_based import weights


@pytest.mark.parametrize(
    ("touches", "expected"),
    [(0, []), (1, [1]), (2, [1, 1]), (3, [2, 1, 2]), (4, [4, 1, 1, 4]), (5, [6, 1, 1, 1, 6])],
)
def test_weights(touches: int, expected: list[int]) -> None:
    assert weights(range(touches)) == expected


@given(st.integers(3, 100))
def test_the_ends_have_40_percent_each_and_the_rest_20_together(touches: int) -> None:
    found = weights(range(touches))
    shares = [Fraction(weight, sum(found)) for weight in found]

    assert len(shares) == touches
    assert shares[0] == shares[-1] == Fraction(40, 100)
    assert set(shares[1:-1]) == {Fraction(20, 100) / (touches - 2)}
