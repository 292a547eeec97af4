"""The page of alerts: what is open and what is over, in plain words, and acknowledging."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from xinghe.dashboard import alert_filter, pages
from xinghe.dashboard.alert_words import Words, words
from xinghe.dashboard.alerts_source import Alert, Past, past
from xinghe.dashboard.api import freshness
from xinghe.dashboard.look import Look, look_of
from xinghe.dashboard.parameters import values
from xinghe.dashboard.security import form
from xinghe.dashboard.state import now_ms, state_of, viewer_of
from xinghe.domain.outputs import AlertRaised
from xinghe.serving import ServingUnavailableError
from xinghe.serving.acknowledgements import NOTE_LENGTH_MAX

PAST_MAX: Final = 100
"""Alerts that are over, on the page."""
_SEVERITIES: Final = ("critical", "warning", "info")
_SEE_OTHER: Final = 303


class Row(NamedTuple):
    """An alert on the page."""

    alert: Alert
    record: AlertRaised
    words: Words
    turns: Sequence[AlertRaised]
    id: str
    """Of its elements: an alert's own id may hold anything."""


def routes() -> list[Route]:
    """The routes of this file."""
    return [
        Route("/alerts", _alerts, methods=["GET"]),
        Route("/alerts/acknowledge", _acknowledge, methods=["POST"]),
    ]


async def _alerts(request: Request) -> Response:
    viewer, state, look = viewer_of(request), state_of(request), look_of(request)
    given = values(alert_filter.PARAMETERS, request.query_params)
    is_open = await state.alerts.open(viewer)
    over = past(await state.alerts.turns(viewer), frozenset(each.record.alert_id for each in is_open))
    shown = {
        **page(is_open, over, given, look),
        "fresh": freshness(state, await state.source.campaigns(viewer)),
        "page": "alerts",
        "topic": "",
    }
    return pages.rendered(request, "alerts.html", shown)


def page(
    is_open: Sequence[Alert], over: Sequence[Past], given: Mapping[str, Any], look: Look
) -> dict[str, Any]:
    """What the template shows: what nobody has seen first, and of that the worst."""
    fits = alert_filter.fitting(is_open, **given)
    fits.sort(key=lambda each: (each.acknowledgement is not None, _SEVERITIES.index(each.record.severity)))
    fitting_ids = {
        each.record.alert_id for each in alert_filter.fitting([each.last for each in over], **given)
    }
    fits_over = [each for each in over if each.last.record.alert_id in fitting_ids]
    everything = [*is_open, *(each.last for each in over)]
    return {
        "given": given,
        "is_filtered": any(given[each.name] != each.default for each in alert_filter.PARAMETERS),
        "open": [_row(each, [], look) for each in fits],
        "open_count": len(is_open),
        "unacknowledged": sum(each.acknowledgement is None for each in is_open),
        "past": [_row(each.last, each.turns, look) for each in fits_over[:PAST_MAX]],
        "past_count": len(fits_over),
        "severities": ("all", *_SEVERITIES),
        "kinds": alert_filter.KIND.choices,
        "campaign_ids": _named((each.record.campaign_id for each in everything), given["campaign_id"]),
        "shop_ids": _named((each.shop_id for each in everything), given["shop_id"]),
        "note_length_max": NOTE_LENGTH_MAX,
        "query": urlencode({name: value for name, value in given.items() if value not in {"", "all"}}),
    }


def _row(alert: Alert, turns: Sequence[AlertRaised], look: Look) -> Row:
    record = alert.record
    name = "a" + hashlib.sha256(record.alert_id.encode()).hexdigest()[:16]
    return Row(alert, record, words(record, look), turns, name)


def _named(ids: Iterable[str | None], chosen: str) -> list[str]:
    """What can be chosen; what is chosen can stay so though it has no alert any more."""
    return sorted({each for each in ids if each} | ({chosen} if chosen else set()))


async def _acknowledge(request: Request) -> Response:
    viewer, state = viewer_of(request), state_of(request)
    fields = await form(request)
    try:
        await state.alerts.acknowledge(viewer, fields.get("alert_id", ""), fields.get("note", ""), now_ms())
    except ServingUnavailableError:
        return pages.problem(request, "not_kept", 503)
    query = fields.get("query", "")
    return RedirectResponse(f"/alerts?{query}" if query else "/alerts", _SEE_OTHER)
