"""The rules of orders: payments, refunds, and what touches and claims that come later change (ARCHITECTURE.md, R2 to R8).

Payments and refunds are put into the journey as they come. What follows from them, and from touches and claims that came
late, is found when the journey is settled; the difference to what was counted goes to `Changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from msgspec import Struct, structs

from xinghe.domain.attribution.last_touch import last_touch
from xinghe.domain.attribution.order_credit import PATH_TOUCHES_MAX, path_of
from xinghe.domain.counted import any_day, cells_in, unpack_cell
from xinghe.domain.coupons import CLAIM_WINDOW_MS, redeemed
from xinghe.domain.delta import Changes
from xinghe.domain.directory import Directory
from xinghe.domain.journey import ORDERS, WAITING, Journey, part_number
from xinghe.domain.kept import not_kept
from xinghe.domain.order import Order, Refund, counting_refunds, pack_touch, refunded_fen
from xinghe.domain.order_figures import OrderFigures, credited_campaigns
from xinghe.domain.order_path import count_path, has_same_path
from xinghe.domain.pending import Pending
from xinghe.domain.purchases import relations
from xinghe.domain.shop_touches import JourneyTouches, ShopTouches
from xinghe.domain.touch import touches_in
from xinghe.domain.windows import DAY_MS

TOTAL: Final = 0
"""The day number that stands for campaign-to-date."""


class Windows(Struct, frozen=True):
    """How long after a touch a conversion may still be credited to it, and whether an ad click wins over later touches."""

    touch_ms: int = 15 * DAY_MS
    payment_ms: int = 30 * DAY_MS
    click_over_view: bool = True

    @property
    def half_life_ms(self) -> int:
        """The half-life of credit in the time-decay model."""
        return self.payment_ms // 4


class Common(NamedTuple):
    """What the rules of conversions and of orders share: they look at the same journeys and add to the same changes."""

    directory: Directory
    windows: Windows
    mark: Callable[[tuple[bytes, int]], None]
    changes: Changes


class OrderRules:
    """The orders of the journeys of one partition; `JourneyRules` calls it with events that are no duplicates."""

    def __init__(self, common: Common) -> None:
        self._directory, self._windows, self._mark, self._changes = common

    # Events

    def pay(self, key: bytes, pending: Pending, order: Order) -> bool:
        """Add a payment; answers False where its order is known and the known payment counts."""
        journey = pending.journey
        index = pending.place_of(order.order_id)
        known = journey.orders[index] if journey.orders is not None and index is not None else None
        if known is not None and known.rank <= order.rank:
            return False
        if known is None:
            journey.events += 1
        else:
            order.revision = max(order.revision, known.revision)  # an order that was moved here has its own
        refunds = [
            *(known.refunds if known is not None else ()),
            *self._take_waiting(key, pending, order.order_id),
        ]
        order.refunds = _ranked(refund for refund in refunds if refund.time_ms >= order.time_ms)
        self._wait(key, pending, [refund for refund in refunds if refund.time_ms < order.time_ms])
        pending.put_order(index, order)
        return True

    def retell(self, key: bytes, journey: Journey, moved: Order) -> None:
        """Tell the order of this id anew, with a revision after those of the order that was moved here."""
        orders = journey.orders or []
        for index, order in enumerate(orders):
            if order.order_id == moved.order_id:
                order.revision = max(order.revision, moved.revision)
                number = journey.first_orders + index
                self._changes.orders[key, number] = None
                self._mark((key, part_number(ORDERS, number)))

    def refund(self, key: bytes, pending: Pending, refund: Refund) -> bool:
        """Add a refund; answers False where it is known by its ``refund_id`` and the known one counts."""
        journey = pending.journey
        index = pending.place_of(refund.order_id)
        order = journey.orders[index] if journey.orders is not None and index is not None else None
        refunds = self._take_waiting(key, pending, refund.order_id)
        if order is not None:
            refunds += order.refunds
        known = next((one for one in refunds if one.refund_id == refund.refund_id), None)
        is_new = known is None or (refund.time_ms, refund.event_id) < (known.time_ms, known.event_id)
        if is_new:
            refunds = [one for one in refunds if one is not known] + [refund]
            journey.events += known is None
        if order is None:
            self._wait(key, pending, refunds)
            return is_new
        self._wait(key, pending, [one for one in refunds if one.time_ms < order.time_ms])
        if is_new:
            of_order = _ranked(one for one in refunds if one.time_ms >= order.time_ms)
            pending.put_order(index, structs.replace(order, refunds=of_order))
        return is_new

    # Refunds without an order

    def refuse_waiting(self, key: bytes, journey: Journey, horizon_ms: int) -> None:
        """Give up the refunds from before ``horizon_ms``: no payment from before them can come any more."""
        waiting = journey.waiting or []
        past = [refund for refund in waiting if refund.time_ms < horizon_ms]
        if not past:
            return
        journey.waiting = [refund for refund in waiting if refund.time_ms >= horizon_ms] or None
        journey.events -= len(past)
        self._mark((key, part_number(WAITING, 0)))
        for refund in past:
            detail = f"$.order_id: no payment of order {refund.order_id!r} at or before the refund has come"
            self._changes.refusals.append((refund, "order_unknown", detail))

    def _take_waiting(self, key: bytes, pending: Pending, order_id: str) -> list[Refund]:
        if order_id not in pending.awaited:
            return []
        pending.awaited.remove(order_id)
        waiting = pending.journey.waiting or []
        pending.journey.waiting = [refund for refund in waiting if refund.order_id != order_id] or None
        self._mark((key, part_number(WAITING, 0)))
        return [refund for refund in waiting if refund.order_id == order_id]

    def _wait(self, key: bytes, pending: Pending, refunds: list[Refund]) -> None:
        if refunds:
            pending.awaited.update(refund.order_id for refund in refunds)
            if pending.journey.waiting is None:
                pending.journey.waiting = []
            pending.journey.waiting += refunds
            self._mark((key, part_number(WAITING, 0)))

    # What follows

    def settle(
        self, key: bytes, pending: Pending, late: dict[int, ShopTouches], touches: JourneyTouches
    ) -> None:
        """Put what follows from all that came, ``late`` touches by their shop among it, in the place of what was counted."""
        journey, first = pending.journey, pending.journey.first_orders
        orders = journey.orders or []
        edits = self._edits(pending, late, touches)
        if not edits:
            return
        known: dict[int, Order] = {}
        for index in edits:
            counted = pending.counted.get(first + index, orders[index])
            if counted is not None:
                known[index] = counted
        self._relate(orders, known, edits)
        self._count(journey, known, edits)
        for index, order in edits.items():
            orders[index] = order
            self._mark((key, part_number(ORDERS, first + index)))
            if index not in known or _told(known[index]) != _told(order):
                self._changes.orders[key, first + index] = None
            self._refuse_excess(order)

    def _edits(
        self, pending: Pending, late: dict[int, ShopTouches], touches: JourneyTouches
    ) -> dict[int, Order]:
        """By their index the orders that came, were paid earlier or got refunds, and those that late touches or claims change."""
        journey, shop_of = pending.journey, self._directory.shop_of
        within_ms = max(self._windows.payment_ms, CLAIM_WINDOW_MS)
        edits: dict[int, Order] = {}
        for index, order in enumerate(journey.orders or ()):
            is_pending = journey.first_orders + index in pending.counted
            came_late = late.get(shop_of[order.target])
            if is_pending or (came_late is not None and came_late.reach(order.time_ms, within_ms)):
                edited = structs.replace(order)
                self._attribute(journey, edited, touches.of(shop_of[order.target]))
                if is_pending or edited != order:
                    edits[index] = edited
        return edits

    def _attribute(self, journey: Journey, order: Order, touches: ShopTouches) -> None:
        """Set what touches and claims of the journey are to the order."""
        window_ms, click_over_view = self._windows.payment_ms, self._windows.click_over_view
        # What the order knows already may be gone from the journey.
        known = touches_in(order.winner)
        there = touches.winner(order.time_ms, window_ms, click_over_view=click_over_view)
        winner = last_touch(filter(None, (*known, there)), click_over_view=click_over_view)
        reaching = touches.first_and_last(order.time_ms, window_ms, PATH_TOUCHES_MAX - 1)
        path = path_of(sorted({*touches_in(order.path), *reaching}))
        order.path = b"".join(map(pack_touch, path))
        order.winner = b"" if winner is None else pack_touch(winner)
        if order.coupons:
            order.redeemed = redeemed(order, journey.claims or (), self._directory.shop_of)

    def _relate(self, orders: list[Order], known: dict[int, Order], edits: dict[int, Order]) -> None:
        """Add to both the orders that are related to others of their shop in another way than before."""
        shop_of = self._directory.shop_of
        changed: dict[int, list[Order]] = {}
        for order in (*known.values(), *edits.values()):
            changed.setdefault(shop_of[order.target], []).append(order)
        indexes: dict[int, list[int]] = {shop: [] for shop in changed}
        for index, order in enumerate(orders):
            if (theirs := indexes.get(shop_of[order.target])) is not None:
                theirs.append(index)
        for shop, theirs in indexes.items():
            self._relate_in_shop(orders, known, edits, theirs, min(order.rank for order in changed[shop]))

    def _relate_in_shop(
        self,
        orders: list[Order],
        known: dict[int, Order],
        edits: dict[int, Order],
        indexes: list[int],
        from_rank: tuple[int, bytes],
    ) -> None:
        theirs = {id(order): index for index in indexes for order in (edits.get(index, orders[index]),)}
        ranked = sorted((edits.get(index, orders[index]) for index in indexes), key=lambda one: one.rank)
        credited: dict[int, tuple[tuple[int, ...], ...]] = {}
        for order, is_new, days, first in relations(ranked, from_rank):
            if first is not None and id(first) not in credited:
                credited[id(first)] = credited_campaigns(first, self._directory, self._windows.half_life_ms)
            first_credited = () if first is None else credited[id(first)]
            if (order.is_new, order.repurchase_days, order.first_credited) == (is_new, days, first_credited):
                continue
            index = theirs[id(order)]
            if index not in edits:
                known[index] = order
                edits[index] = structs.replace(order)
            edits[index].is_new = is_new
            edits[index].repurchase_days = days
            edits[index].first_credited = first_credited

    def _count(self, journey: Journey, known: dict[int, Order], edits: dict[int, Order]) -> None:
        """Count the difference between orders and those that replace them."""
        before: set[bytes] = set()
        after: set[bytes] = set()
        figures = OrderFigures(self._directory, self._windows.half_life_ms)
        for index, order in edits.items():
            if index in known:
                figures.add(known[index], -1)
                before.update(cells_in(known[index].people))
            order.people = figures.add(order)
            after.update(cells_in(order.people))
        figures.add_to(self._changes)
        self._count_paths(known, edits)
        before.update([any_day(cell) for cell in before])
        after.update([any_day(cell) for cell in after])
        if before != after:
            self._count_people(journey, edits, before, after)

    def _count_people(
        self, journey: Journey, edits: dict[int, Order], before: set[bytes], after: set[bytes]
    ) -> None:
        """Count the person for cells, of a day or to date, that no other order counts it for, nor one that was dropped."""
        others = {
            cell
            for index, order in enumerate(journey.orders or ())
            if index not in edits
            for cell in cells_in(order.people)
        }
        others.update([any_day(cell) for cell in others])
        for cells, sign in ((after - before, 1), (before - after, -1)):
            for cell in not_kept(journey, cells - others):
                campaign, metric, day = unpack_cell(cell)
                self._changes.people[campaign, day, metric] += sign

    def _count_paths(self, known: dict[int, Order], edits: dict[int, Order]) -> None:
        """Count the orders whose path changes off their old and on their new one."""
        for index, order in edits.items():
            before = known.get(index)
            if before is not None:
                if has_same_path(before, order):
                    continue
                count_path(before, self._directory, self._changes, -1)
            count_path(order, self._directory, self._changes, 1)

    def _refuse_excess(self, order: Order) -> None:
        """Refunds that take more than the order are told once, and kept, so that their like are known."""
        counting = sum(1 for _ in counting_refunds(order))
        for refund in order.refunds[counting:]:
            if not refund.is_refused:
                refund.is_refused = True
                detail = (
                    f"$.amount_fen: {refund.amount_fen}, but of the {order.amount_fen} fen of order "
                    f"{order.order_id!r} {refunded_fen(order)} were refunded before"
                )
                self._changes.refusals.append((refund, "refund_exceeds_order", detail))


def _ranked(refunds: Iterable[Refund]) -> tuple[Refund, ...]:
    return tuple(sorted(refunds, key=lambda refund: (refund.time_ms, refund.event_id)))


def _told(order: Order) -> tuple[object, ...]:
    """What the order's attribution says."""
    refunds = [(refund.refund_id, refund.amount_fen) for refund in counting_refunds(order)]
    return order.rank, order.target, order.amount_fen, order.path, order.winner, order.is_new, refunds
