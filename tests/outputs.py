"""Output records for tests of those who read them, built from the structs of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from xinghe.domain.events import CAMPAIGN_FUNNEL, ORDER_ATTRIBUTED
from xinghe.domain.metrics import MODELS
from xinghe.domain.outputs import Credit, Credits, FunnelUpsert, LedgerEntry, OrderAttributed
from xinghe.domain.windows import Size, end_ms

TIME_MS = 1_790_000_000_000
LAG_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """As much of a consumed record as a reader of outputs looks at."""

    topic: str
    key: bytes
    value: bytes | None
    partition: int = 0
    offset: int = 0


def credit(campaign_id: str, gmv_fen: int, orders_micros: int = 1_000_000, refund_fen: int = 0) -> Credit:
    return Credit(
        campaign_id=campaign_id,
        note_id=f"note-of-{campaign_id}",
        touch_event_id="e1",
        touch_time_ms=TIME_MS - LAG_MS,
        kind="ad_click",
        orders_micros=orders_micros,
        gmv_fen=gmv_fen,
        direct=True,
        refund_fen=refund_fen,
    )


def attribution(
    order_id: str, credits_: list[Credit], *, revision: int = 1, person_id: str = "p1", **models: list[Credit]
) -> OrderAttributed:
    """The order with the credits by every model but those that ``models`` names."""
    by_model: Mapping[str, list[Credit]] = {model: models.get(model, credits_) for model in MODELS}
    return OrderAttributed(
        order_id=order_id,
        person_id=person_id,
        shop_id="s1",
        time_ms=TIME_MS,
        amount_fen=sum(each.gmv_fen for each in credits_),
        refunded_fen=sum(each.refund_fen or 0 for each in credits_),
        revision=revision,
        credits=Credits(**by_model),
        new_customer=True,
        refunds=int(any(each.refund_fen for each in credits_)),
    )


def ledger_entry(campaign_id: str, number: int, amount_fen: int = 7) -> LedgerEntry:
    """The debit of a day's spend."""
    return LedgerEntry(
        entry_id=f"{campaign_id}|spend|2026-11-24|2026-11-24|{number}",
        journal_id=f"{campaign_id}|spend|2026-11-24|2026-11-24",
        campaign_id=campaign_id,
        shop_id="s1",
        number=number,
        rule="spend",
        period="2026-11-24",
        day="2026-11-24",
        time_ms=TIME_MS,
        line=1,
        account="merchant:ad_expense",
        amount_fen=amount_fen,
        reverses=None,
        basis=None,
    )


def upsert(campaign_id: str, size: Size, start_ms: int, version: int, **metrics: int) -> FunnelUpsert:
    return FunnelUpsert(
        campaign_id=campaign_id,
        shop_id="s1",
        size=size,
        start_ms=start_ms,
        end_ms=end_ms(size, start_ms),
        version=version,
        final=False,
        metrics=metrics,
    )


def record_of(output: OrderAttributed | FunnelUpsert, offset: int = 0) -> OutputRecord:
    value = msgspec.json.encode(output)
    if isinstance(output, OrderAttributed):
        return OutputRecord(ORDER_ATTRIBUTED, output.order_id.encode(), value, offset=offset)
    key = f"{output.campaign_id}|{output.size}|{output.start_ms}".encode()
    return OutputRecord(CAMPAIGN_FUNNEL, key, value, offset=offset)
