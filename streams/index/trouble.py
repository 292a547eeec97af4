"""Waiting while Kafka or Redis is away, with one line at the beginning and one at the end."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

log = structlog.get_logger()

PAUSE_S_FIRST: Final = 0.1
PAUSE_S_MAX: Final = 2.0


class Trouble:
    """Grows its pauses as long as nothing works, and says what is away once."""

    def __init__(self) -> None:
        self._what = ""
        self._pause_s = 0.0

    async def wait(self, what: str, said: str, error: BaseException) -> None:
        """Wait for ``what``; ``said`` is what this means, told unless it was told already."""
        if self._what != what:
            self._what = what
            log.warning(said, error=str(error) or "no answer in time")
        self._pause_s = min(max(self._pause_s * 2, PAUSE_S_FIRST), PAUSE_S_MAX)
        await asyncio.sleep(self._pause_s)

    def over(self) -> None:
        """Everything works."""
        if self._what:
            log.info("it is back", what=self._what)
        self._what, self._pause_s = "", 0.0
