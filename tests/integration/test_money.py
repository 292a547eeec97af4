"""Money end to end: weeks pass in seconds, workers are killed, and every entry and position is as recomputed (R18 to R23)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stream import Stream
from tests.workers import supervised

pytestmark = pytest.mark.integration

WEEKS: tuple[str, ...] = (
    "--days-per-second",
    "2",
    "--duration",
    "14",
    "--campaigns",
    "6",
    "--bad-share",
    "0",
)


def test_the_books_of_weeks_are_right_whoever_is_killed(tmp_path: Path) -> None:
    with Stream(tmp_path) as stream, supervised(stream, "w1", "w2") as supervisor:
        with stream.traffic(300, 41, *WEEKS):
            for instance in ("w1", "w2"):
                supervisor.run_for(5)
                supervisor.workers[instance].kill()
            supervisor.run_for(6)
        audited = stream.run("audit", "--json", "--wait-s", "90", timeout_s=150, watch=supervisor.watch)
        report = json.loads(audited.out)
        assert report["differences"] == 0, audited.out
        # Settings are told long after their time by the clock of such days, so that what differs is a notice; of all amounts few
        # can lack what came after their day was booked.
        notices = report["notices"]["by_kind"]
        assert "guarantee" not in notices
        assert notices.get("ledger", 0) < 10, audited.out
        assert report["compared"]["ledger_entries"] > 100
        assert report["compared"]["guarantees"] > 0

        verified = stream.run("ledger", "verify", watch=supervisor.watch)
        assert (verified.exit_code, verified.out) == (0, ""), verified.err
        entries = report["compared"]["ledger_entries"]
        assert f"ledger: {entries:,} entries of " in verified.err
        assert "0 things wrong" in verified.err
