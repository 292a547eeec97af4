"""Stage 1 alone, on the job that Kafka Streams was compared on."""

from __future__ import annotations

from bench import contenders
from bench.plan import Bench
from bench.runs import RunResult, run_to_end


async def measure(bench: Bench) -> list[RunResult]:
    """One run a round over touches and orders: journeys, deltas and attributions, nothing behind them."""
    await bench.empty()
    await bench.cluster.create(contenders.STAGE_ONE_SOURCES)
    await bench.cluster.write(bench.plan.world, "stage-one", "--events", str(bench.plan.stage_one_events))
    runs = []
    for _ in range(bench.plan.rounds):
        await bench.cluster.reset_outputs(keep=contenders.STAGE_ONE_SOURCES)
        await bench.cluster.create(contenders.STAGE_ONE_OUTPUTS)
        runs.append(await run_to_end(contenders.stage_one(), bench.cluster, bench.log_dir))
    await bench.empty()
    return runs
