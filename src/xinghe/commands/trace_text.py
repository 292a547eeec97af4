"""An order's explanation as people read it: tables of rich. Times are those of Shanghai, amounts yuan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xinghe.commands.funnel_table import SHANGHAI
from xinghe.domain.amounts import yuan
from xinghe.domain.attribution.arithmetic import ModelTold, ShareTold
from xinghe.explain.explanation import Explanation, RefundTold, TouchTold
from xinghe.serving.dead_letters import safe_text

PERSON_SHOWN: Final = 8
"""Characters of a pseudonym that are shown."""
REFUND_WORDS: Final = {
    "counts": "counts",
    "exceeds_order": "refused: more than was left of the order, or after one that was",
    "waits": "waits: it is older than the order",
    "repeated": "a duplicate: its refund_id came before",
}


def as_text(explanation: Explanation) -> RenderableType:
    """Everything that is told of the order, the order first, what differs last."""
    return Group(*_parts(explanation))


def _parts(explanation: Explanation) -> Iterator[RenderableType]:
    yield _heading(explanation)
    if len(explanation.payments) > 1:
        yield _payments(explanation)
    yield _title("Touches with the shop")
    yield _touches(explanation) if explanation.touches else Text("None: the order is unattributed.")
    for model in explanation.models:
        yield _title(f"{model.model}: weights add up to {model.weights_sum:,}")
        yield _model(model)
    yield _title("Refunds")
    yield _refunds(explanation) if explanation.refunds else Text("None.")
    yield _title("Buyer")
    yield Text("\n".join(_buyer(explanation)))
    yield _title("Revisions")
    yield _revisions(explanation)
    yield Text("\n".join(_verdict(explanation)), style="bold red" if explanation.differences else "green")


def _heading(explanation: Explanation) -> Text:
    heading = Text(f"Order {safe_text(explanation.order_id, None)}", style="bold")
    heading.append(
        f"  person {short(explanation.person_id)}, shop {_id(explanation.shop_id)}, item {_id(explanation.item_id)}\n"
        f"paid {time_text(explanation.time_ms)}, {_yuan(explanation.amount_fen)}, "
        f"of which {_yuan(explanation.refunded_fen)} were refunded",
        style="not bold",
    )
    if explanation.linked_ids:
        linked = ", ".join(map(short, explanation.linked_ids))
        heading.append(f"\nthe person came under {linked} too, by identity links", style="not bold")
    return heading


def _payments(explanation: Explanation) -> Table:
    table = _table("payment", "time", "amount >", "")
    for payment in explanation.payments:
        counts = "counts: the earliest" if payment.counts else "a duplicate"
        _add_row(table, _id(payment.event_id), time_text(payment.time_ms), _yuan(payment.amount_fen), counts)
    return table


def _touches(explanation: Explanation) -> Table:
    ids = ("under",) if explanation.linked_ids else ()
    table = _table(
        "time", "before the order >", "kind", "campaign", "note", "item", "touch", *ids, "in the path"
    )
    for touch in explanation.touches:
        _add_row(
            table,
            time_text(touch.time_ms),
            duration_text(touch.before_order_ms),
            touch.kind,
            _id(touch.campaign_id),
            _id(touch.note_id),
            _id(touch.item_id),
            _id(touch.event_id),
            *([short(touch.person_id)] if ids else []),
            _in_path(touch, explanation.payment_window_ms),
        )
    return table


def _in_path(touch: TouchTold, window_ms: int) -> str:
    wins = "; wins the last touch" if touch.wins else ""
    match touch.place:
        case "path":
            return f"yes{wins}"
        case "left_out":
            return f"no: between the first and the last 99{wins}"
        case "too_early":
            return f"no: more than {duration_text(window_ms)} before"
        case "after_order":
            return "no: after the order"


def _model(model: ModelTold) -> Table:
    table = _table(
        "touch", "campaign", "note", "weight >", "share >", "orders_micros >", "gmv in fen >", "refunded >"
    )
    for credit in model.credits:
        _add_row(
            table,
            _id(credit.touch_event_id),
            _id(credit.campaign_id),
            _id(credit.note_id),
            f"{credit.weight:,}",
            f"{credit.weight / model.weights_sum:.2%}",
            share_text(credit.micros, model.weights_sum),
            share_text(credit.fen, model.weights_sum),
            f"{credit.refund_fen:,}",
        )
    return table


def _refunds(explanation: Explanation) -> Table:
    table = _table("refund", "time", "amount >", "left before >", "", "taken back in fen, in the order above")
    for refund in explanation.refunds:
        _add_row(
            table,
            _id(refund.refund_id),
            time_text(refund.time_ms),
            _yuan(refund.amount_fen),
            _yuan(refund.left_fen),
            REFUND_WORDS[refund.verdict],
            _taken(refund),
        )
    return table


def _taken(refund: RefundTold) -> str:
    return "\n".join(
        f"{model}: {', '.join(f'{share_fen:,}' for share_fen in shares)}"
        for model, shares in refund.taken_fen.items()
    )


def _buyer(explanation: Explanation) -> Iterator[str]:
    purchase = explanation.purchase
    said = "" if purchase.said is None else ", as the order itself says"
    yield ("A new buyer of the shop" if purchase.is_new else "A known buyer of the shop") + said + "."
    if purchase.before is not None:
        ago = duration_text(purchase.before.earlier_ms)
        yield f"The order before it is {_id(purchase.before.order_id)}, {ago} earlier."
    if purchase.first is not None:
        counted = f"counts in {', '.join(purchase.repurchases)}" if purchase.repurchases else "no repurchase"
        ago = duration_text(purchase.first.earlier_ms)
        yield f"The first order is {_id(purchase.first.order_id)}, {ago} earlier: {counted}."
    for campaign_id, coupons in sorted(explanation.coupons.items()):
        yield f"Coupons of {_id(campaign_id)} redeemed: {coupons}."


def _revisions(explanation: Explanation) -> Table:
    table = _table("revision >", "amount >", "refunded >", "why it came")
    for revision in explanation.revisions:
        why = "; ".join(safe_text(each, None) for each in revision.why) or "nothing that is shown changed"
        _add_row(table, str(revision.revision), _yuan(revision.amount_fen), _yuan(revision.refunded_fen), why)
    return table


def _verdict(explanation: Explanation) -> Iterator[str]:
    if explanation.apart is not None:
        yield f"The stream may rightly credit it otherwise: {safe_text(explanation.apart, None)}."
    if not explanation.differences:
        yield "The last revision is as recomputed."
    yield from (safe_text(difference, None) for difference in explanation.differences)


def _title(title: str) -> Text:
    return Text(f"\n{title}", style="bold")


def _table(*columns: str) -> Table:
    """A table; the columns whose name ends in ``>`` are aligned right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        name, is_right, _ = column.partition(" >")
        table.add_column(Text(name), justify="right" if is_right else "left", overflow="fold")
    return table


def _add_row(table: Table, *cells: str) -> None:
    # As text: an id may hold what rich would take for markup.
    table.add_row(*(Text(cell) for cell in cells))


def _id(value: str | None) -> str:
    return "-" if value is None else safe_text(value, None)


def short(person_id: str) -> str:
    """The first characters of a pseudonym.

    >>> short("0123456789abcdef"), short("p1")
    ('01234567…', 'p1')
    """
    shown = safe_text(person_id[:PERSON_SHOWN], None)
    return shown if len(person_id) <= PERSON_SHOWN else f"{shown}…"


def time_text(time_ms: int) -> str:
    """The time in Shanghai, to the millisecond.

    >>> time_text(1_740_758_400_007)
    '2025-03-01 00:00:00.007'
    """
    return (datetime.fromtimestamp(0, SHANGHAI) + timedelta(milliseconds=time_ms)).strftime(
        "%Y-%m-%d %H:%M:%S.%f"
    )[:-3]


def duration_text(duration_ms: int) -> str:
    """A duration in days, hours, minutes, seconds and milliseconds, those that are not 0.

    >>> duration_text(90_061_001), duration_text(-60_000), duration_text(0)
    ('1d 1h 1min 1s 1ms', '-1min', '0ms')
    """
    parts, left_ms = [], abs(duration_ms)
    for name, unit_ms in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)):
        count, left_ms = divmod(left_ms, unit_ms)
        if count:
            parts.append(f"{count}{name}")
    return ("-" if duration_ms < 0 else "") + (" ".join(parts) or "0ms")


def _yuan(amount_fen: int) -> str:
    """An amount of fen in yuan.

    >>> _yuan(123_456), _yuan(5)
    ('¥1,234.56', '¥0.05')
    """
    return f"¥{yuan(amount_fen)}"


def share_text(share: ShareTold, weights_sum: int) -> str:
    """A share's arithmetic: rounded down, what that left of one, what a large remainder got, the result.

    >>> share_text(ShareTold(333, 1, 1, 334), 3), share_text(ShareTold(5, 0, 0, 5), 1)
    ('333 + 0.333 left + 1 = 334', '5')
    """
    if not share.remainder:
        return f"{share.got:,}"
    return (
        f"{share.rounded_down:,} + {share.remainder / weights_sum:.3f} left + {share.extra} = {share.got:,}"
    )
