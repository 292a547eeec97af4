"""Comparing the fields of one window, note or order with what they must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differing(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Each field that differs as ``(field, expected, found)``; ``None`` stands for an absent one.

    >>> list(differing({"views": 2, "likes": 0}, {"views": 3, "likes": 0, "spend_fen": 5}))
    [('views', 2, 3), ('spend_fen', None, 5)]
    """
    for name, value in expected.items():
        # True equals 1 in Python and not in JSON.
        if name not in found or found[name] != value or type(found[name]) is not type(value):
            yield name, value, found.get(name)
    for name, value in found.items():
        if name not in expected:
            yield name, None, value


def whole_number(value: object) -> int | None:
    """The whole number that Redis holds as text; ``None`` where it is something else.

    >>> whole_number("12"), whole_number("1.5"), whole_number(None)
    (12, None, None)
    """
    try:
        return int(value) if isinstance(value, str) else None
    except ValueError:
        return None


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """The leaves of a JSON value by their path.

    >>> flat({"a": {"b": 1}, "c": [{"d": None}]})
    {'a.b': 1, 'c[0].d': None}
    """
    if isinstance(value, dict) and value:
        parts = [(f"{name}.{key}" if name else key, part) for key, part in value.items()]
    elif isinstance(value, list) and value:
        parts = [(f"{name}[{index}]", part) for index, part in enumerate(value)]
    else:
        return {name: value}
    return {path: leaf for part_name, part in parts for path, leaf in flat(part, part_name).items()}
