"""A broker that restarts in mid-flight: workers go on or end with 70, and every figure is right in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stream import Stream
from tests.workers import stack_traces, supervised

pytestmark = pytest.mark.integration

LINES_MAX = 200


def test_a_broker_that_restarts_loses_nothing(tmp_path: Path) -> None:
    with (
        Stream(tmp_path) as stream,
        supervised(stream, "w1", "w2") as supervisor,
    ):
        with stream.traffic(500, 31):
            supervisor.run_for(3)
            stream.services.stop_kafka()
            supervisor.run_for(2)
            stream.services.start_kafka()
            supervisor.run_for(4)
        report = stream.audit(watch=supervisor.watch)

        assert report["events"]["counted"] > 1_000
        for worker in supervisor.workers.values():
            assert not stack_traces(worker), worker.lines()
            assert len(worker.lines()) < LINES_MAX, "a broker that is away floods the log"
