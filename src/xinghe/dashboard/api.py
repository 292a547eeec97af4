"""The JSON API under `/api/v1`: one table of operations, from which the routes and the OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xinghe.dashboard import alert_filter, records, records_api
from xinghe.dashboard.access import Viewer
from xinghe.dashboard.alert_filter import fitting
from xinghe.dashboard.health import Health, health_of
from xinghe.dashboard.listing import KIND, SEARCH, SHOP, SORT, listed
from xinghe.dashboard.operation import CAMPAIGN_PATH, Asked, Operation
from xinghe.dashboard.parameters import MS_MAX, Parameter, ParameterError, values
from xinghe.dashboard.security import FormError, limited_body
from xinghe.dashboard.source import Campaign
from xinghe.dashboard.state import State, now_ms, state_of, viewer_of
from xinghe.domain.metrics import MODELS
from xinghe.domain.outputs import ShopModels

PREFIX: Final = "/api/v1"
_LIMIT: Final = Parameter("limit", "At most so many.", 200, bounds=(1, 1_000))
_FROM: Final = Parameter(
    "from_ms", "Windows that start at or after this, ms since 1970 UTC.", bounds=(0, MS_MAX)
)
_TO: Final = Parameter("to_ms", "Windows that start before this, ms since 1970 UTC.", bounds=(0, MS_MAX))
_SIZE: Final = Parameter("size", "The size of the windows.", "1h", choices=("1m", "1h", "1d"))


async def _campaigns(asked: Asked) -> records.CampaignList:
    given = dict(asked.values)
    limit = given.pop("limit")
    names = await asked.state.records.names(asked.viewer)
    found = listed(await asked.state.source.campaigns(asked.viewer), names, **given)
    people_min = asked.state.people_min
    return records.CampaignList(
        len(found),
        [records.campaign_record(each, names.get(each.campaign_id), people_min) for each in found[:limit]],
    )


async def _campaign(asked: Asked) -> records.CampaignRecord:
    campaign = await asked.state.source.campaign(asked.viewer, asked.id)
    names = await asked.state.records.names(asked.viewer)
    return records.campaign_record(campaign, names.get(asked.id), asked.state.people_min)


async def _windows(asked: Asked) -> records.WindowList:
    size = asked.values["size"]
    windows = await asked.state.source.windows(
        asked.viewer, asked.id, size, asked.values["from_ms"], asked.values["to_ms"]
    )
    people_min = asked.state.people_min
    return records.WindowList(
        asked.id, size, [records.window_record(window, people_min) for window in windows]
    )


async def _notes(asked: Asked) -> records.NoteList:
    notes = await asked.state.source.notes(asked.viewer, asked.id, asked.values["limit"])
    return records.NoteList(asked.id, [records.note_record(note) for note in notes])


async def _models(asked: Asked) -> records.ModelList:
    campaign = await asked.state.source.campaign(asked.viewer, asked.id)
    found = records.model_records(campaign.funnel.metrics, MODELS, asked.state.people_min)
    return records.ModelList(asked.id, found)


async def _guarantee(asked: Asked) -> records.GuaranteeRecord:
    return records.GuaranteeRecord(asked.id, await asked.state.source.position(asked.viewer, asked.id))


async def _alerts(asked: Asked) -> records.AlertList:
    given = dict(asked.values)
    limit, which = given.pop("limit"), given.pop("which")
    alerts = asked.state.alerts
    found = await (alerts.open(asked.viewer) if which == "open" else alerts.turns(asked.viewer))
    return records.AlertList([records.alert_record(each) for each in fitting(found, **given)[:limit]])


async def _acknowledge(asked: Asked) -> records.AlertRecord:
    return records.alert_record(
        await asked.state.alerts.acknowledge(asked.viewer, asked.id, asked.body.note, now_ms())
    )


async def _shops(asked: Asked) -> records.ShopList:
    return records.ShopList(await asked.state.source.shops(asked.viewer))


async def _shop_models(asked: Asked) -> ShopModels:
    return await asked.state.source.shop_models(asked.viewer, asked.id)


async def _health(asked: Asked) -> Health:
    return await health(asked.state, asked.viewer)


async def health(state: State, viewer: Viewer) -> Health:
    """How the stream is; raises `NotVisibleError` unless the viewer sees all shops."""
    reports = await state.records.reports(viewer)
    return health_of(reports, now_ms(), state.source.board.problem)


async def _freshness(asked: Asked) -> records.Freshness:
    return freshness(asked.state, await asked.state.source.campaigns(asked.viewer))


def freshness(state: State, campaigns: list[Campaign]) -> records.Freshness:
    """How fresh the figures of some campaigns are."""
    now, board = now_ms(), state.source.board
    updated_ms = max(
        (c.funnel.updated_ms for c in campaigns if c.funnel.updated_ms is not None), default=None
    )
    watermark_ms = max(
        (c.funnel.watermark_ms for c in campaigns if c.funnel.watermark_ms is not None), default=None
    )
    return records.Freshness(
        now_ms=now,
        campaigns=len(campaigns),
        updated_ms=updated_ms,
        updated_age_ms=None if updated_ms is None else max(0, now - updated_ms),
        watermark_ms=watermark_ms,
        watermark_age_ms=None if watermark_ms is None else max(0, now - watermark_ms),
        read_ms=board.read_ms,
        problem=board.problem,
    )


OPERATIONS: Final = (
    *records_api.OPERATIONS,
    Operation(
        "/campaigns",
        "Campaigns with their figures to date",
        records.CampaignList,
        _campaigns,
        (SORT, KIND, SEARCH, SHOP, _LIMIT),
    ),
    Operation(
        f"{CAMPAIGN_PATH}/windows",
        "A campaign's windows by minute, hour or day",
        records.WindowList,
        _windows,
        (_SIZE, _FROM, _TO),
    ),
    Operation(
        f"{CAMPAIGN_PATH}/notes",
        "A campaign's notes, the highest GMV first",
        records.NoteList,
        _notes,
        (_LIMIT,),
    ),
    Operation(
        f"{CAMPAIGN_PATH}/models",
        "What each rule model gives a campaign, side by side",
        records.ModelList,
        _models,
    ),
    Operation(
        f"{CAMPAIGN_PATH}/guarantee",
        "Where a campaign's guarantee stands",
        records.GuaranteeRecord,
        _guarantee,
    ),
    Operation(CAMPAIGN_PATH, "A campaign's figures to date", records.CampaignRecord, _campaign),
    Operation(
        "/alerts",
        "Alerts that are open, or what became of the last ones",
        records.AlertList,
        _alerts,
        (
            Parameter(
                "which", "Open alerts, or all turns of the last ones.", "open", choices=("open", "all")
            ),
            *alert_filter.PARAMETERS,
            _LIMIT,
        ),
    ),
    Operation(
        "/alerts/{alert_id:path}/acknowledge",
        "Say that you have seen an alert; what was said before is replaced",
        records.AlertRecord,
        _acknowledge,
        body=records.Note,
    ),
    Operation("/shops", "Shops with data-driven models", records.ShopList, _shops),
    Operation(
        "/shops/{shop_id:path}/models",
        "A shop's credits by the data-driven models",
        ShopModels,
        _shop_models,
    ),
    Operation("/health", "How the stream is; only for tokens of all shops", Health, _health),
    Operation("/freshness", "How fresh the figures are", records.Freshness, _freshness),
)


def routes() -> list[Route]:
    """The routes of all operations, in the order of the table, and that of the document."""
    return [
        *(Route(PREFIX + each.path, _endpoint(each), methods=[each.method]) for each in OPERATIONS),
        Route(f"{PREFIX}/openapi.json", _openapi, methods=["GET"]),
    ]


def _endpoint(operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        viewer = viewer_of(request)
        given = values(operation.parameters, request.query_params)
        id_ = next(iter(request.path_params.values()), "")
        body = None if operation.body is None else await _body(request, operation.body)
        return json(await operation.handle(Asked(state_of(request), viewer, id_, given, body)))

    return endpoint


async def _body(request: Request, kind: type) -> Any:
    # A browser sends the cookie of a session along with what any site makes it send, but never a token.
    if "authorization" not in request.headers:
        raise FormError
    try:
        return msgspec.json.decode(await limited_body(request) or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise ParameterError(f"the body must be JSON as the document of the API says ({error})") from error


def json(answer: Any, status: int = 200) -> Response:
    """An answer of the API."""
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


async def _openapi(request: Request) -> Response:
    del request
    return json(openapi())


def openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the operations."""
    reference = "#/components/schemas/{name}"
    answers_and_bodies = [each.answer for each in OPERATIONS] + [
        each.body or type(None) for each in OPERATIONS
    ]
    found, schemas = msgspec.json.schema_components(
        [records.Failure, *answers_and_bodies], ref_template=reference
    )
    failure, answers, bodies = found[0], found[1 : len(OPERATIONS) + 1], found[len(OPERATIONS) + 1 :]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Xinghe",
            "version": "1",
            "description": "Live campaign funnels. Money is in fen, time in ms since 1970 UTC. What is unknown is null or absent.",
        },
        "security": [{"token": []}],
        "paths": {
            PREFIX + each.path.replace(":path", ""): {
                each.method.lower(): _described(each, answer, failure, body)
            }
            for each, answer, body in zip(OPERATIONS, answers, bodies, strict=True)
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(
    operation: Operation, answer: dict[str, Any], failure: dict[str, Any], body: dict[str, Any]
) -> dict[str, Any]:
    in_path = [
        {"name": part[1:].split(":")[0], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in operation.path.replace("}", "").split("/")
        if part.startswith("{")
    ]
    in_query = [
        {"name": each.name, "in": "query", "description": each.meaning, "schema": each.schema()}
        for each in operation.parameters
    ]
    failures = {
        "400": "A parameter is wrong",
        "401": "No valid token",
        **({"403": "A session's cookie is no token"} if operation.body else {}),
        **({"404": "It is not there, or of a shop that the token may not see"} if in_path else {}),
        "503": "Redis cannot be reached and nothing was read before"
        if operation.body is None
        else "Redis cannot be reached; send it again",
    }
    return {
        "summary": operation.summary,
        "parameters": in_path + in_query,
        **({"requestBody": {"content": {"application/json": {"schema": body}}}} if operation.body else {}),
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": answer}}},
            **{
                status: {"description": text, "content": {"application/json": {"schema": failure}}}
                for status, text in failures.items()
            },
        },
    }
