"""Follow the attributions of orders and keep what is true now: `python examples/subscribe.py [BOOTSTRAP]`.

Needs aiokafka alone. Prints a line of JSON whenever what is known of an order changes.
"""

import asyncio
import json
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer

MODEL = "last_touch"


async def main(bootstrap: str) -> None:
    consumer = AIOKafkaConsumer(
        "xinghe.order.attributed.v1",
        bootstrap_servers=bootstrap,
        # Xinghe writes in transactions: without this, records of failed commits would be read as well.
        isolation_level="read_committed",
        # From the beginning at each start, since `orders` is only in memory. A subscriber that keeps its orders in a
        # database gives a group_id, and commits its offsets after the database has what it read.
        auto_offset_reset="earliest",
        group_id=None,
    )
    orders: dict[str, dict[str, Any]] = {}
    async with consumer:
        async for record in consumer:
            attribution = json.loads(record.value)
            order_id = attribution["order_id"]
            known = orders.get(order_id)
            # Under whichever of its person's ids it was told: the largest revision is the whole truth and replaces those before; one seen again changes nothing.
            if known is not None and attribution["revision"] <= known["revision"]:
                continue
            orders[order_id] = attribution
            print(json.dumps(shown(attribution)), flush=True)


def shown(attribution: dict[str, Any]) -> dict[str, Any]:
    """The order, and who gets how much of it, less refunds, under one model."""
    campaigns: dict[str, int] = {}
    for credit in attribution["credits"][MODEL]:
        net_fen = credit["gmv_fen"] - (credit.get("refund_fen") or 0)
        # Several touches of one campaign have a credit each.
        campaigns[credit["campaign_id"]] = campaigns.get(credit["campaign_id"], 0) + net_fen
    return {
        "order_id": attribution["order_id"],
        "revision": attribution["revision"],
        "net_fen": attribution["amount_fen"] - attribution["refunded_fen"],
        "campaigns": campaigns,
    }


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"))
