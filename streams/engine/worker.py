"""The process around the engine: ends within seconds when it is told to, with everything committed."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol

import faust
import structlog

if TYPE_CHECKING:
    from streams.engine.engine import Engine

log = structlog.get_logger()


class Companion(Protocol):
    """Something that runs beside the stream, from the start of the event loop to the end of the process."""

    def start(self) -> None:
        """Begin; the event loop runs."""

    async def close(self) -> None:
        """End within a second; what was processed is committed."""


class EngineWorker(faust.Worker):  # type: ignore[misc]  # faust's classes are untyped
    """A Faust worker whose end on SIGTERM or SIGINT is the engine's.

    Faust stops its services one after the other, which takes seconds and has been seen to wait for ever while the group
    rebalances. Once all is committed and the group is left, nothing in the process is worth waiting for.
    """

    def __init__(self, app: Any, *, engine: Engine, companion: Companion, **options: Any) -> None:
        # Left to it, Faust would take down the process's logging and write to standard output.
        super().__init__(app, redirect_stdouts=False, override_logging=False, **options)
        self._engine = engine
        self._companion = companion
        # Faust's spinner sets the root logger to DEBUG to have something to spin for.
        self.spinner = None

    async def on_first_start(self) -> None:
        """Start the companion with the worker's event loop."""
        await super().on_first_start()
        self._companion.start()

    async def _stop_on_signal(self, signal: Any) -> None:
        await self._engine.shut_down()
        await self._companion.close()
        log.info("worker ends", signal=signal.name, exit_code=0)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
