"""The comparison's job on our engine: ``python -m bench.jobs.stage_one``.

Touches and orders by person; journeys kept, events deduplicated, last touch; counts per campaign and minute go to
``xh.delta``, an attribution per order to ``xh.attribution``. The same job was run on Kafka Streams.
"""

from __future__ import annotations

import gc
import os
import struct
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import faust
import msgspec
import prometheus_client
from xxhash import xxh3_64_intdigest

from bench.jobs.stage_one_topics import ATTRIBUTION_TOPIC, CHANGELOG, DELTA_TOPIC
from bench.stage_one_events import ORDER_TOPIC, TOUCH_TOPIC
from streams.engine.batch import Batch
from streams.engine.engine import Engine, EngineOptions
from streams.engine.faust_app import EngineApp
from streams.engine.stage import Stage
from streams.engine.table import BytesCodec
from streams.engine.task import Task
from streams.engine.transport import BatchTransport
from streams.partitions import partition_of
from streams.settings import Settings
from xinghe.domain.windows import DAY_MS, MINUTE_MS

WINDOW_MS: Final = 15 * DAY_MS
ROWS_PER_CHUNK: Final = 8
CHUNKS_MAX: Final = 3
ORDERS_MAX: Final = 20
ORDERS_PART: Final = 0xFFFF_FFFF
"""The part of a journey that holds its orders; its chunks are numbered from 0."""

ROW: Final = struct.Struct("<QqIIB")
"""A touch: hash of its event id, time, numbers of campaign and note, action."""
CHUNK_BYTES: Final = ROWS_PER_CHUNK * ROW.size
ACTIONS: Final = {
    action: number for number, action in enumerate(("view", "like", "comment", "collect", "cart"))
}


class Touch(msgspec.Struct, tag_field="type", tag="touch", gc=False):
    """Somebody did something with a note."""

    event_id: str
    person_id: str
    campaign_id: str
    note_id: str
    action: str
    time_ms: int


class Order(msgspec.Struct, tag_field="type", tag="order", gc=False):
    """Somebody bought something."""

    event_id: str
    person_id: str
    order_id: str
    item_id: str
    amount_fen: int
    time_ms: int


Orders = dict[str, tuple[int, int]]
"""Order id to time and amount."""

decode: Final = msgspec.json.Decoder(Touch | Order).decode
encode: Final = msgspec.msgpack.Encoder().encode
decode_orders: Final = msgspec.msgpack.Decoder(Orders).decode


class Journey:
    """The last touches as packed rows in closed chunks, of which ``first`` is the number of the oldest; the orders."""

    __slots__ = ("chunks", "first", "orders")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.first = 0
        self.orders: Orders | None = None


class JourneyCodec:
    """A journey in the changelog: a part per chunk, one for the orders."""

    def parts(self, value: Journey) -> Iterable[int]:
        """The chunks' numbers, and the orders' if there are any."""
        chunks = range(value.first, value.first + len(value.chunks))
        return [*chunks, ORDERS_PART] if value.orders else chunks

    def encode(self, value: Journey, part: int) -> bytes | None:
        """A chunk or the orders; nothing for a chunk that was dropped."""
        if part == ORDERS_PART:
            return encode(value.orders)
        return value.chunks[part - value.first] if part >= value.first else None

    def assemble(self, parts: dict[int, bytes]) -> Journey:
        """The journey of all its parts."""
        journey = Journey()
        orders = parts.pop(ORDERS_PART, None)
        if orders is not None:
            journey.orders = decode_orders(orders)
        journey.first = min(parts, default=0)
        journey.chunks = [parts[number] for number in sorted(parts)]
        return journey


class StageOne:
    """The work of one task."""

    def __init__(self, task: Task, partitions: int) -> None:
        self._task = task
        self._partitions = partitions
        self._journeys = task.store("journeys")
        self._number_store = task.store("numbers")
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._counts: defaultdict[tuple[str, int, str], int] = defaultdict(int)

    def opened(self, last_offset: int) -> None:
        """Bring back the numbers of names."""
        del last_offset
        numbered = {
            int.from_bytes(number, "little"): name.decode() for name, number in self._number_store.items()
        }
        self._names = [numbered[number] for number in range(len(numbered))]
        self._numbers = {name: number for number, name in enumerate(self._names)}

    def process(self, batch: Batch) -> None:
        """Put every record into its journey."""
        get = self._journeys.get
        for record in batch.records:
            key = record.key
            event = decode(record.value)  # type: ignore[arg-type]  # this job's records have keys and values
            journey = get(key)  # type: ignore[arg-type]
            if journey is None:
                journey = Journey()
                self._journeys.add(key, journey)  # type: ignore[arg-type]
            if type(event) is Touch:
                self._touch(key, journey, event)  # type: ignore[arg-type]
            else:
                self._order(key, journey, event)  # type: ignore[arg-type]

    def _touch(self, key: bytes, journey: Journey, event: Touch) -> None:
        numbers, chunks = self._numbers, journey.chunks
        campaign = numbers.get(event.campaign_id)
        if campaign is None:
            campaign = self._number(event.campaign_id)
        note = numbers.get(event.note_id)
        if note is None:
            note = self._number(event.note_id)
        event_hash = xxh3_64_intdigest(event.event_id.encode())
        row = ROW.pack(event_hash, event.time_ms, campaign, note, ACTIONS[event.action])
        hash_bytes = row[:8]
        for chunk in chunks:
            if hash_bytes in chunk:
                return
        if chunks and len(chunks[-1]) < CHUNK_BYTES:
            chunks[-1] += row
        else:
            chunks.append(row)
            if len(chunks) > CHUNKS_MAX:
                self._journeys.mark((key, journey.first))
                del chunks[0]
                journey.first += 1
        self._journeys.mark((key, journey.first + len(chunks) - 1))
        self._counts[event.campaign_id, event.time_ms // MINUTE_MS, event.action] += 1

    def _order(self, key: bytes, journey: Journey, event: Order) -> None:
        orders = journey.orders
        if orders is None:
            orders = journey.orders = {}
        if event.order_id in orders:
            return
        campaign_id = self._last_touch(journey, event.time_ms)
        orders[event.order_id] = (event.time_ms, event.amount_fen)
        if len(orders) > ORDERS_MAX:
            del orders[next(iter(orders))]
        self._journeys.mark((key, ORDERS_PART))
        minute = event.time_ms // MINUTE_MS
        self._counts[campaign_id, minute, "pay"] += 1
        self._counts[campaign_id, minute, "gmv"] += event.amount_fen
        campaign = campaign_id.encode()
        attribution = b'{"order":"%b","campaign":"%b","amount":%d}' % (
            event.order_id.encode(),
            campaign,
            event.amount_fen,
        )
        self._task.send(ATTRIBUTION_TOPIC, partition_of(campaign, self._partitions), campaign, attribution)

    def _last_touch(self, journey: Journey, time_ms: int) -> str:
        """The campaign of the last touch in the window, ``-`` for none."""
        last_ms, last_campaign = -1, -1
        for chunk in journey.chunks:
            for _, touch_ms, campaign, _, _ in ROW.iter_unpack(chunk):
                if time_ms - WINDOW_MS <= touch_ms <= time_ms and touch_ms > last_ms:
                    last_ms, last_campaign = touch_ms, campaign
        return "-" if last_campaign < 0 else self._names[last_campaign]

    def _number(self, name: str) -> int:
        number = self._numbers[name] = len(self._names)
        self._names.append(name)
        self._number_store.put(name.encode(), number.to_bytes(4, "little"))
        return number

    def tick(self, now_ms: int) -> None:
        """There is no timed work."""

    def prepare(self) -> None:
        """One delta per campaign and commit."""
        rows: defaultdict[str, list[tuple[int, str, int]]] = defaultdict(list)
        for (campaign_id, minute, what), count in self._counts.items():
            rows[campaign_id].append((minute, what, count))
        self._counts.clear()
        for campaign_id, changes in rows.items():
            key = campaign_id.encode()
            self._task.send(DELTA_TOPIC, partition_of(key, self._partitions), key, encode(changes))

    def committed(self, last_offset: int | None) -> None:
        """Nothing follows a commit."""

    async def close(self) -> None:
        """Nothing is held open."""


def create(settings: Settings) -> Any:
    """The Faust app of the job, its clients set as those of `streams.app`."""
    engine = Engine(
        EngineOptions(
            group_id=settings.application_id,
            commit_interval_s=settings.commit_interval_ms / 1000,
            buffer_records_max=settings.buffer_records_max,
            client_options={"bootstrap_servers": settings.kafka_bootstrap_servers},
        )
    )
    app = EngineApp(
        settings.application_id,
        engine=engine,
        broker=f"kafka://{settings.kafka_bootstrap_servers}",
        broker_max_poll_records=4_000,
        broker_session_timeout=settings.session_timeout_ms / 1000,
        broker_heartbeat_interval=2.0,
        consumer_group_instance_id=settings.instance,
        consumer_max_fetch_size=1_000_000,
        stream_buffer_maxsize=16,
    )
    tables = [
        app.Table("journeys", codec=JourneyCodec(), tag=b"j"),
        app.Table("numbers", codec=BytesCodec(), tag=b"n"),
    ]

    def processor(task: Task) -> StageOne:
        return StageOne(task, int(app.consumer.partition_count(TOUCH_TOPIC)))

    stage = Stage("journeys", (TOUCH_TOPIC, ORDER_TOPIC), tables, CHANGELOG, processor)
    engine.add(stage)
    _start_agent(app, engine, stage)
    app.transport = BatchTransport(
        app.conf.broker,
        app,
        stage_of_topic=dict.fromkeys(stage.topics, stage.name),
        relayed_topics=(),
        fetch_options={
            "fetch_max_wait_ms": settings.fetch_max_wait_ms,
            "fetch_min_bytes": settings.fetch_min_bytes,
        },
    )
    return app


def _start_agent(app: Any, engine: Engine, stage: Stage) -> None:
    async def agent(stream: Any) -> None:
        await engine.run(stage, stream)

    app.agent(app.topic(*stage.topics, acks=False), name=stage.name)(agent)


def main() -> None:
    """Run the job until SIGTERM."""
    settings = Settings.load(os.environ)
    gc.disable()
    prometheus_client.start_http_server(settings.metrics_port, settings.metrics_host)
    faust.Worker(
        create(settings), loglevel="warning", redirect_stdouts=False, logging_config=None
    ).execute_from_commandline()


if __name__ == "__main__":
    main()
