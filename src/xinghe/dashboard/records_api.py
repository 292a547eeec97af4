"""The part of the JSON API about orders, ledgers and settlement."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from xinghe.dashboard import settlement
from xinghe.dashboard.books import Books
from xinghe.dashboard.operation import CAMPAIGN_PATH, Asked, Operation
from xinghe.dashboard.parameters import Parameter
from xinghe.domain.attribution.recorded import OrderTold, told_of
from xinghe.domain.outputs import LedgerEntry, OrderAttributed
from xinghe.domain.statement import Statement, booked_by, statement_of

_ORDER: Final = "/orders/{order_id:path}"
_LIMIT: Final = Parameter("limit", "At most so many.", 1_000, bounds=(1, 100_000))


class OrderList(Struct, frozen=True):
    """The orders with an id as last attributed: two persons' orders may share one."""

    order_id: str
    orders: list[OrderAttributed]


class OrderArithmetic(Struct, frozen=True):
    """How each model came to the credits of the orders with an id."""

    order_id: str
    orders: list[OrderTold]


class BooksList(Struct, frozen=True):
    """Campaigns with books, and how many there are in all."""

    count: int
    books: list[Books]


class LedgerList(Struct, frozen=True):
    """The lines of a ledger that fit, by number, and how many there are in all."""

    campaign_id: str
    count: int
    entries: list[LedgerEntry]


class StatementRecord(Struct, frozen=True):
    """What is booked for a campaign up to a day."""

    campaign_id: str
    as_of: Annotated[str | None, Meta(description="Null for all that is booked.")]
    statement: Annotated[Statement | None, Meta(description="Null where nothing was booked by then.")]


async def _orders(asked: Asked) -> OrderList:
    return OrderList(asked.id, await asked.state.records.orders(asked.viewer, asked.id))


async def _arithmetic(asked: Asked) -> OrderArithmetic:
    orders = await asked.state.records.orders(asked.viewer, asked.id)
    return OrderArithmetic(asked.id, [told_of(order, asked.state.half_life_ms) for order in orders])


async def _settlement(asked: Asked) -> BooksList:
    found = settlement.listed(await asked.state.records.books(asked.viewer), asked.values["sort"])
    return BooksList(len(found), found[: asked.values["limit"]])


async def _ledger(asked: Asked) -> LedgerList:
    given = dict(asked.values)
    limit = given.pop("limit")
    found = settlement.lines(await asked.state.records.ledger(asked.viewer, asked.id), **given)
    return LedgerList(asked.id, len(found), found[:limit])


async def _statement(asked: Asked) -> StatementRecord:
    as_of = asked.values["as_of"]
    entries = booked_by(await asked.state.records.ledger(asked.viewer, asked.id), as_of)
    return StatementRecord(asked.id, as_of, statement_of(entries) if entries else None)


OPERATIONS: Final = (
    Operation(
        f"{_ORDER}/arithmetic",
        "How each rule model came to an order's credits",
        OrderArithmetic,
        _arithmetic,
    ),
    Operation(_ORDER, "An order as last attributed", OrderList, _orders),
    Operation(
        "/settlement",
        "What the books of campaigns come to",
        BooksList,
        _settlement,
        (settlement.SORT, _LIMIT),
    ),
    Operation(
        f"{CAMPAIGN_PATH}/ledger",
        "The lines of a campaign's ledger",
        LedgerList,
        _ledger,
        (*settlement.FILTER, _LIMIT),
    ),
    Operation(
        f"{CAMPAIGN_PATH}/statement",
        "What is booked for a campaign, and who owes whom",
        StatementRecord,
        _statement,
        (settlement.AS_OF,),
    ),
)
