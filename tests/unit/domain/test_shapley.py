"""Shapley value, against the definition over all coalitions."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import factorial

import pytest
from hypothesis import given

from tests.unit.domain.drawn_paths import path_counts
from xinghe.domain.attribution.path_counts import Credit, PathCount, PathCounts
from xinghe.domain.attribution.shapley import shapley

drawn = path_counts("abcde", steps_max=7, paths_max=10)


def worth(paths: PathCounts, coalition: frozenset[str], field: str) -> Fraction:
    return sum(
        (Fraction(getattr(count, field)) for path, count in paths.items() if coalition.issuperset(path)),
        Fraction(0),
    )


def oracle(paths: PathCounts, field: str) -> dict[str, Fraction]:
    """Shapley's formula: what a channel adds to each coalition of the others, weighted by orders of arrival."""
    channels = {channel for path in paths for channel in path}
    values = {}
    for channel in channels:
        values[channel] = Fraction(0)
        for size in range(len(channels)):
            weight = Fraction(factorial(size) * factorial(len(channels) - size - 1), factorial(len(channels)))
            for others in combinations(channels - {channel}, size):
                coalition = frozenset(others)
                added = worth(paths, coalition | {channel}, field) - worth(paths, coalition, field)
                values[channel] += weight * added
    return values


def test_the_table_of_the_module() -> None:
    paths = {("A",): PathCount(4), ("A", "B"): PathCount(6), ("B", "A", "B", "C"): PathCount(3)}
    assert shapley(paths) == {"A": Credit(8, 0), "B": Credit(4, 0), "C": Credit(1, 0)}


def test_paths_without_conversions_change_nothing_but_name_their_channels() -> None:
    paths: PathCounts = {("a", "b"): PathCount(2, 10.0, null=5), ("b", "c"): PathCount(0, null=9)}
    assert shapley(paths) == {"a": Credit(1, 5), "b": Credit(1, 5), "c": Credit(0, 0)}
    assert shapley({}) == {}


def test_many_channels_are_exact_too() -> None:
    channels = [f"channel {number}" for number in range(200)]
    credits_of = shapley({tuple(channels): PathCount(400), ("channel 0",): PathCount(1)})
    assert credits_of["channel 0"] == Credit(3, 0)
    assert {credits_of[channel] for channel in channels[1:]} == {Credit(2, 0)}


@given(drawn)
def test_the_credit_is_that_of_all_coalitions(paths: PathCounts) -> None:
    found = shapley(paths)
    conversions, values = oracle(paths, "conversions"), oracle(paths, "value")
    assert found.keys() == conversions.keys()
    for channel, credit in found.items():
        assert credit.conversions == pytest.approx(float(conversions[channel]), rel=1e-12)
        assert credit.value == pytest.approx(float(values[channel]), rel=1e-12)


@given(drawn)
def test_the_credit_adds_up(paths: PathCounts) -> None:
    credits_of = shapley(paths).values()
    assert sum(c.conversions for c in credits_of) == pytest.approx(sum(c.conversions for c in paths.values()))
    assert sum(c.value for c in credits_of) == pytest.approx(sum(c.value for c in paths.values()))


@given(drawn)
def test_neither_order_nor_repetition_count(paths: PathCounts) -> None:
    backwards = {(*reversed(path), path[0]): count for path, count in paths.items()}
    expected = {channel: pytest.approx(credit) for channel, credit in shapley(paths).items()}
    assert shapley(backwards) == expected
