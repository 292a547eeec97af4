"""Child processes: stopped in order, killed when stubborn, never outliving the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.processes import is_running
from tests.waiting import PATIENCE_S, wait_until
from xinghe.commands.signals import STOP_SIGNALS, stop_on_signals
from xinghe.processes import start_child, stop_child

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def test_a_child_that_has_ended_gives_its_exit_code() -> None:
    child = start_child([sys.executable, "-c", "raise SystemExit(7)"])
    child.wait(PATIENCE_S)

    assert stop_child(child, 1) == 7


def test_a_child_is_asked_to_end() -> None:
    child = start_child(["sleep", "60"])

    assert stop_child(child, PATIENCE_S) == -signal.SIGTERM


def test_a_child_that_does_not_listen_is_killed() -> None:
    child = start_child([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"

    assert stop_child(child, 0.1) == -signal.SIGKILL
    child.stdout.close()


def test_a_child_has_its_own_group() -> None:
    child = start_child(["sleep", "60"])

    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)

    stop_child(child, PATIENCE_S)


def test_a_child_dies_with_a_killed_parent() -> None:
    script = (
        "import time; from xinghe.processes import start_child\n"
        "print(start_child(['sleep', '60']).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child_id = int(parent.stdout.readline())
        parent.kill()

    wait_until(lambda: not is_running(child_id), "the child has ended")


def test_a_stop_signal_sets_the_event_and_a_second_one_ends_the_process() -> None:
    script = (
        "import os, signal\n"
        "from xinghe.commands.signals import stop_on_signals\n"
        "with stop_on_signals() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    assert stop.wait(5)\n"
        "    print('stopping', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    stop.wait(5)\n"
        "    print('not reached')\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 128 + signal.SIGTERM
    assert done.stdout == "stopping\n"


def test_the_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in STOP_SIGNALS]

    with stop_on_signals() as stop:
        assert not stop.is_set()

    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before
