"""The models of shops (ARCHITECTURE.md, R16): path counts kept up to date, and what is computed from them now and then.

Computed in a thread, on a snapshot: a large shop takes seconds, in which events and commits go on. A later tick sends the
record, and the commit after it takes the shop off those to be computed, so that a restart computes it again or finds it done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from streams import metric_defs
from streams.partitions import partition_of
from streams.settings import SettingsError
from xinghe.domain.events import ATTRIBUTION_MODEL, ModelChannel
from xinghe.domain.shop_models import NO_ORDERS, PathTally, pack_path, shop_models, unpack_path

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from streams.engine.table import MemoryStore
    from streams.engine.task import Task
    from xinghe.domain.delta import PathDelta

PATHS: Final = "shop_paths"
MODELS: Final = "shop_models"
DUE: Final = "shop_models_due"
JOB_PATHS_MAX: Final = 20_000
"""Paths of several shops that go to the thread together; a larger shop goes alone."""

Snapshot = tuple[str, list[tuple[bytes, PathTally]]]
"""A shop with the keys and tallies of its paths."""
Computed = dict[str, bytes | None]
"""Shop to its record's value, ``None`` where no path is left."""


class ShopModelsTables:
    """The paths and models of the shops of one partition. The tables change in `prepare` only."""

    def __init__(
        self, task: Task, *, partitions: int, period_s: int, executor: Executor, channel: ModelChannel
    ) -> None:
        self._task = task
        self._partitions = partitions
        self._period_ms = period_s * 1000
        self._executor = executor
        self._channel = channel
        self._tallies: MemoryStore[PathTally] = task.store(PATHS)
        self._models: MemoryStore[bytes] = task.store(MODELS)
        self._due: MemoryStore[bytes] = task.store(DUE)
        self._paths: dict[str, dict[bytes, PathTally]] = {}
        """What is in the table, by shop."""
        self._deltas: list[tuple[str, PathDelta]] = []
        self._changed: dict[str, None] = {}
        """Shops that changed after they were handed to the thread last."""
        self._round: list[str] = []
        self._round_ms = -self._period_ms
        self._job: Future[Computed] | None = None
        self._in_job: frozenset[str] = frozenset()
        self._sent: Computed = {}

    def opened(self) -> None:
        """Index what was recovered."""
        for packed, tally in self._tallies.items():
            shop_id, _ = unpack_path(packed)
            self._paths.setdefault(shop_id, {})[packed] = tally
        self._changed = {shop_id.decode(): None for shop_id, _ in self._due.items()}

    def add(self, shop_id: str, delta: PathDelta) -> None:
        """Take what one commit of the journeys stage changed in a shop."""
        self._deltas.append((shop_id, delta))

    # Computing

    def tick(self, now_ms: int, watermark_ms: int) -> None:
        """Send what is computed, and have the next shops computed once the period has passed."""
        # Also where the clock was set back.
        if (
            not self._round
            and not self._round_ms <= now_ms < self._round_ms + self._period_ms
            and self._changed
        ):
            self._round, self._round_ms = list(self._changed), now_ms
        while self._job is not None or self._round:
            if self._job is None:
                self._job = self._executor.submit(_compute, self._next_shops(), watermark_ms, self._channel)
            if not self._job.done():
                return
            self._send(self._job.result())
            self._job, self._in_job = None, frozenset()

    def _next_shops(self) -> list[Snapshot]:
        """Shops of the round, with copies of their counts as of the last `prepare`."""
        snapshots: list[Snapshot] = []
        paths = 0
        while self._round and (not snapshots or paths < JOB_PATHS_MAX):
            shop_id = self._round.pop()
            self._changed.pop(shop_id)
            snapshots.append((shop_id, list(self._paths.get(shop_id, {}).items())))
            paths += len(snapshots[-1][1])
        self._in_job = frozenset(shop_id for shop_id, _ in snapshots)
        return snapshots

    def _send(self, computed: Computed) -> None:
        for shop_id, value in computed.items():
            key = shop_id.encode()
            if value is not None or self._models.get(key) is not None or self._sent.get(shop_id) is not None:
                self._task.send(ATTRIBUTION_MODEL, partition_of(key, self._partitions), key, value)
            self._sent[shop_id] = value

    # Commit

    def prepare(self) -> Computed:
        """Bring the tables up to what was processed and sent; answers the records that Redis is to show."""
        deltas, self._deltas = self._deltas, []
        for shop_id, delta in deltas:
            self._add(shop_id, delta)
            self._changed[shop_id] = None
            if self._due.get(key := shop_id.encode()) is None:
                self._due.put(key, b"due")
        sent, self._sent = self._sent, {}
        for shop_id, value in sent.items():
            key = shop_id.encode()
            if value is None:
                self._models.delete(key)
            else:
                self._models.put(key, value)
            if shop_id not in self._changed and shop_id not in self._in_job:
                self._due.delete(key)
        return sent

    def _add(self, shop_id: str, delta: PathDelta) -> None:
        paths = self._paths.setdefault(shop_id, {})
        for channels, orders, fen in delta.paths:
            packed = pack_path(shop_id, channels)
            tally = paths.get(packed, NO_ORDERS).plus(orders, fen)
            if tally is None:
                paths.pop(packed, None)
                self._tallies.delete(packed)
            else:
                paths[packed] = tally
                self._tallies.put(packed, tally)
        if not paths:
            del self._paths[shop_id]

    def rows(self) -> Computed:
        """The last record of every shop."""
        return {shop_id.decode(): value for shop_id, value in self._models.items()}

    def close(self) -> None:
        """Have nothing more computed; what is under way comes to nothing, and the next owner computes it."""
        if self._job is not None:
            self._job.cancel()


def check_model_channel(kept: ModelChannel, channel: ModelChannel) -> None:
    """Refuse to go on with counts of paths that are told in another channel; raises `SettingsError`.

    What was counted of orders that are no longer kept cannot be told anew, so counts of two channels would be mixed.
    """
    if channel != kept:
        raise SettingsError(
            "model_channel",
            repr(channel),
            f"but this stream has counted the paths of its orders by {kept} so far",
            f"{kept}; to change it, stop all workers, delete the topics xinghe.* and the consumer group, and read the "
            "source topics anew",
        )


def _compute(snapshots: Iterable[Snapshot], watermark_ms: int, channel: ModelChannel) -> Computed:
    """The records of shops; runs in the thread, and reads nothing that others change."""
    encode = msgspec.json.encode
    with metric_defs.MODELS_SECONDS.time():
        return {
            shop_id: encode(shop_models(shop_id, watermark_ms, tallies, channel)) if tallies else None
            for shop_id, tallies in snapshots
        }
