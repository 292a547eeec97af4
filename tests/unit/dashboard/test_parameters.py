"""Lists in the address: with commas or by the name several times, each once, nothing that is not a choice."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from xinghe.dashboard.parameters import Parameter, ParameterError, linker, values

COLUMNS = Parameter("columns", "Which.", ("a", "b"), choices=("a", "b", "c"), is_list=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ("a", "b")),
        ("columns=", ("a", "b")),
        ("columns=c,a", ("c", "a")),
        ("columns=c&columns=a", ("c", "a")),
        ("columns=a,c&columns=a,,b", ("a", "c", "b")),
    ],
)
def test_a_list_has_each_once_in_the_order_of_the_address(query: str, expected: tuple[str, ...]) -> None:
    assert values((COLUMNS,), QueryParams(query)) == {"columns": expected}


@pytest.mark.parametrize("query", ["columns=d", "columns=a,d", "columns=A", "columns=a b"])
def test_what_is_no_choice_is_told_with_the_choices(query: str) -> None:
    with pytest.raises(ParameterError, match="columns may name: a, b, c"):
        values((COLUMNS,), QueryParams(query))


def test_a_link_leaves_out_what_is_as_by_default() -> None:
    other = Parameter("q", "Text.", "")
    link = linker("/", (COLUMNS, other), {"columns": ("a", "b"), "q": "x&y"})
    assert link() == "/?q=x%26y"
    assert link(columns=("c", "a"), q="") == "/?columns=c,a"
    assert link(columns=("a", "b"), q="") == "/"
    assert COLUMNS.schema() == {
        "type": "array",
        "items": {"type": "string", "enum": ["a", "b", "c"]},
        "default": ("a", "b"),
    }
