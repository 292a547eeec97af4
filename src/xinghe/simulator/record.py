"""A record as the model hands it over: what goes to Kafka, and what the model knows about it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

GOOD: Final = "good"
DUPLICATE: Final = "duplicate"
"""A second delivery of the same bytes."""
REPEATED_ORDER: Final = "repeated_order"
"""A good payment event, new ``event_id``, of an order that was sent before."""
REPEATED_REFUND: Final = "repeated_refund"
"""A good refund event, new ``event_id``, of a refund that was sent before."""
WAITING_REFUND: Final = "waiting_refund"
"""A refund that fits the contract, of an order that never comes: it waits for 31 days, then it is a dead letter."""


class Record(NamedTuple):
    """One record for a source topic.

    ``send_at_ms`` says when it is due at the broker. ``kind`` is one of the constants
    above or a kind of ``bad_records.REASONS``. ``event`` is what ``value`` encodes; for
    a bad record it is the good event it was made from.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    send_at_ms: int
    kind: str
    event: dict[str, Any]
