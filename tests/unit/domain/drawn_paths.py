"""Small counts by path as hypothesis draws them, for the models over the paths of all people."""

from __future__ import annotations

from hypothesis import strategies as st

from xinghe.domain.attribution.path_counts import PathCount, PathCounts

_counts = st.builds(
    lambda conversions, null, value: PathCount(conversions, value if conversions else 0.0, null),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 400).map(lambda quarters: quarters / 4),
)


def path_counts(channels: str, *, steps_max: int, paths_max: int) -> st.SearchStrategy[PathCounts]:
    """One to ``paths_max`` paths of one to ``steps_max`` of the channels, each a letter."""
    paths = st.lists(st.sampled_from(channels), min_size=1, max_size=steps_max).map(tuple)
    return st.dictionaries(paths, _counts, min_size=1, max_size=paths_max)
