"""The records of the stage-one job: touches and orders of two topics, as in the comparison with Kafka Streams."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final

TOUCH_TOPIC: Final = "xh.touch"
ORDER_TOPIC: Final = "xh.order"
FIRST_MS: Final = 1_760_000_000_000
ACTIONS: Final = ("view",) * 80 + ("like",) * 9 + ("comment",) * 3 + ("collect",) * 3 + ("cart",) * 5
PADDING: Final = "x" * 60
"""A field that the job does not read, as real records have."""


def records(first: int, end: int, users: int) -> Iterator[tuple[str, bytes, bytes]]:
    """Topic, key and value of the events numbered ``first`` to ``end`` (exclusive); 3% are orders.

    Seeded by ``first``, so that a data set is the same whenever it is written in the same pieces.
    """
    source = random.Random(7 + first)
    draw = source.random
    for number in range(first, end):
        user = f"u{int(draw() ** 2 * users):07d}"
        time_ms = FIRST_MS + number * 2
        if draw() < 0.03:
            yield ORDER_TOPIC, user.encode(), _order(number, user, time_ms, draw)
        else:
            yield TOUCH_TOPIC, user.encode(), _touch(number, user, time_ms, draw)


def _order(number: int, user: str, time_ms: int, draw: Callable[[], float]) -> bytes:
    item, amount_fen = int(draw() * 1000), 1000 + int(draw() * 49_000)
    return (
        f'{{"type":"order","event_id":"e{number:010d}","person_id":"{user}","order_id":"o{number}","item_id":"i{item}",'
        f'"amount_fen":{amount_fen},"time_ms":{time_ms},"platform":"taobao","shop_id":"s1","trace":"{PADDING}"}}'
    ).encode()


def _touch(number: int, user: str, time_ms: int, draw: Callable[[], float]) -> bytes:
    campaign, note, action = int(draw() * 200), int(draw() * 5000), ACTIONS[int(draw() * 100)]
    return (
        f'{{"type":"touch","event_id":"e{number:010d}","person_id":"{user}","campaign_id":"c{campaign}",'
        f'"note_id":"n{note}","action":"{action}","time_ms":{time_ms},"platform":"xiaohongshu","device":"ios",'
        f'"trace":"{PADDING}"}}'
    ).encode()
