"""What a commit changed in the figures of windows or notes, on its way to those who show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xinghe.domain.funnel import Row


@dataclass(slots=True)
class Changed:
    """Rows by packed key, ``None`` where a window or note was dropped.

    In ``whole`` are the keys that are new or whose figures of orders changed. Of all others the figures of orders are those
    that were shown before, and need not be shown again.
    """

    rows: dict[bytes, Row | None] = field(default_factory=dict)
    whole: set[bytes] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def overwrite(self, newer: Changed) -> None:
        """Add what changed later; its rows count, but what was to be shown whole still is."""
        self.rows |= newer.rows
        self.whole |= newer.whole
