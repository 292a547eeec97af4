"""What came to a journey since its credits were settled, which is done once for all of it (`JourneyRules.settle`)."""

from __future__ import annotations

from xinghe.domain.journey import Journey
from xinghe.domain.order import Order
from xinghe.domain.touch import Touch


class Pending:
    """What waits in a journey.

    ``late`` are by shop the touches that came after conversions that they may have earned. ``converted`` are the shops of
    new store visits, favourites and cart additions. ``counted`` has the orders that are new, that were paid earlier than
    was known or got refunds, by their absolute number: as they were counted, ``None`` for those that were not.
    ``awaited`` are the ids of orders for which refunds wait.
    """

    __slots__ = ("_places", "awaited", "converted", "counted", "journey", "late")

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self.late: dict[int, list[Touch]] = {}
        self.converted: set[int] = set()
        self.counted: dict[int, Order | None] = {}
        self.awaited = {refund.order_id for refund in journey.waiting or ()}
        self._places: dict[str, int] | None = None

    def place_of(self, order_id: str) -> int | None:
        """The index of an order in the journey, ``None`` for one that is not there."""
        if self._places is None:
            self._places = {order.order_id: index for index, order in enumerate(self.journey.orders or ())}
        return self._places.get(order_id)

    def put_order(self, index: int | None, order: Order) -> None:
        """Put an order in the place of another of the journey; ``None`` for one whose id is new."""
        journey = self.journey
        orders = journey.orders
        if orders is None:
            orders = journey.orders = []
        if index is None:
            index = len(orders)
            self.counted[journey.first_orders + index] = None
            orders.append(order)
        else:
            self.counted.setdefault(journey.first_orders + index, orders[index])
            orders[index] = order
        if self._places is not None:
            self._places[order.order_id] = index
