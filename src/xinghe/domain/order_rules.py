"""The rules of orders: payments, refunds, and what touches and claims that come later change (ARCHITECTURE.md, R2 to R8).

An order and all that follows for it is put in the place of what was there; the difference of both goes to `Changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct, structs

from xinghe.domain.attribution.last_touch import last_touch
from xinghe.domain.attribution.order_credit import path_of
from xinghe.domain.cohorts import add_amounts
from xinghe.domain.counted import any_day, cells_in, has_cell, unpack_cell
from xinghe.domain.coupons import redeemed
from xinghe.domain.delta import Changes
from xinghe.domain.directory import Directory
from xinghe.domain.journey import ORDERS, WAITING, Journey, part_number
from xinghe.domain.kept import is_kept
from xinghe.domain.order import Order, Refund, counting_refunds, pack_touch, refunded_fen
from xinghe.domain.order_figures import credited_campaigns, figures_of
from xinghe.domain.order_path import count_path, has_same_path
from xinghe.domain.purchases import relations
from xinghe.domain.touch import COUPON_CLAIM, Touch, touches_between, touches_in
from xinghe.domain.windows import DAY_MS

TOTAL: Final = 0
"""The day number that stands for campaign-to-date."""


class Windows(Struct, frozen=True):
    """How long after a touch a conversion may still be credited to it."""

    touch_ms: int = 15 * DAY_MS
    payment_ms: int = 30 * DAY_MS

    @property
    def half_life_ms(self) -> int:
        """The half-life of credit in the time-decay model."""
        return self.payment_ms // 4


class OrderRules:
    """The orders of the journeys of one partition; `JourneyRules` calls it with events that are no duplicates."""

    def __init__(
        self,
        directory: Directory,
        windows: Windows,
        mark: Callable[[tuple[bytes, int]], None],
        changes: Changes,
    ) -> None:
        self._directory = directory
        self._windows = windows
        self._mark = mark
        self._changes = changes

    # Events

    def pay(self, key: bytes, journey: Journey, order: Order) -> bool:
        """Add a payment; answers False where its order is known and the known payment counts."""
        orders = journey.orders or []
        index = next((i for i, known in enumerate(orders) if known.order_id == order.order_id), len(orders))
        known = orders[index] if index < len(orders) else None
        if known is not None and known.rank <= order.rank:
            return False
        if known is None:
            journey.events += 1
        else:
            order.revision = max(order.revision, known.revision)  # an order that was moved here has its own
        refunds = [
            *(known.refunds if known is not None else ()),
            *self._take_waiting(key, journey, order.order_id),
        ]
        order.refunds = _ranked(refund for refund in refunds if refund.time_ms >= order.time_ms)
        self._wait(key, journey, [refund for refund in refunds if refund.time_ms < order.time_ms])
        self._attribute(journey, order)
        self._replace(key, journey, {index: order})
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

    def refund(self, key: bytes, journey: Journey, refund: Refund) -> bool:
        """Add a refund; answers False where it is known by its ``refund_id`` and the known one counts."""
        orders = journey.orders or []
        index = next((i for i, order in enumerate(orders) if order.order_id == refund.order_id), None)
        refunds = self._take_waiting(key, journey, refund.order_id)
        if index is not None:
            refunds += orders[index].refunds
        known = next((one for one in refunds if one.refund_id == refund.refund_id), None)
        is_new = known is None or (refund.time_ms, refund.event_id) < (known.time_ms, known.event_id)
        if is_new:
            refunds = [one for one in refunds if one is not known] + [refund]
            journey.events += known is None
        if index is None:
            self._wait(key, journey, refunds)
            return is_new
        order = orders[index]
        self._wait(key, journey, [one for one in refunds if one.time_ms < order.time_ms])
        if is_new:
            of_order = _ranked(one for one in refunds if one.time_ms >= order.time_ms)
            self._replace(key, journey, {index: structs.replace(order, refunds=of_order)})
        return is_new

    def touched(self, key: bytes, journey: Journey, touch: Touch) -> None:
        """A touch came, or a claim: share the orders that it reaches anew."""
        shop_of, last_ms = self._directory.shop_of, touch.time_ms + self._windows.payment_ms
        edits: dict[int, Order] = {}
        for index, order in enumerate(journey.orders or ()):
            if touch.time_ms <= order.time_ms and shop_of[order.target] == shop_of[touch.source]:
                if order.time_ms > last_ms and touch.kind != COUPON_CLAIM:
                    continue
                edits[index] = structs.replace(order)
                self._attribute(journey, edits[index])
                if edits[index] == order:
                    del edits[index]
        if edits:
            self._replace(key, journey, edits)

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

    def _take_waiting(self, key: bytes, journey: Journey, order_id: str) -> list[Refund]:
        waiting = journey.waiting or []
        taken = [refund for refund in waiting if refund.order_id == order_id]
        if taken:
            journey.waiting = [refund for refund in waiting if refund.order_id != order_id] or None
            self._mark((key, part_number(WAITING, 0)))
        return taken

    def _wait(self, key: bytes, journey: Journey, refunds: list[Refund]) -> None:
        if refunds:
            journey.waiting = (journey.waiting or []) + refunds
            self._mark((key, part_number(WAITING, 0)))

    # What follows

    def _attribute(self, journey: Journey, order: Order) -> None:
        """Set what touches and claims of the journey are to the order."""
        shop_of = self._directory.shop_of
        reached_from_ms = order.time_ms - self._windows.payment_ms
        known = {*touches_in(order.path), *touches_in(order.winner)}
        # What the order knows already may be gone from the journey.
        known.update(
            touches_between(journey.touches, reached_from_ms, order.time_ms, shop_of, shop_of[order.target])
        )
        reaching = sorted(known)
        winner = last_touch(reaching)
        order.path = b"".join(map(pack_touch, path_of(reaching)))
        order.winner = b"" if winner is None else pack_touch(winner)
        order.redeemed = redeemed(order, journey.claims or (), shop_of)

    def _replace(self, key: bytes, journey: Journey, edits: dict[int, Order]) -> None:
        """Put orders in the places of those that are there, with all that follows for others of their shops."""
        orders = journey.orders
        if orders is None:
            orders = journey.orders = []
        known = {index: orders[index] for index in edits if index < len(orders)}
        for shop in {self._directory.shop_of[order.target] for order in (*edits.values(), *known.values())}:
            self._relate(orders, edits, shop)
        known = {index: orders[index] for index in edits if index < len(orders)}
        self._count(journey, known, edits)
        for index, order in edits.items():
            if index < len(orders):
                orders[index] = order
            else:
                orders.append(order)
            number = journey.first_orders + index
            self._mark((key, part_number(ORDERS, number)))
            if index not in known or _told(known[index]) != _told(order):
                self._changes.orders[key, number] = None
            self._refuse_excess(order)

    def _relate(self, orders: list[Order], edits: dict[int, Order], shop: int) -> None:
        """Add to ``edits`` the orders of a shop that are related to others in another way than before."""
        shop_of = self._directory.shop_of
        changed = [*edits.values(), *(orders[index] for index in edits if index < len(orders))]
        from_rank = min(order.rank for order in changed if shop_of[order.target] == shop)
        indexes = {id(order): index for index, order in [*enumerate(orders), *edits.items()]}
        theirs = [
            order
            for order in (edits.get(index, known) for index, known in enumerate(orders))
            if shop_of[order.target] == shop
        ]
        theirs += [
            order for index, order in edits.items() if index >= len(orders) and shop_of[order.target] == shop
        ]
        for order, is_new, days, first in relations(sorted(theirs, key=lambda one: one.rank), from_rank):
            credited = () if first is None else self._credited(first)
            if (order.is_new, order.repurchase_days, order.first_credited) == (is_new, days, credited):
                continue
            index = indexes[id(order)]
            if index not in edits:
                edits[index] = structs.replace(order)
            edits[index].is_new = is_new
            edits[index].repurchase_days = days
            edits[index].first_credited = credited

    def _credited(self, order: Order) -> tuple[tuple[int, ...], ...]:
        return credited_campaigns(order, self._directory, self._windows.half_life_ms)

    def _count(self, journey: Journey, known: dict[int, Order], edits: dict[int, Order]) -> None:
        """Count the difference between orders and those that replace them."""
        before: set[bytes] = set()
        after: set[bytes] = set()
        counts = self._changes.counts
        for order in known.values():
            figures = figures_of(order, self._directory, self._windows.half_life_ms)
            for cell, amount in figures.counts.items():
                counts[cell] -= amount
            add_amounts(self._changes.cohorts, figures.cohorts, -1)
            before.update(cells_in(order.people))
        for order in edits.values():
            figures = figures_of(order, self._directory, self._windows.half_life_ms)
            for cell, amount in figures.counts.items():
                counts[cell] += amount
            add_amounts(self._changes.cohorts, figures.cohorts, 1)
            order.people = figures.people
            after.update(cells_in(order.people))
        self._count_paths(known, edits)
        others = [order for index, order in enumerate(journey.orders or ()) if index not in edits]
        for cells, sign in ((after - before, 1), (before - after, -1)):
            self._count_people(journey, others, cells, sign)
        days_before, days_after = {any_day(cell) for cell in before}, {any_day(cell) for cell in after}
        for cells, sign in ((days_after - days_before, 1), (days_before - days_after, -1)):
            self._count_people(journey, others, cells, sign)

    def _count_paths(self, known: dict[int, Order], edits: dict[int, Order]) -> None:
        """Count the orders whose path changes off their old and on their new one."""
        for index, order in edits.items():
            before = known.get(index)
            if before is not None:
                if has_same_path(before, order):
                    continue
                count_path(before, self._directory, self._changes, -1)
            count_path(order, self._directory, self._changes, 1)

    def _count_people(self, journey: Journey, others: list[Order], cells: set[bytes], sign: int) -> None:
        """Count the person for cells, of a day or to date, that no other order counts it for, nor one that was dropped."""
        for cell in cells:
            if not is_kept(journey, cell) and not any(has_cell(order.people, cell) for order in others):
                campaign, metric, day = unpack_cell(cell)
                self._changes.people[campaign, day, metric] += sign

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
