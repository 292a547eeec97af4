"""How long what differs may still come right by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from xinghe.audit.alert_laws import KIND as ALERT
from xinghe.audit.compare_guarantees import KIND as GUARANTEE
from xinghe.audit.compare_models import KIND as MODELS
from xinghe.audit.findings import Findings
from xinghe.audit.ledger_laws import KIND as LEDGER
from xinghe.audit.recompute import SETTLE_S, Say

LAST: Final = frozenset({LEDGER, GUARANTEE, ALERT, MODELS})
"""What follows the events by a bounded part a second, or each minute: after a long backlog it is behind when all else has settled."""
BOOKS_PAUSE_S: Final = 10.0
"""Between two entries of books that catch up, longer where days have nothing to book."""
GROWING_S: Final = 8.0
"""Within so long the ledger grows if books are behind: a day is booked 5 s after it could be, by a tick of each second."""


class Patience:
    """Tells whether to look again; ``clock`` is in seconds.

    While books are behind, as long as their ledger grows; else by when the stream's last commit must have been followed.
    """

    def __init__(self, model_period_s: float, say: Say, clock: Callable[[], float]) -> None:
        self._model_period_s = model_period_s
        self._say = say
        self._clock = clock
        self._started_s = clock()
        self._grown_s = -math.inf
        self._entries: int | None = None
        self._told: set[str] = set()

    def is_over(self, findings: Findings, entries: int) -> bool:
        """Whether what was found is final; ``entries`` is how many the ledger has."""
        behind = findings.differences + findings.notices_by_kind[LEDGER]
        if not behind:
            return True
        now_s = self._clock()
        if self._entries is not None and entries > self._entries:
            self._grown_s = now_s
        self._entries = entries
        kinds = {kind for kind, count in findings.by_kind.items() if count}
        if kinds <= LAST and now_s - self._grown_s < BOOKS_PAUSE_S:
            self._tell_once(
                "books",
                f"the books are behind, {behind:,} values differ; waiting as long as days are booked",
            )
            return False
        if not findings.differences:
            # They do not tell whether the books are behind, but what has not come by then is not on its way.
            return now_s - self._started_s >= GROWING_S
        settle_s = SETTLE_S + (self._model_period_s if MODELS in kinds <= LAST else 0.0)
        settle_s = max(settle_s, GROWING_S if LEDGER in kinds <= LAST else 0.0)
        if now_s - self._started_s >= settle_s:
            return True
        self._tell_once(
            "commit",
            f"{findings.differences:,} values differ; looking again, the last commit may be a moment old",
        )
        return False

    def _tell_once(self, about: str, line: str) -> None:
        if about not in self._told:
            self._told.add(about)
            self._say(line)
