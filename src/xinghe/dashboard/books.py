"""What the books of all campaigns come to, kept in memory: entries are never changed, so only new ones are read."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from xinghe.domain.outputs import LedgerEntry
from xinghe.domain.statement import Owed, balances_of, owed_by
from xinghe.serving.records_reader import RecordsReader


class Books(Struct, frozen=True):
    """What a campaign's ledger comes to."""

    campaign_id: str
    shop_id: Annotated[str | None, Meta(description="Null where the campaign has no terms.")]
    entries: int
    last_day: Annotated[str, Meta(description="The last day that has an entry, of Asia/Shanghai.")]
    balances_fen: Annotated[
        dict[str, int], Meta(description="By account: debits above 0, credits below; in fen.")
    ]
    owed: Owed
    expected_payout_fen: Annotated[
        int | None,
        Meta(description="The payout of the guarantee, were it settled now, in fen; null without one."),
    ] = None


class BooksReader:
    """Reads what is new in the ledgers; one at a time, since it adds to what it knows."""

    def __init__(self, reader: RecordsReader) -> None:
        self._reader = reader
        self._known: dict[str, tuple[Books, LedgerEntry]] = {}
        self._lock = asyncio.Lock()

    async def read(self, campaign_ids: Collection[str]) -> list[Books]:
        """The books of those campaigns that have any, by id; raises what the reader raises."""
        async with self._lock:
            for campaign_id in self._known.keys() - set(campaign_ids):
                del self._known[campaign_id]
            numbers = {id_: self._known[id_][0].entries if id_ in self._known else 1 for id_ in campaign_ids}
            for campaign_id, (length, entry) in (await self._reader.ledger_ends(numbers)).items():
                books, last = self._known.get(campaign_id, (None, None))
                if entry != last or books is None:  # the ledger is another, of topics that were made anew
                    self._known.pop(campaign_id, None)
                    books = None
                if books is None or length > books.entries:
                    await self._add(campaign_id, books, length)
            return [self._known[campaign_id][0] for campaign_id in sorted(self._known)]

    async def _add(self, campaign_id: str, books: Books | None, length: int) -> None:
        first = 1 if books is None else books.entries + 1
        entries = await self._reader.ledger_part(campaign_id, range(first, length + 1)) if length else []
        if entries:
            self._known[campaign_id] = _with(books, entries), entries[-1]


def _with(books: Books | None, entries: list[LedgerEntry]) -> Books:
    """The books after more entries."""
    last, balances_fen = entries[-1], balances_of(entries)
    if books is None:
        return Books(
            last.campaign_id, last.shop_id, last.number, last.day, balances_fen, owed_by(balances_fen)
        )
    for account, fen in books.balances_fen.items():
        balances_fen[account] = balances_fen.get(account, 0) + fen
    return replace(
        books,
        shop_id=last.shop_id,
        entries=last.number,
        last_day=last.day,
        balances_fen=dict(sorted(balances_fen.items())),
        owed=owed_by(balances_fen),
    )
