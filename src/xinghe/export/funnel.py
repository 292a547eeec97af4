"""Funnel windows as a table: one row for each window, by its last upsert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from aiokafka import ConsumerRecord

from xinghe.domain.catalogue import METRICS
from xinghe.domain.events import CAMPAIGN_FUNNEL
from xinghe.domain.outputs import FunnelUpsert
from xinghe.export.column import Column
from xinghe.export.errors import UnreadableRecordError

WINDOW_COLUMNS: Final = (
    Column("campaign_id", "text"),
    Column("shop_id", "text"),
    Column("size", "text"),
    Column("start_ms", "whole"),
    Column("start_time", "time"),
    Column("end_ms", "whole"),
    Column("end_time", "time"),
    Column("version", "whole"),
    Column("final", "truth"),
)
METRIC_NAMES: Final = tuple(metric.name for metric in METRICS)


class FunnelWindows:
    """The last upsert of each window among the records that were added; a window that is gone has none."""

    topic: Final = CAMPAIGN_FUNNEL

    def __init__(self) -> None:
        self._last: dict[bytes, bytes] = {}
        self._decode = msgspec.json.Decoder(FunnelUpsert).decode
        self._later_names: set[str] = set()

    def __len__(self) -> int:
        return len(self._last)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Those of the catalogue, then those that a later version wrote."""
        return (*METRIC_NAMES, *sorted(self._later_names))

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of ``rows``."""
        return (*WINDOW_COLUMNS, *(Column(name, "whole") for name in self.metric_names))

    def add(self, record: ConsumerRecord) -> None:
        """Take one record, those of one window in their order; raises ``UnreadableRecordError`` if it is no upsert."""
        if record.value is None:
            self._last.pop(record.key, None)
            return
        try:
            upsert = self._decode(record.value)
        except msgspec.DecodeError as error:
            raise UnreadableRecordError(record, error) from error
        self._later_names |= upsert.metrics.keys() - METRIC_NAMES
        self._last[record.key] = record.value

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows, by key of the window."""
        names = self.metric_names
        for key in sorted(self._last):
            window = self._decode(self._last[key])
            yield (
                window.campaign_id,
                window.shop_id,
                window.size,
                window.start_ms,
                window.start_ms,
                window.end_ms,
                window.end_ms,
                window.version,
                window.final,
                *map(window.metrics.get, names),
            )
