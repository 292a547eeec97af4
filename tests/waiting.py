"""Waiting for what must come. No test asks how fast it comes: that is measured in `bench`, on a machine that does nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

PATIENCE_S: Final = 300.0
"""Longer than a slow and busy machine needs for anything, so that only what never comes fails."""


def wait_until(
    is_true: Callable[[], object],
    what: str,
    *,
    meanwhile: Callable[[], object] | None = None,
    said: Callable[[], str] = str,
) -> None:
    """Return once something is true, and do something ``meanwhile``, over and over.

    If it does not come true, the failure has ``what`` it was, and what ``said`` answers then: a log, for example.
    A pause is longer than the look before it took, so that looking does not keep the machine from what is waited for.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        looked_s = time.monotonic()
        if is_true():
            return
        assert looked_s < deadline_s, f"not within {PATIENCE_S:g} s: {what}\n{said()}"
        if meanwhile is not None:
            meanwhile()
        time.sleep(0.05 + 2 * (time.monotonic() - looked_s))


async def until(
    is_true: Callable[[], Awaitable[object] | object], what: str, *, said: Callable[[], str] = str
) -> None:
    """As `wait_until`, without holding up the loop; what is asked may be a coroutine."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        answer = is_true()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        assert time.monotonic() < deadline_s, f"not within {PATIENCE_S:g} s: {what}\n{said()}"
        await asyncio.sleep(0.02)
