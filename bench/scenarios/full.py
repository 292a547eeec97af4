"""The full job: every source topic, both stages, Redis; ours against stock Faust, and one worker against two."""

from __future__ import annotations

from msgspec import Struct

from bench import contenders
from bench.plan import Bench
from bench.runs import Engine, RunResult, run_to_end


class FullResult(Struct, frozen=True):
    """The runs of each contender, in the order of the rounds."""

    ours: list[RunResult]
    two_workers: list[RunResult]
    stock: list[RunResult]
    stock_batched: list[RunResult]
    peer_events: int


async def measure(bench: Bench, *, with_peers: bool, with_two_workers: bool) -> FullResult:
    """The runs of all rounds.

    Interleaved rounds, so that a slow minute of the machine is nobody's alone; ours is the last of each.

    Everything that a run wrote is deleted before the next. The peer's part of the events is in topics of its own.
    """
    await bench.data_set()
    result = FullResult([], [], [], [], bench.plan.peer_events)
    totals: dict[str, int] = {}
    if with_peers:
        await bench.cluster.create(contenders.PEER_SOURCES)
        totals = (await bench.write(bench.plan.peer_events, prefix=contenders.PEER_PREFIX))["totals"]
    for _ in range(bench.plan.rounds):
        if with_peers:
            result.stock.append(await _run_peer(bench, contenders.stock_faust(), totals))
            result.stock_batched.append(await _run_peer(bench, contenders.stock_faust_batched(), totals))
        if with_two_workers:
            await bench.cluster.reset_outputs(keep=contenders.PEER_SOURCES)
            result.two_workers.append(await bench.run_ours(workers=2))
        await bench.cluster.reset_outputs(keep=contenders.PEER_SOURCES)
        result.ours.append(await bench.run_ours())
    return result


async def _run_peer(bench: Bench, engine: Engine, totals: dict[str, int]) -> RunResult:
    await bench.cluster.reset_outputs(keep=contenders.PEER_SOURCES)
    await bench.cluster.create(contenders.PEER_OUTPUTS)
    run = await run_to_end(engine, bench.cluster, bench.log_dir)
    await bench.check_figures(run, totals)
    return run
