"""Ending a process at once, with its log complete."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

import structlog

from streams.engine.errors import EXIT_FATAL

log = structlog.get_logger()


def fatal(what: str) -> NoReturn:
    """Log once, with the current exception, and end with exit code 70."""
    error = sys.exc_info()[1]
    log.critical(
        what,
        error=f"{type(error).__name__}: {error}",
        what_now="the process ends; start it again, it goes on from what was done last",
        exc_info=logging.getLogger().isEnabledFor(logging.DEBUG),
    )
    end(EXIT_FATAL)


def end(exit_code: int) -> NoReturn:
    """End at once: stopping clients and services one after the other has been seen to wait for ever."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
