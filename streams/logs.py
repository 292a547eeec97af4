"""Structured logs to stderr: lines for people or JSON for machines, never an id of a person."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from streams.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Set up structlog, and the standard library's logging for the libraries below us."""
    level = getattr(logging, settings.log_level.upper())
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Faust, mode and aiokafka tell each step of theirs at INFO; only what went wrong is of use to an operator.
    # It warns of a missing sensor at the first rebalance, which it was not told of.
    logging.getLogger("streams.engine.faust_app").setLevel(max(level, logging.ERROR))
    logging.basicConfig(
        level=max(level, logging.WARNING) if level > logging.DEBUG else level,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
