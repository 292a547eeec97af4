"""One person's way with a note: from seeing it to buying, or leaving at any step.

Probabilities per view of a campaign's note; an organic note has no ad link.

| step | probability |
|---|---|
| like, comment, collect, share, follow | 9%, 1.5%, 3%, 0.8%, 0.7% |
| ad click | 6% |
| coupon | 1% |
| store visit | 85% after an ad click, else 2% |
| favourite, cart | 8%, 18% of the visits |
| order | 30% of the carts, 2% of the visits without |

One session in 25 begins in the shop, with no note at all. In a history session the person sees up to five more notes of
the shop, each with its own chances (a coupon 25%), and the visit is certain and comes after days
(``lags.CONSIDERATION``); half of them end in an order: they stand for the people who come back, which a run of minutes
could not show. In a returning session somebody who bought in a shop buys there again, without a cart.

An order redeems 80% of the coupons that the session claimed, and 3% name a coupon that nobody claimed. 60% of the orders say if
the customer is new: no where the person returns, else yes for half. Refunds: ``refunds.py``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from xinghe.domain.events import (
    AdClicked,
    CartAdded,
    CouponClaimed,
    ItemFavorited,
    NoteCommented,
    NoteEngaged,
    NoteLiked,
    NoteViewed,
    OrderPaid,
    StoreVisited,
)
from xinghe.simulator import lags
from xinghe.simulator.world import Item, Note, Shop, World

STORE_FIRST_SHARE: Final = 0.04
LIKE_SHARE: Final = 0.09
COMMENT_SHARE: Final = 0.015
ENGAGEMENTS: Final = (("collect", 0.03), ("share", 0.008), ("follow", 0.007))
AD_CLICK_SHARE: Final = 0.06
COUPON_SHARE: Final = 0.01
VISIT_AFTER_CLICK_SHARE: Final = 0.85
VISIT_BY_SEARCH_SHARE: Final = 0.02
FAVORITE_SHARE: Final = 0.08
CART_SHARE: Final = 0.18
ORDER_OF_CARTS_SHARE: Final = 0.3
ORDER_OF_VISITS_SHARE: Final = 0.02
ORDER_OF_HISTORY_SHARE: Final = 0.5
HALO_SHARE: Final = 0.35
"""Orders of another item than the one the note promotes."""
MORE_NOTES: Final = (0, 0, 1, 1, 2, 3, 5)
"""Notes that a history session has besides its first; each number as often."""
COUPON_OF_HISTORY_SHARE: Final = 0.25
COUPONS_PER_SHOP: Final = 3
REDEEMED_SHARE: Final = 0.8
UNCLAIMED_COUPON_SHARE: Final = 0.03
NEW_CUSTOMER_GIVEN_SHARE: Final = 0.6
NEW_CUSTOMER_SHARE: Final = 0.5
CAMPAIGN_SURFACES: Final = ("ad", "ad", "ad", "feed", "search")
ORGANIC_SURFACES: Final = ("feed", "feed", "feed", "search", "profile")


class Step(NamedTuple):
    """Something that happens ``offset_ms`` after the session began: the topic and its own fields."""

    offset_ms: int
    topic: str
    fields: dict[str, Any]


class Sessions:
    """Draws sessions: the steps of each, every one after those it follows from."""

    def __init__(self, rng: random.Random, world: World, run: str) -> None:
        self._rng = rng
        self._world = world
        self._run = run
        self._ids = 0

    def draw(self) -> list[Step]:
        """A session of the run's own time."""
        rng = self._rng
        if rng.random() < STORE_FIRST_SHARE:
            shop = self._world.shop()
            return self._visit(0, shop, rng.choice(shop.items), ())
        note = self._world.note()
        steps = self._touches(0, note, COUPON_SHARE)
        clicked_ms = next((step.offset_ms for step in steps if step.topic == AdClicked.topic), None)
        if clicked_ms is not None:
            if rng.random() < VISIT_AFTER_CLICK_SHARE:
                at_ms = clicked_ms + lags.VISIT_AFTER_CLICK.draw_ms(rng)
                steps += self._visit(at_ms, note.shop, note.item, steps)
        elif rng.random() < VISIT_BY_SEARCH_SHARE:
            steps += self._visit(lags.VISIT_BY_SEARCH.draw_ms(rng), note.shop, note.item, steps)
        return steps

    def draw_history(self, history_ms_max: int) -> list[Step]:
        """A session of days, of ``history_ms_max`` at most."""
        rng = self._rng
        note = self._world.note()
        visit_ms = min(lags.CONSIDERATION.draw_ms(rng), history_ms_max - lags.HOUR_MS)
        steps = self._touches(0, note, COUPON_OF_HISTORY_SHARE)
        for _ in range(rng.choice(MORE_NOTES)):
            steps += self._touches(
                rng.randrange(visit_ms), self._world.note_of(note.shop), COUPON_OF_HISTORY_SHARE
            )
        # The order within minutes, so that the days lie between touch and visit.
        steps += self._visit(visit_ms, note.shop, note.item, steps, ORDER_OF_HISTORY_SHARE, lags.CART)
        return [step for step in steps if step.offset_ms <= history_ms_max]

    def draw_return(self, shop: Shop) -> list[Step]:
        """Somebody who bought in the shop comes again, of their own accord, and buys."""
        return self._visit(0, shop, self._rng.choice(shop.items), (), 1.0, lags.REORDER, returns=True)

    def _touches(self, at_ms: int, note: Note, coupon_share: float) -> list[Step]:
        """The view at ``at_ms``, then what the person does with the note."""
        rng = self._rng
        about: dict[str, Any] = {
            "note_id": note.note_id,
            "shop_id": note.shop.shop_id,
            "item_id": note.item.item_id,
        }
        if note.campaign is not None:
            about["campaign_id"] = note.campaign.campaign_id
        if note.note_type is not None:
            about["note_type"] = note.note_type
        surfaces = ORGANIC_SURFACES if note.campaign is None else CAMPAIGN_SURFACES
        view = {**about, "surface": rng.choice(surfaces), "dwell_ms": int(rng.expovariate(1 / 9_000))}
        steps = [Step(at_ms, NoteViewed.topic, view)]
        if rng.random() < LIKE_SHARE:
            steps.append(Step(at_ms + lags.LIKE.draw_ms(rng), NoteLiked.topic, about))
        if rng.random() < COMMENT_SHARE:
            steps.append(Step(at_ms + lags.COMMENT.draw_ms(rng), NoteCommented.topic, about))
        for action, share in ENGAGEMENTS:
            if rng.random() < share:
                engaged = {**about, "action": action}
                steps.append(Step(at_ms + lags.ENGAGEMENT.draw_ms(rng), NoteEngaged.topic, engaged))
        if rng.random() < coupon_share:
            steps.append(Step(at_ms + lags.COUPON.draw_ms(rng), CouponClaimed.topic, self._coupon(note)))
        if note.campaign is not None and rng.random() < AD_CLICK_SHARE:
            clicked = {**about, "click_id": self._next_id("k")}
            steps.append(Step(at_ms + lags.AD_CLICK.draw_ms(rng), AdClicked.topic, clicked))
        return steps

    def _coupon(self, note: Note) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "coupon_id": f"k{note.shop.shop_id}-{self._rng.randrange(COUPONS_PER_SHOP)}",
            "shop_id": note.shop.shop_id,
            "platform": self._rng.choice(("xhs", "taobao")),
        }
        if note.campaign is not None:
            fields["campaign_id"] = note.campaign.campaign_id
        return fields

    def _visit(
        self,
        at_ms: int,
        shop: Shop,
        promoted: Item,
        before: Iterable[Step],
        order_share: float | None = None,
        order_lag: lags.Lag = lags.ORDER,
        *,
        returns: bool = False,
    ) -> list[Step]:
        """The visit at ``at_ms`` after the steps ``before`` it, and what follows from it.

        ``order_share`` is the probability of an order where the cart does not tell it.
        """
        rng = self._rng
        visited = {"shop_id": shop.shop_id, "item_id": promoted.item_id, "new_visitor": rng.random() < 0.6}
        steps = [Step(at_ms, StoreVisited.topic, visited)]
        item = rng.choice(shop.items) if rng.random() < HALO_SHARE else promoted
        wanted = {"shop_id": shop.shop_id, "item_id": item.item_id}
        if rng.random() < FAVORITE_SHARE:
            steps.append(Step(at_ms + lags.FAVORITE.draw_ms(rng), ItemFavorited.topic, wanted))
        share_by_cart = ORDER_OF_VISITS_SHARE
        if not returns and rng.random() < CART_SHARE:
            at_ms += lags.CART.draw_ms(rng)
            steps.append(Step(at_ms, CartAdded.topic, {**wanted, "quantity": rng.choice((1, 1, 1, 2, 3))}))
            share_by_cart = ORDER_OF_CARTS_SHARE
        if rng.random() < (share_by_cart if order_share is None else order_share):
            paid_ms = at_ms + order_lag.draw_ms(rng)
            order = self._order(shop, item, [step for step in before if step.topic == CouponClaimed.topic])
            if rng.random() < NEW_CUSTOMER_GIVEN_SHARE:
                order["new_customer"] = not returns and rng.random() < NEW_CUSTOMER_SHARE
            steps.append(Step(paid_ms, OrderPaid.topic, order))
        return steps

    def _order(self, shop: Shop, item: Item, claims: list[Step]) -> dict[str, Any]:
        """The own fields of a payment, with most of the coupons that were claimed."""
        rng = self._rng
        order: dict[str, Any] = {
            "shop_id": shop.shop_id,
            "order_id": self._next_id("o"),
            "item_id": item.item_id,
            "amount_fen": item.price_fen * rng.choice((1, 1, 1, 1, 2)),
        }
        coupon_ids = [claim.fields["coupon_id"] for claim in claims if rng.random() < REDEEMED_SHARE]
        if rng.random() < UNCLAIMED_COUPON_SHARE:
            coupon_ids.append(f"k{shop.shop_id}-unclaimed")
        if coupon_ids:
            order["coupon_ids"] = coupon_ids
        return order

    def _next_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}{self._run}-{self._ids}"
