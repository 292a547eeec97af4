"""Largest remainder (R4), against exact fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinghe.domain.attribution.split import split

totals = st.integers(0, 10**12)
any_weights = st.lists(st.integers(0, 2**40) | st.integers(0, 3), min_size=1, max_size=100).filter(any)
equal_weights = st.builds(lambda weight, parts: [weight] * parts, st.integers(1, 9), st.integers(1, 100))
weight_lists = any_weights | equal_weights


def oracle(total: int, weights: Sequence[int]) -> list[int]:
    """Hands out what is left one by one, each time to the part that is furthest below its exact share."""
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    parts = [floor(share) for share in exact]
    while sum(parts) < total:
        missing = [share - part for share, part in zip(exact, parts, strict=True)]
        parts[missing.index(max(missing))] += 1
    return parts


@given(totals, weight_lists)
def test_the_parts_are_those_of_exact_fractions(total: int, weights: list[int]) -> None:
    assert split(total, weights) == oracle(total, weights)


@given(totals, weight_lists)
def test_the_parts_add_up_and_are_less_than_one_from_the_exact_share(total: int, weights: list[int]) -> None:
    parts = split(total, weights)

    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(total * weight, sum(weights))) < 1


@given(totals, weight_lists)
def test_a_part_without_weight_is_nothing(total: int, weights: list[int]) -> None:
    assert not any(part for part, weight in zip(split(total, weights), weights, strict=True) if weight == 0)


@given(totals, weight_lists, st.integers(1, 10**6))
def test_only_the_proportions_count(total: int, weights: list[int], factor: int) -> None:
    assert split(total, [weight * factor for weight in weights]) == split(total, weights)


def test_amounts_that_a_float_does_not_hold_are_exact() -> None:
    assert split(2**80 + 1, [1, 1]) == [2**79 + 1, 2**79]
    assert split(2**80 + 1, [1]) == [2**80 + 1]


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [-1], [-1, 2], [3, -3]])
def test_weights_that_give_no_shares_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights must be 0 or more"):
        split(5, weights)


@pytest.mark.parametrize("weights", [[1], [1, 1]])
def test_a_total_below_0_is_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="below 0: -5"):
        split(-5, weights)
