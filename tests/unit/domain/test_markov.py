"""Markov removal effects: published examples, and exact linear algebra over fractions."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.drawn_paths import path_counts
from xinghe.domain.attribution.markov import markov, removal_effects
from xinghe.domain.attribution.path_counts import Credit, PathCount, PathCounts, total

drawn = path_counts("abcd", steps_max=6, paths_max=8)
orders = st.integers(1, 3)


def paths_of(text: str) -> PathCounts:
    """Lines of a path, its conversions and its nulls."""
    lines = [line.rsplit(maxsplit=2) for line in text.strip().splitlines()]
    return {tuple(path.split(" > ")): PathCount(int(conv), 0.0, int(null)) for path, conv, null in lines}


def conversions_of(credits_of: Mapping[str, Credit]) -> dict[str, float]:
    return {channel: credit.conversions for channel, credit in credits_of.items()}


def solved(matrix: list[list[Fraction]]) -> list[Fraction]:
    """The solution of the equations, by Gauss and Jordan; the last column is the right side."""
    size = len(matrix)
    for column in range(size):
        pivot = next(row for row in range(column, size) if matrix[row][column])
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        matrix[column] = [cell / matrix[column][column] for cell in matrix[column]]
        for row in range(size):
            if row != column and (factor := matrix[row][column]):
                matrix[row] = [
                    cell - factor * of_pivot
                    for cell, of_pivot in zip(matrix[row], matrix[column], strict=True)
                ]
    return [row[size] for row in matrix]


def oracle(paths: PathCounts, order: int) -> dict[str, tuple[Fraction, Fraction]]:
    """Removal effects by the definition: the yield of the whole walk less that without the channel's states.

    Steps from a state to itself stay in the matrix.
    """
    walks: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}
    ends: dict[tuple[str, ...], tuple[int, Fraction, int]] = {}
    for path, count in paths.items():
        if (times := count.conversions + count.null) == 0:
            continue
        states = [(), *(path[i : i + order] for i in range(max(1, len(path) - order + 1)))]
        for state, following in pairwise(states):
            moves = walks.setdefault(state, {})
            moves[following] = moves.get(following, 0) + times
        conversions, value, null = ends.get(states[-1], (0, Fraction(0), 0))
        ends[states[-1]] = (
            conversions + count.conversions,
            value + Fraction(count.value),
            null + count.null,
        )

    def expected(without: str | None) -> tuple[Fraction, Fraction]:
        states = [state for state in {**walks, **ends} if without not in state]
        of_conversions, of_value = [], []
        for state in states:
            conversions, value, null = ends.get(state, (0, Fraction(0), 0))
            moves = walks.get(state, {})
            times = sum(moves.values()) + conversions + null
            row = [Fraction(int(state == to)) - Fraction(moves.get(to, 0), times) for to in states]
            of_conversions.append([*row, Fraction(conversions, times)])
            of_value.append([*row, value / times])
        start = states.index(())
        return solved(of_conversions)[start], solved(of_value)[start]

    def lost(channel: str) -> tuple[Fraction, Fraction]:
        conversions, value = expected(None)
        conversions_left, value_left = expected(channel)
        return (
            (conversions - conversions_left) / conversions if conversions else Fraction(0),
            (value - value_left) / value if value else Fraction(0),
        )

    channels = {channel for path in paths for channel in path}
    return {channel: lost(channel) if walks else (Fraction(0), Fraction(0)) for channel in channels}


BRYL = paths_of("C1 > C2 > C3 1 0\nC1 0 1\nC2 > C3 0 1")
PUZYROV = paths_of("google ads 2 1\nmailing 1 0\ngoogle ads > mailing 1 0")
ALTOMARE = paths_of("A > B > A > B > B > A 1 0\nA > B > B > A > A 1 0\nA > A 1 0")


def test_the_example_of_bryl() -> None:
    """S. Bryl, analyzecore.com, "Marketing Multi-Channel Attribution model with R (part 1)", 2016."""
    assert conversions_of(removal_effects(BRYL)) == pytest.approx({"C1": 0.5, "C2": 1, "C3": 1}, rel=1e-12)
    assert conversions_of(markov(BRYL)) == pytest.approx({"C1": 0.2, "C2": 0.4, "C3": 0.4}, rel=1e-12)


def test_the_example_of_puzyrov() -> None:
    """S. Puzyrov, "Markov Chain Attribution - simple explanation of Removal Effect", 2019: 4 of 5 convert."""
    effects = conversions_of(removal_effects(PUZYROV))
    assert effects == pytest.approx({"google ads": 0.75, "mailing": 0.5}, rel=1e-12)
    assert conversions_of(markov(PUZYROV)) == pytest.approx({"google ads": 2.4, "mailing": 1.6}, rel=1e-12)


def test_the_example_of_altomare_and_loris() -> None:
    """The introduction of ChannelAttribution: from A the walk goes to A by 2/8, B 3/8, conversion 3/8.

    Without B 3/8 / (1 - 2/8) = 1/2 still convert.
    """
    assert conversions_of(removal_effects(ALTOMARE)) == pytest.approx({"A": 1, "B": 0.5}, rel=1e-12)
    assert conversions_of(markov(ALTOMARE)) == pytest.approx({"A": 2, "B": 1}, rel=1e-12)


def test_an_order_of_two_remembers_what_came_before() -> None:
    """After b, only those convert that came from a; the channel c leads to nothing."""
    paths = paths_of("a > b > d 4 0\nc > b 0 4")
    assert conversions_of(removal_effects(paths, 1)) == pytest.approx({"a": 0.5, "b": 1, "d": 1, "c": 0.5})
    assert conversions_of(removal_effects(paths, 2)) == {"a": 1, "b": 1, "d": 1, "c": 0}


def test_value_follows_the_conversions_it_came_with() -> None:
    paths: PathCounts = {("a",): PathCount(1, 90.0), ("b",): PathCount(1, 10.0)}
    assert markov(paths) == {"a": pytest.approx(Credit(1, 90.0)), "b": pytest.approx(Credit(1, 10.0))}


def test_without_conversions_there_is_no_credit() -> None:
    assert markov({("a", "b"): PathCount(0, null=7)}) == {"a": Credit(0, 0), "b": Credit(0, 0)}
    assert markov({("a",): PathCount(0)}) == {"a": Credit(0, 0)}
    assert markov({}) == {}


def test_an_order_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or more: 0"):
        markov(BRYL, order=0)


def test_the_effect_of_a_rare_channel_keeps_its_digits() -> None:
    rare = 10**12
    paths = {("a",): PathCount(rare - 1), ("a", "b"): PathCount(1)}
    assert removal_effects(paths)["b"].conversions == pytest.approx(1 / rare, rel=1e-12)


def test_a_long_way_in_a_circle_is_followed_to_its_end() -> None:
    effects = conversions_of(removal_effects({("a", "b") * 500: PathCount(1), ("c",): PathCount(1)}))
    assert effects == pytest.approx({"a": 0.5, "b": 0.5, "c": 0.5}, rel=1e-9)


@given(drawn, orders)
def test_the_effects_are_those_of_exact_fractions(paths: PathCounts, order: int) -> None:
    found = removal_effects(paths, order)
    for channel, (conversions, value) in oracle(paths, order).items():
        assert found[channel].conversions == pytest.approx(float(conversions), rel=1e-9, abs=1e-15)
        assert found[channel].value == pytest.approx(float(value), rel=1e-9, abs=1e-15)


@given(drawn, orders)
def test_the_credit_adds_up(paths: PathCounts, order: int) -> None:
    credits_of = markov(paths, order)
    for field in ("conversions", "value"):
        given_ = sum(getattr(credit, field) for credit in credits_of.values())
        assert given_ == pytest.approx(sum(getattr(count, field) for count in paths.values()), rel=1e-12)


@given(drawn, orders)
def test_channels_that_could_be_exchanged_get_the_same(paths: PathCounts, order: int) -> None:
    both_ways: dict[tuple[str, ...], PathCount] = {}
    for path, count in paths.items():
        for way in (path, tuple({"a": "b", "b": "a"}.get(channel, channel) for channel in path)):
            both_ways[way] = total([both_ways.get(way, PathCount(0)), count])
    credits_of = markov(both_ways, order)
    if "a" in credits_of:
        assert credits_of["a"] == pytest.approx(credits_of["b"], rel=1e-9)


@given(drawn, orders)
def test_a_channel_from_which_nobody_converted_gets_nothing(paths: PathCounts, order: int) -> None:
    credits_of = markov({**paths, ("a", "lost", "lost"): PathCount(0, null=3)}, order)
    assert credits_of["lost"] == Credit(0, 0)


@given(drawn)
def test_in_order_one_a_channel_repeated_at_once_is_one(paths: PathCounts) -> None:
    doubled = {tuple(channel for channel in path for _ in range(2)): count for path, count in paths.items()}
    found, expected = removal_effects(doubled), removal_effects(paths)
    assert found == {channel: pytest.approx(effect, rel=1e-9) for channel, effect in expected.items()}


@given(drawn)
def test_with_the_whole_path_as_state_the_effect_is_the_part_of_conversions_with_the_channel(
    paths: PathCounts,
) -> None:
    conversions = sum(count.conversions for count in paths.values())
    for channel, effect in removal_effects(paths, order=6).items():
        with_it = sum(count.conversions for path, count in paths.items() if channel in path)
        assert effect.conversions == pytest.approx(with_it / conversions if conversions else 0, rel=1e-12)
