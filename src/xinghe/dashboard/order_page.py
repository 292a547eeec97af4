"""The pages of orders: the search, and the trace of one order from its touches to the credit of each model."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from xinghe.dashboard import numbers
from xinghe.dashboard.api import freshness
from xinghe.dashboard.look import Look, look_of
from xinghe.dashboard.pages import rendered
from xinghe.dashboard.parameters import Parameter, values
from xinghe.dashboard.source import NotVisibleError
from xinghe.dashboard.state import state_of, viewer_of
from xinghe.domain.attribution.arithmetic import ModelTold, ShareTold
from xinghe.domain.attribution.recorded import credits_by_model, path_of, told_of
from xinghe.domain.metrics import MODELS
from xinghe.domain.order import ORDER_MICROS
from xinghe.domain.outputs import Credit, OrderAttributed

ORDER_ID: Final = Parameter("order_id", "The order's id.", "")
FIRST_SHOWN: Final = 4
LAST_SHOWN: Final = 10
"""Of a long path so many touches are shown at once at its beginning and at its end."""


class Place(NamedTuple):
    """A touch of the journey: its place in the path from 1 (``None``: left out of a long one), and by the time of the order."""

    number: int | None
    touch: Credit
    before: str
    wins: bool


class Cell(NamedTuple):
    """What a model gives to a touch; ``None`` in the place of a cell is a model that the record does not have."""

    percent: str
    width: float
    gmv_fen: int


class ShareShown(NamedTuple):
    """A share's steps as text, the remainder as a part of 1."""

    rounded_down: str
    remainder: str
    extra: str
    got: str


class Line(NamedTuple):
    """The arithmetic of a touch's credit."""

    place: Place | None
    weight: str
    percent: str
    micros: ShareShown
    fen: ShareShown
    refund_fen: int
    net_fen: int


class Model(NamedTuple):
    """A model's arithmetic; ``lines`` are ``None`` where the record is not as computed from it."""

    name: str
    weights_sum: str
    lines: list[Line] | None
    sums: tuple[int, int, int]
    """Of the recorded credits: millionths, gross fen, refunded fen."""
    credits: list[tuple[Place | None, Credit]]


def routes() -> list[Route]:
    """The routes of this file."""
    return [
        Route("/orders", _search, methods=["GET"]),
        Route("/orders/{order_id:path}", _order, methods=["GET"]),
    ]


async def _search(request: Request) -> Response:
    viewer, state = viewer_of(request), state_of(request)
    order_id = str(values((ORDER_ID,), request.query_params)["order_id"]).strip()
    if not order_id:
        return await _found_none(request, "", 200)
    try:
        await state.records.orders(viewer, order_id)
    except NotVisibleError:
        return await _found_none(request, order_id, 404)
    return RedirectResponse(f"/orders/{quote(order_id, safe='')}", 303)


async def _order(request: Request) -> Response:
    viewer, state, look = viewer_of(request), state_of(request), look_of(request)
    values((), request.query_params)
    order_id = request.path_params["order_id"]
    try:
        found = await state.records.orders(viewer, order_id)
    except NotVisibleError:
        return await _found_none(request, order_id, 404)
    campaigns = await state.source.campaigns(viewer)
    shown = {
        "order_id": order_id,
        "orders": [trace(order, state.half_life_ms, look) for order in found],
        "models": MODELS,
        "fresh": freshness(state, campaigns),
        "page": "orders",
        # A change of the order changes the figures of who has it.
        "topic": found[0].credits.last_touch[0].campaign_id,
    }
    return rendered(request, "order.html", shown)


async def _found_none(request: Request, order_id: str, status: int) -> Response:
    viewer, state = viewer_of(request), state_of(request)
    fresh = freshness(state, await state.source.campaigns(viewer))
    shown = {"order_id": order_id, "fresh": fresh, "page": "orders"}
    return rendered(request, "orders.html", shown, status)


def trace(order: OrderAttributed, half_life_ms: int, look: Look) -> dict[str, Any]:
    """All that is shown of an order."""
    places = journey(order, look)
    credits_ = credits_by_model(order)
    told = {model.model: model for model in told_of(order, half_life_ms).models}
    # An order without a touch has one row, nobody's.
    rows: list[Place | None] = [*places] or [None]
    hidden = places[FIRST_SHOWN:-LAST_SHOWN] if len(places) > FIRST_SHOWN + LAST_SHOWN + 1 else []
    return {
        "order": order,
        "net_fen": order.amount_fen - order.refunded_fen,
        "first": places[:FIRST_SHOWN] if hidden else places,
        "hidden": hidden,
        "last": places[-LAST_SHOWN:] if hidden else [],
        "matrix": [(place, [_cell(credits_.get(name), place) for name in MODELS]) for place in rows],
        "models": [
            _model(name, told.get(name), credits_[name], places) for name in MODELS if name in credits_
        ],
        "missing": [name for name in MODELS if name not in credits_],
    }


def journey(order: OrderAttributed, look: Look) -> list[Place]:
    """The touches in the path, and the winner if a long path has left it out, in the order of time."""
    path, winner = path_of(order), order.credits.last_touch[0]
    numbered = [(number, touch) for number, touch in enumerate(path, 1)]
    found: list[tuple[int | None, Credit]] = [*numbered]
    if winner.touch_event_id is not None and not any(_is_same(winner, touch) for touch in path):
        found.append((None, winner))
        found.sort(key=lambda each: each[1].touch_time_ms or 0)
    return [
        Place(
            number,
            touch,
            look.age(order.time_ms - (touch.touch_time_ms or 0)),
            _is_same(winner, touch),
        )
        for number, touch in found
    ]


def _is_same(one: Credit, other: Credit) -> bool:
    return one.touch_event_id == other.touch_event_id


def _cell(credits_: Sequence[Credit] | None, place: Place | None) -> Cell | None:
    if credits_ is None:
        return None
    event_id = None if place is None else place.touch.touch_event_id
    found = next((credit for credit in credits_ if credit.touch_event_id == event_id), None)
    micros, gmv_fen = (0, 0) if found is None else (found.orders_micros, found.gmv_fen)
    return Cell(_percent(micros, ORDER_MICROS), micros * 100 / ORDER_MICROS, gmv_fen)


def _model(name: str, told: ModelTold | None, credits_: Sequence[Credit], places: list[Place]) -> Model:
    by_id = {place.touch.touch_event_id: place for place in places}
    recorded = [(by_id.get(credit.touch_event_id), credit) for credit in credits_]
    sums = (
        sum(credit.orders_micros for credit in credits_),
        sum(credit.gmv_fen for credit in credits_),
        sum(credit.refund_fen or 0 for credit in credits_),
    )
    if told is None:
        return Model(name, "", None, sums, recorded)
    lines = [
        Line(
            by_id.get(each.touch_event_id),
            f"{each.weight:,}",
            _percent(each.weight, told.weights_sum),
            _share(each.micros, told.weights_sum),
            _share(each.fen, told.weights_sum),
            each.refund_fen,
            each.fen.got - each.refund_fen,
        )
        for each in told.credits
    ]
    return Model(name, f"{told.weights_sum:,}", lines, sums, recorded)


def _percent(part: int, whole: int) -> str:
    return numbers.percent(Fraction(part, whole))


def _share(share: ShareTold, weights_sum: int) -> ShareShown:
    thousandths = share.remainder * 1_000 // weights_sum
    return ShareShown(
        f"{share.rounded_down:,}",
        f"{thousandths / 1_000:.3f}" if share.remainder else "0",
        str(share.extra),
        f"{share.got:,}",
    )
