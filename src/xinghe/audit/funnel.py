"""Comparing the last upsert of every window in ``xinghe.campaign.funnel.v1`` (R13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiokafka import ConsumerRecord

from xinghe.audit.fields import differing, flat
from xinghe.audit.figures import SIZES, Truth, WindowKey
from xinghe.audit.findings import Difference, Findings
from xinghe.audit.record import Place
from xinghe.domain.windows import SIZE_MS


class FoundFunnel:
    """The upserts: the last of each window, kept as it came; ``None`` where the window was dropped."""

    def __init__(self) -> None:
        self.last: dict[WindowKey, bytes | None] = {}
        self.wrong: list[Difference] = []
        self.records = 0
        self._versions: dict[WindowKey, int] = {}

    def add(self, record: ConsumerRecord) -> None:
        """Take one upsert; those of one window come in their order."""
        self.records += 1
        where = str(Place(record.topic, record.partition, record.offset))
        window = _window(record.key)
        if window is None:
            self.wrong.append(
                Difference("funnel", where, "key", "campaign_id|size|start_ms", repr(record.key))
            )
            return
        self.last[window] = record.value
        if record.value is None:
            self._versions.pop(window, None)
            return
        try:
            version = orjson.loads(record.value)["version"]
            grows = version > self._versions.get(window, 0)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            self.wrong.append(
                Difference("funnel", where, "value", "a window with a version", "something else")
            )
            del self.last[window]
            return
        if not grows:
            expected = f"more than {self._versions.get(window, 0)}"
            self.wrong.append(Difference("funnel", where, "version", expected, version))
        self._versions[window] = version


def compare_funnel(
    truth: Truth, found: FoundFunnel, redis_versions: Mapping[WindowKey, int], findings: Findings
) -> None:
    """Compare every window's last upsert with the truth, and its version with the one that Redis shows."""
    window_keys = truth.window_keys
    for difference in found.wrong:
        findings.add(difference)
    for window in sorted(window_keys | found.last.keys()):
        findings.compared["upserts"] += 1
        last = found.last.get(window)
        exists = window in window_keys
        fields = (
            _differing(truth, window, last, redis_versions) if exists else _superfluous(truth, window, last)
        )
        for field, expected, value in fields:
            where = "|".join(map(str, window))
            findings.add(Difference("funnel", where, field, expected, value), campaign_id=window[0])


def _superfluous(truth: Truth, window: WindowKey, value: bytes | None) -> list[tuple[str, Any, Any]]:
    """What is wrong with the last upsert of a window that does not exist: that it is not null."""
    if value is None:
        return []
    why = "its retention has passed" if truth.is_expired(window) else "nothing counts in it"
    return [("value", f"null: {why}", "a window")]


def _differing(
    truth: Truth, window: WindowKey, value: bytes | None, redis_versions: Mapping[WindowKey, int]
) -> list[tuple[str, Any, Any]]:
    if value is None:
        return [("value", "a window", None)]
    upsert = orjson.loads(value)
    campaign_id, size, start_ms = window
    expected = {
        "campaign_id": campaign_id,
        "shop_id": _shop_id(truth, window, upsert.get("shop_id")),
        "size": size,
        "start_ms": start_ms,
        "end_ms": None if size == "total" else start_ms + SIZE_MS[size],
        "version": redis_versions.get(window, upsert["version"]),
        "final": truth.is_final(window),
        "metrics": truth.metrics(window),
    }
    return list(differing(flat(expected), flat(upsert)))


def _shop_id(truth: Truth, window: WindowKey, found: str | None) -> str | None:
    """The shop found, if the campaign can have had it when the window last changed; else one that it can be."""
    possible = truth.shops_of(window[0])
    # A report of spend may come before anything that tells the shop.
    if found is None and not truth.counts.get(window):
        return None
    return found if found in possible else min(possible, default=None)


def _window(key: bytes | None) -> WindowKey | None:
    """The window that a key names; ``None`` if it names none."""
    parts = (key or b"").decode("utf-8", "replace").split("|")
    if len(parts) != 3 or parts[1] not in SIZES:
        return None
    try:
        return parts[0], parts[1], int(parts[2])
    except ValueError:
        return None
