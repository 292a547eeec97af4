"""Workers that are killed while days are booked, several a second; in the end no entry is missing and none is there twice.

A quarter of ``XINGHE_CHAOS_KILLS`` says how often, two at least, of which one dies within a commit; ``XINGHE_CHAOS_SEED`` repeats what a run has drawn.
"""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

import pytest

from streams.engine.crash import CRASH_POINTS
from tests.stream import AUDIT_WAIT_S, Stream
from tests.workers import Supervisor, Worker, supervised

pytestmark = pytest.mark.chaos

KILLS = max(2, int(os.environ.get("XINGHE_CHAOS_KILLS", "8")) // 4)
SEED = int(os.environ.get("XINGHE_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
DAYS_PER_SECOND = 2
SECONDS_PER_KILL = 4
CRASH_PROBABILITY = 0.1


def test_after_kills_while_days_are_booked_the_books_are_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)
    points = rng.sample(CRASH_POINTS, len(CRASH_POINTS))
    with capsys.disabled():
        print(f"\nmoney: {KILLS} kills, XINGHE_CHAOS_SEED={SEED}")  # noqa: T201 - to repeat a run that failed
    with Stream(tmp_path) as stream, supervised(stream, "w1", "w2") as supervisor:
        workers = list(supervisor.workers.values())
        with stream.traffic(
            1_500, SEED % 2**31, "--campaigns", "8", "--days-per-second", str(DAYS_PER_SECOND),
            "--duration", str(SECONDS_PER_KILL * KILLS),
        ):  # fmt: skip
            for number in range(KILLS):
                victim = rng.choice(workers)
                supervisor.run_for(rng.uniform(0.5, 2))
                victim.kill()
                # Every second kill is in the midst of a commit, which is where an entry could be lost or doubled.
                if number % 2:
                    die_in_a_commit(supervisor, victim, points[number // 2 % len(points)])
            supervisor.run_for(1)
        done = stream.run("audit", "--json", "--wait-s", f"{AUDIT_WAIT_S:g}", watch=supervisor.watch)
        verified = stream.run("ledger", "verify", watch=supervisor.watch)

    assert done.exit_code == 0, f"{done.out[:5_000]}\n{done.err[-3_000:]}"
    report = json.loads(done.out)
    # By the broker's clock settings were told weeks after their time: of all campaigns the audit gives notice.
    assert report["differences"] == report["notices"]["differences"] == 0, report["notices"]
    assert verified.exit_code == 0, verified.out
    assert report["compared"]["ledger_entries"] > 0
    assert report["compared"]["guarantees"] > 0
    assert len(supervisor.restarts) >= KILLS


def die_in_a_commit(supervisor: Supervisor, victim: Worker, point: str) -> None:
    """Start a worker that was killed, such that it dies at a crash point."""
    victim.crash_at = f"{point}:{CRASH_PROBABILITY}"
    victim.start()
    supervisor.watch(lambda: victim.exit_code is not None, f"the worker dies {point}", but=victim)
    victim.crash_at = ""
    assert victim.exit_code == -signal.SIGKILL, victim.lines()[-20:]
