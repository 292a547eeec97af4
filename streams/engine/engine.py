"""The engine: joins a Faust app and its stages, owns the tasks, and ends the process where going on would be wrong."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
import time
from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import structlog
from faust.types import TP

from streams.engine import metrics
from streams.engine.errors import EXIT_FATAL
from streams.engine.huge_pages import HugePages
from streams.engine.task import Task

if TYPE_CHECKING:
    from streams.engine.batch import Batch
    from streams.engine.stage import Stage

log = structlog.get_logger()

TURNS = 4
"""Turns of the event loop after a batch while a commit is in flight: each answer of the broker takes some to be acted on."""
BACKLOG_RECORDS = 500
"""A delivery of so many records is of a backlog: then what a commit costs counts more than how soon it is done."""
TICK_S = 1.0
COLLECT_TICKS = 10
HUGE_PAGES_S = 3.0
STOP_COMMIT_S = 3.0
"""A worker that is told to end has 5 s in all."""
LEAVE_S = 1.0
REVOKE_COMMIT_S = 8.0
"""Commit within the rebalance time: under the session timeout of 10 s."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Settings of the engine; ``client_options`` are those every aiokafka client gets (servers, TLS, credentials)."""

    group_id: str
    commit_interval_s: float
    buffer_records_max: int
    client_options: dict[str, Any] = field(repr=False)


class Engine:
    """Owns the tasks of the stages of one app in this process."""

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.stages: dict[str, Stage] = {}
        self._app: Any = None
        self._tasks: dict[tuple[str, int], Task] = {}
        self._committers: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._opening: set[tuple[str, int]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._collapser: asyncio.Task[None] | None = None
        self._assigning = asyncio.Lock()

    def add(self, stage: Stage) -> None:
        """Register a stage; before the app starts."""
        self.stages[stage.name] = stage

    @property
    def open_tasks(self) -> list[tuple[str, int]]:
        """Stage and partition of each task that works, sorted."""
        return sorted(self._tasks)

    @property
    def recovering_tasks(self) -> list[tuple[str, int]]:
        """Stage and partition of each task that is being opened, sorted."""
        return sorted(self._opening)

    def bind(self, app: Any) -> None:
        """Attach to the app: Faust tells the engine when partitions are revoked."""
        self._app = app
        app.on_partitions_revoked.connect(self._on_revoked, weak=False)

    async def run(self, stage: Stage, stream: AsyncIterable[list[Batch]]) -> None:
        """The body of a stage's agent: hand each batch to its task."""
        async for delivery in stream:
            has_backlog = sum(len(batch.records) for batch in delivery) >= BACKLOG_RECORDS
            for batch in delivery:
                task = self._tasks.get((stage.name, batch.partition))
                if task is None:
                    continue
                try:
                    await task.deliver(batch, self._is_current)
                except Exception:  # noqa: BLE001 - whatever it was, the process ends
                    self.fatal("a batch could not be processed", stage=stage.name, topic=batch.topic)
                is_waited_for = not has_backlog and any(each.is_committing for each in self._tasks.values())
                for _ in range(TURNS if is_waited_for else 1):
                    await asyncio.sleep(0)

    def _is_current(self, batch: Batch) -> bool:
        return bool(batch.epoch == self._app.consumer.epoch and self._app.consumer.flow_active)

    async def assign(self, assigned: set[TP]) -> None:
        """Close the tasks that are gone, open those that are new; tasks that stay keep their state."""
        async with self._assigning:
            wanted = {
                (stage.name, tp.partition)
                for tp in assigned
                for stage in self.stages.values()
                if tp.topic in stage.topics
            }
            await asyncio.gather(*(self._close(key) for key in self._tasks.keys() - wanted))
            new = sorted(wanted - self._tasks.keys())
            try:
                await asyncio.gather(*(self._open(*key) for key in new))
            except Exception:  # noqa: BLE001 - whatever it was, the process ends
                self.fatal("a task could not be opened")
            if self._ticker is None:
                self._ticker = asyncio.create_task(self._tick_forever())
                self._collapser = asyncio.create_task(_collapse_forever())
            # Everything recovered lives long: the collector need never look at it again.
            gc.collect()
            gc.freeze()

    async def _open(self, stage_name: str, partition: int) -> None:
        task = Task(self.stages[stage_name], partition, self.options)
        key = (stage_name, partition)
        self._opening.add(key)
        await task.open()
        self._opening.discard(key)
        self._tasks[key] = task
        self._committers[key] = asyncio.create_task(self._commit_forever(task))

    async def _close(self, key: tuple[str, int]) -> None:
        task = self._tasks.pop(key)
        await task.close()
        self._committers.pop(key).cancel()
        for topic, partition in task.positions:
            # The next owner tells it; here it would stand still for ever.
            with contextlib.suppress(KeyError):
                metrics.LAG_RECORDS.remove(topic, str(partition))

    async def _commit_forever(self, task: Task) -> None:
        try:
            await task.commit_forever()
        except Exception:  # noqa: BLE001 - whatever it was, the process ends
            self.fatal("a commit failed", stage=task.stage.name, partition=task.partition)

    async def commit_all(self) -> None:
        """Commit what every task has processed."""
        await asyncio.gather(*(task.commit() for task in self._tasks.values()))

    async def _on_revoked(self, *_args: Any, **_kwargs: Any) -> None:
        for task in self._tasks.values():
            task.wake()
        try:
            async with asyncio.timeout(REVOKE_COMMIT_S):
                await self.commit_all()
        except Exception:  # noqa: BLE001 - whatever it was, the process ends
            self.fatal("the commit before a rebalance failed")

    async def shut_down(self) -> None:
        """Stop the input, commit, close, and leave the group; within 5 s, or the process ends as by `fatal`."""
        if self._assigning.locked():
            # A rebalance: what was processed before it is committed, and the flow stands still.
            return
        consumer = self._app.consumer
        consumer.stop_flow()
        self._app.flow_control.suspend()
        await self.stop()
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LEAVE_S):
                await consumer.leave_group()

    async def stop(self) -> None:
        """Commit and close everything; the fetcher has been stopped before."""
        async with self._assigning:
            if self._ticker is not None:
                self._ticker.cancel()
            if self._collapser is not None:
                self._collapser.cancel()
            for task in self._tasks.values():
                task.wake()
            try:
                async with asyncio.timeout(STOP_COMMIT_S):
                    await self.commit_all()
                await asyncio.gather(*(self._close(key) for key in list(self._tasks)))
            except Exception:  # noqa: BLE001 - whatever it was, the process ends
                self.fatal("the commit before the end failed")

    async def _tick_forever(self) -> None:
        ticks = 0
        try:
            while True:
                await asyncio.sleep(TICK_S)
                now_ms = int(time.time() * 1000)
                for task in list(self._tasks.values()):
                    task.tick(now_ms)
                self._measure_lag()
                ticks += 1
                if ticks % COLLECT_TICKS == 0:
                    # With the collector off, cycles that the event loop makes die here. What it costs is to look at all
                    # that is new and lives on, which is the same however seldom it is done.
                    gc.collect(1)
        except Exception:  # noqa: BLE001 - whatever it was, the process ends
            self.fatal("timed work failed")

    def _measure_lag(self) -> None:
        consumer = self._app.consumer
        for task in self._tasks.values():
            for (topic, partition), position in task.positions.items():
                lag = consumer.lag(TP(topic, partition), position)
                if lag is not None:
                    metrics.LAG_RECORDS.labels(topic, str(partition)).set(lag)

    def fatal(self, what: str, **context: Any) -> NoReturn:
        """Log once, with the current exception, and end the process with exit code 70.

        Not `sys.exit`: nothing may run after this, least of all a shutdown that commits.
        """
        error = sys.exc_info()[1]
        log.critical(
            what,
            error=f"{type(error).__name__}: {error}",
            what_now="the process ends; start it again, it resumes at its last commit",
            **context,
            exc_info=logging.getLogger().isEnabledFor(logging.DEBUG),
        )
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(EXIT_FATAL)


async def _collapse_forever() -> None:
    pages = HugePages()
    while True:
        await asyncio.to_thread(pages.collapse)
        await asyncio.sleep(HUGE_PAGES_S)
