"""One person's way with one note: from seeing it to buying, or leaving at any step.

Probabilities per view of a campaign's note; an organic note has no ad link.

| step | probability |
|---|---|
| like, comment, collect, share, follow | 9%, 1.5%, 3%, 0.8%, 0.7% |
| ad click | 6% |
| coupon | 1% |
| store visit | 85% after an ad click, else 2% |
| favourite, cart | 8%, 18% of the visits |
| order | 30% of the carts, 2% of the visits without |
| refund | 4% of the orders, a third of them in part |

One session in 25 begins in the shop, with no note at all. In a history session the visit is certain and
comes after days (``lags.CONSIDERATION``), and half of them end in an order: they stand for the people who come
back, which a run of minutes could not show.
"""

from __future__ import annotations

import random
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
    OrderRefunded,
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
REFUND_SHARE: Final = 0.04
PART_REFUND_SHARE: Final = 0.33
CAMPAIGN_SURFACES: Final = ("ad", "ad", "ad", "feed", "search")
ORGANIC_SURFACES: Final = ("feed", "feed", "feed", "search", "profile")


class Step(NamedTuple):
    """Something that happens ``offset_ms`` after the session began: the topic and its own fields."""

    offset_ms: int
    topic: str
    fields: dict[str, Any]


class Sessions:
    """Draws sessions; ``next_id`` gives the numbers for orders, refunds and clicks."""

    def __init__(self, rng: random.Random, world: World, run: str) -> None:
        self._rng = rng
        self._world = world
        self._run = run
        self._ids = 0

    def draw(self, *, history: bool, history_ms_max: int) -> list[Step]:
        """The steps of one session, each after the steps it follows from.

        With ``history`` the visit comes days after the touch, at most ``history_ms_max``.
        """
        if not history and self._rng.random() < STORE_FIRST_SHARE:
            shop = self._world.shop()
            return self._visit(0, shop, self._rng.choice(shop.items), history=False)
        note = self._world.note()
        steps = self._touches(note)
        if history:
            visit_ms = min(lags.CONSIDERATION.draw_ms(self._rng), history_ms_max - lags.HOUR_MS)
            steps += self._visit(visit_ms, note.shop, note.item, history=True)
            return [step for step in steps if step.offset_ms <= history_ms_max]
        clicked_ms = next((step.offset_ms for step in steps if step.topic == AdClicked.topic), None)
        if clicked_ms is not None:
            if self._rng.random() < VISIT_AFTER_CLICK_SHARE:
                at_ms = clicked_ms + lags.VISIT_AFTER_CLICK.draw_ms(self._rng)
                steps += self._visit(at_ms, note.shop, note.item, history=False)
        elif self._rng.random() < VISIT_BY_SEARCH_SHARE:
            at_ms = lags.VISIT_BY_SEARCH.draw_ms(self._rng)
            steps += self._visit(at_ms, note.shop, note.item, history=False)
        return steps

    def _touches(self, note: Note) -> list[Step]:
        """The view, then what the person does with the note."""
        rng = self._rng
        about: dict[str, Any] = {
            "note_id": note.note_id,
            "shop_id": note.shop.shop_id,
            "item_id": note.item.item_id,
        }
        if note.campaign is not None:
            about["campaign_id"] = note.campaign.campaign_id
        surfaces = ORGANIC_SURFACES if note.campaign is None else CAMPAIGN_SURFACES
        view = {**about, "surface": rng.choice(surfaces), "dwell_ms": int(rng.expovariate(1 / 9_000))}
        steps = [Step(0, NoteViewed.topic, view)]
        if rng.random() < LIKE_SHARE:
            steps.append(Step(lags.LIKE.draw_ms(rng), NoteLiked.topic, about))
        if rng.random() < COMMENT_SHARE:
            steps.append(Step(lags.COMMENT.draw_ms(rng), NoteCommented.topic, about))
        for action, share in ENGAGEMENTS:
            if rng.random() < share:
                engaged = {**about, "action": action}
                steps.append(Step(lags.ENGAGEMENT.draw_ms(rng), NoteEngaged.topic, engaged))
        if rng.random() < COUPON_SHARE:
            steps.append(Step(lags.COUPON.draw_ms(rng), CouponClaimed.topic, self._coupon(note)))
        if note.campaign is not None and rng.random() < AD_CLICK_SHARE:
            clicked = {**about, "click_id": self._next_id("k")}
            steps.append(Step(lags.AD_CLICK.draw_ms(rng), AdClicked.topic, clicked))
        return steps

    def _coupon(self, note: Note) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "coupon_id": f"k{note.shop.shop_id}",
            "shop_id": note.shop.shop_id,
            "platform": self._rng.choice(("xhs", "taobao")),
        }
        if note.campaign is not None:
            fields["campaign_id"] = note.campaign.campaign_id
        return fields

    def _visit(self, at_ms: int, shop: Shop, promoted: Item, *, history: bool) -> list[Step]:
        """The visit at ``at_ms`` and what follows from it."""
        rng = self._rng
        visited = {"shop_id": shop.shop_id, "item_id": promoted.item_id, "new_visitor": rng.random() < 0.6}
        steps = [Step(at_ms, StoreVisited.topic, visited)]
        item = rng.choice(shop.items) if rng.random() < HALO_SHARE else promoted
        wanted = {"shop_id": shop.shop_id, "item_id": item.item_id}
        if rng.random() < FAVORITE_SHARE:
            steps.append(Step(at_ms + lags.FAVORITE.draw_ms(rng), ItemFavorited.topic, wanted))
        order_share = ORDER_OF_VISITS_SHARE
        if rng.random() < CART_SHARE:
            at_ms += lags.CART.draw_ms(rng)
            steps.append(Step(at_ms, CartAdded.topic, {**wanted, "quantity": rng.choice((1, 1, 1, 2, 3))}))
            order_share = ORDER_OF_CARTS_SHARE
        if rng.random() < (ORDER_OF_HISTORY_SHARE if history else order_share):
            # A history session keeps to minutes here, so that its days lie between touch and visit.
            paid_ms = at_ms + (lags.CART if history else lags.ORDER).draw_ms(rng)
            steps += self._order(paid_ms, shop, item)
        return steps

    def _order(self, paid_ms: int, shop: Shop, item: Item) -> list[Step]:
        """The payment, and the refund if there is one."""
        rng = self._rng
        amount_fen = item.price_fen * rng.choice((1, 1, 1, 1, 2))
        order = {
            "shop_id": shop.shop_id,
            "order_id": self._next_id("o"),
            "item_id": item.item_id,
            "amount_fen": amount_fen,
            "new_customer": rng.random() < 0.5,
        }
        steps = [Step(paid_ms, OrderPaid.topic, order)]
        if rng.random() < REFUND_SHARE:
            part = rng.uniform(0.1, 0.9) if rng.random() < PART_REFUND_SHARE else 1.0
            refund = {
                "shop_id": shop.shop_id,
                "order_id": order["order_id"],
                "refund_id": self._next_id("r"),
                "amount_fen": max(1, int(amount_fen * part)),
            }
            steps.append(Step(paid_ms + lags.REFUND.draw_ms(rng), OrderRefunded.topic, refund))
        return steps

    def _next_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}{self._run}-{self._ids}"
