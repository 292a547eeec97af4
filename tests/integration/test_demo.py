"""``xinghe demo`` as a process: verdict, exit code, no process left."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import LIB_DIR
from tests.processes import children_of, is_running, processes_of, wait_until_gone
from tests.waiting import PATIENCE_S, wait_until
from xinghe.commands.demo import DASHBOARD_PORT
from xinghe.embedded import HOST

pytestmark = pytest.mark.integration

CHILDREN = 6
"""Kafka, Redis, worker, index, dashboard, simulator."""


def start_demo(data_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "xinghe", "demo", "--rate", "200"),
            *("--data-dir", str(data_dir), "--lib-dir", str(LIB_DIR), *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_children(process: subprocess.Popen[str], number: int) -> set[int]:

    def are_there() -> bool:
        assert process.poll() is None, process.communicate()
        return len(children_of(process.pid)) >= number

    wait_until(are_there, f"{number} processes")
    return children_of(process.pid)


def wait_until_ended(children: set[int]) -> None:
    """The kernel kills them when their parent is gone, which takes it a moment."""
    wait_until(lambda: not any(is_running(child) for child in children), "all have ended")


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    """Read what it says on standard error up to the line."""
    assert process.stderr is not None
    said: list[str] = []
    while (text := process.stderr.readline()) != line:
        assert text, said
        said.append(text)


def test_the_demo_ends_with_the_audits_verdict_and_leaves_no_process(tmp_path: Path) -> None:
    process = start_demo(tmp_path, "--seconds", "5")
    children = wait_for_children(process, CHILDREN)

    output, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0, output + errors
    assert "demo: every figure is right" in output
    assert "campaigns:" in output
    assert re.search(r"why an order with \d+ touches .*: xinghe trace o\S+\n", output)
    assert re.match(rf"the dashboard is at http://{HOST}:\d+/login#\S{{40,}}\n", errors)
    assert f"redis=redis://{HOST}" in errors
    assert not processes_of(tmp_path)
    assert not any(is_running(child) for child in children)
    assert (tmp_path / "worker.log").stat().st_size > 0


def test_the_first_line_opens_a_dashboard_that_shows_what_comes(tmp_path: Path) -> None:
    with contextlib.ExitStack() as usual_port:
        with contextlib.suppress(OSError):  # something else on this machine may have it already
            usual_port.enter_context(socket.create_server((HOST, DASHBOARD_PORT)))
        process = start_demo(tmp_path)
        assert process.stderr is not None
        first = process.stderr.readline()
    found = re.fullmatch(r"the dashboard is at (http://\S+:(\d+))/login#(\S+)\n", first)
    assert found is not None, first
    base, port, token = found.groups()
    assert port != str(DASHBOARD_PORT)
    headers = {"authorization": f"Bearer {token}"}

    with httpx.Client(base_url=base, headers=headers, timeout=PATIENCE_S) as client:

        def has_campaigns() -> bool:
            answer = client.get("/api/v1/campaigns")
            assert answer.status_code in {200, 503}, answer.text
            assert process.poll() is None, process.communicate()
            return answer.status_code == 200 and bool(answer.json()["campaigns"])

        wait_until(has_campaigns, "the dashboard has campaigns")
    assert token not in (tmp_path / "dashboard.log").read_text()

    children = children_of(process.pid)
    assert len(children) == CHILDREN
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    wait_until_ended(children)


def test_a_killed_demo_takes_its_processes_along(tmp_path: Path) -> None:
    process = start_demo(tmp_path)
    children = wait_for_children(process, CHILDREN)

    process.kill()
    process.communicate(timeout=PATIENCE_S)

    wait_until_gone(tmp_path)
    wait_until_ended(children)


def test_a_second_signal_ends_the_demo_at_once(tmp_path: Path) -> None:
    process = start_demo(tmp_path)
    children = wait_for_children(process, CHILDREN)

    process.send_signal(signal.SIGINT)
    # Two signals that are pending at once are one.
    wait_for_line(process, "stopping the traffic\n")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 128 + signal.SIGINT
    wait_until_ended(children)


def test_a_demo_whose_worker_ends_says_where_its_log_is(tmp_path: Path) -> None:
    process = start_demo(tmp_path)
    children = wait_for_children(process, CHILDREN)
    worker = next(
        child for child in children if b"xinghe\0worker\0" in Path(f"/proc/{child}/cmdline").read_bytes()
    )

    subprocess.run(["kill", "-9", str(worker)], check=True)
    _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 1
    assert f"worker ended with code -9; see {tmp_path}/worker.log" in errors
    assert not any(is_running(child) for child in children)


def test_a_demo_whose_kafka_ends_says_so(tmp_path: Path) -> None:
    process = start_demo(tmp_path)
    children = wait_for_children(process, CHILDREN)
    broker = next(
        child for child in children if b"kafka.Kafka" in Path(f"/proc/{child}/cmdline").read_bytes()
    )

    subprocess.run(["kill", "-9", str(broker)], check=True)
    _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 1
    assert "Kafka ended with code -9" in errors
    assert not any(is_running(child) for child in children)
