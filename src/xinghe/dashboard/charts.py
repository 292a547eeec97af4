"""What a chart is drawn from, and the same as a table for those who do not see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from xinghe.dashboard.look import Figure

Role = Literal["main", "past", "second", "target", "spend"]


class Series(msgspec.Struct, frozen=True):
    """A line, or of the role ``spend`` a row of bars by an axis of its own; ``texts`` are ``values`` as people read them."""

    name: str
    role: Role
    values: list[float | None]
    texts: list[str]


class Chart(msgspec.Struct, frozen=True):
    """A chart; from ``provisional_from`` on its figures may still change, ``None`` where none may."""

    id: str
    title: str
    language: str
    prefix: str
    labels: list[str]
    series: list[Series]
    provisional_from: int | None = None

    def json(self) -> str:
        """For the script that draws it."""
        return msgspec.json.encode(self).decode()


def series(name: str, role: Role, figures: Sequence[Figure]) -> Series:
    """A series of figures."""
    return Series(name, role, [figure.value for figure in figures], [figure.text for figure in figures])
