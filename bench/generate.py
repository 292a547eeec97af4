"""Writes traffic to Kafka, fast: ``python -m bench.generate preload|live ...``; a JSON summary on stdout.

A process of its own, so that its work is on the broker's core and never in the engine's CPU seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, NamedTuple

import click
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from bench import people, stage_one_events

CHUNK_EVENTS: Final = 20_000
"""Events written at a time by ``preload``; topics take turns in the log at this grain."""
TICK_S: Final = 0.05
"""How often ``live`` writes."""
BATCH_BYTES_MAX: Final = 900_000

Row = tuple[bytes, bytes]
"""Key and value of a record."""


class Writer:
    """Packs records into batches per topic partition, as the Java client's partitioner spreads them."""

    def __init__(self, producer: AIOKafkaProducer, partitions: int, prefix: str) -> None:
        self._producer = producer
        self._partitions = partitions
        self._prefix = prefix
        self._partition_of: dict[bytes, int] = {}
        self._rows: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)

    def add(self, topic: str, key: bytes, value: bytes) -> None:
        """Put a record into the next batch of its partition."""
        partition = self._partition_of.get(key)
        if partition is None:
            partition = self._partition_of[key] = (murmur2(key) & 0x7FFFFFFF) % self._partitions
        self._rows[self._prefix + topic, partition].append((key, value))

    async def send(self) -> None:
        """Write what was added; returns once the broker has it."""
        rows, self._rows = self._rows, defaultdict(list)
        sent = [
            await self._producer.send_batch(batch, topic, partition=partition)
            for (topic, partition), records in rows.items()
            for batch in self._batches(records)
        ]
        await asyncio.gather(*sent)

    def _batches(self, records: Iterable[Row]) -> list[Any]:
        # The source topics carry the broker's time, so the producer's is of no consequence.
        batch = self._producer.create_batch()
        batches = [batch]
        for key, value in records:
            if batch.append(timestamp=None, key=key, value=value) is None:
                batch = self._producer.create_batch()
                batches.append(batch)
                batch.append(timestamp=None, key=key, value=value)
        return batches


async def preload(writer: Writer, world: people.World, events: int, first_ms: int) -> dict[str, Any]:
    """Settings, then ``events`` events from ``first_ms`` on in the order of their time, then the spend of those hours."""
    traffic = people.Traffic(world)
    last_ms = first_ms + events * people.SPACING_MS
    for key, value in people.settings_records(world, first_ms):
        writer.add(people.SETTINGS_TOPIC, key, value)
    for made in range(0, events, CHUNK_EVENTS):
        for number in range(made, min(made + CHUNK_EVENTS, events)):
            record = traffic.event(first_ms + number * people.SPACING_MS)
            writer.add(people.TOPICS[record.topic], b"u%07d" % record.person, record.value)
        await writer.send()
    for key, value in people.spend_records(world, first_ms, last_ms):
        writer.add(people.SPEND_TOPIC, key, value)
    await writer.send()
    return {"events": events, "people": traffic.persons_seen, "totals": dict(traffic.totals)}


async def live(writer: Writer, world: people.World, rate: int, duration_s: float) -> dict[str, Any]:
    """``rate`` events a second at the time they are written, for ``duration_s`` seconds.

    ``behind_s`` in the answer is how late the last event was written: above a tick, the writer could not keep up.
    """
    traffic = people.Traffic(world)
    start_s = time.monotonic()
    made = 0
    while (elapsed_s := time.monotonic() - start_s) < duration_s:
        due = int(elapsed_s * rate)
        now_ms = int(time.time() * 1000)
        for _ in range(min(due - made, CHUNK_EVENTS)):
            record = traffic.event(now_ms)
            writer.add(people.TOPICS[record.topic], b"u%07d" % record.person, record.value)
            made += 1
        await writer.send()
        await asyncio.sleep(max(0.0, TICK_S - (time.monotonic() - start_s - elapsed_s)))
    behind_s = duration_s - made / rate
    return {
        "events": made,
        "people": traffic.persons_seen,
        "totals": dict(traffic.totals),
        "behind_s": behind_s,
    }


async def preload_stage_one(writer: Writer, events: int, users: int) -> dict[str, Any]:
    """The records of the stage-one job (`stage_one_events`)."""
    for made in range(0, events, CHUNK_EVENTS):
        for topic, key, value in stage_one_events.records(made, min(made + CHUNK_EVENTS, events), users):
            writer.add(topic, key, value)
        await writer.send()
    return {"events": events}


class Target(NamedTuple):
    """Where to write, and the model of what."""

    bootstrap: str
    partitions: int
    prefix: str
    world: people.World


async def _with_writer(target: Target, job: Callable[[Writer], Awaitable[dict[str, Any]]]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=target.bootstrap, compression_type="lz4", max_batch_size=BATCH_BYTES_MAX, acks="all"
    )
    await producer.start()
    try:
        summary = await job(Writer(producer, target.partitions, target.prefix))
    finally:
        await producer.stop()
    sys.stdout.buffer.write(orjson.dumps(summary) + b"\n")


@click.group()
@click.option("--bootstrap", required=True)
@click.option("--partitions", type=int, required=True)
@click.option("--prefix", default="", help="Put before every topic's name.")
@click.option("--people", "population", type=int, default=300_000)
@click.option("--campaigns", type=int, default=200)
@click.option("--notes", type=int, default=5_000)
@click.option("--seed", type=int, default=7)
@click.option("--id-prefix", default="e", help="Start of the event ids.")
@click.pass_context
def main(
    ctx: click.Context,
    bootstrap: str,
    partitions: int,
    prefix: str,
    population: int,
    campaigns: int,
    notes: int,
    seed: int,
    id_prefix: str,
) -> None:
    """Write seeded traffic to the source topics."""
    ctx.obj = Target(
        bootstrap, partitions, prefix, people.World(population, campaigns, notes, seed, id_prefix)
    )


@main.command("preload")
@click.option("--events", type=int, required=True)
@click.option("--first-ms", type=int, required=True)
@click.pass_obj
def preload_command(target: Target, events: int, first_ms: int) -> None:
    """Write a whole data set as fast as it goes."""
    asyncio.run(_with_writer(target, lambda writer: preload(writer, target.world, events, first_ms)))


@main.command("live")
@click.option("--rate", type=int, required=True)
@click.option("--duration", "duration_s", type=float, required=True)
@click.pass_obj
def live_command(target: Target, rate: int, duration_s: float) -> None:
    """Write at a steady pace."""
    asyncio.run(_with_writer(target, lambda writer: live(writer, target.world, rate, duration_s)))


@main.command("stage-one")
@click.option("--events", type=int, required=True)
@click.pass_obj
def stage_one_command(target: Target, events: int) -> None:
    """Write the records of the stage-one job."""
    asyncio.run(_with_writer(target, lambda writer: preload_stage_one(writer, events, target.world.people)))


if __name__ == "__main__":
    main()
