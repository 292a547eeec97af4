"""Sending records at the times they are due, until they end or somebody asks to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from xinghe.simulator.record import Record
from xinghe.simulator.sender import BatchSender

FLUSH_PERIOD_S: Final = 0.02


def now_ms() -> int:
    """The wall clock, in milliseconds."""
    return time.time_ns() // 1_000_000


def event_clock(
    start_ms: int, started_ms: int, speed: float, clock_ms: Callable[[], int] = now_ms
) -> Callable[[], int]:
    """A clock that showed ``start_ms`` when the wall clock showed ``started_ms``, and runs ``speed`` times as fast.

    >>> event_clock(5_000, 90_000, 10, lambda: 90_200)()
    7000
    """
    return lambda: start_ms + int((clock_ms() - started_ms) * speed)


async def send_paced(
    records: Iterable[Record],
    sender: BatchSender,
    stopped: Callable[[], bool],
    sent: Callable[[Record], None],
    clock_ms: Callable[[], int] = now_ms,
) -> None:
    """Send each record once the clock reaches its ``send_at_ms``; late ones at once, as fast as Kafka takes them.

    ``sent`` is told of each record that is on its way. Ends when the records end or ``stopped`` says so; what was
    handed over is flushed when the sender closes. Raises ``SendError``.
    """
    reached_ms = clock_ms()
    flush_due_s = time.monotonic() + FLUSH_PERIOD_S
    for record in records:
        while record.send_at_ms > reached_ms and not stopped():
            reached_ms = clock_ms()
            if record.send_at_ms > reached_ms:
                await sender.flush()
                await asyncio.sleep(min(FLUSH_PERIOD_S, (record.send_at_ms - reached_ms) / 1000))
        if stopped():
            return
        sender.add(record.topic, record.key, record.value, timestamp_ms=record.send_at_ms)
        sent(record)
        if sender.full or time.monotonic() >= flush_due_s:
            await sender.flush()
            # Lets signals and the connection have their turn, also when Kafka is quick.
            await asyncio.sleep(0)
            flush_due_s = time.monotonic() + FLUSH_PERIOD_S


def steady_slots_ms(start_ms: int, rate: float, duration_s: float | None) -> Iterator[int]:
    """Times of sending ``1 / rate`` seconds apart; without end where ``duration_s`` is ``None``.

    >>> list(steady_slots_ms(1_000, rate=4, duration_s=1))
    [1000, 1250, 1500, 1750]
    """
    n = 0
    while duration_s is None or n < duration_s * rate:
        yield start_ms + int(n * 1000 / rate)
        n += 1


def clock_slots_ms(
    start_ms: int, duration_s: float | None, clock_ms: Callable[[], int] = now_ms
) -> Iterator[int]:
    """Times of sending as the clock has them, for as many records as there is time for."""
    end_ms = None if duration_s is None else start_ms + int(duration_s * 1000)
    time_ms = start_ms
    while end_ms is None or time_ms < end_ms:
        yield time_ms
        # The wall clock may be set back; times of sending ascend.
        time_ms = max(time_ms, clock_ms())
