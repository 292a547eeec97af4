"""The log of a worker: one form for all, and no floods."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streams.logs import OncePerPeriod, configure_logging
from streams.settings import Settings


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def line(message: str, *arguments: object, number: int = 1) -> logging.LogRecord:
    return logging.LogRecord("aiokafka.client", logging.ERROR, "client.py", number, message, arguments, None)


def test_a_sentence_passes_once_in_a_period_with_the_count_of_the_others() -> None:
    now_s = 0.0
    once = OncePerPeriod(10, lambda: now_s)

    assert once.filter(line("no node %s", 1))
    assert not once.filter(line("no node %s", 1))
    assert not once.filter(line("no node %s", 2))
    now_s = 9.9
    assert not once.filter(line("no node %s", 1))
    now_s = 10.0
    again = line("no node %s", 3)
    assert once.filter(again)
    assert again.getMessage() == "no node 3 (and 3 more like it before)"
    assert not once.filter(line("no node %s", 1))
    now_s = 30.0
    later = line("no node %s", 1)
    assert once.filter(later)
    assert later.getMessage() == "no node 1 (and 1 more like it before)"


def test_other_sentences_pass() -> None:
    once = OncePerPeriod(10, lambda: 0.0)

    assert once.filter(line("no node %s", 1))
    assert once.filter(line("no leader %s", 1))
    assert once.filter(line("no node %s", 1, number=2))


@pytest.mark.usefixtures("_logging_as_before")
def test_libraries_speak_json_too_and_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json"))

    logging.getLogger("aiokafka.client").error("Unable connect to node with id %s", 1)
    logging.getLogger("aiokafka.client").info("joined")
    structlog.get_logger().info("worker starts", instance="w1")

    out, err = capsys.readouterr()
    library, own = (json.loads(text) for text in err.splitlines())
    assert out == ""
    assert library["event"] == "Unable connect to node with id 1"
    assert (library["level"], library["logger"]) == ("error", "aiokafka.client")
    assert own["event"] == "worker starts"
    assert set(library) == {"event", "level", "timestamp", "logger"}
