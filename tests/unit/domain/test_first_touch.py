"""First touch (R4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinghe.domain.attribution.first_touch import weights
from xinghe.domain.attribution.split import split

paths = st.lists(st.integers(0, 2**45), min_size=1, max_size=100).map(sorted)


@pytest.mark.parametrize(("touches", "expected"), [(0, []), (1, [1]), (2, [1, 0]), (4, [1, 0, 0, 0])])
def test_weights(touches: int, expected: list[int]) -> None:
    assert weights(range(touches)) == expected


@given(paths, st.integers(0, 10**12))
def test_the_first_touch_gets_all(times_ms: list[int], amount_fen: int) -> None:
    assert split(amount_fen, weights(times_ms)) == [amount_fen] + [0] * (len(times_ms) - 1)
