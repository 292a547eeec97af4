"""Records that do not fit the contract or their order: one kind for each way to fail (ARCHITECTURE.md, R1)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

from xinghe.domain.events import NoteEngaged, OrderPaid, OrderRefunded
from xinghe.domain.windows import DAY_MS, HOUR_MS, JOURNEY_RETENTION_MS, OUT_OF_ORDERNESS_MS
from xinghe.simulator.record import Record
from xinghe.simulator.refunds import refund_fields

VALUE_BYTES_MAX: Final = 65_536


class Raw(NamedTuple):
    """Topic, key and value as they go to Kafka."""

    topic: str
    key: bytes | None
    value: bytes | None


Maker = Callable[[random.Random, str, dict[str, Any]], Raw]
"""Makes a bad record of a journey topic and a good event of it, which is the maker's own copy."""


def _record(topic: str, event: dict[str, Any], person_id: str) -> Raw:
    return Raw(topic, person_id.encode(), orjson.dumps(event))


def _changed(topic: str, event: dict[str, Any], **fields: object) -> Raw:
    return _record(topic, {**event, **fields}, event["person_id"])


def _malformed_json(rng: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    """A document cut off on the way."""
    value = orjson.dumps(event)
    return Raw(topic, event["person_id"].encode(), value[: rng.randrange(1, len(value))])


def _invalid_utf8(_: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    """A string in another encoding (GBK) than UTF-8."""
    value = orjson.dumps({**event, "shop_id": "SHOP"}).replace(b"SHOP", "旗舰店".encode("gbk"))
    return Raw(topic, event["person_id"].encode(), value)


def _wrong_type(rng: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    field, value = rng.choice((("time_ms", str(event["time_ms"])), ("shop_id", 17), ("event_id", None)))
    return _changed(topic, event, **{field: value})


def _missing_field(rng: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    person_id = event["person_id"]
    del event[rng.choice(("event_id", "person_id", "time_ms", "shop_id"))]
    return _record(topic, event, person_id)


def _unknown_enum(_: random.Random, __: str, event: dict[str, Any]) -> Raw:
    return _changed(NoteEngaged.topic, event, note_id="n0", action="retweet")


def _money_not_positive(rng: random.Random, __: str, event: dict[str, Any]) -> Raw:
    amount_fen = rng.choice((0, -1, -9_900))
    return _changed(OrderPaid.topic, event, order_id=event["event_id"], item_id="i0", amount_fen=amount_fen)


def _separator_in_id(rng: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    return _changed(topic, event, shop_id=event["shop_id"] + rng.choice(":|") + "x")


def _null_value(_: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    return Raw(topic, event["person_id"].encode(), None)


def _wrong_key(_: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    return _record(topic, event, event["person_id"] + "0")


def _no_key(_: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    return Raw(topic, None, orjson.dumps(event))


def _future(rng: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    """A clock that is years ahead, so that it is ahead too where records are loaded long after their time."""
    return _changed(topic, event, time_ms=event["time_ms"] + rng.randint(20 * 365, 40 * 365) * DAY_MS)


def _too_late(rng: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    """Beyond the retention behind the watermark that ``event``, sent before to the same partition, has set."""
    behind_ms = JOURNEY_RETENTION_MS + OUT_OF_ORDERNESS_MS + rng.randint(HOUR_MS, 30 * DAY_MS)
    return _changed(topic, event, time_ms=event["time_ms"] - behind_ms)


def _too_large(rng: random.Random, topic: str, event: dict[str, Any]) -> Raw:
    return _changed(topic, event, comment="x" * (VALUE_BYTES_MAX + rng.randint(1, 30_000)))


_MAKERS: Final[dict[str, tuple[str, Maker]]] = {
    "malformed_json": ("malformed", _malformed_json),
    "invalid_utf8": ("malformed", _invalid_utf8),
    "wrong_type": ("invalid", _wrong_type),
    "missing_field": ("invalid", _missing_field),
    "unknown_enum": ("invalid", _unknown_enum),
    "money_not_positive": ("invalid", _money_not_positive),
    "separator_in_id": ("invalid", _separator_in_id),
    "null_value": ("invalid", _null_value),
    "wrong_key": ("key_mismatch", _wrong_key),
    "no_key": ("key_mismatch", _no_key),
    "future": ("future", _future),
    "too_late": ("too_late", _too_late),
    "too_large": ("too_large", _too_large),
}

REFUND_OVER_ORDER: Final = "refund_over_order"
REASONS: Final[dict[str, str]] = {
    **{kind: reason for kind, (reason, _) in _MAKERS.items()},
    REFUND_OVER_ORDER: "refund_exceeds_order",
}
"""Kind of bad record to the reason its dead letter must have."""
KINDS: Final = tuple(REASONS)


def make(rng: random.Random, kind: str, good: Record, event_id: str, send_at_ms: int) -> Record:
    """A bad record of ``kind`` after the model of ``good``, a journey event sent before and near the present.

    ``event_id`` is a new one, so that a bad record that is counted by mistake is seen as too much.
    """
    event = {**good.event, "event_id": event_id}
    raw = _MAKERS[kind][1](rng, good.topic, event)
    return Record(raw.topic, raw.key, raw.value, send_at_ms, kind, good.event)


def make_refund_over_order(rng: random.Random, order: Record, event_id: str, send_at_ms: int) -> Record:
    """A refund of more than its order paid, of an order that was sent before and has no other refund.

    So it is exactly one dead letter, and there is none of another refund.
    """
    paid = order.event
    event = {
        "event_id": event_id,
        "person_id": paid["person_id"],
        # Not before the payment, whose clock may be ahead.
        "time_ms": max(paid["time_ms"], send_at_ms),
        **refund_fields(paid, f"ro-{paid['order_id']}", paid["amount_fen"] + rng.randint(1, 10_000)),
    }
    raw = _record(OrderRefunded.topic, event, event["person_id"])
    return Record(raw.topic, raw.key, raw.value, send_at_ms, REFUND_OVER_ORDER, event)
