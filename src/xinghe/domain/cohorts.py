"""Cohorts of a campaign: the credit of orders by the day of the touch, of the order, and of the change (ARCHITECTURE.md, R18)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import msgpack

Amounts = tuple[int, int, int]
"""``orders_micros``, ``gmv_fen``, ``refund_fen``."""
CohortCell = tuple[int, int, int, int, int, int]
"""Number of the campaign in the directory, then days, model and ``known_day`` as in a `CohortRow`."""
NO_AMOUNTS: Final[Amounts] = (0, 0, 0)


class CohortRow(NamedTuple):
    """What orders of one day give a campaign for touches of one day, as one model credits them; changes are signed.

    Days are numbers of `counted.day_number`. ``day`` is that of the order for ``orders_micros`` and ``gmv_fen``, that of the refund
    for ``refund_fen``. ``model`` is an index into `metrics.MODELS`. ``known_day`` is 0 for what is known from ``day`` on, else the
    later day of the link of ids (R17) that it came of.
    """

    touch_day: int
    order_day: int
    day: int
    model: int
    orders_micros: int
    gmv_fen: int
    refund_fen: int
    known_day: int = 0


encode_cohorts = msgpack.Encoder().encode
decode_cohorts = msgpack.Decoder(list[CohortRow]).decode


def add_amounts(cells: dict[CohortCell, Amounts], changes: Mapping[CohortCell, Sequence[int]]) -> None:
    """Add the signed amounts of cells, each as `Amounts`."""
    for cell, (orders_micros, gmv_fen, refund_fen) in changes.items():
        orders, gmv, refund = cells.get(cell, NO_AMOUNTS)
        cells[cell] = orders + orders_micros, gmv + gmv_fen, refund + refund_fen


def added_up(rows: Iterable[CohortRow]) -> list[CohortRow]:
    """The rows, those of the same days and model as one, ascending by these; what comes to 0 is left out.

    >>> added_up([CohortRow(2, 3, 3, 0, 5, 7, 0), CohortRow(1, 3, 3, 0, 4, 4, 0), CohortRow(2, 3, 3, 0, -5, -6, 0)])
    [CohortRow(touch_day=1, order_day=3, day=3, model=0, orders_micros=4, gmv_fen=4, refund_fen=0, known_day=0), \
CohortRow(touch_day=2, order_day=3, day=3, model=0, orders_micros=0, gmv_fen=1, refund_fen=0, known_day=0)]
    """
    sums: dict[tuple[int, int, int, int, int], Amounts] = {}
    for touch_day, order_day, day, model, orders_micros, gmv_fen, refund_fen, known_day in rows:
        key = touch_day, order_day, day, model, known_day
        orders, gmv, refund = sums.get(key, NO_AMOUNTS)
        sums[key] = (orders + orders_micros, gmv + gmv_fen, refund + refund_fen)
    return [CohortRow(*key[:4], *sums[key], key[4]) for key in sorted(sums) if any(sums[key])]


def all_known(rows: Sequence[CohortRow]) -> Sequence[CohortRow]:
    """The rows added up whichever day they are known from; as they are where all are known from their own.

    >>> all_known([CohortRow(2, 3, 3, 0, 5, 7, 0), CohortRow(2, 3, 3, 0, -5, -7, 0, 9), CohortRow(1, 3, 3, 0, 5, 7, 0, 9)])
    [CohortRow(touch_day=1, order_day=3, day=3, model=0, orders_micros=5, gmv_fen=7, refund_fen=0, known_day=0)]
    """
    if not any(row.known_day for row in rows):
        return rows
    return added_up(row._replace(known_day=0) for row in rows)
