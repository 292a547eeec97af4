"""All that is told of an order, as plain data."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from xinghe.domain.attribution.arithmetic import ModelTold

TouchPlace = Literal["path", "left_out", "too_early", "after_order"]
"""In the path; left out of a path of more than 100; longer before the order than a touch reaches; after the order."""
RefundVerdict = Literal["counts", "exceeds_order", "waits", "repeated"]
"""What R5 makes of a refund: taken back, more than was left, before the order was paid, or its ``refund_id`` came before."""


class PaymentTold(Struct, frozen=True):
    """A payment with the order's id; the earliest ``counts``."""

    event_id: str
    time_ms: int
    amount_fen: int
    counts: bool


class TouchTold(Struct, frozen=True):
    """A touch of the person with the order's shop; ``before_order_ms`` is negative after it, ``person_id`` the id it came under."""

    event_id: str
    person_id: str
    time_ms: int
    before_order_ms: int
    kind: str
    campaign_id: str
    note_id: str | None
    item_id: str | None
    place: TouchPlace
    wins: bool
    """Whether the last-touch model chooses it."""


class RefundTold(Struct, frozen=True):
    """A refund with the order's id.

    ``left_fen`` is what was left of the order before it; ``taken_fen`` what it took back by model, of each of the
    model's credits; empty unless it counts.
    """

    event_id: str
    refund_id: str
    time_ms: int
    amount_fen: int
    verdict: RefundVerdict
    left_fen: int
    taken_fen: dict[str, list[int]]


class EarlierOrder(Struct, frozen=True):
    """Another order of the person and shop, so long before the one that is explained."""

    order_id: str
    earlier_ms: int


class PurchaseTold(Struct, frozen=True):
    """What the order is among its person's orders of the shop (R6).

    ``said`` is the order's own ``new_customer``; ``before`` the order before it; ``first`` the new one that it repeats;
    ``repurchases`` the metrics in which it counts.
    """

    is_new: bool
    said: bool | None
    before: EarlierOrder | None
    first: EarlierOrder | None
    repurchases: list[str]


class RevisionTold(Struct, frozen=True):
    """A revision of the attribution; ``why`` says what is not as in the one before it."""

    revision: int
    amount_fen: int
    refunded_fen: int
    why: list[str]


class Explanation(Struct, frozen=True):
    """An order, and why it is credited as it is.

    ``linked_ids`` are the ids that were linked to ``person_id``. ``coupons`` counts those redeemed by campaign. ``apart`` says why the stream may rightly credit it otherwise;
    ``differences`` are where the last revision is not as recomputed.
    """

    order_id: str
    person_id: str
    linked_ids: list[str]
    shop_id: str
    item_id: str
    time_ms: int
    amount_fen: int
    refunded_fen: int
    payment_window_ms: int
    payments: list[PaymentTold]
    touches: list[TouchTold]
    models: list[ModelTold]
    refunds: list[RefundTold]
    purchase: PurchaseTold
    coupons: dict[str, int]
    revisions: list[RevisionTold]
    apart: str | None
    differences: list[str]
