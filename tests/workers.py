"""Worker processes for tests, and the supervisor that starts them again."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from streams.engine.errors import EXIT_FATAL
from tests.stream import Stream
from tests.waiting import PATIENCE_S, wait_until
from xinghe.processes import stop_child

TASKS = 8
"""Four partitions of two stages: what a worker alone opens."""


class Worker:
    """``xinghe worker`` with a static member id; its log goes on over restarts."""

    def __init__(self, stream: Stream, instance: str, *options: str, name: str | None = None) -> None:
        self.instance = instance
        self._options = options
        self._stream = stream
        self.log = stream.folder / f"{name or instance}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self.crash_at = ""
        self.stop_s = 0.0
        """How long the last stop took, for reports."""

    def start(self) -> None:
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        env = {"XINGHE_CRASH_AT": self.crash_at} if self.crash_at else {}
        arguments = ("worker", "--instance", self.instance, "--log-format", "json", *self._options)
        self.process = self._stream.start(*arguments, out=self.log, err=self.log, **env)

    @property
    def exit_code(self) -> int | None:
        """That of the last process; ``None`` while it runs."""
        assert self.process is not None
        return self.process.poll()

    def lines(self) -> list[str]:
        """The log since the last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace").splitlines()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The structured log lines of one kind since the last start."""
        found = [json.loads(line) for line in self.lines() if line.startswith("{") and line.endswith("}")]
        return [event for event in found if event["event"] == name]

    def opened(self) -> int:
        """How many tasks were opened since the last start."""
        return len(self.events("recovered"))

    def kill(self) -> None:
        """End it as the power does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit code. A commit that takes it over its five seconds ends it with another than 0."""
        assert self.process is not None
        started_s = time.monotonic()
        exit_code = stop_child(self.process, PATIENCE_S)
        self.stop_s = time.monotonic() - started_s
        return exit_code


class Supervisor:
    """Starts workers again when they were killed or ended with exit code 70, as a platform does.

    It works while somebody waits through ``watch``: children are started on the main thread only.
    """

    def __init__(self, stream: Stream, *options: str) -> None:
        self._stream = stream
        self._options = options
        self.workers: dict[str, Worker] = {}
        self.restarts: list[tuple[str, int]] = []

    def add(self, instance: str) -> Worker:
        """Start a worker."""
        worker = self.workers[instance] = Worker(self._stream, instance, *self._options)
        worker.start()
        return worker

    def look(self, *, but: Worker | None = None) -> None:
        """Start again what has ended and may, all but one."""
        for worker in self.workers.values():
            exit_code = worker.exit_code
            if exit_code is None or worker is but:
                continue
            assert exit_code in {-signal.SIGKILL, EXIT_FATAL}, (
                f"{worker.instance} ended with {exit_code}: {worker.lines()[-20:]}"
            )
            self.restarts.append((worker.instance, exit_code))
            worker.start()

    def watch(self, is_true: Callable[[], object], what: str, *, but: Worker | None = None) -> None:
        """Wait until something is true, and look after the workers, all but one, meanwhile."""
        wait_until(is_true, what, meanwhile=lambda: self.look(but=but))

    def run_for(self, seconds: float) -> None:
        """Let the stream run."""
        end_s = time.monotonic() + seconds
        self.watch(lambda: time.monotonic() >= end_s, "time passes")


@contextmanager
def supervised(stream: Stream, *instances: str, options: Sequence[str] = ()) -> Iterator[Supervisor]:
    """Workers that run and own all partitions among them; at the end each must stop in order."""
    supervisor = Supervisor(stream, *options)
    try:
        for instance in instances:
            supervisor.add(instance)
        supervisor.watch(
            lambda: all(worker.opened() >= TASKS // len(instances) for worker in supervisor.workers.values()),
            f"{', '.join(instances)} open all tasks",
        )
        yield supervisor
        for worker in supervisor.workers.values():
            assert worker.stop() == 0, worker.lines()[-20:]
    finally:
        for worker in supervisor.workers.values():
            if worker.exit_code is None:
                worker.kill()


def stack_traces(worker: Worker) -> list[str]:
    """Lines of the log that begin a stack trace, which nobody should have to read."""
    return [line for line in worker.lines() if "Traceback (most recent call last)" in line]
