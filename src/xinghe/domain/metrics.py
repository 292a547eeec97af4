"""The metrics of a window: their names, order and meaning, in one place (DESIGN.md, section 7).

The order is the index of a metric in deltas and stored windows; new metrics go to the end of their
group's tuple and the changelogs are rebuilt, which CHANGELOG.md then says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Final

COUNTED: Final[Mapping[str, str]] = {
    "views": "Times the campaign's notes were seen.",
    "likes": "Likes on the campaign's notes.",
    "comments": "Comments on the campaign's notes.",
    "collects": "Times a note of the campaign was collected.",
    "shares": "Times a note of the campaign was shared.",
    "follows": "Follows of an author from a note of the campaign.",
    "ad_clicks": "Jumps from the campaign's notes to Taobao by ad link.",
    "coupon_claims": "Coupons of the campaign that were claimed, on either platform.",
    "store_visits": "Store visits credited to the campaign (within 15 days of the touch).",
    "favorites": "Favourites credited to the campaign (within 15 days of the touch).",
    "cart_adds": "Cart additions credited to the campaign (within 15 days of the touch).",
    "coupon_redemptions": "Coupons of the campaign that were redeemed in an order.",
    "coupon_gmv_fen": "Gross amount of the orders in which a coupon of the campaign was redeemed, in fen.",
}
"""Added up over events; in every window size, 0 where nothing was counted. The same whatever the campaign's model."""

MODEL_COUNTED: Final[Mapping[str, str]] = {
    "orders_micros": "Orders credited to the campaign, in millionths (within 30 days).",
    "gmv_fen": "Gross amount of the credited orders, in fen.",
    "direct_gmv_fen": "Part of gmv_fen whose order bought the item that the note promotes.",
    "halo_gmv_fen": "Part of gmv_fen whose order bought another item of the shop.",
    "gmv_7d_fen": "Part of gmv_fen with at most 7 days from touch to order.",
    "gmv_15d_fen": "Part of gmv_fen with at most 15 days from touch to order.",
    "gmv_30d_fen": "Part of gmv_fen with at most 30 days from touch to order.",
    "refunds": "Refunds of orders in which the campaign has credit; counts once for each such campaign.",
    "refund_fen": "Amount refunded out of the campaign's credit, in fen, at the time of the refund.",
    "repurchases": "Orders of a shop within 90 days after a person's first, for the campaigns with credit in the first.",
    "repurchases_30d": "Those of repurchases that came within 30 days after the first.",
    "refund_7d_fen": "Part of refund_fen with at most 7 days from touch to order.",
    "refund_15d_fen": "Part of refund_fen with at most 15 days from touch to order.",
    "refund_30d_fen": "Part of refund_fen with at most 30 days from touch to order.",
}
"""Of orders, as each rule model credits them; in every window size by the campaign's own model."""

PEOPLE: Final[Mapping[str, str]] = {
    "viewers": "Distinct people who saw a note of the campaign.",
    "store_visitors": "Distinct people with a store visit credited to the campaign.",
    "cart_users": "Distinct people with a cart addition credited to the campaign.",
}
"""Exact distinct people; in 1d and total windows only, since they cannot be added up over windows."""

MODEL_PEOPLE: Final[Mapping[str, str]] = {
    "buyers": "Distinct people with an order credited to the campaign.",
    "new_buyers": "Those of buyers who had paid no order of the shop in the 365 days before.",
    "repurchasers": "Distinct people with a repurchase (see repurchases).",
    "repurchasers_30d": "Distinct people with a repurchase within 30 days after the first order.",
}
"""Exact distinct people by the credit of orders, as each rule model gives it; in 1d and total windows."""

AUDIENCE: Final[Mapping[str, str]] = {
    "aware_people": "People of the campaign's audience who have gone no further than seeing a note.",
    "interest_people": "Those whose deepest stage in the shop is a like, comment, collect, follow or share.",
    "deep_interest_people": "Those whose deepest stage is an ad click, coupon claim, store visit, favourite or cart.",
    "purchase_people": "Those who have paid an order of the shop, and shared none of its notes.",
    "share_people": "Those who have paid an order of the shop, and shared a note of it.",
}
"""Exact distinct people by the deepest stage that they have reached, from the first on; in total windows only. Each
person of a campaign counts in one of them, and in many campaigns: they must not be added up over campaigns (R15)."""

MODELS: Final = ("last_touch", "first_touch", "linear", "time_decay", "position_based")
"""The rule models, all computed for each order; the first is the default."""

LAG_DAYS: Final = (7, 15, 30)
"""The lags from touch to order by which amounts are told apart, as in ``gmv_7d_fen``."""

SPENT: Final[Mapping[str, str]] = {
    "spend_fen": "Ad spend as reported by hour, in fen; absent until an hour was reported.",
    "spend_hours": "How many hours were reported; absent until one was.",
    "impressions": "Times the ads were shown, over the hours of ctr_hours; absent while there are none.",
    "clicks": "Clicks on the ads, over the hours of ctr_hours; absent while there are none.",
    "ctr_hours": "How many hours were reported with both impressions and clicks; absent while there are none.",
}
"""From ad spend reports; in 1h, 1d and total windows, absent while unknown (R19)."""

COUNTED_NAMES: Final = tuple(COUNTED)
MODEL_COUNTED_NAMES: Final = tuple(MODEL_COUNTED)
PEOPLE_NAMES: Final = tuple(PEOPLE)
MODEL_PEOPLE_NAMES: Final = tuple(MODEL_PEOPLE)
AUDIENCE_NAMES: Final = tuple(AUDIENCE)
SPENT_NAMES: Final = tuple(SPENT)
COUNTED_INDEX: Final = {name: index for index, name in enumerate(COUNTED_NAMES)}
PEOPLE_INDEX: Final = {name: index for index, name in enumerate(PEOPLE_NAMES)}
MODEL_COUNTED_INDEX: Final = tuple(
    {
        name: len(COUNTED_NAMES) + model * len(MODEL_COUNTED_NAMES) + index
        for index, name in enumerate(MODEL_COUNTED_NAMES)
    }
    for model in range(len(MODELS))
)
"""By model, then name: the index in deltas, which goes on after those of ``COUNTED_NAMES``."""
MODEL_PEOPLE_INDEX: Final = tuple(
    {
        name: len(PEOPLE_NAMES) + model * len(MODEL_PEOPLE_NAMES) + index
        for index, name in enumerate(MODEL_PEOPLE_NAMES)
    }
    for model in range(len(MODELS))
)
"""By model, then name: the index in deltas, which goes on after those of ``PEOPLE_NAMES``."""
FIRST_AUDIENCE: Final = len(PEOPLE_NAMES) + len(MODELS) * len(MODEL_PEOPLE_NAMES)
"""The index in deltas of the first of ``AUDIENCE_NAMES``; from it on there are no others."""

ENGAGEMENT_NAMES: Final = ("likes", "comments", "collects", "shares", "follows")
"""What ``engagements`` adds up: Xiaohongshu's interactions of a note."""


NOTELESS: Final = frozenset(
    {
        "coupon_claims",
        "coupon_redemptions",
        "coupon_gmv_fen",
        "refunds",
        "repurchases",
        "repurchases_30d",
    }
)
"""The metrics that belong to no note: notes have no field for them."""

_SPEND_ALONE: Final = 2
"""So many of ``SPENT_NAMES`` are known of each report."""
_FIELDS_BY_MODEL: Final = tuple(f"{name}:{model}" for model in MODELS for name in MODEL_COUNTED_NAMES)
_PEOPLE_FIELDS_BY_MODEL: Final = tuple(f"{name}:{model}" for model in MODELS for name in MODEL_PEOPLE_NAMES)
_NOTE_COUNTED: Final = tuple((i, name) for i, name in enumerate(COUNTED_NAMES) if name not in NOTELESS)
_engagements = itemgetter(*(COUNTED_INDEX[name] for name in ENGAGEMENT_NAMES))
_NOTE_ORDERS: Final = tuple((i, name) for i, name in enumerate(MODEL_COUNTED_NAMES) if name not in NOTELESS)


def shown_counts(
    counted: Sequence[int],
    people: Sequence[int] | None,
    spent: Sequence[int] | None,
    audience: Sequence[int] | None = None,
) -> dict[str, int]:
    """The metrics of a window that orders do not change, as topics and Redis show them.

    ``counted``, ``people``, ``spent`` and ``audience`` are ordered as ``COUNTED_NAMES``, ``PEOPLE_NAMES``, ``SPENT_NAMES`` and
    ``AUDIENCE_NAMES``; ``people`` and ``audience`` are ``None`` for window sizes without them, ``spent`` is ``None`` until an hour
    was reported, and what is ``None`` has no field in the result; nor have ``impressions`` and ``clicks`` without an hour that has both.

    >>> shown_counts([5, 2, 1] + [0] * 10, None, None)["engagements"]
    3
    """
    metrics = dict(zip(COUNTED_NAMES, counted, strict=True))
    metrics["engagements"] = sum(_engagements(counted))
    if people is not None:
        metrics.update(zip(PEOPLE_NAMES, people, strict=True))
    if audience is not None:
        metrics.update(zip(AUDIENCE_NAMES, audience, strict=True))
    if spent is not None:
        known = SPENT_NAMES if spent[-1] else SPENT_NAMES[:_SPEND_ALONE]
        metrics.update(zip(known, spent, strict=False))
    return metrics


def shown_orders(
    plain: Sequence[int], counted: Sequence[int], people: Sequence[int] | None, people_model: int
) -> dict[str, int]:
    """The metrics of a window's orders, as topics and Redis show them.

    ``plain`` holds the ``MODEL_COUNTED_NAMES`` by the campaign's own model, ``counted`` those of all models, one
    model after another, ``people`` likewise the ``MODEL_PEOPLE_NAMES``, or ``None`` for window sizes without distinct
    people, which have no fields by model either. ``people_model`` is the index of the model whose people are shown
    under plain names.

    >>> shown = shown_orders([0, 7] + [0] * 6 + [2] + [0] * 5, [0] * 70, [0, 1, 2] + [0] * 17, 0)
    >>> shown["net_gmv_fen"], shown["new_buyers"], shown["new_buyers:last_touch"], shown["gmv_fen:linear"]
    (5, 1, 1, 0)
    """
    metrics = dict(zip(MODEL_COUNTED_NAMES, plain, strict=True))
    metrics["net_gmv_fen"] = metrics["gmv_fen"] - metrics["refund_fen"]
    if people is not None:
        first = people_model * len(MODEL_PEOPLE_NAMES)
        metrics.update(zip(MODEL_PEOPLE_NAMES, people[first : first + len(MODEL_PEOPLE_NAMES)], strict=True))
        metrics.update(zip(_FIELDS_BY_MODEL, counted, strict=True))
        metrics.update(zip(_PEOPLE_FIELDS_BY_MODEL, people, strict=True))
        for model in MODELS:
            metrics[f"net_gmv_fen:{model}"] = metrics[f"gmv_fen:{model}"] - metrics[f"refund_fen:{model}"]
    return metrics


def shown_without_orders(*, has_people: bool) -> dict[str, int]:
    """What `shown_orders` is where there are none: all 0, without fields by model."""
    names = (*MODEL_COUNTED_NAMES, "net_gmv_fen", *(MODEL_PEOPLE_NAMES if has_people else ()))
    return dict.fromkeys(names, 0)


def shown_note_counts(counted: Sequence[int]) -> dict[str, int]:
    """The metrics of a note that orders do not change; ``counted`` is ordered as ``COUNTED_NAMES``."""
    metrics = {name: counted[index] for index, name in _NOTE_COUNTED}
    metrics["engagements"] = sum(_engagements(counted))
    return metrics


def shown_note_orders(plain: Sequence[int] | None) -> dict[str, int]:
    """The metrics of a note's orders, ``plain`` ordered as ``MODEL_COUNTED_NAMES``; ``None`` where there are none."""
    metrics = {name: 0 if plain is None else plain[index] for index, name in _NOTE_ORDERS}
    metrics["net_gmv_fen"] = metrics["gmv_fen"] - metrics["refund_fen"]
    return metrics
