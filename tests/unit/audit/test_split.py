"""The split of a whole amount: R4's rounding, by hand and as laws."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinghe.audit.split import Share, split

weights = st.lists(st.integers(0, 2**41), min_size=1, max_size=100).filter(any)


@pytest.mark.parametrize(
    ("amount", "given_weights", "amounts"),
    [
        (10, [1, 1, 1], [4, 3, 3]),  # equal remainders: the earlier
        (10, [1, 2], [3, 7]),  # 3 1/3 and 6 2/3
        (5, [1, 3, 0], [1, 4, 0]),  # 1 1/4 and 3 3/4
        (1, [2, 1, 2], [1, 0, 0]),
        (1_000_000, [2, 1, 2], [400_000, 200_000, 400_000]),
        (7, [0, 5], [0, 7]),
    ],
)
def test_by_hand(amount: int, given_weights: list[int], amounts: list[int]) -> None:
    assert [share.amount for share in split(amount, given_weights)] == amounts


def test_a_share_tells_its_arithmetic() -> None:
    assert split(10, [1, 2]) == [Share(3, 1, 0), Share(6, 2, 1)]


@given(amount=st.integers(0, 10**14), given_weights=weights)
def test_nothing_is_lost_and_no_share_is_a_whole_one_off(amount: int, given_weights: list[int]) -> None:
    shares = [share.amount for share in split(amount, given_weights)]
    assert sum(shares) == amount
    for share, weight in zip(shares, given_weights, strict=True):
        assert abs(share - Fraction(amount * weight, sum(given_weights))) < 1
        assert weight or not share
