"""The pages of settlement: campaigns with books, and the statement and ledger of one campaign with its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xinghe.dashboard import settlement
from xinghe.dashboard.api import freshness
from xinghe.dashboard.books import Books
from xinghe.dashboard.downloads import csv_response, has_parquet, parquet_response
from xinghe.dashboard.pages import rendered
from xinghe.dashboard.parameters import Parameter, address, linker, values
from xinghe.dashboard.state import state_of, viewer_of
from xinghe.domain.outputs import LedgerEntry
from xinghe.domain.statement import Posting, booked_by, statement_of

ROWS: Final = Parameter("limit", "Rows of the table.", 100, bounds=(1, 10_000))
LIST_PARAMETERS: Final = (settlement.SORT, ROWS)
PARAMETERS: Final = (settlement.AS_OF, *settlement.FILTER, ROWS)
OPEN_ROWS: Final = 12
"""Up to so many amounts of a rule are shown at once."""


class Heading(NamedTuple):
    """A column of the table, and where a click on it leads."""

    name: str
    href: str
    sorted: str


class OfRule(NamedTuple):
    """What a statement has of a rule; the sum is of what stands."""

    rule: str
    postings: list[Posting]
    standing: int
    standing_fen: int

    @property
    def is_open(self) -> bool:
        """Whether all of it is shown at once."""
        return len(self.postings) <= OPEN_ROWS


def routes() -> list[Route]:
    """The routes of this file."""
    base = "/campaigns/{campaign_id:path}/settlement"
    return [
        Route("/settlement", _list, methods=["GET"]),
        Route(f"{base}.csv", _csv, methods=["GET"]),
        Route(f"{base}.parquet", _parquet, methods=["GET"]),
        Route(base, _settlement, methods=["GET"]),
    ]


async def _list(request: Request) -> Response:
    viewer, state = viewer_of(request), state_of(request)
    given = values(LIST_PARAMETERS, request.query_params)
    found = settlement.listed(await state.records.books(viewer), given["sort"])
    shown = {
        "rows": found[: given["limit"]],
        "count": len(found),
        "given": given,
        "headings": {heading.name: heading for heading in headings(given)},
        "sums": sums(found),
        "accounts": settlement.ACCOUNTS,
        "owed": settlement.OWED,
        "fresh": freshness(state, await state.source.campaigns(viewer)),
        "page": "settlement",
        "topic": "",
    }
    return rendered(request, "settlements.html", shown)


def headings(given: Mapping[str, Any]) -> list[Heading]:
    """The columns that sort the table; a second click turns the order."""
    found = []
    for choice in settlement.SORT.choices[::2]:
        is_descending, is_ascending = given["sort"] == f"-{choice}", given["sort"] == choice
        # Ids are read from the first, figures from the largest.
        first, second = (choice, f"-{choice}") if choice == "campaign_id" else (f"-{choice}", choice)
        chosen = {**given, "sort": second if given["sort"] == first else first}
        state = "descending" if is_descending else "ascending" if is_ascending else ""
        found.append(Heading(choice, address("/settlement", LIST_PARAMETERS, chosen), state))
    return found


def sums(books: Sequence[Books]) -> dict[str, int | None]:
    """What all of them come to; the expected payouts are ``None`` where none is known."""
    expected = [each.expected_payout_fen for each in books if each.expected_payout_fen is not None]
    return {
        **{name: sum(getattr(each.owed, name) for each in books) for name in settlement.OWED},
        "expected_payout_fen": sum(expected) if expected else None,
    }


async def _settlement(request: Request) -> Response:
    viewer, state = viewer_of(request), state_of(request)
    given = values(PARAMETERS, request.query_params)
    campaign = await state.source.campaign(viewer, request.path_params["campaign_id"])
    ledger = await state.records.ledger(viewer, campaign.campaign_id)
    booked = booked_by(ledger, given["as_of"])
    statement = statement_of(booked) if booked else None
    found, correcting = _lines(ledger, given), settlement.corrections(ledger)
    path = f"/campaigns/{quote(campaign.campaign_id, safe='')}/settlement"
    shown = {
        "campaign": campaign,
        "given": given,
        "path": path,
        "link": linker(path, PARAMETERS, given),
        "file": linker(path, PARAMETERS, {name: given[name] for name in _names(settlement.FILTER)}),
        "has_parquet": has_parquet(),
        "is_empty": not ledger,
        "statement": statement,
        "rules": by_rule(statement.postings) if statement else [],
        "lines": [
            (entry, settlement.part_of(entry, correcting)) for entry in newest_first(found)[: given["limit"]]
        ],
        "count": len(found),
        "position": await state.source.position(viewer, campaign.campaign_id),
        "rule_choices": settlement.RULE.choices,
        "account_choices": settlement.ACCOUNT.choices,
        "fresh": freshness(state, [campaign]),
        "page": "settlement",
        "topic": campaign.campaign_id,
    }
    return rendered(request, "settlement.html", shown)


def _names(parameters: Sequence[Parameter]) -> list[str]:
    return [parameter.name for parameter in parameters]


def _lines(ledger: Sequence[LedgerEntry], given: Mapping[str, Any]) -> list[LedgerEntry]:
    return settlement.lines(ledger, **{name: given[name] for name in _names(settlement.FILTER)})


def newest_first(lines: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """The journals from the last, each with its lines in their order: a debit stands before its credit."""
    journals = [list(theirs) for _, theirs in groupby(lines, key=lambda entry: entry.journal_id)]
    return [entry for journal in reversed(journals) for entry in journal]


def by_rule(postings: Sequence[Posting]) -> list[OfRule]:
    """The postings of a statement, which are in the order of the rules, by rule."""
    found = []
    for rule, group in groupby(postings, key=lambda posting: posting.rule):
        theirs = list(group)
        standing = [posting.amount_fen for posting in theirs if posting.reversed_by is None]
        found.append(OfRule(rule, theirs, len(standing), sum(standing)))
    return found


async def _csv(request: Request) -> Response:
    name, rows = await _file(request)
    return csv_response(name, [column.name for column in settlement.COLUMNS], rows)


async def _parquet(request: Request) -> Response:
    name, rows = await _file(request)
    return parquet_response(name, settlement.COLUMNS, rows)


async def _file(request: Request) -> tuple[str, list[tuple[Any, ...]]]:
    """The name and the rows of the file of what the filter of the page shows, by number."""
    viewer, state = viewer_of(request), state_of(request)
    given = values(settlement.FILTER, request.query_params)
    campaign_id = request.path_params["campaign_id"]
    ledger = await state.records.ledger(viewer, campaign_id)
    correcting = settlement.corrections(ledger)
    return f"{campaign_id}-settlement", [settlement.row(entry, correcting) for entry in _lines(ledger, given)]
