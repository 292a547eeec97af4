"""The metrics of a window as they are shown."""

from __future__ import annotations

import pytest

from xinghe.domain.metrics import COUNTED_INDEX, COUNTED_NAMES, PEOPLE_NAMES, shown_metrics

COUNTED = list(range(len(COUNTED_NAMES)))


def test_each_metric_has_its_own_figure_and_engagements_their_sum() -> None:
    shown = shown_metrics(COUNTED, [7, 8, 9, 10], 11)
    assert [shown[name] for name in COUNTED_NAMES] == COUNTED
    assert [shown[name] for name in PEOPLE_NAMES] == [7, 8, 9, 10]
    assert shown["spend_fen"] == 11
    names = ("likes", "comments", "collects", "shares", "follows")
    assert shown["engagements"] == sum(COUNTED_INDEX[name] for name in names)


def test_what_is_not_known_has_no_field() -> None:
    assert set(shown_metrics(COUNTED, None, None)) == {*COUNTED_NAMES, "engagements"}


def test_spend_of_0_is_known() -> None:
    assert shown_metrics(COUNTED, None, 0)["spend_fen"] == 0


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        shown_metrics(COUNTED[:-1], None, None)
