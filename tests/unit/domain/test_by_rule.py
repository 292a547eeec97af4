"""Rule models over path counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinghe.domain.attribution import first_touch, linear, position_based
from xinghe.domain.attribution.by_rule import by_rule
from xinghe.domain.attribution.path_counts import Credit, PathCount

PATHS = {
    ("a", "b", "a", "c"): PathCount(10, 100.0),
    ("b",): PathCount(2, 1.0),
    ("d",): PathCount(0, null=4),
}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (first_touch.weights, {"a": (10, 100), "b": (2, 1), "c": (0, 0), "d": (0, 0)}),
        (linear.weights, {"a": (5, 50), "b": (4.5, 26), "c": (2.5, 25), "d": (0, 0)}),
        (position_based.weights, {"a": (5, 50), "b": (3, 11), "c": (4, 40), "d": (0, 0)}),
    ],
)
def test_each_path_is_shared_by_weight(
    weights: Callable[[Sequence[int]], list[int]], expected: dict[str, tuple[float, float]]
) -> None:
    assert by_rule(PATHS, weights) == {
        channel: pytest.approx(Credit(*credit)) for channel, credit in expected.items()
    }


paths = st.dictionaries(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=6).map(tuple),
    st.builds(PathCount, st.integers(0, 1000), st.floats(0, 1e9), st.integers(0, 1000)),
)


@given(paths)
def test_the_credit_adds_up(paths: dict[tuple[str, ...], PathCount]) -> None:
    credits_of = by_rule(paths, position_based.weights).values()
    assert sum(c.conversions for c in credits_of) == pytest.approx(sum(c.conversions for c in paths.values()))
    assert sum(c.value for c in credits_of) == pytest.approx(sum(c.value for c in paths.values()))
