"""What pages show as files: the table of campaigns, a campaign's notes, its windows.

The figures are whole and in the units of their names, rates are quotients to 6 places. What is unknown is empty, and so is what is
hidden, whose names are told beside it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xinghe.dashboard import numbers, overview, trend
from xinghe.dashboard.downloads import csv_response, parquet_response
from xinghe.dashboard.listing import figure, listed
from xinghe.dashboard.parameters import MS_MAX, Parameter, values
from xinghe.dashboard.privacy import shown
from xinghe.dashboard.state import state_of, viewer_of
from xinghe.domain.catalogue import PLAIN
from xinghe.domain.rates import RATES
from xinghe.export.column import Column

Form = Literal["csv", "parquet"]
FORMS: Final[tuple[Form, ...]] = ("csv", "parquet")
WINDOWS: Final = (
    trend.SIZE,
    Parameter("from_ms", "Windows that start at or after this, ms since 1970 UTC.", bounds=(0, MS_MAX)),
    Parameter("to_ms", "Windows that start before this, ms since 1970 UTC.", bounds=(0, MS_MAX)),
)
NOTE_NAMES: Final = tuple(metric.name for metric in PLAIN if metric.note)
_OF_A_CAMPAIGN: Final = "/export/campaigns/{campaign_id:path}"


def routes() -> list[Route]:
    """The routes of this file."""
    made = (
        ("/export/campaigns", _campaigns),
        (f"{_OF_A_CAMPAIGN}/notes", _notes),
        (f"{_OF_A_CAMPAIGN}/windows", _windows),
    )
    return [
        Route(f"{path}.{form}", _endpoint(answer, form), methods=["GET"])
        for path, answer in made
        for form in FORMS
    ]


def _endpoint(
    answer: Callable[[Request, Form], Awaitable[Response]], form: Form
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await answer(request, form)

    return endpoint


async def _campaigns(request: Request, form: Form) -> Response:
    """All rows that fit the filter, in the order and with the columns of the table."""
    viewer, state = viewer_of(request), state_of(request)
    given = values(overview.TABLE, request.query_params)
    chosen = given.pop("columns")
    campaigns = await state.source.campaigns(viewer)
    names = await state.records.names(viewer)
    columns = [
        Column("campaign_id", "text"),
        Column("name", "text"),
        Column("shop_id", "text"),
        Column("kind", "text"),
        *(Column(name, "real" if name in RATES else "whole") for name in chosen),
        Column("updated", "time"),
    ]
    rows = [
        (
            each.campaign_id,
            names.get(each.campaign_id),
            each.shop_id,
            each.kind,
            *(_cell(figure(each, name)) for name in chosen),
            each.funnel.updated_ms,
        )
        for each in listed(campaigns, names, **given)
    ]
    return _file(request, form, "campaigns", columns, rows)


async def _notes(request: Request, form: Form) -> Response:
    """All notes of a campaign, the highest GMV first."""
    viewer, state = viewer_of(request), state_of(request)
    values((), request.query_params)
    campaign_id = request.path_params["campaign_id"]
    notes = await state.source.notes(viewer, campaign_id, None)
    columns = [Column("note_id", "text"), *(Column(name, "whole") for name in NOTE_NAMES)]
    rows = [(note.note_id, *map(note.metrics.get, NOTE_NAMES)) for note in notes]
    return _file(request, form, f"{campaign_id}-notes", columns, rows)


async def _windows(request: Request, form: Form) -> Response:
    """The windows of one size of a campaign, oldest first; those in which nothing happened are not there."""
    viewer, state = viewer_of(request), state_of(request)
    given = values(WINDOWS, request.query_params)
    campaign_id, size = request.path_params["campaign_id"], given["size"]
    windows = await state.source.windows(viewer, campaign_id, size, given["from_ms"], given["to_ms"])
    names = [metric.name for metric in PLAIN if size in metric.sizes]
    columns = [
        Column("start", "time"),
        Column("end", "time"),
        Column("final", "truth"),
        *(Column(name, "whole") for name in names),
        Column("hidden", "text"),
    ]
    rows = []
    for window in windows:
        metrics, hidden = shown(window.metrics, state.people_min, is_part=True)
        told = " ".join(name for name in names if name in hidden)
        rows.append((window.start_ms, window.end_ms, window.final, *map(metrics.get, names), told))
    return _file(request, form, f"{campaign_id}-{size}", columns, rows)


def _cell(value: Any) -> int | float | None:
    """A figure as a file has it: whole, or a quotient to 6 places."""
    return value if value is None or isinstance(value, int) else float(round(value, 6))


def _file(
    request: Request, form: Form, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]]
) -> Response:
    """The file, whose name says when its figures were read: while Redis is away they are old."""
    name = f"{name}-{numbers.clock(state_of(request).source.board.read_ms, '%Y%m%d-%H%M%S')}"
    if form == "parquet":
        return parquet_response(name, columns, rows)
    return csv_response(
        name,
        [column.name for column in columns],
        ([_text(column, value) for column, value in zip(columns, row, strict=True)] for row in rows),
    )


def _text(column: Column, value: Any) -> Any:
    """A value as CSV has it: times of Asia/Shanghai with their offset, truth in words."""
    if value is None:
        return None
    if column.kind == "time":
        return datetime.fromtimestamp(value / 1000, numbers.SHANGHAI).isoformat(timespec="milliseconds")
    if column.kind == "truth":
        return "true" if value else "false"
    return value
