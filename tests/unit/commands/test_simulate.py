from __future__ import annotations

from itertools import takewhile

import pytest
from click.testing import CliRunner

from xinghe.commands.simulate import command
from xinghe.simulator.pace import event_clock, steady_slots_ms


@pytest.mark.parametrize("options", [[], ["--duration", "5", "--start-ms", "0"]])
def test_a_fast_run_needs_a_duration_and_sets_its_start(options: list[str]) -> None:
    result = CliRunner().invoke(command, ["--days-per-second", "1", *options])
    assert result.exit_code == 2
    assert "--days-per-second needs --duration" in result.output


def test_a_fast_run_is_never_ahead_of_the_clock_and_ends_with_it() -> None:
    # 10 seconds at a day per second, from a start that is 10 days less 10 seconds ago.
    started_ms, speed = 1_760_000_400_000, 86_400
    start_ms = started_ms - 10_000 * (speed - 1)
    slots = list(steady_slots_ms(start_ms, 100 / speed, 10 * speed))
    assert len(slots) == 1_000
    for wall_ms in range(started_ms, started_ms + 10_001, 500):
        reached_ms = event_clock(start_ms, started_ms, speed, lambda now_ms=wall_ms: now_ms)()  # type: ignore[misc]  # bound now
        assert reached_ms <= wall_ms
        sent = len(list(takewhile(lambda slot, most=reached_ms: slot <= most, slots)))  # type: ignore[misc]  # bound now
        assert abs(sent - (wall_ms - started_ms) / 10) <= 1
    assert reached_ms == started_ms + 10_000
