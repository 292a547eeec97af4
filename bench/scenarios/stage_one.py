"""Stage 1 alone, on the job that Kafka Streams was compared on."""

from __future__ import annotations

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from bench import contenders
from bench.cluster import PARTITIONS
from bench.jobs.stage_one_topics import DELTA_TOPIC
from bench.plan import Bench, WrongFiguresError
from bench.runs import RunResult, run_to_end

decode_delta = msgspec.msgpack.Decoder(list[tuple[int, str, int]]).decode


async def measure(bench: Bench) -> list[RunResult]:
    """One run a round over touches and orders: journeys, deltas and attributions, nothing behind them."""
    await bench.empty()
    await bench.cluster.create(contenders.STAGE_ONE_SOURCES)
    await bench.cluster.write(bench.plan.world, "stage-one", "--events", str(bench.plan.stage_one_events))
    runs = []
    for _ in range(bench.plan.rounds):
        await bench.cluster.reset_outputs(keep=contenders.STAGE_ONE_SOURCES)
        await bench.cluster.create(contenders.STAGE_ONE_OUTPUTS)
        run = await run_to_end(contenders.stage_one(), bench.cluster, bench.log_dir)
        counted = await _counted(bench.cluster.bootstrap)
        if counted != run.events:
            raise WrongFiguresError(f"{run.engine} counted {counted:,} events of {run.events:,}")
        runs.append(run)
    await bench.empty()
    return runs


async def _counted(bootstrap: str) -> int:
    """The touches and orders in all committed deltas."""
    partitions = [TopicPartition(DELTA_TOPIC, number) for number in range(PARTITIONS)]
    counted = 0
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False
    ) as consumer:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            # Control records at the end are passed by position only.
            while await consumer.position(partition) < end:
                for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, []):
                    counted += sum(count for _, what, count in decode_delta(record.value) if what != "gmv")
    return counted
