"""A stage: source topics, tables, and the processor that works on one partition of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from streams.engine.batch import Batch
    from streams.engine.table import BatchTable
    from streams.engine.task import Task


class Processor(Protocol):
    """The work of one task. All calls but `close` are synchronous and come from one event loop, one at a time.

    What `process` and `tick` put into tables or send is committed together with the offsets of the batches, or not at
    all.
    """

    def opened(self, last_offset: int) -> None:
        """The tables are recovered; ``last_offset`` is that of the last changelog record, -1 for none."""

    def process(self, batch: Batch) -> None:
        """Work off a batch. An exception ends the process: bad input must be handled, not raised."""

    def tick(self, now_ms: int) -> None:
        """About once a second, with the wall clock's time."""

    def prepare(self) -> None:
        """A commit begins: bring tables and outputs up to what was processed."""

    def committed(self, last_offset: int | None) -> None:
        """The commit that was prepared last is durable; ``last_offset`` as for `opened`, ``None`` if unchanged."""

    async def close(self) -> None:
        """The partition goes to another owner, or the process ends; everything processed is committed."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the application.

    ``topics`` have equal partition counts and are assigned together; ``tables`` share the ``changelog`` topic, told
    apart by their tags; ``create`` makes the processor of a partition. ``follows`` says that its input is what another
    stage of the application commits.
    """

    name: str
    topics: Sequence[str]
    tables: Sequence[BatchTable]
    changelog: str
    create: Callable[[Task], Processor]
    follows: bool = False
