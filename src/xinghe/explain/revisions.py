"""Why each revision of an attribution came: what is not as in the one before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xinghe.explain.explanation import RevisionTold

Revision = Mapping[str, Any]
"""A value of ``xinghe.order.attributed.v1``."""


def revisions_told(revisions: Sequence[Revision]) -> list[RevisionTold]:
    """Each of the order's revisions, which come ascending."""
    return [
        RevisionTold(
            revision["revision"],
            revision["amount_fen"],
            revision["refunded_fen"],
            why=list(_why(before, revision)) if before else ["the order was paid"],
        )
        for before, revision in zip((None, *revisions), revisions, strict=False)
    ]


def _why(before: Revision, after: Revision) -> Iterator[str]:
    if before["person_id"] != after["person_id"]:
        yield "it is told under another id of the person"
    for name in ("time_ms", "amount_fen"):
        if before[name] != after[name]:
            yield f"another payment counts: {name} {before[name]} became {after[name]}"
    yield from _refunds(before["refunded_fen"], after["refunded_fen"])
    touches_before, touches_after = _touches(before), _touches(after)
    came, gone = touches_after - touches_before, touches_before - touches_after
    yield from (f"touch {event_id} came and is credited" for event_id in sorted(came))
    yield from (f"touch {event_id} is credited no more" for event_id in sorted(gone))
    moved = [model for model in after["credits"] if _split(before, model) != _split(after, model)]
    if moved and not came and not gone:
        yield f"the split by {', '.join(moved)} is another"
    if before["new_customer"] != after["new_customer"]:
        yield "it is now " + (
            "a new buyer's" if after["new_customer"] else "a known buyer's: an order before it came"
        )


def _refunds(before_fen: int, after_fen: int) -> Iterator[str]:
    if after_fen > before_fen:
        yield f"refunds take {after_fen - before_fen} fen more back"
    elif after_fen < before_fen:
        yield f"refunds take {before_fen - after_fen} fen less back"


def _touches(revision: Revision) -> set[str]:
    """Every touch with a credit of any model."""
    return {
        credit["touch_event_id"]
        for given in revision["credits"].values()
        for credit in given
        if credit["touch_event_id"] is not None
    }


def _split(revision: Revision, model: str) -> list[tuple[Any, ...]]:
    """The credits of a model without what refunds take back."""
    names = ("touch_event_id", "campaign_id", "orders_micros", "gmv_fen")
    return [tuple(credit[name] for name in names) for credit in revision["credits"].get(model, ())]
