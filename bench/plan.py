"""What a bench run is asked to do, and what its scenarios share."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from bench import contenders
from bench.cluster import Cluster
from bench.people import SPACING_MS, World
from bench.runs import Engine, RunResult, run_to_end
from xinghe.domain.windows import HOUR_MS

FIGURES_TIMEOUT_S: Final = 10.0


class Plan(Struct, frozen=True, kw_only=True):
    """Sizes and repetitions."""

    events: int = 3_000_000
    peer_events: int = 60_000
    """The first of the same events, for the peer: it would need half an hour for all."""
    stage_one_events: int = 3_000_000
    one_person_events: int = 1_000_000
    world: World = World(people=300_000, campaigns=200, notes=5_000)
    rounds: int = 3
    latency_warmup_s: float = 10.0
    latency_s: float = 60.0


QUICK: Final = Plan(
    events=200_000,
    peer_events=10_000,
    stage_one_events=200_000,
    one_person_events=5_000,
    rounds=1,
    latency_warmup_s=5.0,
    latency_s=15.0,
)
"""Small enough to see in a few minutes that the bench works; its figures say little."""


class Loaded(Struct, frozen=True):
    """An application of ours that has worked off the whole data set and was stopped; its tables are in the changelogs."""

    engine: Engine
    run: RunResult
    people: int


class Bench:
    """The cluster, the plan, and what is on the cluster now."""

    def __init__(self, cluster: Cluster, plan: Plan, log_dir: Path) -> None:
        self.cluster = cluster
        self.plan = plan
        self.log_dir = log_dir
        self.loaded: Loaded | None = None
        self._data_set: dict[str, Any] | None = None
        now_ms = int(time.time() * 1000)
        # The last event must not be in the future; a whole hour makes the hourly windows the same in every run.
        self._first_ms = (now_ms - plan.events * SPACING_MS) // HOUR_MS * HOUR_MS

    async def data_set(self) -> dict[str, Any]:
        """Write the data set to the source topics unless it is there; its summary."""
        if self._data_set is None:
            await self.cluster.reset_all()
            self._data_set = await self.write(self.plan.events)
        return self._data_set

    async def write(self, events: int, *, world: World | None = None, prefix: str = "") -> dict[str, Any]:
        """Preload the first ``events`` events of a world."""
        command = ("preload", "--events", str(events), "--first-ms", str(self._first_ms))
        return await self.cluster.write(world or self.plan.world, *command, prefix=prefix)

    async def empty(self) -> None:
        """Every topic empty, nothing loaded."""
        self._data_set = self.loaded = None
        await self.cluster.reset_all()

    async def run_ours(self, *, workers: int = 1) -> RunResult:
        """Our worker from nothing over the whole data set, its figures checked; afterwards it is what is loaded."""
        summary = await self.data_set()
        engine = contenders.ours()
        run = await run_to_end(engine, self.cluster, self.log_dir, workers=workers)
        await self.check_figures(run, summary["totals"])
        self.loaded = Loaded(engine, run, summary["people"])
        return run

    async def ensure_loaded(self) -> Loaded:
        """What is loaded; loads it with one run where nothing is."""
        if self.loaded is None:
            await self.data_set()
            await self.cluster.reset_outputs()
            await self.run_ours()
        assert self.loaded is not None
        return self.loaded

    async def check_figures(self, run: RunResult, totals: Mapping[str, int]) -> None:
        """Raises ``WrongFiguresError`` unless the campaigns in Redis add up to what was written."""
        deadline_s = time.monotonic() + FIGURES_TIMEOUT_S
        while wrong := _differences(await self.cluster.figures(), totals):
            if time.monotonic() > deadline_s:
                raise WrongFiguresError(
                    f"{run.engine} is wrong, so its speed says nothing: {'; '.join(wrong)}"
                )
            await asyncio.sleep(0.5)


class WrongFiguresError(Exception):
    """What an engine wrote to Redis does not add up to the events it was given."""


def _differences(found: Counter[str], wanted: Mapping[str, int]) -> list[str]:
    return [
        f"{name} adds up to {found[name]:,}, must be {value:,}"
        for name, value in wanted.items()
        if found[name] != value
    ]
