"""Structured logs to stderr: lines for people or JSON for machines, never an id of a person."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from streams.settings import Settings

REPEAT_S: Final = 10.0
"""While a broker is away, the clients say so thousands of times a second, with few different sentences."""


class OncePerPeriod(logging.Filter):
    """Lets each sentence of a library pass once in ``period_s`` seconds, with the count of those held back before."""

    def __init__(self, period_s: float = REPEAT_S, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._period_s = period_s
        self._clock_s = clock_s
        # By the statement that speaks, not by what it fills in, so that there are only so many.
        self._passed_s: dict[tuple[str, int, str], float] = {}
        self._held_back: dict[tuple[str, int, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        sentence = (record.name, record.lineno, str(record.msg))
        now_s = self._clock_s()
        passed_s = self._passed_s.get(sentence)
        if passed_s is not None and now_s - passed_s < self._period_s:
            self._held_back[sentence] = self._held_back.get(sentence, 0) + 1
            return False
        self._passed_s[sentence] = now_s
        held_back = self._held_back.pop(sentence, 0)
        if held_back:
            record.msg = f"{record.getMessage()} (and {held_back} more like it before)"
            record.args = ()
        return True


def configure_logging(settings: Settings) -> None:
    """Set up structlog, and the standard library's logging for the libraries below us, in one form."""
    level = getattr(logging, settings.log_level.upper())
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    facts: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*facts, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*facts, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    handler.addFilter(OncePerPeriod())
    # Faust, mode and aiokafka tell each step of theirs at INFO; only what went wrong is of use to an operator.
    library_level = max(level, logging.WARNING) if level > logging.DEBUG else level
    logging.basicConfig(level=library_level, handlers=[handler], force=True)
    # It warns of a missing sensor at the first rebalance, which it was not told of.
    logging.getLogger("streams.engine.faust_app").setLevel(max(level, logging.ERROR))
