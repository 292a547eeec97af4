"""The figures of the orders of a window or note, side by side for each rule model (ARCHITECTURE.md, R4 to R11).

Most minutes and many notes have no order, and most commits change none of those there are, so these figures are
kept apart from the others of the window or note, and exist only where one of them is not 0.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, msgpack

from xinghe.domain.metrics import (
    COUNTED_NAMES,
    MODEL_COUNTED_NAMES,
    MODEL_PEOPLE_NAMES,
    MODELS,
    PEOPLE_NAMES,
    shown_orders,
)

FIRST_COUNTED: Final = len(COUNTED_NAMES)
"""From this index on the counted metrics of deltas are of orders, by model."""
FIRST_PEOPLE: Final = len(PEOPLE_NAMES)
"""From this index on the people metrics of deltas are of orders, by model."""
_WIDTH: Final = len(MODEL_COUNTED_NAMES)


class Orders(Struct, array_like=True, gc=False):
    """The figures of orders.

    ``plain`` are those by the campaign's own model, as `metrics.MODEL_COUNTED_NAMES`. ``counted`` are those of each
    model, one model after another, ``people`` likewise as `metrics.MODEL_PEOPLE_NAMES`; ``people`` is ``None`` where
    distinct people are not counted. ``people_model`` is the model whose people are shown under plain names.
    """

    plain: list[int]
    counted: list[int]
    people: list[int] | None
    people_model: int

    def is_empty(self) -> bool:
        """Whether no model has any figure."""
        return not any(self.counted) and not any(self.people or ())

    def of_model(self, model: int) -> list[int]:
        """The counted figures of one model."""
        return self.counted[model * _WIDTH : (model + 1) * _WIDTH]

    def metrics(self) -> dict[str, int]:
        """The figures as topics and Redis show those of a window."""
        return shown_orders(self.plain, self.counted, self.people, self.people_model)


class OrdersChange(Struct, gc=False):
    """What one commit adds: ``plain`` by index of the name, the others by index as in deltas."""

    plain: dict[int, int]
    counted: dict[int, int]
    people: dict[int, int]


encode_orders = msgpack.Encoder().encode
decode_orders = msgpack.Decoder(Orders).decode


def no_orders(*, has_people: bool) -> Orders:
    """The figures of orders where there are none."""
    people = [0] * (len(MODELS) * len(MODEL_PEOPLE_NAMES)) if has_people else None
    return Orders([0] * _WIDTH, [0] * (len(MODELS) * _WIDTH), people, 0)


def changed_orders(
    packed: bytes | None, change: OrdersChange, people_model: int, *, has_people: bool
) -> Orders:
    """The figures after a change; ``packed`` is ``None`` where there were none."""
    orders = no_orders(has_people=has_people) if packed is None else decode_orders(packed)
    for metric, amount in change.plain.items():
        orders.plain[metric] += amount
    for metric, amount in change.counted.items():
        orders.counted[metric - FIRST_COUNTED] += amount
    if orders.people is not None:
        for metric, amount in change.people.items():
            orders.people[metric - FIRST_PEOPLE] += amount
    orders.people_model = people_model
    return orders


def add_plain(plain: dict[int, int], counted: dict[int, int], model: int) -> None:
    """Add to plain figures what a change by index as in deltas has of one model.

    >>> plain = {}
    >>> add_plain(plain, {13: 1, 27: 2, 28: 3}, 1)
    >>> plain
    {0: 2, 1: 3}
    """
    first = FIRST_COUNTED + model * _WIDTH
    for metric, amount in counted.items():
        if first <= metric < first + _WIDTH:
            plain[metric - first] = plain.get(metric - first, 0) + amount
