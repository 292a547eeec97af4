"""Workers that are killed over and over under live traffic; in the end every figure must be right.

``XINGHE_CHAOS_KILLS`` says how often, ``XINGHE_CHAOS_SEED`` repeats what a run has drawn.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from streams.engine.crash import CRASH_POINTS
from tests.stream import Stream
from tests.workers import Supervisor, Worker, supervised

pytestmark = pytest.mark.chaos

KILLS = int(os.environ.get("XINGHE_CHAOS_KILLS", "8"))
SEED = int(os.environ.get("XINGHE_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
RATE = 800
CRASH_PROBABILITY = 0.1
"""Per commit: four tasks of five commits a second let an armed worker live for about half a second."""
BOTH_SHARE = 0.25
"""Kills at random moments that take both workers, so that nobody is left to take over."""


class Killer:
    """Kills workers, and measures how long each takes to own partitions again."""

    def __init__(self, supervisor: Supervisor, rng: random.Random) -> None:
        self._supervisor = supervisor
        self._rng = rng
        self._killed_s: dict[str, float] = {}
        self.kills: list[str] = []
        self.recoveries_s: list[float] = []

    def at_a_random_moment(self) -> Worker:
        """``kill -9`` some time from now on, be the worker at work, in recovery or in a rebalance."""
        self._supervisor.run_for(self._rng.uniform(0.2, 4.0))
        workers = list(self._supervisor.workers.values())
        self._rng.shuffle(workers)
        victims = workers if self._rng.random() < BOTH_SHARE else workers[:1]
        for victim in victims:
            victim.kill()
            self._count(victim, "random moment")
        return victims[0]

    def at(self, point: str, victim: Worker) -> None:
        """Start the victim, which was just killed, such that it dies at a crash point."""
        victim.crash_at = f"{point}:{CRASH_PROBABILITY}"
        victim.start()
        self._supervisor.watch(
            lambda: victim.exit_code is not None,
            f"{victim.instance} dies {point}",
            but=victim,
        )
        victim.crash_at = ""
        assert victim.exit_code == -signal.SIGKILL, victim.lines()[-20:]
        self._count(victim, point)

    def wait_for_recovery(self) -> None:
        """Return once every worker owns partitions again."""
        self._supervisor.watch(self._all_recovered, "killed workers own partitions again")

    def _all_recovered(self) -> bool:
        for instance, killed_s in list(self._killed_s.items()):
            worker = self._supervisor.workers[instance]
            if worker.exit_code is None and worker.opened():
                self.recoveries_s.append(time.monotonic() - killed_s)
                del self._killed_s[instance]
        return not self._killed_s

    def _count(self, victim: Worker, how: str) -> None:
        self._killed_s[victim.instance] = time.monotonic()
        self.kills.append(how)


def test_after_many_kills_every_figure_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(SEED)
    with capsys.disabled():
        print(f"\nchaos: {KILLS} kills, XINGHE_CHAOS_SEED={SEED}")  # noqa: T201 - to repeat a run that failed
    with Stream(tmp_path) as stream, supervised(stream, "w1", "w2") as supervisor:
        killer = Killer(supervisor, rng)
        with stream.traffic(
            RATE, SEED % 2**31, "--bad-share", "0.01", "--duplicate-share", "0.05"
        ) as traffic:
            points = list(CRASH_POINTS)
            while len(killer.kills) < KILLS:
                victim = killer.at_a_random_moment()
                if len(killer.kills) < KILLS:
                    points = points or list(CRASH_POINTS)
                    killer.at(points.pop(0), victim)
                if rng.random() < 0.5:
                    killer.wait_for_recovery()
            killer.wait_for_recovery()
            supervisor.run_for(2)
        report = stream.audit(watch=supervisor.watch)

    by_moment = {how: killer.kills.count(how) for how in sorted(set(killer.kills))}
    others = [exit_code for _, exit_code in supervisor.restarts if exit_code != -signal.SIGKILL]
    with capsys.disabled():
        print(  # noqa: T201 - what `make chaos` is run for
            f"chaos: {len(killer.kills)} kills {by_moment}, {len(others)} ends with code 70, "
            f"back at work after {min(killer.recoveries_s):.1f} to {max(killer.recoveries_s):.1f} s, "
            f"ended in {max(worker.stop_s for worker in supervisor.workers.values()):.2f} s when told to; "
            f"{report['events']['in']} events in, 0 differences"
        )
    assert len(killer.kills) >= KILLS
    events, truth = report["events"], traffic.truth
    assert events["counted"] > 0
    assert events["dead_letters"] == truth["bad"]
    assert events["waiting_refunds"] == truth["waiting_refunds"]
    assert truth["links"] > 0, "journeys move between tasks that are killed"
