"""The credit of channels by several models, as people and programs read it: tables of rich, a JSON object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import fsum
from typing import Any, Final, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xinghe.domain.attribution.path_counts import Credit, PathCount

SORTED_BY: Final = "markov"


class Attribution(NamedTuple):
    """What all models say of the same paths."""

    paths: int
    """Different ones."""
    totals: PathCount
    order: int
    """Of the Markov model."""
    effects: Mapping[str, Credit]
    """Removal effects by channel."""
    models: Mapping[str, Mapping[str, Credit]]
    """Credit by model and channel."""


def as_json(attribution: Attribution) -> dict[str, Any]:
    """The figures for programs, not rounded."""
    return {
        "paths": attribution.paths,
        "totals": attribution.totals._asdict(),
        "order": attribution.order,
        "removal_effects": _fields(attribution.effects),
        "models": {
            model: {"sums": _sum(credit.values())._asdict(), "channels": _fields(credit)}
            for model, credit in attribution.models.items()
        },
    }


def as_tables(attribution: Attribution) -> RenderableType:
    """The figures for people: conversions, and value if there is any; most credit first."""
    totals = attribution.totals
    head = (
        f"{attribution.paths:,} different paths: {totals.conversions:,} conversions, "
        f"value {totals.value:,.2f}, {totals.null:,} journeys without conversion; "
        f"Markov model of order {attribution.order}"
    )
    lines: list[RenderableType] = [Text(head, style="bold"), _table(attribution, "conversions")]
    if totals.value:
        lines.append(_table(attribution, "value"))
    return Group(*lines)


def _table(attribution: Attribution, field: str) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 0, 0, 1),
        pad_edge=False,
        show_footer=True,
        header_style="bold",
        footer_style="bold",
        title=field,
        title_justify="left",
    )
    # No column is cut: half a number would be a wrong number.
    table.add_column("channel", "all", no_wrap=True)
    for model, credit in attribution.models.items():
        heading = model.replace("_", " ")
        table.add_column(heading, _number(credit.values(), field), justify="right", no_wrap=True)
    table.add_column("removal effect", "", justify="right", no_wrap=True)
    sorted_by = attribution.models[SORTED_BY]
    for channel in sorted(sorted_by, key=lambda name: (-getattr(sorted_by[name], field), name)):
        cells = [_number([credit[channel]], field) for credit in attribution.models.values()]
        effect = getattr(attribution.effects[channel], field)
        # As text: a name may hold what rich would take for markup.
        table.add_row(Text(channel), *cells, f"{effect:.2%}")
    return table


def _fields(credit: Mapping[str, Credit]) -> dict[str, dict[str, float]]:
    return {channel: of_channel._asdict() for channel, of_channel in credit.items()}


def _sum(credits_: Iterable[Credit]) -> Credit:
    credits_ = list(credits_)
    return Credit(fsum(c.conversions for c in credits_), fsum(c.value for c in credits_))


def _number(credits_: Iterable[Credit], field: str) -> str:
    return f"{getattr(_sum(credits_), field):,.2f}"
