"""Workers that come, go and get in each other's way: every figure is right in the end."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from streams.engine.errors import EXIT_FATAL
from tests.stream import Stream
from tests.waiting import wait_until
from tests.workers import TASKS, Worker, stack_traces, supervised

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    """One stream for the module: each test adds traffic, and its audit looks at all of it."""
    with Stream(tmp_path_factory.mktemp("rebalances")) as running:
        yield running


def test_workers_that_join_and_leave_share_the_partitions(stream: Stream) -> None:
    with supervised(stream, "w1") as supervisor:
        w1 = supervisor.workers["w1"]
        with stream.traffic(500, 11):
            supervisor.run_for(2)
            w2 = supervisor.add("w2")
            supervisor.watch(lambda: w2.opened() >= TASKS // 2, "w2 takes over half of the tasks")
            supervisor.run_for(1)

            assert supervisor.workers.pop("w1").stop() == 0
            supervisor.watch(lambda: w2.opened() >= TASKS, "w2 takes over what w1 has left")
            supervisor.run_for(1)

            w1.start()
            supervisor.workers["w1"] = w1
            supervisor.watch(lambda: w1.opened() >= TASKS // 2, "w1 takes over half of the tasks")
            supervisor.run_for(1)
            assert not supervisor.restarts
        report = stream.audit(watch=supervisor.watch)
    assert report["events"]["counted"] > 1_000


def test_sigterm_commits_everything_and_ends_with_0(stream: Stream) -> None:
    with supervised(stream, "w1") as supervisor, stream.traffic(500, 12):
        supervisor.run_for(3)
        worker = supervisor.workers.pop("w1")

        assert worker.stop() == 0, worker.lines()[-20:]
        assert not stack_traces(worker)
    with supervised(stream, "w1") as supervisor:
        stream.audit(watch=supervisor.watch)


def test_of_two_workers_with_one_name_the_older_ends(stream: Stream) -> None:
    """A platform that believes a worker dead starts another of its name: the older must not write again."""
    with supervised(stream, "twin") as supervisor:
        older = supervisor.workers["twin"]
        with stream.traffic(500, 13):
            supervisor.run_for(1)
            younger = supervisor.workers["twin"] = Worker(stream, "twin", name="twin-younger")
            younger.start()
            wait_until(lambda: older.exit_code is not None, "the older worker ends")
            supervisor.watch(lambda: younger.opened() >= TASKS, "the younger owns all tasks")
            supervisor.run_for(1)
        stream.audit(watch=supervisor.watch)

    assert older.exit_code == EXIT_FATAL
    critical = [line for line in older.lines() if '"level": "critical"' in line]
    assert len(critical) == 1, critical
    assert "start it again" in critical[0]
    assert not stack_traces(older)
    assert not supervisor.restarts


def test_a_worker_that_stood_still_is_fenced(stream: Stream) -> None:
    """Suspended beyond its session, a worker wakes up with work of its own that another has done meanwhile."""
    with supervised(stream, "w1", "w2", options=("--session-timeout-ms", "6000")) as supervisor:
        w1, w2 = supervisor.workers["w1"], supervisor.workers["w2"]
        with stream.traffic(500, 14):
            supervisor.run_for(1)
            assert w1.process is not None
            opened = w2.opened()
            w1.process.send_signal(signal.SIGSTOP)
            taken_over = opened + TASKS // 2
            supervisor.watch(lambda: w2.opened() >= taken_over, "w2 takes over from the silent w1")
            w1.process.send_signal(signal.SIGCONT)
            supervisor.run_for(4)
        stream.audit(watch=supervisor.watch)
