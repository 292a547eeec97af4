"""How a process ends where going on would be wrong; each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from streams.engine.crash import CRASH_POINTS

FATAL = """
import atexit
from streams.engine.engine import Engine, EngineOptions

atexit.register(print, "a shutdown that commits")
engine = Engine(EngineOptions("group", 0.2, 100, {"sasl_plain_password": "not to be seen"}))
try:
    try:
        raise ValueError("producer was fenced")
    except ValueError:
        engine.fatal("a commit failed", stage="journeys", partition=3)
finally:
    print("never carried on with")
"""

CRASH = """
import sys
from streams.engine.crash import crash_point

for name in sys.argv[1:]:
    print(name, flush=True)
    crash_point(name)
"""


def run(script: str, *arguments: str, crash_at: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "XINGHE_CRASH_AT"}
    if crash_at is not None:
        environment["XINGHE_CRASH_AT"] = crash_at
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_a_fatal_error_ends_the_process_at_once_with_code_70_and_one_clear_line() -> None:
    result = run(FATAL)
    assert result.returncode == 70
    output = result.stdout + result.stderr
    assert "a shutdown that commits" not in output
    assert "never carried on with" not in output
    (line,) = [line for line in output.splitlines() if "a commit failed" in line]
    for part in ("ValueError: producer was fenced", "journeys", "3", "start it again", "last commit"):
        assert part in line
    assert "not to be seen" not in output


@pytest.mark.parametrize("name", CRASH_POINTS)
def test_an_armed_point_kills_the_process(name: str) -> None:
    result = run(CRASH, *CRASH_POINTS, crash_at=f"{name}:1")
    assert result.returncode == -signal.SIGKILL
    assert result.stdout.split()[-1] == name


def test_without_a_probability_an_armed_point_kills_for_sure() -> None:
    assert run(CRASH, "after_commit", crash_at="after_commit").returncode == -signal.SIGKILL


@pytest.mark.parametrize("crash_at", [None, "", "before_send:0"])
def test_a_point_that_is_not_armed_does_nothing(crash_at: str | None) -> None:
    result = run(CRASH, *CRASH_POINTS, crash_at=crash_at)
    assert (result.returncode, result.stdout.split()) == (0, list(CRASH_POINTS))


@pytest.mark.parametrize("crash_at", ["before_sand", "before_send:often"])
def test_a_point_that_does_not_exist_is_refused_at_the_start(crash_at: str) -> None:
    result = run(CRASH, crash_at=crash_at)
    assert result.returncode == 1
    assert crash_at in result.stderr
    assert "Traceback" not in result.stderr
