"""The catalogue of what a window shows: each metric with its meaning, unit and window sizes (ARCHITECTURE.md, R9).

It is what schemas, pages and exports are generated from.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

from xinghe.domain.metrics import (
    AUDIENCE,
    COUNTED,
    MODEL_COUNTED,
    MODEL_PEOPLE,
    MODELS,
    NOTELESS,
    PEOPLE,
    SPENT,
)
from xinghe.domain.windows import Size

Unit = Literal["times", "people", "hours", "fen", "millionths of an order"]
Amount = Literal["gross", "net", ""]
"""Whether refunds are in an amount of orders: ``gross`` as paid, ``net`` less refunds; empty for anything else."""

ENGAGEMENTS: Final = "Likes, comments, collects, shares and follows together."
NET_GMV: Final = "gmv_fen - refund_fen of the same window, in fen; below 0 where more was refunded than paid."

ALL_SIZES: Final[tuple[Size, ...]] = get_args(Size)
PEOPLE_SIZES: Final[tuple[Size, ...]] = ("1d", "total")
SPEND_SIZES: Final[tuple[Size, ...]] = ("1h", "1d", "total")
AUDIENCE_SIZES: Final[tuple[Size, ...]] = ("total",)
GROSS: Final = frozenset(
    {
        "gmv_fen",
        "direct_gmv_fen",
        "halo_gmv_fen",
        "gmv_7d_fen",
        "gmv_15d_fen",
        "gmv_30d_fen",
        "coupon_gmv_fen",
    }
)


class Metric(NamedTuple):
    """A metric as topics and Redis show it; ``sizes`` are the windows that have it, ``note`` is whether notes do.

    ``model`` names the rule model of a metric that stands beside the plain ones, as in ``gmv_fen:linear``.
    """

    name: str
    meaning: str
    unit: Unit
    amount: Amount
    sizes: tuple[Size, ...]
    note: bool
    model: str | None = None


def _plain(name: str, meaning: str, sizes: tuple[Size, ...], *, note: bool) -> Metric:
    return Metric(name, meaning, _unit(name), _amount(name), sizes, note)


def _unit(name: str) -> Unit:
    if name.endswith("_fen"):
        return "fen"
    if name.endswith("_hours"):
        return "hours"
    if name.endswith("_micros"):
        return "millionths of an order"
    return "people" if name in {*PEOPLE, *MODEL_PEOPLE, *AUDIENCE} else "times"


def _amount(name: str) -> Amount:
    if name in GROSS:
        return "gross"
    return "net" if name == "net_gmv_fen" else ""


_COUNTED: Final = {**COUNTED, "engagements": ENGAGEMENTS, **MODEL_COUNTED, "net_gmv_fen": NET_GMV}

PLAIN: Final[tuple[Metric, ...]] = (
    *(_plain(name, meaning, ALL_SIZES, note=name not in NOTELESS) for name, meaning in _COUNTED.items()),
    *(
        _plain(name, meaning, PEOPLE_SIZES, note=False)
        for name, meaning in {**PEOPLE, **MODEL_PEOPLE}.items()
    ),
    *(_plain(name, meaning, AUDIENCE_SIZES, note=False) for name, meaning in AUDIENCE.items()),
    *(_plain(name, meaning, SPEND_SIZES, note=False) for name, meaning in SPENT.items()),
)
"""Each metric once; those of orders by the campaign's own model."""

OF_MODELS: Final[frozenset[str]] = frozenset({*MODEL_COUNTED, "net_gmv_fen", *MODEL_PEOPLE})
"""Names of the metrics that each rule model has a value of its own for."""

BY_MODEL: Final[tuple[Metric, ...]] = tuple(
    metric._replace(
        name=f"{metric.name}:{model}",
        meaning=f"{metric.meaning} As {model} credits orders.",
        sizes=PEOPLE_SIZES,
        note=False,
        model=model,
    )
    for model in MODELS
    for metric in PLAIN
    if metric.name in OF_MODELS
)
"""``name:model`` of every rule model; there in ``1d`` and ``total`` once one of them is not 0, else none."""

METRICS: Final[tuple[Metric, ...]] = (*PLAIN, *BY_MODEL)
