from __future__ import annotations

import pytest

from xinghe.simulator import pace
from xinghe.simulator.record import GOOD, Record


class FakeSender:
    """Keeps what was added, and says when it was flushed."""

    def __init__(self) -> None:
        self.added: list[bytes | None] = []
        self.flushed = 0
        self.full = False

    def add(self, topic: str, key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
        self.added.append(value)

    async def flush(self) -> None:
        self.flushed = len(self.added)


def record(send_at_ms: int) -> Record:
    return Record("t", b"k", str(send_at_ms).encode(), send_at_ms, GOOD, {})


async def test_a_record_waits_for_its_time_and_those_before_are_flushed_meanwhile() -> None:
    sender, times_ms = FakeSender(), iter([0, 5, 5, 10, 20])
    seen: list[tuple[int, int]] = []
    await pace.send_paced(
        [record(0), record(10)],
        sender,  # type: ignore[arg-type]  # the fake has what is used
        stopped=lambda: False,
        sent=lambda sent: seen.append((sent.send_at_ms, sender.flushed)),
        clock_ms=lambda: next(times_ms),
    )
    assert seen == [(0, 0), (10, 1)]


async def test_a_stop_leaves_out_what_is_not_due_and_does_not_count_it() -> None:
    sender, sent = FakeSender(), [0]
    asked = iter([False, False, True, True, True])
    await pace.send_paced(
        [record(0), record(99), record(100)],
        sender,  # type: ignore[arg-type]  # the fake has what is used
        stopped=lambda: next(asked),
        sent=lambda _: sent.append(1),
        clock_ms=lambda: 0,
    )
    assert len(sender.added) == sum(sent) == 1


def test_slots_by_the_clock_ascend_and_end_with_the_time() -> None:
    times_ms = iter([3, 2, 7, 12])
    assert list(pace.clock_slots_ms(1, 0.01, lambda: next(times_ms))) == [1, 3, 3, 7]


@pytest.mark.parametrize("rate", [0.5, 3, 20_000])
def test_steady_slots_keep_the_rate(rate: float) -> None:
    slots = list(pace.steady_slots_ms(1_000, rate, 4.0))
    assert len(slots) == 4 * rate
    assert slots[0] == 1_000
    assert slots[-1] < 5_000
