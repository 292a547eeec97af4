"""Linear (R4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinghe.domain.attribution.linear import weights
from xinghe.domain.attribution.split import split

paths = st.lists(st.integers(0, 2**45), min_size=1, max_size=100).map(sorted)


@pytest.mark.parametrize(("touches", "expected"), [(0, []), (1, [1]), (2, [1, 1]), (4, [1, 1, 1, 1])])
def test_weights(touches: int, expected: list[int]) -> None:
    assert weights(range(touches)) == expected


@given(paths, st.integers(0, 10**12))
def test_shares_are_equal_and_the_odd_fen_go_to_the_earlier_touches(
    times_ms: list[int], amount_fen: int
) -> None:
    share, left = divmod(amount_fen, len(times_ms))

    shares = split(amount_fen, weights(times_ms))

    assert shares == [share + 1] * left + [share] * (len(times_ms) - left)
